//! Texts that users of `cargo xtask` see, compared with snapshots.
//!
//! Owns the help, and the list of the parts. Must not know why a text is as it is.

mod deployment;
mod errors;
mod images;

use std::process::Command;

use scorebox_tests::place;
use scorebox_tests::run;
use scorebox_tests::snapshot::{Snapshots, check_help_of, check_help_of_commands};

/// Commands that `cargo xtask` runs itself. It hands every other command to another program.
const CHORES: [&str; 4] = ["setup", "test", "fuzz", "tidy"];

#[test]
fn the_help_of_every_command() {
    let mut snapshots = Snapshots::of("packager/help");
    let mut all = Command::new(place::chores());
    let all = run::finish(all.env_clear().arg("--help"), b"").ended(0);
    assert_eq!(all.stderr, "", "help goes to standard output");
    snapshots.check("xtask", &all.stdout);
    check_help_of(&mut snapshots, &place::chores(), "xtask", &[], CHORES);
    check_help_of_commands(&mut snapshots, &place::xtask(), "xtask");
    check_help_of_commands(&mut snapshots, &place::trials(), "xtask");
    snapshots.finish();
}
