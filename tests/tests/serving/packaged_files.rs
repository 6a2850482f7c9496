//! Files that changed since the app was packaged: none is served, and each refusal says what to do.
//!
//! Owns the ways in which a file can be replaced, and the cost of a start without changes. Must not
//! know how a host detects a change.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_tests::app::{App, copy};
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::packaging::{self, package, package_with_engine, packaged};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{onnx, place, programs};
use serde_json::{Value, json};
use tempfile::TempDir;

const COMPONENT: i32 = 4;
const MODEL: i32 = 5;

const WEIGHTS: &str = "model/logreg.safetensors";

/// File of the model that makes it too large to be read at each start.
const PAD: &str = "model/pad.bin";
const PAD_BYTES: usize = 32 << 20;

/// Returns a project whose `init` keeps the sum of the weights.
fn project(manifest: &str) -> App {
    let app = App::with(
        programs::KEEPER,
        &format!("model = \"model\"\n{manifest}\n[stores.default]\n"),
    );
    app.write_digits_model();
    app.write("model/keep", b"table");
    app.write(PAD, &vec![7_u8; PAD_BYTES]);
    app
}

fn xtask() -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A built app folder that is removed when this value is dropped.
struct Folder(TempDir);

impl Folder {
    /// Builds a project into a new folder.
    #[track_caller]
    fn built(project: &Path) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut build = xtask();
        build
            .args(["build", "--manifest"])
            .arg(project.join("scorebox.toml"))
            .arg("--app")
            .arg(folder.app());
        run::finish(&mut build, b"").ended(0);
        folder
    }

    /// Packages a project and unpacks the app of its image. The files get the times of the image's
    /// entries.
    #[track_caller]
    fn unpacked(package: impl FnOnce(&Path) -> Command) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let layout = folder.0.path().join("image");
        packaged(&mut package(&layout));
        packaging::unpack(&layout, "home/site/wwwroot", &folder.app());
        folder
    }

    fn app(&self) -> PathBuf {
        self.0.path().join("app")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.app().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).expect("the file is there")
    }

    /// Replaces a file by a new file with the old one's times, as `touch -r` and `mv` do.
    fn replace(&self, name: &str, bytes: &[u8]) {
        let (file, new) = (self.file(name), self.0.path().join("new"));
        let old = std::fs::metadata(&file).unwrap();
        std::fs::write(&new, bytes).unwrap();
        let times = FileTimes::new()
            .set_modified(old.modified().unwrap())
            .set_accessed(old.accessed().unwrap());
        File::options()
            .write(true)
            .open(&new)
            .unwrap()
            .set_times(times)
            .unwrap();
        std::fs::rename(&new, &file).unwrap();
    }

    /// Overwrites a file in place and restores its old times.
    fn overwrite(&self, name: &str, bytes: &[u8]) {
        let file = self.file(name);
        let old = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, bytes).unwrap();
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(old)
            .unwrap();
    }

    /// Asserts that `serve` and `check` refuse the app.
    #[track_caller]
    fn is_refused(&self, code: i32, parts: &[&str]) -> Finished {
        let parts = [
            parts,
            &["changed since it was packaged", "scorebox build --manifest"],
        ]
        .concat();
        run::finish(&mut scorebox("check", &self.app()), b"")
            .ended(code)
            .said(&parts);
        refused(&self.app(), &[]).ended(code).said(&parts)
    }

    #[track_caller]
    fn digest(&self) -> Value {
        let checked = run::finish(
            scorebox("check", &self.app()).args(["--output", "json"]),
            b"",
        );
        checked.ended(0).json()["model_digest"].clone()
    }
}

/// Returns the weights' file with another last number: the size and the tensors stay the same.
fn other_weights(bytes: &[u8]) -> Vec<u8> {
    let (head, last) = bytes.split_at(bytes.len() - 4);
    let last = f32::from_le_bytes(last.try_into().unwrap());
    [head, &(last + 1000.0).to_le_bytes()].concat()
}

