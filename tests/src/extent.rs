//! The number of cases in tests that would take long, in a short run and in a whole run.
//!
//! Owns the choice between the short form of a test, which has some of its cases, and the whole
//! test, which `cargo xtask test --long` runs. Must not know the tests.

/// Environment variable that makes the tests try all of their cases, if its value is 1. `cargo
/// xtask test --long` sets it.
const LONG_VARIABLE: &str = "SCOREBOX_LONG";

/// Returns true if the tests try all of their cases, and false if they try only some of them.
#[must_use]
pub fn is_whole() -> bool {
    std::env::var_os(LONG_VARIABLE).is_some_and(|value| value == "1")
}

/// Returns `whole` if the tests try all of their cases, or else `short`.
#[must_use]
pub fn of<T>(short: T, whole: T) -> T {
    if is_whole() { whole } else { short }
}
