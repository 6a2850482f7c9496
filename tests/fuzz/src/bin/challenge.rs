//! The fuzz target `challenge`: any bytes as a body in Azure ML's format.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::challenge::check(bytes));
