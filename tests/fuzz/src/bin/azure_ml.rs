//! The fuzz target `azure_ml`: any bytes as a body in Azure ML's format.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::azure_ml::check(bytes));
