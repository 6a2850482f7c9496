//! `cargo xtask package --base`: images on a base from another registry, and from the same
//! registry.
//!
//! Owns the properties of an image on a base, seen from outside. Must not know how the image is
//! built.

use std::path::Path;
use std::process::Command;

use scorebox_host::engine::VERSION;
use scorebox_tests::packaging::{blob, documents, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::stand_in::{self, StandIn};
use scorebox_tests::{place, require, run, skip};
use serde_json::{Value, json as value};

fn on(base: &str, project: &Path, output: &Path) -> Command {
    let mut command = package(project, output);
    command.args(["--base", base, "--base-plain-http"]);
    command
}

fn push<'a>(command: &'a mut Command, registry: &Registry) -> &'a mut Command {
    command.args([
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        "scoring/digits",
    ])
}

/// Returns the outcome of each blob, with the blob's name.
fn outcomes(image: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let blobs = image["blobs"].as_array().expect("blobs");
    blobs
        .iter()
        .map(|blob| (text(&blob["name"]), text(&blob["outcome"])))
        .collect()
}

fn named(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    outcomes
        .iter()
        .map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned()))
        .collect()
}

fn requests(registry: &Registry, part: &str) -> usize {
    registry
        .log
        .text()
        .lines()
        .filter(|line| line.contains(part))
        .count()
}

/// Pulls an image with another program, which checks every digest, and returns its manifest and
/// configuration.
#[track_caller]
fn pulled(image: &Value, to: &Path) -> (Value, Value) {
    let name = format!(
        "docker://{}",
        image["reference"].as_str().expect("a reference")
    );
    let layout = format!("oci:{}:pulled", to.display());
    let mut copy = run::tool("skopeo");
    copy.args([
        "copy",
        "--src-tls-verify=false",
        "--preserve-digests",
        &name,
        &layout,
    ]);
    run::finish(&mut copy, b"").ended(0);
    documents(to)
}

#[track_caller]
fn check_functions_image(base: &StandIn, manifest: &Value, config: &Value) {
    let layers = manifest["layers"].as_array().expect("layers");
    let digests: Vec<_> = layers
        .iter()
        .filter_map(|layer| layer["digest"].as_str())
        .collect();
    assert_eq!(
        digests[..2],
        base.layers(),
        "the base's layers keep their digests"
    );
    assert_eq!(layers.len(), 5);
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    for layer in layers {
        let media_type = layer["mediaType"].as_str().expect("a type");
        assert!(
            media_type.starts_with("application/vnd.oci.image.layer.v1.tar"),
            "{media_type}"
        );
    }
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.name"],
        base.name
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.digest"],
        base.digest
    );

    let container = &config["config"];
    assert_eq!(container["Cmd"], value!(["/azure-functions-host/start.sh"]));
    assert_eq!(container["Entrypoint"], Value::Null);
    assert!(
        container["User"].as_str().is_none_or(str::is_empty),
        "{container}"
    );
    assert_eq!(container["WorkingDir"], "/azure-functions-host");
    assert!(
        container["ExposedPorts"]
            .as_object()
            .is_some_and(|ports| ports.len() == 1),
        "{container}"
    );
    let env = container["Env"].as_array().expect("variables");
    for variable in [
        "AzureWebJobsScriptRoot=/home/site/wwwroot",
        "FUNCTIONS_WORKER_RUNTIME=custom",
        "HOME=/home",
    ] {
        assert_eq!(
            env.iter().filter(|entry| *entry == variable).count(),
            1,
            "{variable} in {env:?}"
        );
    }
    assert_eq!(container["Labels"]["dev.scorebox.scorer.name"], "digits");
    assert_eq!(
        config["rootfs"]["diff_ids"].as_array().map(Vec::len),
        Some(5)
    );
    let history = config["history"].as_array().expect("a history");
    assert_eq!(
        history
            .iter()
            .filter(|entry| entry["empty_layer"] != true)
            .count(),
        5,
        "{history:?}"
    );
}

