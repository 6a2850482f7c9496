//! Settings of Cargo for the build of a component.
//!
//! Owns the settings that keep paths of this machine out of a component, and those that every
//! scorer in Rust should be built with. Must not know how Cargo is run.
//!
//! The compiler writes paths of source files into the messages of panics. Without the settings,
//! these paths depend on the machine, and so does the digest of the image. The hash in the name of
//! a crate also depends on a path, if the package is outside of the workspace. The wrapper script
//! `rustc.sh` replaces this hash.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::{self, Configuration, GUEST_TARGET, shown};
use serde_json::Value;

/// Path that replaces the root of the package's workspace in the paths that the compiler writes.
const PROJECT: &str = "/project";
/// Path that replaces Cargo's target folder and build folder in the paths that the compiler writes.
const TARGET: &str = "/target";
/// Path that replaces Cargo's home folder, which has the sources of dependencies, in the paths that
/// the compiler writes.
const CARGO: &str = "/cargo";
/// Folder that replaces the folders of all other dependencies in the paths that the compiler
/// writes. Each of them becomes `/dependencies/NAME-VERSION`.
const DEPENDENCIES: &str = "/dependencies";

/// Text and file name of the shell script that Cargo runs in place of the compiler
/// (`RUSTC_WRAPPER`), and that runs the compiler.
const WRAPPER: (&str, &str) = (include_str!("rustc.sh"), "rustc.sh");
/// Environment variable for `rustc.sh`: the packages whose crate hashes would depend on the path of
/// a folder, each as `NAME@VERSION`, separated by spaces.
const PLACED: &str = "SCOREBOX_PLACED";

/// Returns the configuration of Cargo for the build of the package in the folder `dir`. Fails if
/// Cargo cannot read the package and its dependencies, if its output has an unknown form, or if the
/// wrapper script cannot be written.
///
/// The settings add flags to those of the project, so a project may set flags of its own in
/// `.cargo/config.toml`.
pub fn of(dir: &Path) -> Result<Configuration, Failure> {
    let metadata = metadata(dir)?;
    let unreadable = || {
        Failure::toolchain(
            format!("`cargo metadata` in {} cannot be read", shown(dir)),
            "use a version of Cargo from 1.85 to the newest",
        )
    };
    let folders = Folders::of(&metadata).ok_or_else(unreadable)?;
    let mut flags = vec!["-C".to_owned(), "target-feature=+simd128".to_owned()];
    let mut renamed = folders.renamed(cargo_home());
    renamed.extend(standard_library(dir));
    flags.extend(remappings(renamed));
    let mut settings = vec![format!(
        "target.{GUEST_TARGET}.rustflags={}",
        toml::Value::from(flags)
    )];
    if !states_strip(&folders.root) {
        settings.push("profile.release.strip=\"symbols\"".to_owned());
    }
    let placed = placed(&metadata, &folders.root).ok_or_else(unreadable)?;
    let mut variables = Vec::new();
    if !placed.is_empty() {
        variables.push(("RUSTC_WRAPPER", wrapper()?.into_os_string()));
        variables.push((PLACED, placed.join(" ").into()));
    }
    Ok(Configuration {
        settings,
        variables,
    })
}

/// Returns the packages whose crate hashes depend on the path of a folder on this machine, each as
/// `NAME@VERSION`. These are the path dependencies outside of `root`, and all packages that depend
/// on one of them. The list is empty if two of these packages have the same name and version,
/// because the compiler could not tell their crates apart without the path. Returns `None` if
/// `metadata`, the output of `cargo metadata`, does not have the expected form.
fn placed(metadata: &Value, root: &Path) -> Option<Vec<String>> {
    let (mut found, mut names) = (BTreeSet::new(), Vec::new());
    let packages = metadata.get("packages")?.as_array()?;
    for package in packages {
        let text = |name: &str| package.get(name)?.as_str();
        let is_local = package.get("source").is_none_or(Value::is_null);
        if is_local && !Path::new(text("manifest_path")?).starts_with(root) {
            found.insert(text("id")?);
        }
    }
    let nodes = metadata.get("resolve")?.get("nodes")?.as_array()?;
    loop {
        let before = found.len();
        for node in nodes {
            let needed = node.get("dependencies")?.as_array()?;
            if needed
                .iter()
                .filter_map(Value::as_str)
                .any(|id| found.contains(id))
            {
                found.insert(node.get("id")?.as_str()?);
            }
        }
        if found.len() == before {
            break;
        }
    }
    for package in packages {
        let text = |name: &str| package.get(name)?.as_str();
        if found.contains(text("id")?) {
            names.push(format!("{}@{}", text("name")?, text("version")?));
        }
    }
    names.sort();
    let is_ambiguous = names
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b));
    Some(if is_ambiguous { Vec::new() } else { names })
}

