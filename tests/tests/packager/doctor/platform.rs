//! Planted mistakes of names, memory, CPU, hosts, images and addresses.
//!
//! Owns this part of the table, and the images that are altered. Must not know registries' rights.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_tests::packaging::{documents, package, packaged};
use scorebox_tests::place;
use scorebox_tests::redis::free_port;
use scorebox_tests::registry::Registry;
use scorebox_tests::require;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{BUS, Mistake, Scene, finds, nothing, verdicts};

fn check(plant: &dyn Fn(&Scene), words: &[&str], line: (&str, &str), text: &str, fix: &str) {
    let mistake = Mistake {
        plant,
        words: &[&["--offline"][..], words].concat(),
        variables: &[BUS],
        line,
        text,
        fix,
    };
    mistake.check();
}

#[test]
fn mistakes_of_names() {
    let problem = ("names", "problem");
    let of_deploy = |words: &[&str], text: &str, fix: &str| {
        let right = [
            "--manifest",
            "PROJECT",
            "--",
            "--target",
            "premium",
            "--location",
            "westeurope",
        ];
        check(&nothing, &[&right[..], words].concat(), problem, text, fix);
    };
    of_deploy(
        &["--group", "scoring", "--name", "a;b"],
        "`--name`: `a;b`",
        "letters",
    );
    of_deploy(
        &["--group", "$(id)", "--name", "risk"],
        "--group",
        "letters",
    );
    let storage = [
        "--group",
        "g",
        "--name",
        "risk",
        "--storage-account",
        "Contoso",
    ];
    of_deploy(
        &storage,
        "`Contoso` cannot be the name of a storage account",
        "3 to 24",
    );
    of_deploy(
        &["--name", "risk"],
        "--group <NAME>",
        "cargo xtask deploy --help",
    );
    check(
        &nothing,
        &["--manifest", "PROJECT", "--repository", "Digits"],
        problem,
        "repository `Digits` has the capital letter `D`",
        "write `digits`",
    );
    check(
        &|scene| {
            scene.edit("project/scorebox.toml", |text| {
                text.replace(
                    "connection = \"Bus\"",
                    "connection = \"FUNCTIONS_WORKER_RUNTIME\"",
                )
            });
        },
        &[
            "--manifest",
            "PROJECT",
            "--",
            "--target",
            "premium",
            "--location",
            "l",
            "--group",
            "g",
            "--name",
            "nn",
        ],
        problem,
        "`FUNCTIONS_WORKER_RUNTIME` cannot be the name of your setting",
        "choose another name",
    );
}

#[test]
fn mistakes_of_memory_and_cpu() {
    let limits = |limits: &'static str| {
        move |scene: &Scene| {
            scene.edit("app/scorebox.toml", |text| {
                format!("{text}\n[limits]\n{limits}\n")
            });
        }
    };
    let app = ["--app", "APP"];
    let with = |words: &[&'static str]| [&app[..], words].concat();
    check(
        &nothing,
        &with(&["--memory", "48MiB"]),
        ("memory", "problem"),
        "the container has 48.0 MiB by --memory, and may need",
        "give the container at least",
    );
    check(
        &limits("total_memory = \"2GiB\""),
        &with(&["--memory", "1GiB"]),
        ("memory", "problem"),
        "instances 2.0 GiB",
        "lower `limits.total_memory`",
    );
    check(
        &limits("memory = \"1GiB\""),
        &with(&["--memory", "1GiB"]),
        ("memory", "warning"),
        "a call that needs more is answered 503",
        "set `limits.memory` to at most 512.0 MiB",
    );
    check(
        &nothing,
        &with(&["--cpus", "0.05"]),
        ("cpu", "problem"),
        "0.05 cores by --cpus",
        "at least 0.25 cores",
    );
    check(
        &limits("instances = 512"),
        &with(&["--cpus", "1"]),
        ("cpu", "warning"),
        "`limits.instances` is 512",
        "set `limits.instances` to \"auto\" or at most 16",
    );
}

#[test]
fn mistakes_of_hosts() {
    let problem = ("host", "problem");
    let app = ["--app", "APP"];
    let edit = |from: &'static str, to: &'static str| {
        move |scene: &Scene| scene.edit("app/scorebox.toml", |text| text.replace(from, to))
    };
    check(
        &edit("wasmtime ", "wasmtime 1"),
        &app,
        problem,
        "the code was compiled for the engine `wasmtime 1",
        "build and package again",
    );
    check(
        &edit("cpu = \"x86-64\"", "cpu = \"x86-64-v9\""),
        &app,
        problem,
        "x86-64-v9",
        "build and package again",
    );
    check(
        &|scene| {
            scene.edit("project/scorebox.toml", |text| {
                text.replace("base = \"functions\"", "base = \"scratch\"")
            });
        },
        &["--manifest", "PROJECT"],
        problem,
        "`package.base` is `scratch`, which has no Functions host, so `applications` would never be called",
        "base = \"functions\"",
    );
}

/// Packages the project of a scene with a host program, into the folder `layout` of the scene.
fn layout(scene: &Scene, host: &Path) -> PathBuf {
    let layout = scene.path("layout");
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["package", "--base", "scratch", "--manifest"])
        .arg(scene.path("project/scorebox.toml"));
    command.arg("--layout").arg(&layout).arg("--host").arg(host);
    packaged(&mut command);
    layout
}

