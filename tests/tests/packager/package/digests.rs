//! The digest of an image: the same for the same inputs, and another for each other input.
//!
//! Owns the inputs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::{place, run, skip};

use super::SECRET;

#[track_caller]
fn digest(project: &Path) -> String {
    let output = tempfile::tempdir().unwrap();
    let image = packaged(&mut package(project, &output.path().join("image")));
    image["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn two_builds_at_two_places_and_times_give_one_digest() {
    let (first, second) = (project(), project());
    let expected = digest(first.path());

    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in [
        "component.wasm",
        "scorebox.toml",
        "model/logreg.safetensors",
    ] {
        std::fs::File::options()
            .write(true)
            .open(second.path().join(name))
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    let output = tempfile::tempdir().unwrap();
    let packaging = package(second.path(), &output.path().join("elsewhere"));
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(packaging.get_program())
        .args(packaging.get_args());
    command.envs([
        ("TZ", "Asia/Kathmandu"),
        ("LANG", "tr_TR.UTF-8"),
        ("HOSTNAME", "other"),
        ("USER", "nobody"),
    ]);
    command.env("SECRET", SECRET).current_dir("/");
    let image = packaged(&mut command);
    assert_eq!(image["digest"], expected.as_str());

    // The build also runs as another user with few rights.
    if rustix::process::geteuid().is_root() && place::tool("setpriv").is_some() {
        let open = |path: &Path| {
            let mut change = Command::new("chmod");
            assert!(
                change
                    .args(["--recursive", "a+rwX"])
                    .arg(path)
                    .status()
                    .expect("chmod runs")
                    .success()
            );
        };
        let theirs = tempfile::tempdir().unwrap();
        for name in ["target", "out"] {
            std::fs::create_dir(theirs.path().join(name)).unwrap();
        }
        open(theirs.path());
        open(first.path());
        let packaging = package(first.path(), &theirs.path().join("out/image"));
        let mut command = run::tool("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .arg(packaging.get_program())
            .args(packaging.get_args());
        command
            .env("CARGO_TARGET_DIR", theirs.path().join("target"))
            .current_dir("/");
        assert_eq!(packaged(&mut command)["digest"], expected.as_str());
    } else {
        skip::skip("building as another user takes root and `setpriv`");
    }
}

#[test]
fn every_input_changes_the_digest() {
    let project = project();
    let mut seen = vec![digest(project.path())];
    let mut changed = |what: &str, digest: String| {
        assert!(!seen.contains(&digest), "{what} changes nothing");
        seen.push(digest);
    };
    let change = |name: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let file = project.path().join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        edit(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        digest(project.path())
    };
    changed(
        "the model",
        change("model/logreg.safetensors", &|bytes| {
            *bytes.last_mut().unwrap() ^= 1
        }),
    );
    // An empty custom section with the name `x` makes another component with the same behaviour.
    changed(
        "the component",
        change("component.wasm", &|bytes| bytes.extend([0, 2, 1, b'x'])),
    );
    changed(
        "the manifest",
        change("scorebox.toml", &|bytes| {
            bytes.extend(b"\n[config]\na = \"b\"\n")
        }),
    );

    let other = tempfile::tempdir().unwrap();
    let host = other.path().join("scorebox");
    let mut bytes = std::fs::read(place::image_host()).unwrap();
    bytes.push(0);
    std::fs::write(&host, bytes).unwrap();
    let mut command = package(project.path(), &other.path().join("image"));
    let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let at = arguments
        .iter()
        .position(|argument| argument == "--host")
        .expect("it is given");
    let mut with_other_host = Command::new(command.get_program());
    with_other_host
        .args(&arguments[..at])
        .arg("--host")
        .arg(&host);
    changed(
        "the host",
        packaged(&mut with_other_host)["digest"].to_string(),
    );
    let dated = packaged(command.env("SOURCE_DATE_EPOCH", "1700000000"));
    changed("the time", dated["digest"].to_string());
}
