//! `cargo xtask inspect` on images with an altered configuration, manifest or index, in which every
//! digest fits.
//!
//! There are also images whose texts try to control the terminal. Owns the alterations of
//! documents. Must not know how they are found.

use std::path::Path;
use std::process::Command;

use scorebox_tests::forgery::{Forgery, Member, digest};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, require};
use serde_json::{Value, json};

const STARTS: &str = "container starts as `package` writes it";
const VARIABLES: &str = "variables are those that `package` writes";

/// A name, an alteration, the check that must be wrong, and a part of its reason.
type Case = (&'static str, fn(&mut Forgery), &'static str, &'static str);

fn inspect(layout: &Path, output: &str) -> Finished {
    let mut command = Command::new(place::xtask());
    run::finish(
        command
            .env_clear()
            .arg("inspect")
            .arg(layout)
            .args(["--output", output]),
        b"",
    )
}

/// Packages the example, and passes a function that makes altered copies.
fn with_original(work: impl FnOnce(&dyn Fn(&str) -> Forgery)) {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let original = dir.path().join("original");
    packaged(&mut package(project.path(), &original));
    work(&|name| Forgery::begin(&original, &dir.path().join(name.replace('/', "-"))));
}

fn set(image: &mut Forgery, key: &str, value: Value) {
    image.config["config"][key] = value;
}

fn add_variable(image: &mut Forgery, variable: &str) {
    image.config["config"]["Env"]
        .as_array_mut()
        .expect("a list")
        .push(variable.into());
}

const CASES: &[Case] = &[
    (
        "entrypoint",
        |image| set(image, "Entrypoint", json!(["/bin/sh", "-c", "/evil"])),
        STARTS,
        "/evil",
    ),
    (
        "arguments",
        |image| set(image, "Cmd", json!(["--app", "/evil"])),
        STARTS,
        "/evil",
    ),
    (
        "key in another case",
        |image| set(image, "cmd", json!(["--app", "/evil"])),
        STARTS,
        "/evil",
    ),
    (
        "user",
        |image| set(image, "User", json!("0:0")),
        STARTS,
        "0:0",
    ),
    (
        "working folder",
        |image| set(image, "WorkingDir", json!("/tmp")),
        STARTS,
        "/tmp",
    ),
    (
        "health check",
        |image| {
            set(
                image,
                "Healthcheck",
                json!({ "Test": ["CMD-SHELL", "/evil"] }),
            )
        },
        STARTS,
        "/evil",
    ),
    (
        "volume",
        |image| set(image, "Volumes", json!({ "/home": {} })),
        STARTS,
        "a volume lies over `/home`",
    ),
    (
        "loaded before",
        |image| add_variable(image, "LD_PRELOAD=/evil.so"),
        VARIABLES,
        "LD_PRELOAD",
    ),
    (
        "engine",
        |image| add_variable(image, "SCOREBOX_ENGINE_LIBRARY=/evil.so"),
        VARIABLES,
        "SCOREBOX_ENGINE_LIBRARY",
    ),
    (
        "second root",
        |image| add_variable(image, "AzureWebJobsScriptRoot=/evil"),
        VARIABLES,
        "twice",
    ),
    (
        "platform",
        |image| image.config["architecture"] = "arm64".into(),
        "image is for linux/amd64",
        "linux/arm64",
    ),
    (
        "fewer tars",
        |image| {
            drop(
                image.config["rootfs"]["diff_ids"]
                    .as_array_mut()
                    .expect("a list")
                    .pop(),
            )
        },
        "configuration names every layer",
        "it names 3",
    ),
    (
        "type of the configuration",
        |image| image.manifest["config"]["mediaType"] = "application/x-evil".into(),
        "config",
        "x-evil",
    ),
    (
        "base that is none",
        |image| {
            annotate(image, "base.name", "r.io/base:1");
            annotate(image, "base.digest", &digest(b""));
        },
        "base is named",
        "no layer lies below",
    ),
    (
        "title",
        |image| annotate(image, "title", "other"),
        "annotation org.opencontainers.image.title",
        "says other",
    ),
    (
        "version",
        |image| annotate(image, "version", "9"),
        "annotation org.opencontainers.image.version",
        "says 9",
    ),
    (
        "comment",
        |image| comment(image, "app", "scorer other with component"),
        "history of layer app",
        "says scorer other",
    ),
    (
        "model in a comment",
        |image| comment(image, "model", &format!("model {}", digest(b""))),
        "history of layer model",
        "says model",
    ),
    (
        "label",
        |image| image.config["config"]["Labels"]["dev.scorebox.model.digest"] = digest(b"").into(),
        "label dev.scorebox.model.digest",
        "the files say sha256:",
    ),
];

fn annotate(image: &mut Forgery, name: &str, value: &str) {
    image.manifest["annotations"][format!("org.opencontainers.image.{name}")] = value.into();
}

fn comment(image: &mut Forgery, layer: &str, comment: &str) {
    let number = image.layer(layer);
    image.config["history"][number]["comment"] = format!("{layer}: {comment}").into();
}

#[track_caller]
fn assert_wrong(name: &str, found: &Finished, what: &str, part: &str) {
    assert_eq!(
        found.status.code(),
        Some(7),
        "{name}: {}{}",
        found.stdout,
        found.stderr
    );
    let report = found.json();
    let checks = report["checks"].as_array().expect("checks").iter();
    let mut wrong = checks.filter(|check| check["verdict"] == "wrong" && check["what"] == what);
    let is_told = wrong.any(|check| {
        check["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains(part))
    });
    assert!(is_told, "{name}: no `{part}` in `{what}`: {}", found.stderr);
}

#[test]
fn a_configuration_that_package_did_not_write_is_named_without_a_key() {
    with_original(|copy| {
        for (name, forge, what, part) in CASES {
            let mut image = copy(name);
            forge(&mut image);
            image.finish();
            assert_wrong(name, &inspect(&image.layout, "json"), what, part);
        }
    });
}

#[test]
fn documents_that_two_readers_read_differently_are_named() {
    with_original(|copy| {
        let refuse = |name: &str,
                      config: &dyn Fn(String) -> String,
                      manifest: &dyn Fn(String) -> String,
                      what,
                      part| {
            let mut image = copy(name);
            let text = config(image.config.to_string());
            image.finish_with(&text, |document| manifest(document.to_string()));
            assert_wrong(name, &inspect(&image.layout, "json"), what, part);
        };
        let same = |text: String| text;
        // Go uses the last of these keys, and ignores their case.
        let second = |key: &'static str, value: &'static str| {
            move |text: String| {
                format!(
                    "{},{key}:{value}}}",
                    text.strip_suffix('}').expect("an object")
                )
            }
        };
        let entrypoint =
            |text: String| text.replace("\"config\":{", "\"config\":{\"entrypoint\":[\"/evil\"],");
        refuse(
            "second entrypoint",
            &entrypoint,
            &same,
            "config",
            "`entrypoint` twice",
        );
        refuse(
            "second config",
            &second("\"config\"", "{}"),
            &same,
            "config",
            "stands twice",
        );
        refuse(
            "second layers",
            &same,
            &second("\"Layers\"", "[]"),
            "manifest",
            "`layers` twice",
        );
        refuse(
            "long s",
            &same,
            &second("\"layer\u{17f}\"", "[]"),
            "manifest",
            "beyond ASCII",
        );
    });
}

#[test]
fn lists_that_lead_to_several_images_are_named() {
    with_original(|copy| {
        // There are two images for one platform, or one image without a platform.
        for (name, platform) in [
            (
                "two platforms",
                json!({ "os": "linux", "architecture": "x86_64" }),
            ),
            ("no platform", Value::Null),
        ] {
            let mut image = copy(name);
            image.finish();
            let entry = image.index["manifests"][0].clone();
            let mut other = entry.clone();
            other["platform"] = platform;
            let media_type = "application/vnd.oci.image.index.v1+json";
            let list =
                json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [entry, other] })
                    .to_string();
            let digest = image.put(list.as_bytes());
            image.index["manifests"][0] =
                json!({ "mediaType": media_type, "digest": digest, "size": list.len() });
            image.write_index();
            let found = inspect(&image.layout, "json");
            assert_wrong(
                name,
                &found,
                "list of images names one for linux/amd64",
                "any of 2 images",
            );
        }
        let mut image = copy("one tag twice");
        image.finish();
        let entry = image.index["manifests"][0].clone();
        image.index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
        image.write_index();
        assert_wrong(
            "one tag twice",
            &inspect(&image.layout, "json"),
            "tag of the layout",
            "2 images",
        );
    });
}

