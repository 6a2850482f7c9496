//! The number of cases in tests that would take long, in a short run and in a whole run.
//!
//! Owns the choice between the short form, which every run tries, and the whole, which
//! `cargo xtask test --long` tries. Must not know the tests.

/// Environment variable that turns the short forms of the tests off, if its value is 1. `cargo
/// xtask test --long` sets it.
const LONG_VARIABLE: &str = "SCOREBOX_LONG";

/// Returns true if the tests try all of their cases, and not the short form.
#[must_use]
pub fn is_whole() -> bool {
    std::env::var_os(LONG_VARIABLE).is_some_and(|value| value == "1")
}

/// Returns `whole` if the tests try all of their cases, or else `short`.
#[must_use]
pub fn of<T>(short: T, whole: T) -> T {
    if is_whole() { whole } else { short }
}
