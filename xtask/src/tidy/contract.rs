//! The hash of the WIT contract, and the hashes of the vendored WIT packages.
//!
//! Owns the comparison of `wit/` with `wit/CHANGES.md` and `wit/deps/deps.lock`. Must not know what
//! the contract says.

use std::path::Path;

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve};

use super::files::{read, walk};
use super::finding::Finding;

const CHANGES: &str = "wit/CHANGES.md";
const LOCK: &str = "wit/deps/deps.lock";
/// Start of the line of `wit/CHANGES.md` that contains the hash of the contract.
const HASH_LINE: &str = "Hash of the printed contract: ";
const BLESS: &str = "`cargo xtask tidy --bless`";

/// Compares the hash in `wit/CHANGES.md` with the contract, and the hashes in `wit/deps/deps.lock`
/// with the vendored packages. Returns a finding for each difference. Fails if the WIT cannot be
/// parsed, or if a vendored file cannot be read.
pub fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let changes = std::fs::read_to_string(root.join(CHANGES)).unwrap_or_default();
    let lock = std::fs::read_to_string(root.join(LOCK)).unwrap_or_default();
    let mut findings = Vec::new();
    findings.extend(compare_hash(&changes, &contract_hash(root)?));
    findings.extend(compare_lock(&lock, &lock_text(root)?));
    Ok(findings)
}

/// Writes the hash of the contract to `wit/CHANGES.md`, and the hashes of the vendored packages to
/// `wit/deps/deps.lock`. Fails if the WIT cannot be parsed, or if a file cannot be read or written.
pub fn bless(root: &Path) -> Result<(), Failure> {
    let changes = root.join(CHANGES);
    let blessed = with_hash(&read(&changes)?, &contract_hash(root)?);
    std::fs::write(&changes, blessed)
        .map_err(|error| Failure::file(&changes, "be written", error))?;
    let lock = root.join(LOCK);
    std::fs::write(&lock, lock_text(root)?)
        .map_err(|error| Failure::file(&lock, "be written", error))?;
    eprintln!("blessed {CHANGES} and {LOCK}");
    Ok(())
}

/// Returns the hash of the text that `WitPrinter` prints for the contract. Blank lines and the
/// order of files do not change the hash. Comments change it, because they are the contract's
/// documentation. Fails if the WIT cannot be parsed.
fn contract_hash(root: &Path) -> Result<Digest, Failure> {
    let (resolve, package) = parse(root, Resolve::default())?;
    let mut printer = WitPrinter::default();
    printer
        .print(&resolve, package, &[])
        .map_err(|error| unusable(&format!("{error:#}")))?;
    Ok(Digest::of(printer.output.to_string().as_bytes()))
}

/// Reads the contract and the packages in `wit/deps` into `resolve`, and returns `resolve` and the
/// package of the contract. The settings of `resolve` determine whether unstable items are read.
/// Fails if the WIT cannot be parsed.
pub fn parse(root: &Path, mut resolve: Resolve) -> Result<(Resolve, PackageId), Failure> {
    let (package, _) = resolve
        .push_dir(root.join("wit"))
        .map_err(|error| unusable(&format!("{error:#}")))?;
    Ok((resolve, package))
}

fn unusable(error: &str) -> Failure {
    Failure::project(format!("wit/: {error}"), "correct the WIT")
}

/// Compares the hash in `changes`, the text of `wit/CHANGES.md`, with the hash of the contract.
/// Returns a finding if they differ, or if the text has no line with a hash.
fn compare_hash(changes: &str, hash: &Digest) -> Option<Finding> {
    let line = changes
        .lines()
        .enumerate()
        .find(|(_, line)| line.starts_with(HASH_LINE));
    let Some((index, stands)) = line else {
        return Some(Finding::new(
            CHANGES,
            changes.lines().count().max(1),
            format!("has no line that begins with `{}`", HASH_LINE.trim_end()),
            format!("run {BLESS}, which adds the line with the contract's hash"),
        ));
    };
    if stands == hash_line(hash) {
        return None;
    }
    let fix = format!(
        "write an entry for the change above the line, raise the package's version, and run {BLESS}"
    );
    Some(Finding::new(
        CHANGES,
        index + 1,
        "the contract has changed since its hash was written",
        fix,
    ))
}

