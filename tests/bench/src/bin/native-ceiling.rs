//! Ceiling.
fn main() {}
