//! The fuzz target `numpy`: any bytes as an `.npy` file or an `.npz` archive.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scorebox_fuzz::numpy::check(bytes));
