//! The host on machines that lack something: a root file system with only the image's files, or no
//! free threads.
//!
//! Owns what such a machine lacks. Must not know how the host works without it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use scorebox_tests::app::{self, App};
use scorebox_tests::digits::{self, sample};
use scorebox_tests::host::{Host, scorebox_with_threads};
use scorebox_tests::{place, programs, require, run, skip};

/// Id of a user without a name and without other processes.
const NOBODY: &str = "61234";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn calls_are_answered_in_a_root_file_system_without_dev() {
    require!("chroot");
    if !is_root() {
        return skip::skip("changing the root takes root");
    }
    // An image on `scratch` holds only these files: no /dev, no /proc, no C library, no
    // certificates.
    let root = tempfile::tempdir().unwrap();
    // Another process copies the program. If this process copied it, a child that another test
    // forks meanwhile would keep the file open for writing.
    let mut copy = run::tool("cp");
    copy.arg(place::image_host())
        .arg(root.path().join("scorebox"));
    run::finish(&mut copy, b"").ended(0);
    app::copy(&place::example("digits"), &root.path().join("app"));
    let mut chroot = Command::new(place::tool("chroot").unwrap());
    chroot.env_clear().arg(root.path()).args([
        "/scorebox",
        "serve",
        "--app",
        "/app",
        "--port",
        "0",
    ]);
    let host = Host::spawn(chroot);
    host.log.wait_for_message("ready");
    // There are more requests than threads, so that each thread answers some.
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for digits in sample().chunks(10).take(8) {
                scope.spawn(|| {
                    let answer = host.score(&digits::request(digits)).expect(200);
                    // If the caller sends no id, the host draws a random one.
                    assert!(
                        answer
                            .header("x-request-id")
                            .is_some_and(|id| id.len() == 36)
                    );
                    digits::check(digits, &answer.json());
                });
            }
        });
    }
    assert!(!host.log.text().contains("panicked"), "{}", host.log.text());
    assert_eq!(host.stderr.text(), "");
    host.terminate();
    assert_eq!(host.wait_for_exit().code(), Some(0));
}

#[test]
fn a_machine_without_threads_to_spare_is_named_before_the_host_listens() {
    require!("setpriv", "prlimit");
    if !is_root() {
        return skip::skip("being another user takes root");
    }
    let app = App::of(programs::MIRROR);
    let mut command = scorebox_with_threads(2, NOBODY);
    command
        .args(["serve", "--port", "0", "--app"])
        .arg(app.path());
    let refused = run::finish(&mut command, b"");
    assert_eq!(refused.status.signal(), None, "{}", refused.stderr);
    let refused = refused.ended(1).said(&[
        "error: this machine has no threads: ",
        "could be started",
        "fix: raise",
    ]);
    assert!(
        !refused.stdout.contains("listening") && !refused.stdout.contains("panicked"),
        "{}",
        refused.stdout
    );
}
