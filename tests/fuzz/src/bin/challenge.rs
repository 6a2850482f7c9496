//! The fuzz target `challenge`: any bytes as `WWW-Authenticate` headers of a registry, one in each
//! line.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::challenge::check(bytes));
