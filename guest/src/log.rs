//! Lines for the operator's log: macros over wasi:logging, from [`trace!`](trace) to
//! [`critical!`](critical).
//!
//! Owns the form of the macros: they take the arguments of `format!`, and the context of a line is
//! the path of the module that logs it. Must not know where lines go. The host adds the id of the
//! call to each line, and writes what the scorer prints to the same log.
//!
//! ```no_run
//! use scorebox_guest::log;
//!
//! log::warn!("the model has {} classes", 11);
//! ```

use std::fmt::Arguments;

use crate::imports::logging as wit;

pub use wit::Level;

#[doc(inline)]
pub use crate::{
    __log_critical as critical, __log_debug as debug, __log_error as error, __log_info as info,
    __log_trace as trace, __log_warn as warn,
};

/// Writes one line to the operator's log. `context` groups lines, e.g. by the name of a module. The
/// host cuts long lines, and drops lines beyond its limit for a call.
///
/// ```
/// use scorebox_guest::log::{self, Level};
///
/// log::write(Level::Info, "weights", format_args!("{} tensors", 2));
/// ```
pub fn write(level: Level, context: &str, message: Arguments<'_>) {
    match message.as_str() {
        Some(message) => wit::log(level, context, message),
        None => wit::log(level, context, &message.to_string()),
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::$level, ::std::module_path!(), ::std::format_args!($($message)+))
    };
}

/// Logs a line about a step of a computation, at the level `trace`, which is off by default.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($message:tt)+) => { $crate::__log!(Trace, $($message)+) };
}

/// Logs a line that helps the author during development, at the level `debug`, which is off by
/// default.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($message:tt)+) => { $crate::__log!(Debug, $($message)+) };
}

/// Logs a line about normal operation, at the level `info`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($message:tt)+) => { $crate::__log!(Info, $($message)+) };
}

/// Logs a problem that should be looked at but does not end the call, at the level `warn`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($message:tt)+) => { $crate::__log!(Warn, $($message)+) };
}

/// Logs the reason why a call failed, at the level `error`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($message:tt)+) => { $crate::__log!(Error, $($message)+) };
}

/// Logs a problem that affects the scorer as a whole and not only one call, at the level
/// `critical`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_critical {
    ($($message:tt)+) => { $crate::__log!(Critical, $($message)+) };
}