#[test]
fn what_a_layout_states_is_bounded_before_it_is_read() {
    require!("mkfifo", "truncate");
    with_original(|copy| {
        // Pipes never end, and files of 8 TiB must not be read.
        for (name, replace) in [
            ("pipe", &["mkfifo"] as &[&str]),
            ("huge", &["truncate", "--size", "8T"]),
        ] {
            for blob in ["config", "layer", "manifest", "list"] {
                let mut image = copy(&format!("{name} {blob}"));
                image.finish();
                let of = |value: &Value| {
                    let digest = value["digest"]
                        .as_str()
                        .expect("a digest")
                        .replace("sha256:", "");
                    image.layout.join("blobs/sha256").join(digest)
                };
                let path = match blob {
                    "config" => of(&image.manifest["config"]),
                    "layer" => of(&image.manifest["layers"][0]),
                    "manifest" => of(&image.index["manifests"][0]),
                    _ => image.layout.join("index.json"),
                };
                std::fs::remove_file(&path).expect("a file");
                run::finish(run::tool(replace[0]).args(&replace[1..]).arg(&path), b"").ended(0);
                let found = inspect(&image.layout, "json");
                assert!(
                    matches!(found.status.code(), Some(1 | 7)),
                    "{name} {blob}: {}",
                    found.stderr
                );
                assert!(
                    found.stderr.contains("is not a file of"),
                    "{name} {blob}: {}",
                    found.stderr
                );
            }
        }
        let mut image = copy("many layers");
        let layer = image.manifest["layers"][0].clone();
        image.manifest["layers"]
            .as_array_mut()
            .expect("a list")
            .extend(vec![layer; 200]);
        image.finish();
        inspect(&image.layout, "json")
            .ended(7)
            .said(&["has 204 layers"]);
        let mut image = copy("long label");
        image.config["config"]["Labels"]["dev.scorebox.world"] = "x".repeat(5 << 20).into();
        image.finish();
        let found = inspect(&image.layout, "text").ended(7);
        assert!(
            found.stdout.len() + found.stderr.len() < 64 << 10,
            "{}",
            found.stdout.len()
        );
    });
}

