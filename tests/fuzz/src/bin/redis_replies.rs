//! The fuzz target `redis_replies`: any bytes as the replies of a Redis server.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::redis_replies::check(bytes));