#[test]
fn an_image_with_another_host_or_another_functions_host_is_found() {
    let scene = Scene::new();
    let mut program = std::fs::read(place::image_host()).expect("a program");
    let own = format!("scorebox/{}", env!("CARGO_PKG_VERSION"));
    let other = "scorebox/9.9.9";
    assert_eq!(own.len(), other.len(), "the program keeps its size");
    let mut count = 0;
    for at in 0..program.len() - own.len() {
        if program[at..].starts_with(own.as_bytes()) {
            program[at..at + own.len()].copy_from_slice(other.as_bytes());
            count += 1;
        }
    }
    assert!(count > 0, "the host names its version");
    let host = scene.path("host");
    std::fs::write(&host, program).expect("a file");
    let layout = layout(&scene, &host);
    let image = layout.display().to_string();
    let outcome = scene.doctor(&["--image", &image, "--offline"], &[BUS]);
    finds(
        &outcome,
        ("host", "warning"),
        "the image has Scorebox 9.9.9",
        "package again",
    );
    let report = outcome.json();
    assert_eq!(verdicts(&report, "component"), ["ok"], "{report:#}");

    change_config(&layout, |config| {
        let variables = config["config"]["Env"].as_array_mut().expect("variables");
        variables.push(json!("HOST_VERSION=3.21.1"));
    });
    let outcome = scene.doctor(&["--image", &image, "--offline"], &[BUS]);
    finds(
        &outcome,
        ("host", "problem"),
        "has the Functions host 3.21.1",
        "--base functions",
    );
}

/// Changes the config of a layout's image, and everything that names it by its digest.
fn change_config(layout: &Path, change: impl FnOnce(&mut Value)) {
    let put = |value: &Value| {
        let bytes = value.to_string().into_bytes();
        let hex = hex::encode(Sha256::digest(&bytes));
        std::fs::write(layout.join("blobs/sha256").join(&hex), &bytes).expect("a file");
        (json!(format!("sha256:{hex}")), json!(bytes.len()))
    };
    let (mut manifest, mut config) = documents(layout);
    change(&mut config);
    (manifest["config"]["digest"], manifest["config"]["size"]) = put(&config);
    let path = layout.join("index.json");
    let text = std::fs::read_to_string(&path).expect("a layout");
    let mut index: Value = serde_json::from_str(&text).expect("JSON");
    let entry = &mut index["manifests"][0];
    (entry["digest"], entry["size"]) = put(&manifest);
    std::fs::write(path, index.to_string()).expect("a file");
}

#[test]
fn mistakes_of_images() {
    require!("docker-registry");
    let (registry, scene) = (Registry::start(), Scene::new());
    let doctor = |image: &str| scene.doctor(&["--image", image, "--plain-http"], &[BUS]);
    let name = format!("{}/scoring/digits", registry.name);
    let problem = ("image", "problem");
    finds(&doctor(&format!("{name}:1.0.0")), problem, "1.0.0", "");
    finds(&doctor("digits"), problem, "digits", "HOST[:PORT]");

    let mut push = package(&scene.path("project"), &scene.path("layout"));
    push.args([
        "--base",
        "scratch",
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
    ]);
    packaged(&mut push);
    let tagged = doctor(&format!("{name}:1.0.0"));
    finds(
        &tagged,
        ("image", "warning"),
        "the tag can be moved",
        &format!("deploy {name}@sha256:"),
    );
    // The app of the image was tried.
    let report = tagged.json();
    for noun in ["manifest", "component", "model", "host.json", "pull right"] {
        assert_eq!(verdicts(&report, noun), ["ok"], "{noun}: {report:#}");
    }

    // A blob that is not the one that its name says is not read.
    let (manifest, _) = documents(&scene.path("layout"));
    let layers = manifest["layers"].as_array().expect("layers");
    let digest = layers.last().expect("a layer")["digest"]
        .as_str()
        .expect("a digest");
    let hex = digest.trim_start_matches("sha256:");
    let blob = scene.path("layout").join("blobs/sha256").join(hex);
    let mut bytes = std::fs::read(&blob).expect("a blob");
    bytes[100] ^= 1;
    std::fs::write(&blob, bytes).expect("a file");
    let layout = scene.path("layout").display().to_string();
    finds(&doctor(&layout), problem, hex, "");
}

#[test]
fn mistakes_of_addresses() {
    let scene = Scene::new();
    let doctor = |url: &str| scene.doctor(&["--url", url], &[]);
    let problem = ("address", "problem");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    finds(
        &doctor(&nobody),
        problem,
        "127.0.0.1",
        "check the host, the port",
    );
    finds(
        &doctor("risk.contoso.com"),
        problem,
        "is not an address",
        "https://HOST",
    );
    finds(
        &doctor("http://user:s3cre7@127.0.0.1"),
        problem,
        "is not an address",
        "without a user",
    );
    let password = doctor("http://:s3cret@127.0.0.1");
    finds(&password, problem, "is not an address", "without a user");
    // The report has no path and no query. The scene looks for the text of the key.
    let with_path = doctor(&format!("{nobody}/s3cret?code=s3cret"));
    finds(&with_path, problem, "", "check the host, the port");
    require!("docker-registry");
    let registry = Registry::start();
    let other = doctor(&format!("http://{}", registry.name));
    finds(
        &other,
        ("address", "warning"),
        "has no /readyz",
        "call a function",
    );
}
