//! Rules for `Cargo.toml`: which crate may depend on which, and why.
//!
//! Owns the direction of dependencies between crates. Must not know what the code does with them.

use super::finding::Finding;

/// Folder or `Cargo.toml` of each crate, with the crates on which it must not depend and the
/// reason.
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "host/",
        &[
            "scorebox-guest",
            "scorebox-packager",
            "scorebox-workspace",
            "xtask",
            "oci-client",
            "reqwest",
        ],
        "the host knows no guest crate and no registry",
    ),
    (
        "host/text/",
        &["scorebox-manifest", "scorebox-store", "tokio", "wasmtime"],
        "text is below everything else",
    ),
    (
        "host/store/",
        &["axum", "scorebox-host", "scorebox-manifest", "wasmtime"],
        "stores know neither WebAssembly nor who asks",
    ),
    (
        "host/manifest/",
        &[
            "axum",
            "redis",
            "rustls",
            "scorebox-host",
            "tokio",
            "wasmtime",
        ],
        "every tool reads a manifest, without a runtime, TLS or an engine",
    ),
    (
        "host/python/",
        &[
            "axum",
            "redis",
            "scorebox-host",
            "scorebox-manifest",
            "scorebox-store",
        ],
        "scripts know neither who asks nor what answers them",
    ),
    (
        "guest/",
        &[
            "scorebox-host",
            "scorebox-packager",
            "scorebox-workspace",
            "xtask",
            "oci-client",
            "reqwest",
        ],
        "a guest knows the contract alone",
    ),
    ("host/pages/", HEAVY, CHORES),
    ("xtask/Cargo.toml", HEAVY, CHORES),
    ("xtask/workspace/", HEAVY, CHORES),
    (
        "xtask/packager/",
        &["scorebox-trials", "xtask"],
        "the packager knows neither the repository's chores nor measurements",
    ),
];

/// Crates that take long to compile or need a C compiler. The crates from which `cargo xtask tidy`
/// is built must not depend on them.
const HEAVY: &[&str] = &[
    "scorebox-host",
    "scorebox-packager",
    "scorebox-trials",
    "oci-client",
    "reqwest",
    "rustls",
    "tokio",
    "wasmtime",
    "zstd",
];
const CHORES: &str =
    "`cargo xtask tidy` is compiled from nothing in two minutes, without a C compiler";

/// Checks the dependencies in one `Cargo.toml`. `file` is the path relative to the workspace's
/// root, and `text` is the content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut previous = "";
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            section = trimmed.trim_matches(['[', ']']);
        } else if let Some(name) = dependency(section, trimmed) {
            for (folder, banned, why) in BANNED {
                if file.starts_with(folder) && banned.contains(&name) {
                    findings.push(Finding::new(
                        file,
                        index + 1,
                        format!("depends on `{name}`"),
                        *why,
                    ));
                }
            }
            let explained = previous.starts_with('#') || after_value(trimmed).contains('#');
            if section == "workspace.dependencies" && !explained {
                let fix = "say in a comment behind or above it what it is for";
                findings.push(Finding::new(
                    file,
                    index + 1,
                    format!("`{name}` has no reason"),
                    fix,
                ));
            }
        }
        previous = trimmed;
    }
    findings
}

/// Path of the `Cargo.toml` of the SDK `scorebox-guest`. It states all versions itself, and
/// inherits nothing from the workspace.
pub const SDK: &str = "guest/Cargo.toml";

/// Checks that the versions in the SDK's `Cargo.toml` are those of the workspace. `sdk` and
/// `workspace` are the texts of the two files. Keys that only the SDK has are not compared.
pub fn check_sdk(sdk: &str, workspace: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in sdk.lines().enumerate() {
        let Some((key, own)) = stated(line) else {
            continue;
        };
        let theirs = workspace.lines().filter_map(stated);
        let theirs = theirs.filter(|(other, _)| *other == key).map(|(_, it)| it);
        let differs = theirs.clone().next().is_some() && !theirs.clone().any(|it| it == own);
        if differs {
            findings.push(Finding::new(
                SDK,
                index + 1,
                format!("`{key}` is {own}, and the workspace has another one"),
                "write the version of the root's Cargo.toml",
            ));
        }
    }
    findings
}

