//! Tests of the catch-up script.

use super::*;

#[test]
fn an_output_is_found_again_if_its_name_follows_from_the_blob() {
    for path in ["scored/{name}.json", "%OUT%/{Name}", "scored/{NAME}/%A%"] {
        assert!(is_found_again(path, "in/{name}.csv"), "{path}");
    }
    for path in [
        "scored/{rand-guid}-{name}",
        "scored/{name}-{DateTime:yyyy}",
        "scored/{name}{DATETIME}",
        "out-{name}/x",
        "scored/all",
        "scored/latest.json",
    ] {
        assert!(!is_found_again(path, "in/{name}.csv"), "{path}");
    }
}

#[test]
fn an_output_that_two_blobs_share_tells_nothing() {
    let blobs = "in/{day}/{Name}.csv";
    for path in [
        "out/{day}/{name}",
        "out/{name}-of-{DAY}.json",
        "out/{name}-%S%{day}",
    ] {
        assert!(is_found_again(path, blobs), "{path}");
    }
    for path in [
        "out/{name}",
        "out/{day}",
        "out/{day}{name}",
        "out/{day}%S%{name}",
        "out/x",
    ] {
        assert!(!is_found_again(path, blobs), "{path}");
    }
}

#[test]
fn settings_stand_between_two_percent_signs() {
    assert_eq!(parts("in/{name}").unwrap(), [("in/{name}", false)]);
    assert!(parts("").unwrap().is_empty());
    assert_eq!(
        parts("%IN%/a-%B%").unwrap(),
        [("IN", true), ("/a-", false), ("B", true)]
    );
    assert!(parts("100%/{name}").is_err());
    for name in ["", "A-B", "PATH", "path", "BLOBS_KEY"] {
        assert!(setting(name).is_err(), "{name}");
    }
}
