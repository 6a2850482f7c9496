//! Facts about what goes into an image, collected on this machine: crates, compilers, revisions and
//! digests.
//!
//! Owns how Cargo and git are run, and the hashing of files. Must not know the documents in which
//! the facts are written.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace;
use serde::Deserialize;

use crate::host_program::Kind;
use crate::image::Content;
use crate::image::attestation::{Crate, HostBuild, Revision};
use crate::installed;

/// Returns facts about the build of the image's host of the given kind: the crates that Cargo
/// compiles for it, and the tools that compile them. An installed tool has these facts from its own
/// build. Fails if `Cargo.lock` cannot be read, or if Cargo fails.
pub fn host_build(kind: Kind) -> Result<HostBuild, Failure> {
    if let Some(list) = installed::list()? {
        return list.host_build(kind.installed());
    }
    let root = workspace::root();
    let (text, lock) = lock(&root)?;
    let tree = tree(&root, &[&["-p", "scorebox-host"], kind.features()].concat())?;
    let crates = crates(&tree, &lock);
    let version = crates
        .iter()
        .find(|one| one.name == "scorebox-host")
        .map(|one| one.version.clone());
    Ok(HostBuild {
        version: version.unwrap_or_default(),
        crates,
        // `getconf` prints the version of glibc. If it does not answer, the version is unknown. A
        // host that is linked dynamically does not contain a C library.
        libc: if kind.is_static() {
            said(Command::new("getconf").arg("GNU_LIBC_VERSION"))
        } else {
            None
        },
        rustc: said(Command::new("rustc").arg("--version")),
        lock: Digest::of(text.as_bytes()),
    })
}

/// Returns the crates that are compiled into the installed tool and the hosts that it brings. Fails
/// if `Cargo.lock` cannot be read, or if Cargo fails.
pub fn tool_crates() -> Result<Vec<Crate>, Failure> {
    let root = workspace::root();
    let (_, lock) = lock(&root)?;
    let packages = ["-p", "scorebox-packager", "-p", "scorebox-host"];
    Ok(crates(&tree(&root, &packages)?, &lock))
}

/// Reads `Cargo.lock` in the folder `root`, and returns its text and its packages. Fails if the
/// file cannot be read or parsed.
fn lock(root: &Path) -> Result<(String, Lock), Failure> {
    let path = root.join("Cargo.lock");
    let text =
        std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, "be read", error))?;
    let lock: Lock = toml::from_str(&text).map_err(|error| {
        Failure::toolchain(
            format!("{}: {error}", path.display()),
            "run `cargo update --workspace`",
        )
    })?;
    Ok((text, lock))
}

/// Returns the output of `cargo tree` in the folder `root`, for the packages and features in
/// `selection`. Each line describes a package as `NAME vVERSION|LICENCE`. A path may follow the
/// version, and the mark `(*)` may follow the licence. Fails if Cargo fails.
fn tree(root: &Path, selection: &[&str]) -> Result<String, Failure> {
    // The packages and features are those of the builds in `host_program`.
    let arguments = ["tree", "--edges", "normal,no-proc-macro"];
    let form = [
        "--target",
        "x86_64-unknown-linux-gnu",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
        "--locked",
    ];
    let output = workspace::cargo(root)
        .args(arguments)
        .args(selection)
        .args(form)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(Failure::toolchain(
            format!(
                "`cargo tree` ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            "fix the error of Cargo, or leave out the list of parts with `--attest none`",
        )),
        Err(error) => Err(Failure::toolchain(
            format!("`cargo tree` cannot be started: {error}"),
            installation::toolchain_fix(),
        )),
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    checksum: Option<String>,
}

fn crates(tree: &str, lock: &Lock) -> Vec<Crate> {
    let locked = lock
        .package
        .iter()
        .map(|package| ((package.name.as_str(), package.version.as_str()), package));
    let locked: BTreeMap<_, _> = locked.collect();
    let mut crates: Vec<_> = tree
        .lines()
        .filter_map(|line| {
            let (package, license) = line.split_once('|')?;
            let mut words = package.split(' ');
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            // `(*)` marks a package that `cargo tree` showed before.
            let license = license.trim_end_matches("(*)").trim();
            let checksum = locked
                .get(&(name, version))
                .and_then(|package| package.checksum.clone());
            let license = Some(license.to_owned()).filter(|license| !license.is_empty());
            Some(Crate {
                name: name.to_owned(),
                version: version.to_owned(),
                license,
                checksum,
            })
        })
        .collect();
    crates.sort();
    crates.dedup();
    crates
}

/// Returns the Git commit of the repository that contains a folder, and whether files of the
/// repository differ from the commit. Returns `None` if the folder is not in a repository with a
/// commit, or if git cannot be run.
pub fn revision(dir: &Path) -> Option<Revision> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(dir)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--verify", "HEAD"])?;
    // Changes are looked for in the whole repository, like the commit: the host may be built from
    // it too. If the status is unknown, the revision counts as changed.
    let is_changed = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    Some(Revision { commit, is_changed })
}

