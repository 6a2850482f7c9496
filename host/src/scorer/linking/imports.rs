//! The imports of a component: which it may have, and what the app must grant for them.
//!
//! Owns the texts about imports that are unknown or not granted, with one problem for each kind of
//! fix. Must not know exports or instances.

use crate::capability::{self, CURRENT_VERSION, Grant, grant};
use crate::component::Import;
use crate::graph::NO_ENGINE;
use crate::manifest::Manifest;
use crate::text::{NAME_BYTES, Problem, quoted};

/// Maximum number of imports that one problem names. A component may have thousands.
const NAMED: usize = 12;

/// Standards of which the host provides one version that is not final: the start of the names of
/// their interfaces, and the version.
const DRAFTS: [(&str, &str); 4] = [
    ("wasi:nn/", "0.2.0-rc-2024-10-28"),
    ("wasi:keyvalue/", "0.2.0-draft2"),
    ("wasi:logging/", "0.1.0-draft"),
    ("wasi:config/", "0.2.0-draft"),
];

/// Capabilities that an app grants to its scorer, in addition to those that every scorer has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    /// True if the model has a graph, so that the scorer may import interfaces that run graphs.
    pub(super) graphs: bool,
    /// True if the manifest defines a store, so that the scorer may import interfaces of stores.
    pub(super) stores: bool,
    /// True if the manifest allows Redis commands for a store, so that the scorer may import
    /// `redis`.
    pub(super) commands: bool,
}

impl Granted {
    /// Returns the capabilities that an app with this manifest grants to its scorer. `graphs` is
    /// true if the model has a graph.
    pub(super) fn by(manifest: &Manifest, graphs: bool) -> Self {
        let mut stores = manifest.stores.values();
        Self {
            graphs,
            stores: !manifest.stores.is_empty(),
            commands: stores.any(|store| !store.commands.is_empty()),
        }
    }
}

/// Returns true if a component imports functions that run graphs, so that the graphs of its model
/// must be loaded.
#[cfg(any(feature = "compiler", feature = "graphs"))]
pub(crate) fn calls_graphs(imports: &[Import]) -> bool {
    let mut imports = imports.iter();
    imports.any(|import| grant(&import.name) == Some(Grant::Graphs) && import.is_provided)
}

/// Reason why an import cannot be provided. Each reason has a fix of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    /// The import is an interface of `wasi:http`, and a scorer has no network.
    Http,
    /// The import is an interface of WASI that this host does not have, e.g. one of version 0.3.
    OtherWasi,
    /// The import is a function that this host's version of the interface does not have.
    NewerFunction,
    /// The import is an interface of the contract, or of a draft standard such as `wasi:nn`, in a
    /// version that this host does not have.
    OtherVersion,
    /// The import is an interface of a package that the host does not know.
    Unknown,
    /// The import runs graphs, and this host was built without an engine for graphs.
    NoEngine,
    /// The import runs graphs, and the model does not have a graph.
    NoGraph,
    /// The import needs a store, and the manifest does not define one.
    NoStore,
    /// The import sends Redis commands, and the manifest does not allow any.
    NoCommands,
}

const MISFITS: [Misfit; 9] = [
    Misfit::Http,
    Misfit::OtherWasi,
    Misfit::NewerFunction,
    Misfit::OtherVersion,
    Misfit::Unknown,
    Misfit::NoEngine,
    Misfit::NoGraph,
    Misfit::NoStore,
    Misfit::NoCommands,
];

/// Returns a problem for each reason why the host does not provide imports of a component to the
/// scorer of an app, and one more if graphs, stores and commands are all missing. The list is empty
/// if every import is provided.
pub(super) fn problems(imports: &[Import], granted: Granted) -> Vec<Problem> {
    let mut found: Vec<(Misfit, String)> = Vec::new();
    for import in imports {
        let name = quoted(&import.name, NAME_BYTES);
        match misfit(import, granted) {
            Some(misfit) => found.push((misfit, name)),
            None => {
                for function in newer_functions(import) {
                    let newer = quoted(function, NAME_BYTES);
                    found.push((Misfit::NewerFunction, format!("{name}#{newer}")));
                }
            }
        }
    }
    let names_all = [Misfit::NoGraph, Misfit::NoStore, Misfit::NoCommands]
        .iter()
        .all(|missing| found.iter().any(|(misfit, _)| misfit == missing));
    let mut problems = Vec::new();
    for kind in MISFITS {
        let names: Vec<&str> = found
            .iter()
            .filter(|(misfit, _)| *misfit == kind)
            .map(|(_, name)| name.as_str())
            .collect();
        if !names.is_empty() {
            problems.push(kind.problem(&listed(&names)));
        }
    }
    if names_all {
        problems.push(Problem::new(
            "imports all that a scorer can have, as tools do that copy a whole world",
            "if it does not use stores, graphs and commands, build it for the world `scorer-bytes` or \
             `scorer-tensors`, which do not have them",
        ));
    }
    problems
}

