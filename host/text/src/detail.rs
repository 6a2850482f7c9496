//! Log lines of the levels `debug` and `trace` that the program's own code writes.
//!
//! Owns the mark in the target of such a line. Must not know filters or the form of a line.
//!
//! The crate `tracing` is built without events below the level `info`. Libraries have hundreds of
//! them, which nobody reads, and which would make the program larger by a fiftieth. So a line below
//! `info` is an event of the level `info` whose target begins with a mark: `debug|` or `trace|`.
//! The log takes the mark away, and filters and shows the line by its own level.

/// Level of a log line that is below `info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Level of lines that help to find the cause of a fault.
    Debug,
    /// Level of lines about single steps, with more detail than `debug`.
    Trace,
}

/// Returns the level and the target of a log line below the level `info`, given the target of its
/// event. Returns `None` for any other line.
#[must_use]
pub fn detail(target: &str) -> Option<(Detail, &str)> {
    if let Some(target) = target.strip_prefix("debug|") {
        return Some((Detail::Debug, target));
    }
    let target = target.strip_prefix("trace|")?;
    Some((Detail::Trace, target))
}

/// Logs a line of the level `debug`. Takes what `tracing::debug` takes, except that a target must
/// be a literal.
#[macro_export]
macro_rules! debug {
    (target: $target:expr, $($event:tt)+) => {
        ::tracing::info!(target: ::core::concat!("debug|", $target), $($event)+)
    };
    ($($event:tt)+) => {
        ::tracing::info!(
            target: ::core::concat!("debug|", ::core::module_path!()),
            $($event)+
        )
    };
}

/// Logs a line of the level `trace`. Takes a literal as the target, and then what `tracing::trace`
/// takes.
#[macro_export]
macro_rules! trace {
    (target: $target:expr, $($event:tt)+) => {
        ::tracing::info!(target: ::core::concat!("trace|", $target), $($event)+)
    };
}

#[cfg(test)]
mod tests {
    use super::{Detail, detail};

    #[test]
    fn a_mark_is_a_level_and_is_taken_away() {
        assert_eq!(detail("debug|scorer"), Some((Detail::Debug, "scorer")));
        assert_eq!(detail("trace|a::b"), Some((Detail::Trace, "a::b")));
        for target in ["scorer", "debug", "debug::x", "info|scorer", ""] {
            assert_eq!(detail(target), None, "{target}");
        }
    }
}
