//! The fuzz target `safetensors`: any bytes as a safetensors file.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::safetensors::check(bytes));
