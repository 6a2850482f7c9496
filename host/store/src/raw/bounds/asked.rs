//! Limits on what the Redis commands of one call may ask for together.
//!
//! Owns the sums over these commands. Must not know which argument of a command asks for what.

use crate::VALUE_LIMIT_BYTES;
use crate::raw::CommandError;

/// Maximum number of items that one Redis command of a scorer may ask for, such as the members of
/// `SRANDMEMBER` or the entries of `XRANGE`.
pub const COUNT_LIMIT: u64 = 1 << 16;

/// Maximum number of items that all Redis commands in one call of a scorer may ask for together. A
/// reply cannot hold more values.
pub const CALL_COUNT_LIMIT: u64 = 1 << 20;

/// Maximum size of the memory that all Redis commands in one call of a scorer together may make the
/// server reserve, in bytes. A command reserves memory by an offset or a size, such as the offset
/// of `SETRANGE`.
pub const CALL_GROWTH_BYTES: u64 = 64 << 20;

/// Maximum number of Redis commands in one call of a scorer that combine or copy stored data.
pub const HEAVY_LIMIT: usize = 64;

/// Sums over the Redis commands in one call of a scorer so far: the items that they ask for, the
/// memory that they make the server reserve, and the number of commands that combine or copy data.
#[derive(Debug, Default)]
pub struct Asked {
    pub(super) items: u64,
    pub(super) growth_bytes: u64,
    pub(super) heavy: usize,
}

impl Asked {
    pub(super) fn items(&mut self, name: &str, count: Option<i64>) -> Result<(), CommandError> {
        let count = count.map_or(0, i64::unsigned_abs);
        if count > COUNT_LIMIT {
            return Err(CommandError::Denied(format!(
                "{name} asks for {count} items, and a command asks for at most {COUNT_LIMIT}"
            )));
        }
        self.items += count;
        if self.items > CALL_COUNT_LIMIT {
            return Err(CommandError::Denied(format!(
                "the commands of a call ask for at most {CALL_COUNT_LIMIT} items together"
            )));
        }
        Ok(())
    }

    pub(super) fn grows(&mut self, name: &str, bytes: Option<u64>) -> Result<(), CommandError> {
        let bytes = bytes.unwrap_or_default();
        if bytes > VALUE_LIMIT_BYTES as u64 {
            return Err(CommandError::Denied(format!(
                "{name} makes a value of {bytes} bytes, and a value has at most {VALUE_LIMIT_BYTES}"
            )));
        }
        self.growth_bytes += bytes;
        if self.growth_bytes > CALL_GROWTH_BYTES {
            return Err(CommandError::Denied(format!(
                "the commands of a call reserve at most {CALL_GROWTH_BYTES} bytes together by offsets"
            )));
        }
        Ok(())
    }
}