/// Returns the reason why the interface of an import is not provided. Returns `None` if it is
/// provided, or if it needs nothing from the host.
fn misfit(import: &Import, granted: Granted) -> Option<Misfit> {
    match grant(&import.name) {
        // A collection of types.
        _ if !import.is_provided => None,
        None => Some(unknown(&import.name)),
        Some(Grant::Graphs) if cfg!(not(feature = "graphs")) => Some(Misfit::NoEngine),
        Some(Grant::Graphs) if !granted.graphs => Some(Misfit::NoGraph),
        Some(Grant::Stores) if !granted.stores => Some(Misfit::NoStore),
        Some(Grant::Commands) if !granted.commands => Some(Misfit::NoCommands),
        Some(_) => None,
    }
}

/// Returns the names of the functions in an import that this host does not have in the interface.
/// There are none if the interface consists of types only.
#[cfg(feature = "compiler")]
fn newer_functions(import: &Import) -> impl Iterator<Item = &str> {
    let functions = import.functions.iter().map(String::as_str);
    functions.filter(move |function| !capability::has_function(&import.name, function))
}

/// Returns no names. A host without a compiler only runs precompiled code, whose imported functions
/// were compared with those of the host before the code was compiled.
#[cfg(not(feature = "compiler"))]
fn newer_functions(_: &Import) -> [&str; 0] {
    []
}

/// Returns the reason why the host provides the interface `name` to no scorer.
fn unknown(name: &str) -> Misfit {
    if name.starts_with("wasi:http/") {
        Misfit::Http
    } else if DRAFTS.iter().any(|(start, _)| name.starts_with(start))
        || name.starts_with("scorebox:scoring/")
    {
        Misfit::OtherVersion
    } else if capability::is_wasi(name) {
        Misfit::OtherWasi
    } else {
        Misfit::Unknown
    }
}

impl Misfit {
    fn problem(self, names: &str) -> Problem {
        match self {
            Self::Http => Problem::new(
                format!("imports {names}, and a scorer has no network"),
                "build the scorer without HTTP (componentize-js: `-d http -d fetch-event`), and let callers send what it \
                 would fetch",
            ),
            Self::OtherWasi => Problem::new(
                format!(
                    "imports {names}, and this host has WASI 0.2.0 and its later patch versions"
                ),
                "build it for WASI 0.2 (Rust: `--target wasm32-wasip2`; tools with async functions: turn them off)",
            ),
            Self::NewerFunction => Problem::new(
                format!("imports functions that this host does not have: {names}"),
                "build it against the WIT of this host, or with a toolchain of the version of WASI that this host has",
            ),
            Self::OtherVersion => {
                let mut versions = format!("scorebox:scoring@{CURRENT_VERSION}");
                for (start, version) in DRAFTS {
                    let package = start.trim_end_matches('/');
                    versions.push_str(&format!(", {package}@{version}"));
                }
                Problem::new(
                    format!("imports {names}, in a version that this host does not have"),
                    format!("build it against the WIT of this host, which has {versions}"),
                )
            }
            Self::Unknown => Problem::new(
                format!("imports what no world of the contract provides: {names}"),
                "remove the dependency that needs it; a scorer has model, graphs, cache, redis, metrics, wasi:nn, \
                 wasi:keyvalue, wasi:logging and wasi:config, and no network, files or host of its own",
            ),
            Self::NoEngine => Problem::new(
                format!("imports {names}, and this program has no engine for graphs"),
                NO_ENGINE,
            ),
            Self::NoGraph => Problem::new(
                format!("imports {names}, and the model holds no graph"),
                "put an .onnx file into the folder that scorer.model names",
            ),
            Self::NoStore => Problem::new(
                format!("imports {names}, and the manifest grants no store"),
                "add `[stores.default]` to scorebox.toml; without a Redis URL it is kept in memory",
            ),
            Self::NoCommands => Problem::new(
                format!("imports {names}, and the manifest grants no commands"),
                "write `commands` under a `[stores.<name>]` of scorebox.toml, with the commands that the scorer sends, \
                 e.g. `commands = [\"@hash\"]`",
            ),
        }
    }
}

