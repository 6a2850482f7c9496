//! Configurations and annotations that `package` did not write.
//!
//! Owns the table of alterations.

use scorebox_tests::forgery::{Forgery, digest};
use serde_json::{Value, json};

use super::{add_variable, assert_wrong, comment, inspect, with_original};

const STARTS: &str = "container starts as `package` writes it";
const VARIABLES: &str = "variables are those that `package` writes";

/// A name, an alteration, the check that must be wrong, and a part of its reason.
type Case = (&'static str, fn(&mut Forgery), &'static str, &'static str);

fn set(image: &mut Forgery, key: &str, value: Value) {
    image.config["config"][key] = value;
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
        "a volume covers `/home`",
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
        "no layer is below",
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
