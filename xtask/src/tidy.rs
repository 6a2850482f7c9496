//! `cargo xtask tidy`: the house rules that no compiler checks.
//!
//! Owns the findings' form and the walk through the tree. Must not know any rule: each family has
//! its own file.

mod arrows;
mod contract;
mod contract_page;
mod errors;
mod generated_part;
mod layers;
mod manifests;
mod packager_arrows;
mod pages;
mod settings_page;
mod source_text;
mod sources;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

/// A place where a file breaks a rule of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Path of the file, relative to the workspace's root.
    file: String,
    /// Number of the line in the file, counted from 1.
    line: usize,
    what: String,
    fix: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}; {}",
            self.file, self.line, self.what, self.fix
        )
    }
}

/// Folders whose Rust files and manifests are checked, relative to the workspace's root.
const CODE: &[&str] = &["guest", "host", "tests", "xtask"];

/// Folders without code whose pages are checked, relative to the workspace's root.
const PAGES: &[&str] = &["wit", ".github"];

/// Flags of `tidy`.
#[derive(Debug, Args)]
pub struct TidyArgs {
    /// Before the check, write what is made from the code: the contract's hash in wit/CHANGES.md,
    /// the vendored files' hashes in wit/deps/deps.lock, and the generated parts of
    /// host/docs/settings.md, wit/README.md and wit/standards.md.
    #[arg(long)]
    pub bless: bool,
}

/// Runs `cargo xtask tidy`: checks the rules of the repository, and updates generated parts if
/// `--bless` is given.
pub fn run(args: &TidyArgs) -> Result<(), Failure> {
    if args.bless {
        let root = workspace::root();
        contract::bless(&root)?;
        contract_page::bless(&root)?;
        settings_page::bless(&root)?;
    }
    check()
}

/// Checks all files of the repository, and prints one line for each finding. Fails if there is a
/// finding.
pub fn check() -> Result<(), Failure> {
    let root = workspace::root();
    let mut findings = Vec::new();
    let mut files = 0;
    for folder in CODE {
        for path in walk(&root.join(folder))? {
            let name = path
                .strip_prefix(&root)
                .unwrap_or(&path)
                .display()
                .to_string();
            let is = |extension: &str| path.extension() == Some(extension.as_ref());
            if is("rs") {
                let text = read(&path)?;
                findings.extend(sources::check(&name, &text));
                findings.extend(errors::check(&name, &text));
                findings.extend(layers::check(&name, &text));
                findings.extend(arrows::check(&name, &text));
                findings.extend(packager_arrows::check(&name, &text));
                findings.extend(words::check(&name, &text));
                files += 1;
            } else if name.ends_with("Cargo.toml") {
                findings.extend(manifests::check(&name, &read(&path)?));
                files += 1;
            }
        }
    }
    findings.extend(manifests::check(
        "Cargo.toml",
        &read(&root.join("Cargo.toml"))?,
    ));
    findings.extend(settings_page::check(&root));
    findings.extend(pages::check(&root, &pages(&root)?));
    findings.extend(contract::check(&root)?);
    findings.extend(contract_page::check(&root)?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        eprintln!("tidy: {files} files follow the house rules");
        return Ok(());
    }
    Err(Failure::other(
        format!("tidy: {} findings", findings.len()),
        "correct the lines above",
    ))
}

/// Reads every Markdown page of the repository. The keys are the paths of the pages relative to
/// `root`, and the values are the texts.
fn pages(root: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let folders = CODE
        .iter()
        .chain(PAGES)
        .map(|folder| walk(&root.join(folder)));
    let files = folders
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten();
    let files = files
        .chain([root.join("README.md")])
        .filter(|file| file.extension() == Some("md".as_ref()));
    files
        .map(|file| {
            Ok((
                file.strip_prefix(root)
                    .unwrap_or(&file)
                    .display()
                    .to_string(),
                read(&file)?,
            ))
        })
        .collect()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, "be read", error))
}

/// Returns the paths of all files below a folder, sorted by name. Hidden files and folders are left
/// out, and so are folders named `target`. Returns no files if the folder does not exist.
fn walk(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    if !dir.is_dir() {
        return Ok(found);
    }
    let unreadable = |error: std::io::Error| Failure::file(dir, "be listed", error);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            found.extend(walk(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
