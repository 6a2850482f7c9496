//! Tests of the checks of registries, repositories, tags and digests.

use super::*;

type Check = fn(&str, &str) -> Result<(), Problem>;

#[track_caller]
fn accept(check: Check, texts: &[&str]) {
    for text in texts {
        assert_eq!(check("it", text), Ok(()), "{text}");
    }
}

#[track_caller]
fn refuse(check: Check, cases: &[(&str, &str, &str)]) {
    for (text, reason, fix) in cases {
        let problem = check("it", text).unwrap_err();
        assert!(problem.problem.contains(reason), "{text:?}: {problem}");
        assert!(problem.fix.contains(fix), "{text:?}: {problem}");
    }
}

#[test]
fn registries() {
    accept(
        registry,
        &[
            "contoso.azurecr.io",
            "localhost",
            "127.0.0.1:5000",
            "[::1]:5000",
            "[::1]",
            "a:1",
        ],
    );
    refuse(
        registry,
        &[
            ("", "has 0 characters", "write the host name"),
            ("contoso", "neither a dot nor a port", "contoso.azurecr.io"),
            (
                "https://r.io/v2/",
                "begins with `https://`",
                "the host alone: `r.io`",
            ),
            ("r.io/team", "has a path, `/team`", "the host alone: `r.io`"),
            ("me@r.io", "has a user name", "--username"),
            ("r.io:", "has the port ``", "1 to 65535"),
            ("r.io:abc", "has the port `abc`", "1 to 65535"),
            ("r.io:+80", "has the port `+80`", "1 to 65535"),
            ("r.io:70000", "has the port `70000`", "1 to 65535"),
            ("::1", "more than one `:`", "[::1]:5000"),
            ("[::x]", "not an IPv6 address", "write the host name"),
            (
                "r .io",
                "has a space as its character 2",
                "write the host name",
            ),
            (
                "r_1.io",
                "has `_` as its character 2",
                "write the host name",
            ),
            (
                "r\u{2028}.io",
                "has `\\u{2028}` as its character 2",
                "write",
            ),
            ("-r.io", "begins or ends with `-`", "write the host name"),
            ("r..io", "is empty", "write the host name"),
        ],
    );
}

#[test]
fn repositories() {
    accept(
        repository,
        &[
            "a",
            "scoring/credit_risk-2.0",
            "a--b/c__d",
            &"a".repeat(255),
        ],
    );
    refuse(
        repository,
        &[
            ("", "has 0 characters", "1 to 255"),
            (&"a".repeat(256), "has 256 characters", "1 to 255"),
            (
                "Scoring/Digits",
                "capital letter `S` as its character 1",
                "`scoring/digits`",
            ),
            (
                "a b",
                "has a space as its character 2",
                "lower-case letters",
            ),
            ("risk:1.0", "has `:` as its character 5", "without a tag"),
            ("risk@sha256", "has `@`", "without a tag"),
            ("jürgen", "has `ü` as its character 2", "lower-case letters"),
            (
                &"ü".repeat(200),
                "has `ü` as its character 1",
                "lower-case letters",
            ),
            ("a//b", "has an empty part", "lower-case letters"),
            ("/a", "has an empty part", "lower-case letters"),
            ("a/-b", "the part `-b`", "lower-case letters"),
            ("a_", "the part `a_`", "lower-case letters"),
            ("a..b", "has `..`", "lower-case letters"),
            ("a___b", "has `___`", "lower-case letters"),
            ("a.-b", "has `.-`", "lower-case letters"),
        ],
    );
}

#[test]
fn tags() {
    accept(tag, &["1.4.0", "_x", "latest", &"a".repeat(128)]);
    refuse(
        tag,
        &[
            ("", "has 0 characters", "1 to 128"),
            (&"a".repeat(129), "has 129 characters", "1 to 128"),
            (&"ü".repeat(100), "has `ü` as its character 1", "1 to 128"),
            (".a", "begins with `.`", "letters, digits"),
            ("-a", "begins with `-`", "letters, digits"),
            ("a b", "has a space as its character 2", "letters, digits"),
            (
                "1.0.0+b.7",
                "has `+` as its character 6",
                "write `1.0.0_b.7`",
            ),
            ("a+b", "has `+` as its character 2", "letters, digits"),
        ],
    );
}

#[test]
fn a_version_becomes_a_tag_as_in_helm() {
    for (version, tag) in [
        ("0.1.0+build.7", "0.1.0_build.7"),
        ("v1.0.0-rc.1+5", "v1.0.0-rc.1_5"),
        ("2.1+cpu", "2.1_cpu"),
        ("1.4.0", "1.4.0"),
        ("a+b", "a+b"),
        ("1.0 + x", "1.0 + x"),
        ("", ""),
    ] {
        assert_eq!(tag_of_version(version), tag);
    }
}

#[test]
fn digests() {
    let digits = "0a".repeat(32);
    accept(digest, &[&format!("sha256:{digits}")]);
    refuse(
        digest,
        &[
            ("0a0b", "does not name its algorithm", "sha256:"),
            ("sha512:0a", "algorithm `sha512`", "sha256:"),
            ("sha256:0a", "has 2 digits", "64"),
            (
                "sha256:0A",
                "the capital letter `A` as its character 2",
                "64",
            ),
            (&format!("sha256:{digits}0"), "has 65 digits", "64"),
        ],
    );
}
