//! Texts that users of `cargo xtask` see, compared with snapshots.
//!
//! Owns the help, and the list of the parts. Must not know why a text is as it is.

mod deployment;
mod errors;
mod images;

use scorebox_tests::place;
use scorebox_tests::snapshot::{Snapshots, check_help};

#[test]
fn the_help_of_every_command() {
    let mut snapshots = Snapshots::of("packager/help");
    check_help(&mut snapshots, &place::xtask(), "xtask", &[]);
    snapshots.finish();
}