#[test]
fn base_of_another_registry_is_copied_once() {
    require!("docker-registry", "skopeo", "umoci");
    let (project, output) = (project(), tempfile::tempdir().unwrap());
    let (theirs, ours) = (Registry::start(), Registry::start());
    let base = stand_in::functions(&theirs);
    let layout = output.path().join("image");

    let rehearsed = packaged(push(
        on(&base.name, project.path(), &layout).arg("--dry-run"),
        &ours,
    ));
    let expected = named(&[
        ("base-1", "copied"),
        ("base-2", "copied"),
        ("host", "sent"),
        ("model", "sent"),
        ("app", "sent"),
        ("config", "sent"),
    ]);
    assert_eq!(outcomes(&rehearsed), expected);
    assert_eq!(
        (&rehearsed["pushed"], &rehearsed["dryRun"]),
        (&value!(false), &value!(true))
    );
    assert_eq!(
        (ours.uploads(), requests(&ours, "PUT /v2/")),
        (0, 0),
        "{}",
        ours.log.text()
    );

    let image = packaged(push(&mut on(&base.name, project.path(), &layout), &ours));
    assert_eq!(outcomes(&image), expected);
    assert_eq!(image["digest"], rehearsed["digest"]);
    let (manifest, config) = pulled(&image, &output.path().join("pulled"));
    check_functions_image(&base, &manifest, &config);
    // The large layer takes two chunks. Every other blob takes one, including the list of parts,
    // the statement and their configuration.
    let chunks = ours
        .log
        .text()
        .lines()
        .filter(|line| line.contains("\"PATCH /v2/"))
        .count();
    assert_eq!(chunks, 10, "{}", ours.log.text());
    let index = json(&std::fs::read(layout.join("index.json")).unwrap());
    assert_eq!(index["manifests"][0]["digest"], image["digest"]);
    let hex = base.layers()[1].replace("sha256:", "");
    assert!(
        !layout.join("blobs/sha256").join(hex).exists(),
        "the layout only names what went from one to the other"
    );

    let uploads = ours.uploads();
    let pinned = format!("{}@{}", base.name, base.list_digest);
    let again = packaged(push(&mut on(&pinned, project.path(), &layout), &ours));
    assert_eq!(
        (&again["digest"], ours.uploads()),
        (&image["digest"], uploads),
        "{again}"
    );
    assert!(
        outcomes(&again)
            .iter()
            .all(|(_, outcome)| outcome == "skipped"),
        "{again}"
    );
}

#[test]
fn base_of_the_same_registry_is_mounted() {
    require!("docker-registry", "skopeo", "umoci");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let base = stand_in::functions(&registry);
    let mut command = package(project.path(), &output.path().join("image"));
    // There is one registry, so --plain-http is enough for the base too.
    let image = packaged(push(
        command.args(["--base", &base.name, "--compression", "zstd"]),
        &registry,
    ));
    let outcomes = outcomes(&image);
    assert_eq!(
        outcomes[..3],
        named(&[
            ("base-1", "mounted"),
            ("base-2", "mounted"),
            ("host", "sent")
        ])
    );
    let (manifest, config) = pulled(&image, &output.path().join("pulled"));
    check_functions_image(&base, &manifest, &config);
    assert_eq!(
        manifest["layers"][2]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+zstd"
    );
}