/// A place in the image that holds text, and a function that puts text there.
type Place<'a> = (&'static str, &'a dyn Fn(&mut Forgery));

#[test]
fn nothing_of_an_image_reaches_the_terminal_unescaped() {
    let evil = "x\nok     layer app  1 bytes, all is well\r\u{1b}[2K\u{9b}1A\u{7f}\u{202e}";
    let escaped = "x\\nok     layer app";
    let places: [Place<'_>; 9] = [
        ("label", &|image| {
            image.config["config"]["Labels"]["dev.scorebox.scorer.name"] = evil.into()
        }),
        ("unknown label", &|image| {
            image.config["config"]["Labels"][format!("dev.scorebox.{evil}")] = "x".into()
        }),
        ("base", &|image| {
            image.on_base();
            image.manifest["annotations"]["org.opencontainers.image.base.name"] = evil.into();
        }),
        ("comment", &|image| comment(image, "app", evil)),
        ("name in a comment", &|image| {
            image.config["history"][3]["comment"] = format!("{evil}: x").into()
        }),
        ("path", &|image| {
            image.change("app", |members| {
                members.push(Member::file(&evil.replace('/', ""), b"x"))
            })
        }),
        ("media type", &|image| {
            image.manifest["layers"][0]["mediaType"] = evil.into()
        }),
        ("digest", &|image| {
            image.manifest["layers"][0]["digest"] = evil.into()
        }),
        ("variable", &|image| add_variable(image, evil)),
    ];
    with_original(|copy| {
        for (name, forge) in places {
            let mut image = copy(name);
            forge(&mut image);
            image.finish();
            for output in ["text", "json"] {
                let found = inspect(&image.layout, output);
                let all = format!("{}{}", found.stdout, found.stderr);
                let is_obeyed = |character: char| {
                    character.is_control() && character != '\n' || character == '\u{202e}'
                };
                assert!(!all.contains(is_obeyed), "{name}: {all:?}");
                assert!(
                    !all.lines()
                        .any(|line| line.contains("all is well") && line.starts_with("ok ")),
                    "{name}: {all}"
                );
                if name != "name in a comment" {
                    assert!(all.contains(escaped), "{name}: {all}");
                }
            }
        }
    });
}
