//! A `Cargo.toml` that needs no workspace.
//!
//! Owns the replacement of what a package takes from its workspace. Must not know which package it
//! is.

use std::path::Path;

use scorebox_workspace::failure::Failure;
use toml::{Table, Value};

/// Comment at the start of the file, because the file replaces the one of the repository.
const HEAD: &str =
    "# Written by `cargo xtask dist`, without what the repository's workspace sets.\n";

/// Returns the text of a package's `Cargo.toml` in which everything that it takes from its workspace
/// is written out. `root` is the root of the workspace, and `file` is the path of the `Cargo.toml`.
/// Fails if a file cannot be read or lacks what is taken from it.
pub fn manifest(root: &Path, file: &Path) -> Result<String, Failure> {
    let workspace = table(&root.join("Cargo.toml"))?;
    let package = table(file)?;
    written_out(package, &workspace).ok_or_else(|| {
        Failure::project(
            format!(
                "{}: takes something from the workspace that the workspace does not have",
                file.display()
            ),
            "add it to the workspace, or write it into the package",
        )
    })
}

fn table(file: &Path) -> Result<Table, Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::file(file, "be read", error))?;
    text.parse()
        .map_err(|error| Failure::project(format!("{}: {error}", file.display()), "correct it"))
}

/// Returns the text of the manifest `package`, or `None` if the workspace lacks something.
fn written_out(mut package: Table, workspace: &Table) -> Option<String> {
    let workspace = workspace.get("workspace")?;
    if let Some(Value::Table(section)) = package.get_mut("package") {
        for (key, value) in section.iter_mut() {
            if is_taken(value) {
                *value = workspace.get("package")?.get(key)?.clone();
            }
        }
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(Value::Table(dependencies)) = package.get_mut(section) else {
            continue;
        };
        for (name, value) in dependencies.iter_mut() {
            if is_taken(value) {
                let taken = workspace.get("dependencies")?.get(name)?.clone();
                *value = Value::Table(joined(value, taken)?);
            }
        }
    }
    if package.get("lints").is_some_and(is_taken) {
        let lints = workspace.get("lints")?.clone();
        package.insert("lints".to_owned(), lints);
    }
    // A folder above may hold a workspace, to which this package does not belong.
    package
        .entry("workspace")
        .or_insert_with(|| Value::Table(Table::new()));
    Some(format!("{HEAD}{}", toml::to_string(&package).ok()?))
}

fn is_taken(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Joins what a package says about a dependency, `own`, and what the workspace says about it.
fn joined(own: &Value, taken: Value) -> Option<Table> {
    let mut joined = match taken {
        Value::Table(table) => table,
        version => Table::from_iter([("version".to_owned(), version)]),
    };
    for (key, value) in own.as_table()? {
        match (key.as_str(), joined.get_mut(key), value) {
            ("workspace", ..) => {}
            ("features", Some(Value::Array(all)), Value::Array(more)) => {
                all.extend(more.iter().cloned());
            }
            _ => {
                joined.insert(key.clone(), value.clone());
            }
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_workspace_sets_is_written_out() {
        let workspace = "[workspace.package]\nversion = \"1.2.3\"\n[workspace.dependencies]\na = \"1\"\n\
                         b = { version = \"2\", default-features = false, features = [\"x\"] }\n\
                         [workspace.lints.rust]\nunsafe_code = \"deny\"\n";
        let package = "[package]\nname = \"p\"\nversion.workspace = true\n[dependencies]\na.workspace = true\n\
                       b = { workspace = true, features = [\"y\"], optional = true }\nc = \"3\"\n[lints]\nworkspace = true\n";
        let text = written_out(package.parse().unwrap(), &workspace.parse().unwrap()).unwrap();
        let table: Table = text.parse().unwrap();
        let expected: Table =
            "[package]\nname = \"p\"\nversion = \"1.2.3\"\n[dependencies]\na = { version = \"1\" }\n\
             b = { version = \"2\", default-features = false, features = [\"x\", \"y\"], optional = true }\n\
             c = \"3\"\n[lints.rust]\nunsafe_code = \"deny\"\n[workspace]\n"
                .parse()
                .unwrap();
        assert_eq!(table, expected);
        let lacking = "[dependencies]\nz.workspace = true\n";
        let workspace: Table = workspace.parse().unwrap();
        assert_eq!(written_out(lacking.parse().unwrap(), &workspace), None);
    }

    #[test]
    fn the_sdk_can_be_built_alone() {
        let root = scorebox_workspace::workspace::root();
        let text = manifest(&root, &root.join("guest/Cargo.toml")).unwrap();
        assert!(!text.contains("workspace = true"), "{text}");
        assert!(text.contains("name = \"scorebox-guest\""), "{text}");
    }
}