#[test]
fn layout_on_a_base_is_whole_where_nothing_is_pushed() {
    require!("docker-registry", "skopeo", "umoci");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let base = stand_in::plain(&registry);
    let layout = output.path().join("image");
    let image = packaged(&mut on(&base.name, project.path(), &layout));
    let (manifest, config) = documents(&layout);
    let layers = manifest["layers"].as_array().expect("layers");
    assert!(
        layers
            .iter()
            .all(|layer| !blob(&layout, &layer["digest"]).is_empty())
    );
    assert_eq!(layers[0]["digest"], base.layers()[0]);
    let container = &config["config"];
    assert_eq!(container["Entrypoint"][0], "/usr/bin/scorebox");
    assert_eq!(
        (&container["Cmd"], &container["User"]),
        (&Value::Null, &value!("65532:65532"))
    );
    let env = container["Env"].as_array().expect("variables");
    assert!(env.contains(&value!("LANG=C")), "{env:?}");
    let names: Vec<_> = outcomes(&image).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["base-1", "base-2", "host", "model", "app", "config"]
    );

    // Blobs in the layout are not read from the registry again. A base in the manifest counts like
    // one in the flag.
    let reads = requests(&registry, "\"GET /v2/library/plain/blobs");
    let mut text = std::fs::read_to_string(project.path().join("scorebox.toml")).unwrap();
    text.push_str(&format!("\n[package]\nbase = \"{}\"\n", base.name));
    std::fs::write(project.path().join("scorebox.toml"), text).unwrap();
    let mut command = package(project.path(), &layout);
    let pushed = packaged(push(
        command.args(["--base-blobs", "--base-plain-http"]),
        &registry,
    ));
    assert_eq!(outcomes(&pushed)[0].1, "mounted");
    assert_eq!(
        requests(&registry, "\"GET /v2/library/plain/blobs"),
        reads + 1,
        "the configuration alone"
    );
    run::finish(
        run::tool("skopeo").args(["inspect", &format!("oci:{}:1.0.0", layout.display())]),
        b"",
    )
    .ended(0);
}

#[test]
fn base_that_cannot_be_had_is_told_before_anything_is_built() {
    require!("docker-registry");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let layout = output.path().join("image");
    let refuse = |base: &str, code: i32, parts: &[&str]| {
        run::finish(&mut on(base, project.path(), &layout), b"")
            .ended(code)
            .said(parts);
        assert!(!layout.exists());
    };
    refuse(
        &format!("{}/nothing:1", registry.name),
        5,
        &["nothing:1", "404", "fix:"],
    );
    let nobody = format!("127.0.0.1:{}", scorebox_tests::redis::free_port());
    refuse(&format!("{nobody}/base:1"), 6, &[&nobody, "fix:"]);
    refuse("debian", 3, &["base `debian`", "HOST"]);
}

#[test]
fn keys_of_the_server_do_not_fit_the_functions_base() {
    require!("docker-registry");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let base = stand_in::functions(&registry);
    let manifest = project.path().join("scorebox.toml");
    let text = std::fs::read_to_string(&manifest).expect("it is there");
    std::fs::write(&manifest, text + "\n[server]\nkeys = [\"env:KEY\"]\n").expect("a file");
    let layout = output.path().join("image");
    run::finish(&mut on(&base.name, project.path(), &layout), b"")
        .ended(3)
        .said(&["server.keys", "trigger.auth_level", "fix:"]);
    assert!(!layout.exists());
}

#[test]
fn dynamic_host_is_refused_where_the_base_lacks_its_libraries() {
    require!("docker-registry", "skopeo", "umoci", "sh");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let layout = output.path().join("image");
    // A shell with the version of this release in its file takes the place of a dynamic host.
    let mut shell = std::fs::read(place::tool("sh").expect("a shell")).expect("it can be read");
    shell.extend(VERSION.as_bytes());
    let host = output.path().join("host");
    std::fs::write(&host, shell).expect("a file can be written");
    let with_host = |base: Option<&str>| {
        let mut command = Command::new(place::xtask());
        command
            .env_clear()
            .args(["package", "--manifest"])
            .arg(project.path().join("scorebox.toml"));
        command
            .arg("--layout")
            .arg(&layout)
            .arg("--host")
            .arg(&host);
        command.args(
            base.map(|base| ["--base-plain-http", "--base", base])
                .into_iter()
                .flatten(),
        );
        run::finish(&mut command, b"")
    };
    if with_host(None).ended(4).stderr.contains("not a 64-bit ELF") {
        return skip::skip("`sh` is not a program that a host could be: it is not a 64-bit ELF");
    }
    let base = stand_in::plain(&registry);
    with_host(Some(&base.name)).ended(3).said(&[
        &base.name,
        "cannot run",
        "it lacks the loader ld-linux",
        "Debian 12",
    ]);
    assert!(!layout.exists());
}
