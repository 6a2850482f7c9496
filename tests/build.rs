//! Constants of the programs in `programs/`, so that a test cannot name a program that does not
//! exist.
//!
//! Owns the form of the constants. Must not know the tests: a build script that read them would
//! compile all areas again after every change of one.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=programs");
    let variable = |name: &str| std::env::var(name).expect("cargo sets it for a build script");
    let folder = Path::new(&variable("CARGO_MANIFEST_DIR")).join("programs");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("it is readable");
    let mut constants = String::new();
    for name in names(&folder) {
        assert!(
            manifest.contains(&format!("path = \"{name}.rs\"")),
            "tests/programs/{name}.rs is not compiled: add an [[example]] to tests/programs/Cargo.toml"
        );
        let code = std::fs::read_to_string(folder.join(format!("{name}.rs"))).expect("it is text");
        let subject = code.lines().next().unwrap_or_default();
        let subject = subject.trim_start_matches("//!").trim();
        writeln!(
            constants,
            "#[doc = {subject:?}]\npub const {}: Program = Program({name:?});",
            name.to_uppercase()
        )
        .expect("a string takes any text");
    }
    let file = Path::new(&variable("OUT_DIR")).join("programs.rs");
    std::fs::write(file, constants).expect("the output folder is writable");
}

/// Returns the names of the programs in the folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the folder of the programs can be listed");
    let files = files.map(|file| file.expect("the folder can be listed to its end").path());
    let mut names: Vec<_> = files
        .filter(|file| file.extension() == Some("rs".as_ref()))
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}