fn hash_line(hash: &Digest) -> String {
    format!("{HASH_LINE}`{hash}`")
}

fn with_hash(changes: &str, hash: &Digest) -> String {
    let mut found = false;
    let mut lines: Vec<_> = changes
        .lines()
        .map(|line| {
            let is_hash = line.starts_with(HASH_LINE);
            found |= is_hash;
            if is_hash {
                hash_line(hash)
            } else {
                line.to_owned()
            }
        })
        .collect();
    if !found {
        lines.extend([String::new(), hash_line(hash)]);
    }
    lines.join("\n") + "\n"
}

/// Returns the text of `wit/deps/deps.lock`: a comment, and a line with the hash of each vendored
/// file, sorted by name. Fails if a file cannot be read.
fn lock_text(root: &Path) -> Result<String, Failure> {
    let deps = root.join("wit/deps");
    let mut text = format!("# Vendored WIT packages; written by {BLESS}.\n");
    for path in walk(&deps)? {
        let name = path
            .strip_prefix(&deps)
            .unwrap_or(&path)
            .display()
            .to_string();
        if path != root.join(LOCK) {
            let bytes =
                std::fs::read(&path).map_err(|error| Failure::file(&path, "be read", error))?;
            text.push_str(&format!("{}  {name}\n", Digest::of(&bytes)));
        }
    }
    Ok(text)
}

fn compare_lock(lock: &str, expected: &str) -> Vec<Finding> {
    let fix = || format!("undo the change, or say in {CHANGES} why and run {BLESS}");
    let is_hash = |line: &&str| !line.starts_with('#');
    let changed = expected
        .lines()
        .filter(is_hash)
        .filter(|line| !lock.lines().any(|locked| locked == *line));
    let mut findings: Vec<_> = changed
        .map(|line| Finding::new(LOCK, 1, format!("does not hold `{line}`"), fix()))
        .collect();
    for (index, line) in lock.lines().enumerate() {
        if is_hash(&line) && !expected.lines().any(|wanted| wanted == line) {
            findings.push(Finding::new(
                LOCK,
                index + 1,
                format!("`{line}` is not the hash of a vendored file"),
                fix(),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_written_and_compared() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let text = with_hash("# Changes\n\ntext\n", &one);
        assert_eq!(compare_hash(&text, &one), None);
        assert_eq!(
            compare_hash(&text, &two).map(|finding| finding.line),
            Some(5)
        );
        assert_eq!(compare_hash(&with_hash(&text, &two), &two), None);
        assert_eq!(with_hash(&text, &two).matches(HASH_LINE).count(), 1);
    }

    #[test]
    fn a_missing_hash_is_not_taken_for_a_changed_contract() {
        let hash = Digest::of(b"1");
        let missing = compare_hash("# Changes\n\ntext\n", &hash).unwrap();
        assert_eq!(missing.line, 3);
        assert!(missing.what.contains("no line"), "{missing}");
        assert!(!missing.fix.contains("entry"), "{missing}");
        assert_eq!(compare_hash("", &hash).map(|finding| finding.line), Some(1));
        let changed = compare_hash(&with_hash("", &hash), &Digest::of(b"2")).unwrap();
        assert!(changed.what.contains("has changed"), "{changed}");
    }

    #[test]
    fn lock_names_what_differs() {
        let expected = "# x\nsha256:1  a.wit\nsha256:2  b.wit\n";
        assert!(compare_lock(expected, expected).is_empty());
        assert_eq!(
            compare_lock("# x\nsha256:1  a.wit\nsha256:3  b.wit\n", expected).len(),
            2
        );
        assert_eq!(compare_lock("", expected).len(), 2);
    }
}
