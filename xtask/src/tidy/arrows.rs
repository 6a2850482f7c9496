//! The dependencies between the modules of the host: the rule that states which modules a module
//! may use.
//!
//! Owns the table, from the lowest module to the highest. Must not know how a use is found.

use super::finding::Finding;
use super::layers::{before_tests, mentions};
use super::source_text::views;

/// Folder of the host's modules, relative to the workspace's root.
const ROOT: &str = "host/src/";

/// Names of the host's modules that are separate crates, each with the name of its crate. The
/// `Cargo.toml` of each crate states what it may use.
const CRATES: &[(&str, &str)] = &[
    ("manifest", "scorebox_manifest"),
    ("redis", "scorebox_store"),
    ("text", "scorebox_text"),
];

/// Each module of the host with the modules that it may use. A module comes after every module that
/// it may use, so there are no circular uses.
const ARROWS: &[(&str, &[&str])] = &[
    ("container", &[]),
    ("text", &[]),
    ("timer", &[]),
    ("panics", &["text"]),
    ("redis", &["text"]),
    ("manifest", &["redis", "text"]),
    ("error", &["manifest", "text"]),
    ("access", &["error"]),
    ("offload", &["panics"]),
    ("machine", &["error", "panics"]),
    ("sizing", &["container", "manifest"]),
    ("engine", &["error"]),
    ("model", &["error"]),
    ("tensor", &["manifest", "model", "text"]),
    (
        "graph",
        &[
            "error", "manifest", "model", "sizing", "tensor", "text", "timer",
        ],
    ),
    (
        "deployment",
        &["access", "error", "graph", "manifest", "redis"],
    ),
    ("telemetry", &["deployment", "error", "text"]),
    (
        "stores",
        &["deployment", "error", "machine", "manifest", "redis"],
    ),
    ("precompiled", &["engine", "error", "manifest"]),
    ("compiled_cache", &["deployment", "text"]),
    (
        "component",
        &[
            "compiled_cache",
            "deployment",
            "error",
            "manifest",
            "precompiled",
            "text",
        ],
    ),
    ("packaged", &["component", "error", "manifest", "model"]),
    (
        "capability",
        &[
            "engine", "graph", "model", "offload", "redis", "tensor", "text",
        ],
    ),
    ("call", &["capability", "text"]),
    (
        "codec",
        &["call", "error", "manifest", "model", "tensor", "text"],
    ),
    (
        "scorer",
        &[
            "call",
            "capability",
            "codec",
            "component",
            "engine",
            "error",
            "graph",
            "manifest",
            "model",
            "offload",
            "panics",
            "sizing",
            "tensor",
            "text",
            "timer",
        ],
    ),
    ("trigger", &["call", "error", "text"]),
    (
        "functions",
        &["call", "codec", "error", "manifest", "text", "trigger"],
    ),
    (
        "sample",
        &["call", "codec", "error", "graph", "manifest", "scorer"],
    ),
    (
        "app",
        &[
            "capability",
            "component",
            "deployment",
            "engine",
            "error",
            "functions",
            "graph",
            "machine",
            "manifest",
            "model",
            "packaged",
            "redis",
            "sample",
            "scorer",
            "sizing",
            "stores",
            "tensor",
            "text",
        ],
    ),
    (
        "packaging",
        &[
            "app",
            "component",
            "engine",
            "error",
            "machine",
            "manifest",
            "model",
            "packaged",
            "precompiled",
            "scorer",
        ],
    ),
    (
        "server",
        &[
            "access",
            "app",
            "call",
            "codec",
            "error",
            "functions",
            "manifest",
            "model",
            "panics",
            "scorer",
            "sizing",
            "tensor",
            "text",
            "timer",
            "trigger",
        ],
    ),
];

/// Checks which other modules one file of the host uses, and returns a finding for each use that
/// the table of allowed uses does not contain. `main.rs`, `lib.rs` and the commands may use every
/// module. Files named `tests.rs` are not checked, and neither are the unit tests in a file and the
/// code after them. For a module that is not in the table, only one finding is returned, which says
/// so. `file` is the path relative to the workspace's root, and `text` is the content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let Some(path) = file.strip_prefix(ROOT) else {
        return Vec::new();
    };
    let module = path
        .split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs");
    if file.ends_with("/tests.rs") || matches!(module, "main" | "lib" | "command") {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        let fix = "add the module, and what it may use, to the table in tidy/arrows.rs";
        return vec![Finding::new(
            file,
            1,
            format!("the module `{module}` is unknown"),
            fix,
        )];
    };
    let is_banned = |name: &str| name != module && !allowed.contains(&name);
    let modules = ARROWS
        .iter()
        .map(|(name, _)| (*name, format!("crate::{name}")));
    let crates = CRATES.iter().map(|(name, own)| (*name, (*own).to_owned()));
    let banned: Vec<String> = modules
        .chain(crates)
        .filter(|(name, _)| is_banned(name))
        .map(|(_, path)| path)
        .collect();
    let banned: Vec<&str> = banned.iter().map(String::as_str).collect();
    let code = views(text).code;
    mentions(before_tests(&code), &banned, false)
        .into_iter()
        .map(|(line, used)| {
            let what = format!("`{module}` uses `{used}`");
            let fix = "move what both need below them, or change the table in tidy/arrows.rs";
            Finding::new(file, line, what, fix)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ARROWS, check};

    #[test]
    fn no_arrow_runs_upward() {
        for (index, (module, allowed)) in ARROWS.iter().enumerate() {
            for used in *allowed {
                let place = ARROWS.iter().position(|(name, _)| name == used);
                assert!(
                    place.is_some_and(|place| place < index),
                    "{module} -> {used}"
                );
            }
        }
    }

    #[test]
    fn uses_that_the_table_does_not_have_are_found() {
        let lines = |file, text| -> Vec<usize> {
            check(file, text)
                .into_iter()
                .map(|finding| finding.line)
                .collect()
        };
        assert_eq!(
            lines("host/src/scorer/pool.rs", "use crate::manifest::Limits;\n"),
            [0; 0]
        );
        assert_eq!(
            lines("host/src/model/mod.rs", "\nuse crate::manifest::Limits;\n"),
            [2]
        );
        assert_eq!(
            lines("host/src/scorer/pool.rs", "use scorebox_store::Store;\n"),
            [1]
        );
        assert_eq!(
            lines("host/src/scorer/pool.rs", "use scorebox_text::cut;\n"),
            [0; 0]
        );
        let grouped = "use crate::{call, server::Service};\n";
        assert_eq!(lines("host/src/scorer.rs", grouped), [1]);
        let in_tests = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::server;\n}\n";
        assert_eq!(lines("host/src/scorer.rs", in_tests), [0; 0]);
        assert_eq!(lines("host/src/novelty.rs", ""), [1]);
        assert_eq!(lines("host/src/main.rs", "use crate::server;\n"), [0; 0]);
    }
}
