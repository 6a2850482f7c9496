//! The WIT files for building a component from a script: the WIT packages of Scorebox, and worlds
//! with the interfaces that the project grants.
//!
//! Owns the choice of interfaces by the manifest. A tool that makes a component of a script puts
//! every import of its world into the component, and the host refuses an import that the project
//! does not grant. Must not know script engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::graph;
use scorebox_host::manifest::Manifest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation::Sources;

/// Interfaces that every project grants to its component: the name that the SDKs use, and the full
/// name in WIT.
///
/// The interface `types` is not listed. It has no functions, so JavaScript engines have no module
/// for it. A world that uses its types imports it implicitly.
const ALWAYS: [(&str, &str); 4] = [
    ("model", "scorebox:scoring/model@0.2.0"),
    ("metrics", "scorebox:scoring/metrics@0.2.0"),
    ("logging", "wasi:logging/logging@0.1.0-draft"),
    ("config", "wasi:config/store@0.2.0-draft"),
];
/// Interfaces that a project grants to its component if its manifest defines a store.
const STORES: [(&str, &str); 4] = [
    ("cache", "scorebox:scoring/cache@0.2.0"),
    ("keyvalue", "wasi:keyvalue/store@0.2.0-draft2"),
    ("atomics", "wasi:keyvalue/atomics@0.2.0-draft2"),
    ("batch", "wasi:keyvalue/batch@0.2.0-draft2"),
];
/// Interface that a project grants to its component if a store in its manifest allows Redis
/// commands.
const COMMANDS: (&str, &str) = ("redis", "scorebox:scoring/redis@0.2.0");
/// Interface that a project grants to its component if its model has an ONNX graph.
const GRAPHS: (&str, &str) = ("graphs", "scorebox:scoring/graphs@0.2.0");

/// Names of the worlds in the generated `world.wit`, each with the interface that it exports.
const WORLDS: [(&str, &str); 2] = [
    ("component", "scorebox:scoring/scorer@0.2.0"),
    ("tensor-component", "scorebox:scoring/tensor-scorer@0.2.0"),
];

/// Returns the interfaces that a component of the project imports. The keys are the names that the
/// SDKs use, and the values are the full names in WIT.
pub fn interfaces(manifest: &Manifest) -> BTreeMap<&'static str, &'static str> {
    let mut found = BTreeMap::from(ALWAYS);
    if !manifest.stores.is_empty() {
        found.extend(STORES);
    }
    if manifest
        .stores
        .values()
        .any(|store| !store.commands.is_empty())
    {
        found.extend([COMMANDS]);
    }
    if manifest.scorer.model.as_deref().is_some_and(has_graph) {
        found.extend([GRAPHS]);
    }
    found
}

/// Returns true if a model is an ONNX graph, or a folder with an ONNX graph in it. Only the names
/// of files are compared. A model that cannot be read is reported later, when the app folder is
/// written.
fn has_graph(model: &Path) -> bool {
    let is_graph = |path: &Path| path.to_string_lossy().ends_with(graph::EXTENSION);
    let Ok(entries) = std::fs::read_dir(model) else {
        return is_graph(model);
    };
    entries.flatten().any(|entry| {
        // Links are refused later, and are not followed here: they may form a circle.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => has_graph(&entry.path()),
            _ => is_graph(&entry.path()),
        }
    })
}

/// Writes the WIT packages of Scorebox and the worlds of a project to the folder `dir`. The worlds
/// import `interfaces`, as [`interfaces()`] returns them. Fails if a file cannot be read or
/// written.
pub fn write(dir: &Path, interfaces: &BTreeMap<&'static str, &'static str>) -> Result<(), Failure> {
    let sources = Sources::Wit.folder();
    let (packages, contract) = (dir.join("deps"), dir.join("deps/scorebox"));
    std::fs::create_dir_all(&contract)
        .map_err(|error| Failure::file(&contract, "be created", error))?;
    for (from, to) in [(&sources, &contract), (&sources.join("deps"), &packages)] {
        for file in wit_files(from)? {
            let goal = to.join(file.file_name().unwrap_or_default());
            std::fs::copy(&file, &goal)
                .map_err(|error| Failure::file(&goal, "be written", error))?;
        }
    }
    let file = dir.join("world.wit");
    std::fs::write(&file, text(interfaces))
        .map_err(|error| Failure::file(&file, "be written", error))
}

fn wit_files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::file(dir, "be listed", error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.extension() == Some("wit".as_ref()))
        .collect())
}

/// Returns the text of `world.wit`: a package with all worlds of a project, each of which imports
/// `interfaces`.
fn text(interfaces: &BTreeMap<&'static str, &'static str>) -> String {
    let mut text = "package scorebox:component;\n".to_owned();
    for (world, export) in WORLDS {
        text.push_str(&format!("\nworld {world} {{\n"));
        for interface in interfaces.values() {
            text.push_str(&format!("    import {interface};\n"));
        }
        text.push_str(&format!("    export {export};\n}}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use scorebox_host::capability::grant;
    use scorebox_host::manifest::MANIFEST_FILE;
    use wit_parser::Resolve;

    use super::*;

    fn manifest(dir: &Path, more: &str) -> Manifest {
        let text = format!(
            "[scorer]\nname = \"x\"\ncomponent = {{ quickjs = \"app.js\" }}\nmodel = \"model\"\n{more}"
        );
        Manifest::parse(&dir.join(MANIFEST_FILE), &text).unwrap()
    }

    #[test]
    fn a_project_grants_what_it_configures() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("model/deep")).unwrap();
        let names = |more: &str| -> Vec<_> {
            let found = interfaces(&manifest(dir.path(), more));
            found.into_keys().collect()
        };
        let plain = ["config", "logging", "metrics", "model"];
        assert_eq!(names(""), plain);
        let stores = names("[stores.default]\n");
        assert!(stores.contains(&"cache") && !stores.contains(&"redis"));
        assert!(names("[stores.default]\ncommands = [\"@hash\"]\n").contains(&"redis"));
        std::fs::write(dir.path().join("model/deep/a.onnx"), "").unwrap();
        assert!(names("").contains(&"graphs"));
    }

    #[test]
    fn worlds_resolve_with_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let every = ALWAYS.into_iter().chain(STORES).chain([COMMANDS, GRAPHS]);
        let every: BTreeMap<_, _> = every.collect();
        write(dir.path(), &every).unwrap();
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(dir.path()).unwrap();
        for (world, _) in WORLDS {
            resolve.select_world(&[package], Some(world)).unwrap();
        }
        for interface in every.values() {
            assert!(grant(interface).is_some(), "{interface}");
        }
    }
}