/// Writes the wrapper script `rustc.sh` into the cache folder of this program, and returns the
/// absolute path of the script. Fails if the script cannot be written.
fn wrapper() -> Result<PathBuf, Failure> {
    let (text, name) = WRAPPER;
    let folder = installation::cache();
    let path = folder.join(name);
    let write = || {
        std::fs::create_dir_all(&folder)?;
        // Another build may run the program now, so the file is replaced and not changed.
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(text.as_bytes())?;
        let runnable = std::fs::Permissions::from_mode(0o755);
        file.as_file().set_permissions(runnable)?;
        file.persist(&path).map_err(|error| error.error)
    };
    write().map_err(|error| Failure::file(&path, "be written", error))?;
    std::path::absolute(&path).map_err(|error| Failure::file(&path, "be resolved", error))
}

/// Runs `cargo metadata` in the folder `dir`, and returns its output. Fails if Cargo cannot be
/// started, or if the output is not JSON.
fn metadata(dir: &Path) -> Result<Value, Failure> {
    let output = workspace::cargo(dir)
        .args(["metadata", "--format-version=1", "--filter-platform"])
        .arg(GUEST_TARGET)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.map_err(|error| {
        Failure::toolchain(
            format!("`cargo metadata` cannot be started: {error}"),
            "install Rust from https://rustup.rs",
        )
    })?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        Failure::toolchain(
            format!(
                "`cargo metadata` in {} ended with {}",
                shown(dir),
                output.status
            ),
            "fix what Cargo says above",
        )
    })
}

/// Folders on this machine whose paths the compiler writes into the code of a package.
#[derive(Debug)]
struct Folders {
    /// Root of the package's workspace.
    root: PathBuf,
    /// Cargo's target folder.
    target: PathBuf,
    /// Cargo's build folder, for intermediate results. `None` if the version of Cargo does not have
    /// one.
    build: Option<PathBuf>,
    /// Folders of the package and of all its dependencies, each with the package's name and version
    /// as `NAME-VERSION`.
    packages: Vec<(PathBuf, String)>,
}

impl Folders {
    /// Reads the folders from `metadata`, the output of `cargo metadata`. Returns `None` if the
    /// output does not have the expected form.
    fn of(metadata: &Value) -> Option<Self> {
        let path = |name: &str| Some(PathBuf::from(metadata.get(name)?.as_str()?));
        let package = |package: &Value| {
            let text = |name: &str| package.get(name)?.as_str();
            let folder = Path::new(text("manifest_path")?).parent()?.to_path_buf();
            Some((folder, format!("{}-{}", text("name")?, text("version")?)))
        };
        let packages = metadata.get("packages")?.as_array()?;
        Some(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            // Older versions of Cargo do not have this folder, and do not name it.
            build: path("build_directory"),
            packages: packages.iter().map(package).collect::<Option<_>>()?,
        })
    }

    /// Returns the folders whose paths the compiler replaces in its output, each with the path that
    /// replaces it. `cargo_home` is Cargo's home folder.
    fn renamed(&self, cargo_home: Option<PathBuf>) -> Vec<(PathBuf, String)> {
        let mut renamed = vec![
            (self.root.clone(), PROJECT.to_owned()),
            (self.target.clone(), TARGET.to_owned()),
        ];
        let build = self.build.clone();
        let build = build.filter(|build| !build.starts_with(&self.target));
        renamed.extend(build.map(|folder| (folder, TARGET.to_owned())));
        renamed.extend(cargo_home.map(|folder| (folder, CARGO.to_owned())));
        let known: Vec<_> = renamed.iter().map(|(folder, _)| folder.clone()).collect();
        for (folder, package) in &self.packages {
            if !known.iter().any(|known| folder.starts_with(known)) {
                renamed.push((folder.clone(), format!("{DEPENDENCIES}/{package}")));
            }
        }
        renamed
    }
}

/// Returns Cargo's home folder: `CARGO_HOME`, or else `.cargo` in `HOME`. Returns `None` if both
/// variables are unset.
fn cargo_home() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("CARGO_HOME").or_else(|| Some(folder("HOME")?.join(".cargo")))
}

