//! The dependencies between the modules of the packager: the rule that states which modules a
//! module may use.
//!
//! Owns the table, from the lowest module to the highest. Must not know how a use is found.

use super::finding::Finding;
use super::layers::{before_tests, mentions};
use super::source_text::views;

/// Folder of the packager's modules, relative to the workspace's root.
const ROOT: &str = "xtask/packager/src/";

/// Each module of the packager with the modules that it may use. A module comes after every module
/// that it may use, so there are no circular uses.
const ARROWS: &[(&str, &[&str])] = &[
    ("toolchain", &[]),
    ("component", &["toolchain"]),
    ("engine_library", &[]),
    ("folder", &[]),
    ("completions", &[]),
    ("format", &[]),
    ("intact", &[]),
    ("leash", &[]),
    ("shell", &[]),
    ("signing", &[]),
    ("sigstore_bundle", &["signing"]),
    ("skipped", &[]),
    ("staged", &[]),
    ("mlflow", &["shell"]),
    ("new", &["folder", "shell"]),
    ("manifest_file", &["mlflow"]),
    (
        "convert",
        &["folder", "format", "intact", "mlflow", "shell"],
    ),
    ("model", &["intact", "mlflow", "shell"]),
    ("python", &["convert", "manifest_file", "model", "shell"]),
    ("image", &["folder", "signing", "sigstore_bundle"]),
    ("installed", &["image"]),
    ("host_program", &["installed"]),
    ("forward", &["engine_library", "host_program", "installed"]),
    ("sample", &["forward", "manifest_file", "python"]),
    (
        "graph_trial",
        &["engine_library", "host_program", "leash", "model", "python"],
    ),
    ("functions_app", &["image"]),
    ("libraries", &["image"]),
    ("materials", &["host_program", "image", "installed"]),
    ("version", &["image", "installed", "materials"]),
    (
        "part",
        &["convert", "engine_library", "host_program", "python"],
    ),
    ("registry", &["image"]),
    (
        "app",
        &[
            "component",
            "folder",
            "functions_app",
            "graph_trial",
            "manifest_file",
            "mlflow",
            "model",
            "python",
            "staged",
        ],
    ),
    (
        "deploy",
        &["functions_app", "manifest_file", "registry", "shell"],
    ),
    ("identity", &["registry", "shell"]),
    ("outcome", &["format", "image", "registry"]),
    (
        "build",
        &[
            "app",
            "component",
            "forward",
            "functions_app",
            "graph_trial",
            "manifest_file",
            "python",
            "shell",
        ],
    ),
    (
        "inspect",
        &[
            "app",
            "format",
            "functions_app",
            "identity",
            "image",
            "registry",
            "signing",
            "sigstore_bundle",
            "skipped",
        ],
    ),
    (
        "doctor",
        &[
            "component",
            "deploy",
            "engine_library",
            "format",
            "functions_app",
            "graph_trial",
            "host_program",
            "identity",
            "image",
            "inspect",
            "manifest_file",
            "model",
            "registry",
            "shell",
            "staged",
        ],
    ),
    (
        "login",
        &["format", "identity", "manifest_file", "registry"],
    ),
    (
        "package",
        &[
            "app",
            "component",
            "engine_library",
            "format",
            "functions_app",
            "graph_trial",
            "host_program",
            "identity",
            "image",
            "libraries",
            "manifest_file",
            "materials",
            "outcome",
            "python",
            "registry",
            "shell",
            "signing",
        ],
    ),
    (
        "dist",
        &[
            "engine_library",
            "folder",
            "host_program",
            "image",
            "installed",
            "libraries",
            "materials",
            "signing",
        ],
    ),
    (
        "push",
        &["format", "identity", "image", "outcome", "registry"],
    ),
];

/// Checks which other modules one file of the packager uses, and returns a finding for each use
/// that the table of allowed uses does not contain. `main.rs`, `lib.rs` and `command_line.rs` may
/// use every module. Files named `tests.rs` are not checked, and neither are the unit tests in a
/// file and the code after them. For a module that is not in the table, only one finding is
/// returned, which says so. `file` is the path relative to the workspace's root, and `text` is the
/// content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let Some(path) = file.strip_prefix(ROOT) else {
        return Vec::new();
    };
    let module = path
        .split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs");
    if file.ends_with("/tests.rs") || matches!(module, "main" | "lib" | "command_line") {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        let fix = "add the module, and what it may use, to the table in tidy/packager_arrows.rs";
        return vec![Finding::new(
            file,
            1,
            format!("the module `{module}` is unknown"),
            fix,
        )];
    };
    let banned: Vec<String> = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(["command_line"])
        .filter(|name| *name != module && !allowed.contains(name))
        .map(|name| format!("crate::{name}"))
        .collect();
    let banned: Vec<&str> = banned.iter().map(String::as_str).collect();
    let code = views(text).code;
    mentions(before_tests(&code), &banned, false)
        .into_iter()
        .map(|(line, used)| {
            let what = format!("`{module}` uses `{used}`");
            let fix =
                "move what both need below them, or change the table in tidy/packager_arrows.rs";
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
        let push = "xtask/packager/src/push.rs";
        assert_eq!(lines(push, "use crate::registry::Target;\n"), [0; 0]);
        assert_eq!(lines(push, "use crate::package::PackageArgs;\n"), [1]);
        assert_eq!(lines(push, "\nuse crate::{registry, deploy::Pull};\n"), [2]);
        assert_eq!(lines(push, "use crate::command_line::run;\n"), [1]);
        assert_eq!(
            lines("xtask/packager/src/image/plan.rs", "use crate::app::App;\n"),
            [1]
        );
        assert_eq!(lines("xtask/packager/src/novelty.rs", ""), [1]);
        assert_eq!(
            lines("xtask/packager/src/lib.rs", "use crate::app;\n"),
            [0; 0]
        );
    }
}
