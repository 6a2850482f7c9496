//! Tests of `args`.

use clap::CommandFactory as _;

use super::*;

#[test]
fn command_line_is_consistent() {
    Cli::command().debug_assert();
}
