//! The fuzz target `envelope`: any bytes as the body of an invocation.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::envelope::check(bytes));