/// Returns the digest of a file's content. Fails if the file cannot be read.
pub fn digest(content: &Content) -> Result<Digest, Failure> {
    match content {
        Content::Bytes(bytes) => Ok(Digest::of(bytes)),
        Content::File(path) => {
            let unreadable = |error| Failure::file(path, "be read", error);
            let file = File::open(path).map_err(unreadable)?;
            Ok(Digest::of_reader(file).map_err(unreadable)?.0)
        }
    }
}

/// Runs a command and returns the first line of its output. Returns `None` if there is no output or
/// the command fails.
fn said(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_read_with_licence_and_checksum() {
        let lock = Lock {
            package: vec![LockedPackage {
                name: "a".into(),
                version: "1.0.0".into(),
                checksum: Some("ff".into()),
            }],
        };
        let tree = "scorebox-host v0.1.0 (/x/host)|Apache-2.0\nb v2.0.0|\na v1.0.0|MIT\na v1.0.0|MIT (*)\n\n";
        let found = crates(tree, &lock);
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "scorebox-host"]);
        assert_eq!(
            (found[0].license.as_deref(), found[0].checksum.as_deref()),
            (Some("MIT"), Some("ff"))
        );
        assert_eq!((&found[1].license, &found[2].checksum), (&None, &None));
    }

    #[test]
    fn changes_anywhere_in_the_repository_count() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(revision(dir.path()), None);
        let git = |arguments: &[&str]| {
            let name = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-C"];
            let status = Command::new("git")
                .args(name)
                .arg(dir.path())
                .args(arguments)
                .stdout(Stdio::null())
                .status();
            assert!(status.unwrap().success());
        };
        let project = dir.path().join("project");
        std::fs::create_dir(&project).unwrap();
        std::fs::write(project.join("a"), "a").unwrap();
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "one"]);
        let clean = revision(&project).unwrap();
        assert_eq!((clean.commit.len(), clean.is_changed), (40, false));
        std::fs::write(dir.path().join("new"), "b").unwrap();
        assert!(revision(&project).unwrap().is_changed);
    }

    #[test]
    fn host_is_built_from_what_cargo_says() {
        let build = host_build(Kind::Image).unwrap();
        let has = |name: &str| build.crates.iter().any(|one| one.name == name);
        assert!(
            has("wasmtime") && has("sha2") && !has("clap_derive"),
            "{:?}",
            build.crates
        );
        // The image's host does not contain a compiler.
        assert!(!has("cranelift-codegen") && !has("ort"));
        assert!(
            host_build(Kind::ImageWithGraphs)
                .unwrap()
                .crates
                .iter()
                .any(|one| one.name == "ort")
        );
        let licensed = build
            .crates
            .iter()
            .filter(|one| one.license.is_some() && one.checksum.is_some())
            .count();
        assert!(
            licensed * 10 > build.crates.len() * 9,
            "{licensed} of {}",
            build.crates.len()
        );
    }
}
