//! The fuzz target `open_inference_binary`: any bytes as a request of the Open Inference Protocol
//! with binary data.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::open_inference::check_binary(bytes));
