//! The fuzz target `manifest`: any bytes as a `scorebox.toml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::manifest::check(bytes));
