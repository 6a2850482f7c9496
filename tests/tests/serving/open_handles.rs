//! Handles that a scorer keeps open, and handles that it drops: only open handles count towards the
//! limits of an instance.
//!
//! Owns the limit on the number of handles, and the limit on the bytes that handles of a
//! compare-and-swap hold. Must not know the handles of `wasi:nn`: those are in the area `models`,
//! in `graph_components/handles.rs`.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::programs;
use serde_json::{Value, json};

/// Settings with one instance, so that a handle that is not released stays open in every later
/// call.
const MANIFEST: &str = "model = \"model\"\n[stores.default]\ncommands = [\"@all\"]\n\
                        [limits]\ndeadline = \"60s\"\nmemory = \"256MiB\"\ninstances = 1\n";

/// Text of the error for handles of a compare-and-swap that hold more than 64 MiB.
const FULL: &str = "open cas handles hold at most 67108864 bytes; drop some";

const MIB: usize = 1 << 20;

fn holder() -> Host {
    let app = App::with(programs::HOLDER, MANIFEST);
    app.write_digits_model();
    Host::start(&app)
}

#[track_caller]
fn send(host: &Host, kind: &str, count: usize, hold: bool, bytes: usize) -> Answer {
    let deed = json!({ "open": kind, "count": count, "hold": hold, "bytes": bytes });
    host.score(&deed)
}

/// Asserts that a deed opens this many handles of the `count` that it tries to open, and that it
/// then ends with this error.
#[track_caller]
fn check(host: &Host, deed: (&str, usize, bool, usize), opened: usize, error: Option<&str>) {
    let (kind, count, hold, bytes) = deed;
    let answer = send(host, kind, count, hold, bytes).expect(200).json();
    let expected: Value = json!({ "opened": opened, "error": error });
    assert_eq!(answer, expected, "{deed:?}");
}

#[test]
fn open_handles_hold_64_mib_and_dropped_ones_hold_nothing() {
    let host = holder();
    for _ in 0..2 {
        // The key and the value of each snapshot have 1 MiB together.
        check(&host, ("snapshot", 64, true, MIB), 64, None);
        check(&host, ("snapshot", 65, true, MIB), 64, Some(FULL));
        check(&host, ("snapshot", 1000, false, MIB), 1000, None);
    }
    // Handles that are not as large as the limit are counted to the byte.
    check(&host, ("snapshot", 1000, true, 67_109), 999, Some(FULL));
    check(&host, ("snapshot", 1000, true, 67_108), 1000, None);
}

#[test]
fn a_swap_gives_back_the_bytes_of_its_handle_however_it_ends() {
    let host = holder();
    check(&host, ("swapped", 1000, false, MIB), 1000, None);
    check(&host, ("conflict", 1000, false, MIB), 1000, None);
    // Two handles of this size would fill the 64 MiB.
    check(&host, ("refused", 10, false, 31 * MIB), 10, None);
    // The handle that comes with a conflict counts like any other.
    check(&host, ("conflict", 64, true, MIB), 64, None);
    check(&host, ("conflict", 65, true, MIB), 64, Some(FULL));
    check(&host, ("outgrown", 63, true, MIB), 63, None);
    check(&host, ("outgrown", 64, true, MIB), 64, Some(FULL));
    check(&host, ("snapshot", 64, true, MIB), 64, None);
}

#[test]
fn ten_thousand_handles_may_be_open_and_any_number_may_be_dropped() {
    let host = holder();
    for kind in ["bucket", "connection", "tensor", "snapshot"] {
        check(&host, (kind, 10_500, false, 10), 10_500, None);
        check(&host, (kind, 9_990, true, 10), 9_990, None);
        let answer = send(&host, kind, 10_001, true, 10).expect_error(500, "trapped", &["id"]);
        host.log
            .wait_for_detail(&answer, "resource table has no free keys");
        // A new instance starts without handles.
        check(&host, (kind, 9_990, true, 10), 9_990, None);
    }
}
