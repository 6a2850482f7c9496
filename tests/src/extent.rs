//! How much a test that is long by nature tries.
//!
//! Owns the choice between the short form, which every run tries, and the whole, which
//! `cargo xtask test --long` tries. Must not know the tests.

/// Variable that asks for the whole of every test. `cargo xtask test --long` sets it to 1.
const LONG_VARIABLE: &str = "SCOREBOX_LONG";

/// Returns true if the tests run as a whole.
#[must_use]
pub fn is_whole() -> bool {
    std::env::var_os(LONG_VARIABLE).is_some_and(|value| value == "1")
}

/// Returns `whole` if the tests run as a whole, else `short`.
#[must_use]
pub fn of<T>(short: T, whole: T) -> T {
    if is_whole() { whole } else { short }
}
