//! Files of a model whose paths are too long for the header of a tar entry.
//!
//! Owns the names. Other programs unpack the image, and an image in which the two names of an entry
//! differ is refused.

use std::path::{Path, PathBuf};

use scorebox_tests::app::App;
use scorebox_tests::forgery::{Forgery, Member};
use scorebox_tests::packaging::{package, packaged};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::verdict::Outcome::Wrong;
use scorebox_tests::{place, programs, require, skip, verdict};

/// Folder of the model in an image.
const MODEL: &str = "home/site/wwwroot/model";
const FORM: &str = "layers hold what `package` writes";

/// Returns a project with files of long names, and the names.
fn project() -> (App, Vec<String>) {
    let app = App::with(programs::MIRROR, "model = \"model\"\n");
    app.write_digits_model();
    let names = vec![
        format!("{}.json", "x".repeat(96)),
        format!("{}.json", "模".repeat(40)),
        format!(
            "{}/{}/{}.json",
            "d".repeat(120),
            "e".repeat(120),
            "é".repeat(120)
        ),
        format!("{}/{}", "f".repeat(75), "short.json"),
    ];
    for (index, name) in names.iter().enumerate() {
        app.write(&format!("model/{name}"), format!("[{index}]").as_bytes());
    }
    (app, names)
}

fn inspect(layout: &Path) -> Finished {
    let mut command = std::process::Command::new(place::xtask());
    run::finish(command.env_clear().arg("inspect").arg(layout), b"")
}

#[track_caller]
fn holds(root: &Path, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        let path = root.join(MODEL).join(name);
        let content = std::fs::read_to_string(&path);
        assert_eq!(
            content.ok(),
            Some(format!("[{index}]")),
            "{}",
            path.display()
        );
    }
}

#[test]
fn long_names_are_packaged_alike_each_time_and_verified() {
    let (app, _) = project();
    let dir = tempfile::tempdir().expect("a folder");
    let layouts: [PathBuf; 2] = ["a", "b"].map(|name| dir.path().join(name));
    let [one, two] = [&layouts[0], &layouts[1]].map(|layout| {
        let image = packaged(&mut package(app.path(), layout));
        inspect(layout).ended(0);
        image["digest"].clone()
    });
    assert_eq!(one, two);
}

#[test]
fn other_programs_unpack_long_names() {
    require!("umoci", "skopeo", "docker-registry", "podman");
    let (app, names) = project();
    let dir = tempfile::tempdir().expect("a folder");
    let layout = dir.path().join("layout");
    let registry = Registry::start();
    let image = packaged(package(app.path(), &layout).args([
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        "long",
        "--tag",
        "1",
    ]));
    let reference = image["reference"].as_str().expect("a reference");

    // skopeo copies the image from the registry, and umoci unpacks the copy.
    let copy = dir.path().join("copy");
    let mut skopeo = run::tool("skopeo");
    skopeo.args([
        "copy",
        "--src-tls-verify=false",
        &format!("docker://{reference}"),
    ]);
    run::finish(skopeo.arg(format!("oci:{}:1", copy.display())), b"").ended(0);
    let bundle = dir.path().join("bundle");
    let mut umoci = run::tool("umoci");
    umoci.args(["unpack", "--rootless", "--image"]);
    umoci.arg(format!("{}:1", copy.display())).arg(&bundle);
    run::finish(&mut umoci, b"").ended(0);
    holds(&bundle.join("rootfs"), &names);

    if !rustix::process::geteuid().is_root() {
        return skip::skip("podman mounts images for root only");
    }
    let podman = |words: &[&str]| {
        let mut podman = run::tool("podman");
        podman.arg("--root").arg(dir.path().join("store"));
        podman.arg("--runroot").arg(dir.path().join("run"));
        podman.args(["--storage-driver", "vfs"]).args(words);
        run::finish(&mut podman, b"").ended(0)
    };
    podman(&["pull", "--quiet", "--tls-verify=false", reference]);
    let mounted = podman(&["image", "mount", reference]);
    holds(Path::new(mounted.stdout.trim_end()), &names);
    podman(&["image", "unmount", reference]);
}

/// Returns a path that is too long for a header, in the folder of the model.
fn long_path() -> String {
    format!("{MODEL}/{}", "z".repeat(101))
}

/// Adds a file to the model: a PAX header with the path `path`, and a header with the name `name`.
fn add(image: &mut Forgery, name: &str, path: &str) {
    let entry = [
        Member::records(&[("path", path)]),
        Member::file(name, b"[]"),
    ];
    image.change("model", |members| members.extend(entry));
}

#[test]
fn an_entry_with_two_names_is_refused() {
    require!("openssl");
    verdict::judge(&[
        (
            "a header with another name than the path",
            |image| add(image, "usr/bin/scorebox", &long_path()),
            Wrong(FORM, "extension header"),
        ),
        (
            "a path that needs no PAX header",
            |image| {
                add(
                    image,
                    "home/site/wwwroot/model/z",
                    "home/site/wwwroot/model/z",
                )
            },
            Wrong(FORM, "extension header"),
        ),
        (
            "two PAX headers for one entry",
            |image| {
                let first = Member::records(&[("path", &long_path())]);
                image.change("model", |members| members.push(first));
                add(image, &long_path()[..100], &long_path());
            },
            Wrong(FORM, "extension header"),
        ),
        (
            "a second record",
            |image| {
                let entry = [
                    Member::records(&[("path", &long_path()), ("mtime", "1")]),
                    Member::file(&long_path()[..100], b"[]"),
                ];
                image.change("model", |members| members.extend(entry));
            },
            Wrong(FORM, "extension header"),
        ),
    ]);
}