#[track_caller]
fn sum(host: &Host) -> f64 {
    host.score(&json!({})).expect(200).json()["kept"]["sum"]
        .as_f64()
        .expect("a sum")
}

/// Returns the number of bytes that a host has read from files, without mapped files.
fn read_bytes(host: &Host) -> usize {
    let io = std::fs::read_to_string(format!("/proc/{}/io", host.pid())).expect("the host runs");
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .expect("a figure");
    line.parse().expect("a number")
}

#[test]
fn a_replaced_model_is_refused_until_the_app_is_built_again() {
    let folder = Folder::built(&project(""));
    let host = Host::start(&folder.app());
    let before = sum(&host);
    assert_eq!(host.log.wait_for_message("ready")["model"], folder.digest());
    drop(host);
    let old = folder.digest();
    let weights = folder.read(WEIGHTS);
    let (head, numbers) = weights.split_at(weights.len() - 20_000);
    let changed: Vec<u8> = head
        .iter()
        .copied()
        .chain(numbers.iter().map(|byte| byte ^ 1))
        .collect();
    std::fs::write(folder.file(WEIGHTS), &changed).unwrap();
    let refused = folder.is_refused(
        MODEL,
        &[WEIGHTS, "its digest is sha256:", "scorebox package"],
    );
    // The refusal contains this command, which must work as it is.
    let command = refused
        .stderr
        .split('`')
        .nth(1)
        .and_then(|text| text.strip_prefix("scorebox "))
        .expect("a command");
    run::finish(xtask().args(command.split(' ')), b"").ended(0);
    let host = Host::start(&folder.app());
    assert_ne!(sum(&host), before);
    assert_ne!(folder.digest(), old);
    assert_eq!(host.log.wait_for_message("ready")["model"], folder.digest());
}

#[test]
fn a_model_that_was_replaced_under_its_old_size_and_times_is_refused() {
    for snapshot in ["", "snapshot = false"] {
        let folder = Folder::built(&project(snapshot));
        let weights = folder.read(WEIGHTS);
        folder.replace(WEIGHTS, &other_weights(&weights));
        folder.is_refused(MODEL, &[WEIGHTS]);
        folder.overwrite(WEIGHTS, &weights);
        assert!(
            sum(&Host::start(&folder.app())).is_finite(),
            "the packaged file is back"
        );
        folder.overwrite(WEIGHTS, &other_weights(&weights));
        folder.is_refused(MODEL, &[WEIGHTS]);
    }
}

#[test]
fn files_that_are_added_or_gone_or_of_another_size_are_refused() {
    let folder = Folder::built(&project(""));
    let (weights, pad) = (folder.read(WEIGHTS), folder.read(PAD));
    std::fs::write(folder.file("model/sub.txt"), b"more").unwrap();
    folder.is_refused(MODEL, &["model/sub.txt", "was added"]);
    std::fs::rename(folder.file("model/sub.txt"), folder.file("model/keep")).unwrap();
    folder.is_refused(MODEL, &["model/keep", "4 bytes"]);
    std::fs::write(folder.file("model/keep"), b"table").unwrap();
    std::fs::remove_file(folder.file(WEIGHTS)).unwrap();
    folder.is_refused(MODEL, &[WEIGHTS, "is gone"]);
    folder.overwrite(PAD, &pad[1..]);
    std::fs::write(folder.file(WEIGHTS), &weights).unwrap();
    folder.is_refused(MODEL, &[PAD]);
    std::fs::rename(folder.file(PAD), folder.file("model/other.bin")).unwrap();
    folder.is_refused(MODEL, &["model/other.bin"]);
    std::fs::remove_dir_all(folder.file("model")).unwrap();
    refused(&folder.app(), &[]).ended(MODEL);
}

