//! Conversion of NumPy's files to safetensors by `cargo xtask convert`.
//!
//! Owns the calls that the parts share, and the files that a conversion writes or replaces. Must
//! not know how a file is read.

mod refusals;
mod values;

use std::path::Path;
use std::process::Command;

use safetensors::SafeTensors;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{numpy, place};

/// Runs `convert` with half a gigabyte of address space, which limits its memory.
fn convert(file: &Path, output: &Path, more: &[&str]) -> Finished {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 524288 && exec \"$0\" convert \"$@\""])
        .arg(place::xtask());
    run::finish(
        command.arg(file).arg("--output").arg(output).args(more),
        b"",
    )
}

#[test]
fn a_file_is_replaced_only_when_asked() {
    let output = tempfile::tempdir().unwrap();
    let one = |more: &[&str]| convert(&numpy::made("version-1.npy"), output.path(), more);
    let path = one(&[]).ended(0).stdout;
    assert_eq!(
        path,
        format!(
            "{}\n",
            output.path().join("version-1.safetensors").display()
        )
    );
    std::fs::write(path.trim_end(), "mine").unwrap();
    one(&[])
        .ended(1)
        .said(&["version-1.safetensors: already exists", "--force"]);
    assert_eq!(std::fs::read(path.trim_end()).unwrap(), b"mine");
    one(&["--force"]).ended(0);
    assert!(SafeTensors::deserialize(&std::fs::read(path.trim_end()).unwrap()).is_ok());
    one(&["--name", "../out"])
        .ended(1)
        .said(&["cannot be the name of a file", "--name"]);
    one(&["--name", "__metadata__"])
        .ended(1)
        .said(&["`__metadata__` cannot be the name of a file"]);
    one(&["--force", "--limit", "47B"])
        .ended(3)
        .said(&["48 bytes, more than the limit", "--limit"]);
    one(&["--force", "--limit", "48B"]).ended(0);
    convert(Path::new("model.onnx"), output.path(), &[])
        .ended(3)
        .said(&["model.onnx", "No such file", "name a file that exists"]);
    convert(Path::new("none.npy"), output.path(), &[])
        .ended(3)
        .said(&["none.npy", "No such file", "name a file that exists"]);
}
