//! The files in which docker and podman store logins: which file is asked first, and which entry of
//! a file applies.
//!
//! Owns the files and their entries. Must not know the protocol of a login.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{http, require};

use super::{PASSWORD, docker, login, registry, xtask};

/// Line of a file of htpasswd with the user `ci` and the password `PASSWORD`, in bcrypt.
const HTPASSWD: &str = "ci:$2b$05$KeZQW44ptbKq/A7stIhT8O8a4zvKBtkuuXPVYOQtP.StbMVNHJSBS\n";

fn entry(password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("ci:{password}"));
    format!(r#"{{"auth":"{auth}"}}"#)
}

/// Returns the text of a file with these entries: the right password for the keys in `good`, and a
/// wrong one for those in `bad`.
fn auths(good: &[String], bad: &[String]) -> String {
    let row = |key: &String, password: &str| format!(r#""{key}":{}"#, entry(password));
    let good = good.iter().map(|key| row(key, PASSWORD));
    let bad = bad.iter().map(|key| row(key, "wrong-s3cret"));
    let rows: Vec<_> = good.chain(bad).collect();
    format!(r#"{{"auths":{{{}}}}}"#, rows.join(","))
}

fn write(path: &Path, text: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

#[test]
fn the_entry_that_fits_best_is_taken_each_time() {
    let double = registry();
    let name = double.name.as_str();
    let key = |form: &str| form.replace("R", name);
    // The repository is scoring/digits.
    let rows: [(&[&str], &[&str]); 7] = [
        (&["R"], &["R/other", "R/scoring/dig", "other.io"]),
        (&["R/scoring"], &["R", "https://R/v1/", "R/scoring/other"]),
        (&["R/scoring/digits"], &["R/scoring", "R", "http://R"]),
        (&["https://R"], &["R/other"]),
        (&["https://R/v1/"], &["R/other"]),
        (&["R/"], &["R/other"]),
        (&["R"], &["https://R/v2/", "R/"]),
    ];
    for (good, bad) in rows {
        let all = |keys: &[&str]| keys.iter().map(|one| key(one)).collect::<Vec<_>>();
        let config = docker(&auths(&all(good), &all(bad)));
        let config = config.path().display().to_string();
        for _ in 0..6 {
            let outcome = login(&double, &[], &[("DOCKER_CONFIG", &config)], "");
            assert_eq!(
                outcome.status.code(),
                Some(0),
                "{good:?} {bad:?}: {}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn files_of_podman_are_read_where_podman_writes_them() {
    let double = registry();
    let text = auths(std::slice::from_ref(&double.name), &[]);
    let dir = tempfile::tempdir().expect("a folder");
    for (variable, value, file) in [
        ("REGISTRY_AUTH_FILE", "a/logins.json", "a/logins.json"),
        ("XDG_RUNTIME_DIR", "run", "run/containers/auth.json"),
        ("XDG_CONFIG_HOME", "config", "config/containers/auth.json"),
        ("HOME", "home", "home/.config/containers/auth.json"),
    ] {
        let path = dir.path().join(file);
        write(&path, text.as_bytes());
        let value = dir.path().join(value).display().to_string();
        login(&double, &[], &[(variable, &value)], "")
            .ended(0)
            .said(&[&format!("credentials: {}", path.display())]);
        std::fs::remove_file(&path).expect("a file");
        // The text names all places once nothing is found.
        login(&double, &[], &[(variable, &value)], "")
            .ended(5)
            .said(&[
                "--username is not given",
                "SCOREBOX_REGISTRY_USERNAME is not set",
                &format!("{} does not exist", path.display()),
                "podman login",
            ]);
    }
}

#[test]
fn a_file_that_is_named_comes_first_and_docker_before_podman() {
    let double = registry();
    let dir = tempfile::tempdir().expect("a folder");
    let names = [
        "named.json",
        "docker/config.json",
        "run/containers/auth.json",
    ];
    let paths = names.map(|name| dir.path().join(name));
    let shown = |name: &str| dir.path().join(name).display().to_string();
    let (named, docker, run) = (shown("named.json"), shown("docker"), shown("run"));
    let variables = [
        ("REGISTRY_AUTH_FILE", named.as_str()),
        ("DOCKER_CONFIG", docker.as_str()),
        ("XDG_RUNTIME_DIR", run.as_str()),
    ];
    let name = std::slice::from_ref(&double.name);
    for (place, path) in paths.iter().enumerate() {
        for (index, path) in paths.iter().enumerate().skip(place) {
            let right: (&[String], &[String]) = if index == place {
                (name, &[])
            } else {
                (&[], name)
            };
            write(path, auths(right.0, right.1).as_bytes());
        }
        login(&double, &[], &variables, "")
            .ended(0)
            .said(&[&format!("credentials: {}", path.display())]);
        // A file without an entry for the registry is passed by.
        write(path, br#"{"auths":{"other.io":{"auth":"eDp5"}}}"#);
    }
    login(&double, &[], &variables, "")
        .ended(5)
        .said(&[&format!("{named} has no entry for {}", double.name)]);
}

#[test]
fn a_byte_order_mark_is_no_fault_and_another_encoding_is_named() {
    let double = registry();
    let text = auths(std::slice::from_ref(&double.name), &[]);
    let config = docker(&format!("\u{feff}{text}"));
    let folder = config.path().display().to_string();
    login(&double, &[], &[("DOCKER_CONFIG", &folder)], "").ended(0);
    let wide: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    write(&config.path().join("config.json"), &wide);
    login(&double, &[], &[("DOCKER_CONFIG", &folder)], "")
        .ended(1)
        .said(&["config.json: is in UTF-16", "fix: save the file as UTF-8"]);
}

#[test]
fn logins_of_skopeo_and_podman_are_taken_by_a_real_registry() {
    require!("docker-registry", "skopeo", "podman");
    let dir = tempfile::tempdir().expect("a folder");
    let passwords = dir.path().join("htpasswd");
    write(&passwords, HTPASSWD.as_bytes());
    let settings = format!(
        "auth: {{htpasswd: {{realm: scorebox, path: {}}}}}\n",
        passwords.display()
    );
    let registry = Registry::start_with(&settings, |name| {
        let url = format!("http://{name}/v2/");
        http::try_send("GET", &url, &[], http::Body::Sized(Vec::new()))
            .ok()
            .filter(|answer| answer.status == 401)
    });
    let ours = |file: &Path| -> Finished {
        let words = ["login", "--plain-http", "--registry", &registry.name];
        let file = file.display().to_string();
        let mut command = xtask(&words, &[("REGISTRY_AUTH_FILE", &file)]);
        run::finish(command.args(["--repository", "scoring/digits"]), b"")
    };
    for program in ["skopeo", "podman"] {
        let file = dir.path().join(format!("{program}.json"));
        ours(&file).ended(5).said(&["does not exist"]);
        let mut command: Command = run::tool(program);
        command
            .args([
                "login",
                "--tls-verify=false",
                "--username",
                "ci",
                "--password-stdin",
            ])
            .arg("--authfile")
            .arg(&file)
            .arg(&registry.name);
        run::finish(&mut command, PASSWORD.as_bytes()).ended(0);
        let granted = ours(&file).ended(0);
        assert!(
            granted.stdout.contains("pull granted, push granted"),
            "{program}: {}",
            granted.stdout
        );
    }
}