#[test]
fn a_component_of_the_same_kind_is_refused() {
    // A custom section changes only the digest.
    let with = |letter: u8| {
        let app = project("");
        let component = std::fs::read(place::program(programs::KEEPER)).unwrap();
        app.write(
            "component.wasm",
            &[component.as_slice(), &[0, 2, 1, letter]].concat(),
        );
        app
    };
    let folder = Folder::built(&with(b'x'));
    let (ours, other) = (
        folder.read("component.wasm"),
        Folder::built(&with(b'y')).read("component.wasm"),
    );
    assert_eq!(ours.len(), other.len());
    folder.replace("component.wasm", &other);
    folder.is_refused(COMPONENT, &["component.wasm"]);
    folder.replace("component.wasm", &ours);
    assert!(sum(&Host::start(&folder.app())).is_finite());
    folder.overwrite("component.wasm", &other);
    folder.is_refused(COMPONENT, &["component.wasm"]);
    std::fs::remove_file(folder.file("component.wasm")).unwrap();
    refused(&folder.app(), &[])
        .ended(COMPONENT)
        .said(&["component.wasm: cannot be read"]);
}

#[test]
fn a_large_model_is_read_only_where_its_files_leave_a_doubt() {
    let folder = Folder::built(&project(""));
    let digest = folder.digest();
    let read = |app: &Path| {
        let host = Host::start(app);
        assert_eq!(host.log.wait_for_message("ready")["model"], digest);
        assert!(sum(&host).is_finite());
        read_bytes(&host)
    };
    assert!(read(&folder.app()) < PAD_BYTES);
    // This folder was moved.
    let moved = folder.0.path().join("moved");
    std::fs::rename(folder.app(), &moved).unwrap();
    assert!(read(&moved) < PAD_BYTES);
    // This folder was copied without the files' times.
    let copied = folder.0.path().join("copied");
    copy(&moved, &copied);
    assert!(read(&copied) > PAD_BYTES);
}

#[test]
fn an_image_starts_without_reading_a_large_model_and_refuses_another() {
    let project = project("");
    let folder = Folder::unpacked(|layout| package(project.path(), layout));
    let digest = folder.digest();
    let host = Host::start(&folder.app());
    assert_eq!(host.log.wait_for_message("ready")["model"], digest);
    assert!(read_bytes(&host) < PAD_BYTES);
    drop(host);
    let weights = folder.read(WEIGHTS);
    folder.replace(WEIGHTS, &other_weights(&weights));
    folder.is_refused(MODEL, &[WEIGHTS]);
    // A later change of the manifest does not hide the change of the model.
    let manifest = std::fs::read_to_string(folder.file("scorebox.toml")).unwrap();
    std::fs::write(
        folder.file("scorebox.toml"),
        format!("{manifest}\n[config]\na = \"b\"\n"),
    )
    .unwrap();
    folder.is_refused(MODEL, &[WEIGHTS]);
    folder.replace(WEIGHTS, &weights);
    assert!(sum(&Host::start(&folder.app())).is_finite());
}

#[test]
fn a_graph_that_was_replaced_is_refused() {
    let identity = onnx::identity(onnx::element::FLOAT);
    let project = App::graph("m.onnx", &identity, "");
    project.write(PAD, &vec![7_u8; PAD_BYTES]);
    let folder = Folder::unpacked(|layout| package_with_engine(project.path(), layout));
    let digest = folder.digest();
    let host = Host::start(&folder.app());
    assert_eq!(host.log.wait_for_message("ready")["model"], digest);
    assert!(read_bytes(&host) < PAD_BYTES);
    drop(host);
    let other = onnx::identity(onnx::element::INT64);
    assert_eq!(identity.len(), other.len());
    folder.replace("model/m.onnx", &other);
    folder.is_refused(MODEL, &["model/m.onnx"]);
    folder.replace("model/m.onnx", &identity);
    drop(Host::start(&folder.app()));
}
