//! The fuzz target `open_inference`: any bytes as a request of the Open Inference Protocol in JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::open_inference::check(bytes));
