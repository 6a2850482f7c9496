//! The fuzz target `function_json`: any bytes as a `function.json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::function_json::check(bytes));
