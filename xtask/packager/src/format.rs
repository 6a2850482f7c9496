//! The format of a command's result on standard output.
//!
//! Owns the values of the flag that chooses the format. Must not know any command.

use clap::ValueEnum;

/// Format of a command's result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people to read.
    Text,
    /// One JSON object.
    Json,
}