/// Returns the key of a line `key = value` of a `Cargo.toml` and the first string in the value,
/// e.g. the name and the version of a dependency. Returns `None` if the line does not have this
/// form, if the value has no string, or if the string has no digit.
fn stated(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(" = ")?;
    let is_key = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let value = value.split('"').nth(1)?;
    (is_key && value.contains(|c: char| c.is_ascii_digit())).then_some((key, value))
}

/// Returns the name of the dependency that a line of a `Cargo.toml` declares. Returns `None` if the
/// line does not declare a dependency. `section` is the name of the line's section.
fn dependency<'a>(section: &str, line: &'a str) -> Option<&'a str> {
    if !section.ends_with("dependencies") || line.starts_with(['#', '"', ']', '}']) {
        return None;
    }
    let (name, _) = line.split_once('=')?;
    name.trim().split('.').next()
}

/// Returns the part of a line of a `Cargo.toml` in which a comment is looked for. It contains a `#`
/// only if the line has a comment.
fn after_value(line: &str) -> &str {
    line.rfind(['"', '}', ']'])
        .and_then(|end| line.get(end..))
        .map_or_else(
            || line,
            // A comment may hold quotes itself; then it starts before the last one.
            |rest| {
                if rest.contains('#') {
                    rest
                } else {
                    comment(line)
                }
            },
        )
}

fn comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(at..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    fn lines(file: &str, text: &str) -> Vec<usize> {
        super::check(file, text)
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn the_sdk_has_the_versions_of_the_workspace() {
        let workspace = "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                         [workspace.dependencies]\nserde = { version = \"1\" }\nlog = \"=0.4.1\"\n";
        let check = |sdk: &str, expected: &[usize]| {
            let findings = super::check_sdk(sdk, workspace);
            let lines: Vec<_> = findings.iter().map(|finding| finding.line).collect();
            assert_eq!(lines, expected, "{sdk}");
        };
        check("version = \"0.1.0\"\nname = \"scorebox-guest\"\n", &[]);
        check(
            "serde = { version = \"1\", features = [\"derive\"] }\n",
            &[],
        );
        check(
            "version = \"0.1.1\"\nlog = \"=0.4.2\"\nown = \"3\"\n",
            &[1, 2],
        );
    }

    #[test]
    fn direction_and_reasons_are_checked() {
        let check = |file: &str, text: &str, expected: &[usize]| {
            assert_eq!(lines(file, text), expected, "{text}")
        };
        check(
            "host/Cargo.toml",
            "[dependencies]\nreqwest.workspace = true\nserde.workspace = true\n",
            &[2],
        );
        check(
            "host/Cargo.toml",
            "[dev-dependencies]\nscorebox-guest = { path = \"../guest\" }\n",
            &[2],
        );
        check(
            "host/manifest/Cargo.toml",
            "[dependencies]\nscorebox-text.workspace = true\ntokio.workspace = true\n",
            &[3],
        );
        check(
            "xtask/Cargo.toml",
            "[dependencies]\nclap.workspace = true\nscorebox-packager.workspace = true\n",
            &[3],
        );
        check(
            "xtask/packager/Cargo.toml",
            "[dependencies]\nreqwest.workspace = true\n",
            &[],
        );
        check(
            "Cargo.toml",
            "[workspace.dependencies]\na = \"1\" # Reads \"x\".\nb = \"2\"\n",
            &[3],
        );
        check(
            "Cargo.toml",
            "[workspace.dependencies]\n# Reads x.\na = \"1\"\nb = \"#2\"\n",
            &[4],
        );
        check("Cargo.toml", "[profile.release]\nstrip = true\n", &[]);
    }
}
