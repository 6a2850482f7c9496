//! The toolchain on this machine: compilers, the compilation target of scorers, and the C library.
//!
//! Owns the checks, the lines that they print, and the instructions for what is missing. Must not
//! know how anything is built.

use std::path::Path;
use std::process::Command;

use scorebox_text::Problem;

use crate::failure::Failure;
use crate::tools::{self, apt_line, find};
use crate::workspace::{self, GUEST_TARGET};

/// Checks everything that is needed to build scorers and the host, and calls `say` with a line for
/// each item, installed or missing. Fails if an item is missing. If the compilation target of
/// scorers is missing, the target is added.
pub fn check(say: fn(&str)) -> Result<(), Failure> {
    let (mut problems, mut fixes) = (Vec::new(), Vec::new());
    for outcome in [
        compiler("rustc"),
        compiler("cargo"),
        guest_target(),
        linker(),
        static_libc(),
    ] {
        match outcome {
            Ok(line) => say(&format!("ok       {line}")),
            Err(Problem { problem, fix }) => {
                say(&format!("missing  {problem}\n         fix: {fix}"));
                problems.push(problem);
                fixes.push(fix);
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    fixes.dedup();
    Err(Failure::toolchain(
        problems.join("; "),
        format!("{}; then `cargo xtask setup` again", fixes.join("; ")),
    ))
}

/// Result of one check of the toolchain: the description of an installed item, or the problem with
/// a missing item.
type Finding = Result<String, Problem>;

fn compiler(program: &str) -> Finding {
    let wanted = channel().unwrap_or_default();
    let fix = || {
        format!(
            "install rustup from https://rustup.rs; in this folder it takes Rust {wanted} from rust-toolchain.toml"
        )
    };
    let Some(text) = tools::output(program, &["--version"]) else {
        return Err(Problem::new(format!("{program} cannot be run"), fix()));
    };
    match (version(&text), version(&wanted)) {
        (Some(found), Some(least)) if found < least => Err(Problem::new(
            format!("{text} is older than {wanted}"),
            fix(),
        )),
        _ => Ok(text),
    }
}

/// Returns the version of Rust in rust-toolchain.toml, or `None` if the file does not state it.
fn channel() -> Option<String> {
    let text = std::fs::read_to_string(workspace::root().join("rust-toolchain.toml")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned())
}

/// Returns the three numbers of the version in a text such as `rustc 1.95.0 (abc 2026-01-01)`.
/// Returns `None` if the text contains no version.
fn version(text: &str) -> Option<[u64; 3]> {
    let word = text
        .split(' ')
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut numbers = word
        .split(['.', '-', '+'])
        .map(|part| part.parse::<u64>().unwrap_or(0));
    Some([
        numbers.next()?,
        numbers.next().unwrap_or(0),
        numbers.next().unwrap_or(0),
    ])
}

fn guest_target() -> Finding {
    if has_guest_target() {
        return Ok(format!("target {GUEST_TARGET}"));
    }
    let command = format!("rustup target add {GUEST_TARGET}");
    eprintln!("adding   target {GUEST_TARGET}: {command}");
    let added = Command::new("rustup")
        .args(["target", "add", GUEST_TARGET])
        .current_dir(workspace::root())
        .status();
    match added {
        Ok(status) if status.success() && has_guest_target() => {
            Ok(format!("target {GUEST_TARGET}, added"))
        }
        _ => Err(Problem::new(
            format!("target {GUEST_TARGET} cannot be added"),
            command,
        )),
    }
}

fn has_guest_target() -> bool {
    tools::output(
        "rustc",
        &["--print", "target-libdir", "--target", GUEST_TARGET],
    )
    .is_some_and(|folder| Path::new(&folder).is_dir())
}

fn linker() -> Finding {
    match find("cc") {
        Some(path) => Ok(format!("C compiler and linker {}", path.display())),
        None => Err(Problem::new(
            "no C compiler and linker `cc`",
            apt_line(&["gcc", "libc6-dev"]),
        )),
    }
}

/// Checks that the C library is installed as a static archive, because the host is linked
/// statically.
fn static_libc() -> Finding {
    let archive = tools::output("cc", &["-print-file-name=libc.a"]).unwrap_or_default();
    // If the file is missing, the compiler prints its bare name.
    if Path::new(&archive).is_absolute() {
        return Ok(format!("static C library {archive}"));
    }
    Err(Problem::new(
        "no static C library `libc.a`",
        apt_line(&["gcc", "libc6-dev"]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("rustc 1.95.0 (abc 2026-04-01)"), Some([1, 95, 0]));
        assert_eq!(version("1.95"), Some([1, 95, 0]));
        assert_eq!(version("cargo 1.100.1-nightly (x)"), Some([1, 100, 1]));
        assert!(version("1.100.0") > version("1.95.0"));
        assert_eq!(version("stable"), None);
        assert_eq!(channel().as_deref().and_then(version), version("1.95.0"));
    }
}