/// Returns the folder of the standard library's sources, with the path `/rustc/COMMIT`, which the
/// compiler itself uses if the sources are not installed. Returns `None` if `rustc` cannot be run
/// in the folder `dir`, or does not print its sysroot and its commit.
fn standard_library(dir: &Path) -> Option<(PathBuf, String)> {
    let said = |arguments: &[&str]| {
        let mut compiler = std::process::Command::new("rustc");
        let compiler = compiler.args(arguments).current_dir(dir);
        let output = compiler.stdin(Stdio::null()).stderr(Stdio::null()).output();
        String::from_utf8(output.ok()?.stdout).ok()
    };
    let sysroot = said(&["--print", "sysroot"])?;
    let version = said(&["-vV"])?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
    Some((sources, format!("/rustc/{commit}")))
}

/// Returns the compiler flags that replace the paths of folders in the compiler's output. Each
/// entry of `renamed` is a folder and the path that replaces it. A later flag wins over an earlier
/// one, so a folder comes after the folders that contain it.
fn remappings(mut renamed: Vec<(PathBuf, String)>) -> Vec<String> {
    renamed.sort_by_key(|(folder, _)| folder.as_os_str().len());
    let flag = |(folder, name): &(PathBuf, String)| {
        format!("--remap-path-prefix={}={name}", folder.display())
    };
    renamed.iter().map(flag).collect()
}

/// Returns true if the `Cargo.toml` in the folder `root` sets `strip` or `debug` in its release
/// profile. Returns false if the file cannot be read or is not TOML.
fn states_strip(root: &Path) -> bool {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let profile = table.get("profile").and_then(|all| all.get("release"));
    profile.is_some_and(|profile| {
        ["strip", "debug"]
            .iter()
            .any(|name| profile.get(name).is_some())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_folder_of_this_machine_is_renamed() {
        let package = |name: &str, folder: &str| json!({"name": name, "version": "1.2.3", "manifest_path": format!("{folder}/Cargo.toml")});
        let metadata = json!({
            "workspace_root": "/home/a/risk",
            "target_directory": "/home/a/risk/target",
            "packages": [
                package("risk", "/home/a/risk"),
                package("scorebox-guest", "/usr/lib/scorebox/guest"),
                package("serde", "/home/a/.cargo/registry/src/x/serde-1.2.3"),
            ],
        });
        let folders = Folders::of(&metadata).unwrap();
        let flags = remappings(folders.renamed(Some("/home/a/.cargo".into())));
        assert_eq!(
            flags,
            [
                "--remap-path-prefix=/home/a/risk=/project",
                "--remap-path-prefix=/home/a/.cargo=/cargo",
                "--remap-path-prefix=/home/a/risk/target=/target",
                "--remap-path-prefix=/usr/lib/scorebox/guest=/dependencies/scorebox-guest-1.2.3",
            ]
        );
        assert!(Folders::of(&json!({"packages": []})).is_none());
        // The settings of a user may keep intermediate results elsewhere.
        let mut elsewhere = metadata;
        elsewhere["build_directory"] = json!("/var/cache/build-of-risk");
        let folders = Folders::of(&elsewhere).unwrap();
        let renamed = folders.renamed(None);
        assert!(renamed.contains(&("/var/cache/build-of-risk".into(), TARGET.to_owned())));
    }

    #[test]
    fn names_depend_on_folders_outside_of_the_workspace() {
        let package = |name: &str, folder: &str, source: Value| {
            json!({
                "name": name, "version": "1.0.0", "id": format!("{folder}#{name}"), "source": source,
                "manifest_path": format!("{folder}/Cargo.toml"),
            })
        };
        let node =
            |id: &str, dependencies: &[&str]| json!({"id": id, "dependencies": dependencies});
        let check = |guest: &str, expected: &[&str]| {
            let guest_id = format!("{guest}#guest");
            let metadata = json!({
                "packages": [
                    package("risk", "/a/risk", Value::Null),
                    package("guest", guest, Value::Null),
                    package("serde", "/c/serde", json!("registry+https://example.com")),
                ],
                "resolve": {"nodes": [
                    node("/a/risk#risk", &["/a/risk/lib#lib", &guest_id]),
                    node(&guest_id, &["/c/serde#serde"]),
                    node("/c/serde#serde", &[]),
                ]},
            });
            assert_eq!(placed(&metadata, Path::new("/a/risk")).unwrap(), expected);
        };
        check("/a/risk/guest", &[]);
        check("/a/guest", &["guest@1.0.0", "risk@1.0.0"]);
    }

    #[test]
    fn a_project_that_keeps_symbols_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let check = |text: &str, states: bool| {
            std::fs::write(dir.path().join("Cargo.toml"), text).unwrap();
            assert_eq!(states_strip(dir.path()), states, "{text}");
        };
        check("[package]\nname = \"a\"\n", false);
        check("[profile.release]\nlto = true\n", false);
        check("[profile.release]\nstrip = false\n", true);
        check("[profile.release]\ndebug = 1\n", true);
    }
}