/// Returns the names of imports as a list, which is cut after [`NAMED`] of them.
fn listed(names: &[&str]) -> String {
    let (shown, rest) = names.split_at(names.len().min(NAMED));
    let mut text = shown.join(", ");
    if !rest.is_empty() {
        text.push_str(&format!(" and {} more", rest.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Granted = Granted {
        graphs: false,
        stores: false,
        commands: false,
    };

    fn import(name: &str, functions: &[&str]) -> Import {
        Import {
            name: name.to_owned(),
            is_provided: true,
            functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[track_caller]
    fn check(imports: &[Import], granted: Granted, expected: &[(&str, &str)]) {
        let found = problems(imports, granted);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (Problem { problem, fix }, (in_problem, in_fix)) in found.iter().zip(expected) {
            assert!(problem.contains(in_problem), "{problem}");
            assert!(fix.contains(in_fix), "{fix}");
        }
    }

    #[test]
    fn every_patch_version_of_wasi_is_provided() {
        for version in ["0.2.0", "0.2.6", "0.2.12", "0.2.99"] {
            let environment = format!("wasi:cli/environment@{version}");
            let poll = format!("wasi:io/poll@{version}");
            let types = format!("wasi:filesystem/types@{version}");
            let imports = [
                import(&environment, &["get-environment", "initial-cwd"]),
                import(&poll, &["[method]pollable.ready", "poll"]),
                import(&types, &["[method]descriptor.read"]),
            ];
            check(&imports, NOTHING, &[]);
        }
        let newer = [import(
            "wasi:cli/environment@0.2.99",
            &["get-user", "get-environment", "get-group"],
        )];
        let names = "wasi:cli/environment@0.2.99#get-user, wasi:cli/environment@0.2.99#get-group";
        check(&newer, NOTHING, &[(names, "toolchain")]);
    }

    #[test]
    fn all_misfits_are_named_at_once_each_with_its_fix() {
        let imports = [
            import("wasi:http/types@0.2.10", &["http-error-code"]),
            import("wasi:http/outgoing-handler@0.2.10", &["handle"]),
            import("wasi:cli/environment@0.3.0", &["get-environment"]),
            import("wasi:clocks/wall-clock@0.2.0-rc-2023-11-10", &["now"]),
            import("wasi:keyvalue/store@0.2.0-draft", &["open"]),
            import("intruder:host/secrets@0.1.0", &["read"]),
            import("wasi:keyvalue/store@0.2.0-draft2", &["open"]),
        ];
        let expected = [
            (
                "wasi:http/types@0.2.10, wasi:http/outgoing-handler@0.2.10",
                "-d http -d fetch-event",
            ),
            (
                "wasi:cli/environment@0.3.0, wasi:clocks/wall-clock@0.2.0-rc-2023-11-10",
                "WASI 0.2",
            ),
            (
                "wasi:keyvalue/store@0.2.0-draft, in a version",
                "wasi:keyvalue@0.2.0-draft2",
            ),
            ("intruder:host/secrets@0.1.0", "remove the dependency"),
            ("wasi:keyvalue/store@0.2.0-draft2", "[stores.default]"),
        ];
        check(&imports, NOTHING, &expected);
        let granted = Granted {
            stores: true,
            ..NOTHING
        };
        check(&imports, granted, &expected[..4]);
    }

    #[test]
    fn a_component_with_a_whole_world_is_told_of_the_small_one() {
        let imports = [
            import("scorebox:scoring/graphs@0.2.0", &["list"]),
            import("scorebox:scoring/cache@0.2.0", &["set"]),
            import("scorebox:scoring/redis@0.2.0", &["[static]connection.open"]),
        ];
        let found = problems(&imports, NOTHING);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[3].fix.contains("`scorer-bytes`"), "{found:?}");
        assert_eq!(problems(&imports[1..], NOTHING).len(), 2);
    }

    #[test]
    fn types_alone_need_no_grant_and_long_lists_are_cut() {
        let types = Import {
            is_provided: false,
            ..import("scorebox:scoring/redis@0.2.0", &[])
        };
        check(&[types], NOTHING, &[]);
        let many: Vec<_> = (0..1000)
            .map(|index| import(&format!("a:b/c{index}"), &[]))
            .collect();
        check(
            &many,
            NOTHING,
            &[("a:b/c11 and 988 more", "remove the dependency")],
        );
    }
}
