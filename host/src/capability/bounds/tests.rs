//! Tests that every function that a scorer can import has a row in `BOUNDS`, and that every row
//! belongs to such a function.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_parser::{Resolve, WorldItem};

use super::*;

/// Returns the names of the functions that a scorer may import from the WIT packages in a folder.
/// The names have the form that the rows of `BOUNDS` use. `all_features` includes unstable
/// functions.
fn functions(folder: &Path, all_features: bool) -> BTreeSet<String> {
    let mut resolve = Resolve {
        all_features,
        ..Resolve::default()
    };
    resolve
        .push_path(folder)
        .unwrap_or_else(|error| panic!("{}: {error:#}", folder.display()));
    let mut found = BTreeSet::new();
    for (_, world) in &resolve.worlds {
        for item in world.imports.values() {
            let WorldItem::Interface { id, .. } = item else {
                continue;
            };
            let name = resolve.id_of(*id).expect("an interface with a package");
            if super::super::grant(&name).is_none() {
                continue;
            }
            let interface = name
                .split_once('@')
                .map_or(name.as_str(), |(interface, _)| interface);
            found.extend(
                resolve.interfaces[*id]
                    .functions
                    .keys()
                    .map(|function| format!("{interface}#{function}")),
            );
        }
    }
    found
}

/// Returns the folder with the WIT files of WASI in the sources of Wasmtime.
fn wasi() -> PathBuf {
    // Packages that only other platforms need may not be on this machine.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        .args(["--filter-platform", &platform, "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        cargo.status.success(),
        "{}",
        String::from_utf8_lossy(&cargo.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages
        .find(|package| package["name"] == "wasmtime-wasi")
        .unwrap();
    Path::new(package["manifest_path"].as_str().unwrap())
        .with_file_name("src")
        .join("p2/wit")
}

#[test]
fn every_function_that_a_scorer_can_import_has_a_row_and_every_row_a_function() {
    let contract = functions(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit"), true);
    // Functions that are unstable in WASI are not added to a linker.
    let wasi = functions(&wasi(), false);
    assert!(
        contract.contains("wasi:keyvalue/batch#set-many"),
        "{contract:?}"
    );
    assert!(
        wasi.contains("wasi:random/random#get-random-bytes") && wasi.len() > 100,
        "{wasi:?}"
    );
    let all: BTreeSet<&str> = contract.iter().chain(&wasi).map(String::as_str).collect();
    let rows: BTreeSet<&str> = BOUNDS.iter().map(|row| row.function).collect();
    assert_eq!(rows.len(), BOUNDS.len(), "a function has two rows");
    let covers = |row: &str, function: &str| match row.strip_suffix('*') {
        Some(interface) => function.starts_with(interface),
        None => row == function,
    };
    let without: Vec<_> = all
        .iter()
        .filter(|function| !rows.iter().any(|row| covers(row, function)))
        .collect();
    assert!(without.is_empty(), "no row in BOUNDS for {without:?}");
    let stale: Vec<_> = rows
        .iter()
        .filter(|row| !all.iter().any(|function| covers(row, function)))
        .collect();
    assert!(
        stale.is_empty(),
        "rows of BOUNDS for functions that do not exist: {stale:?}"
    );
}

#[test]
fn a_function_that_ends_within_a_tick_takes_no_list_that_grows() {
    for row in BOUNDS.iter().filter(|row| row.time == Time::Tick) {
        assert!(row.items <= ATTRIBUTES, "{row:?}");
    }
}

#[test]
fn what_exceeds_a_row_is_refused_with_the_bound() {
    let set_many = of("wasi:keyvalue/batch#set-many");
    let pairs = |count: usize, key: usize, value: usize| {
        let key = "k".repeat(key);
        let size = Size::of_pairs((0..count).map(|_| (key.as_str(), value)));
        set_many.exceeded(size)
    };
    assert_eq!(pairs(4096, 10, 10), None);
    let text = |found: Option<Exceeded>, part: &str| {
        let found = found
            .map(|exceeded| exceeded.to_string())
            .unwrap_or_default();
        assert!(found.contains(part), "{found}");
    };
    text(
        pairs(4097, 1, 1),
        "at most 4096 items in one call, and this call has 4097",
    );
    text(pairs(1, KEY_BYTES + 1, 1), "a key has at most 65536 bytes");
    text(pairs(3, 1, 32 << 20), "at most 67108864 bytes");
}
