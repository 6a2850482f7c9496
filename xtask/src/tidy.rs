//! `cargo xtask tidy`: checks the rules of this repository that no compiler checks.
//!
//! Owns the folders that are checked, and the order of the checks. Must not know any rule: each
//! family of rules has its own file.

mod arrows;
mod contract;
mod contract_page;
mod errors;
mod files;
mod finding;
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
use std::path::Path;

use clap::Args;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

use self::files::{read, walk};

/// Folders whose Rust files, `Cargo.toml` files and Markdown pages are checked, relative to the
/// workspace's root.
const CODE: &[&str] = &["guest", "host", "tests", "xtask"];

/// Folders without code whose Markdown pages are checked, relative to the workspace's root.
const PAGES: &[&str] = &["wit", ".github"];

/// Flags of `cargo xtask tidy`.
#[derive(Debug, Args)]
pub struct TidyArgs {
    /// Before the check, write what is made from the code: the contract's hash in wit/CHANGES.md,
    /// the vendored files' hashes in wit/deps/deps.lock, and the generated parts of
    /// host/docs/settings.md, wit/README.md, wit/capabilities.md and wit/standards.md.
    #[arg(long)]
    pub bless: bool,
}

/// Runs `cargo xtask tidy`: checks the rules of the repository, and updates generated parts if
/// `--bless` is given. Fails if there is a finding, or if a file cannot be read or written.
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
    let workspace = read(&root.join("Cargo.toml"))?;
    findings.extend(manifests::check("Cargo.toml", &workspace));
    let sdk = read(&root.join(manifests::SDK))?;
    findings.extend(manifests::check_sdk(&sdk, &workspace));
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
/// `root`, and the values are the texts. Fails if a page cannot be read.
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
