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

#[test]
fn no_setting_has_the_name_of_a_variable_of_the_script() {
    let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let read = COMMON.split('$').skip(1).map(|text| {
        let text = text.strip_prefix('{').unwrap_or(text);
        text.chars().take_while(is_part).collect::<String>()
    });
    // awk reads `$1`, and the shell sets this variable for `az` alone.
    let names = read
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .chain(["AZURE_STORAGE_CONNECTION_STRING".to_owned()]);
    let names: Vec<_> = names.collect();
    for part in ["CATCH_UP_STATE", "CATCH_UP_AGAIN_SECONDS", "etag"] {
        assert!(names.iter().any(|name| name == part), "{part}");
    }
    for name in names {
        assert!(setting(&name).is_err(), "{name}");
    }
}
