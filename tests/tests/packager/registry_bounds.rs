//! Registries that state or send more data than any client can accept.
//!
//! Owns a server of raw responses. Must not know which limit is reached first: a command ends soon,
//! gives the reason, and leaves nothing on the disk.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use scorebox_tests::double::{Double, Rules};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Timeout for a command that should end at once. It is long enough for a busy machine.
const SOON: Duration = Duration::from_secs(60);
const TEN_TERABYTES: u64 = 10_000_000_000_000;
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

static PROJECT: LazyLock<TempDir> = LazyLock::new(project);

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Puts a base image with these layers into a registry, and returns its name.
fn base(double: &Double, layers: &[Value]) -> String {
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = config.to_string().into_bytes();
    let descriptor = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(),
        "digest": double.put_blob("base", &config) });
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptor, "layers": layers }).to_string();
    let _ = double.put_manifest("base", "1", MANIFEST_TYPE, manifest.as_bytes());
    format!("{}/base:1", double.name)
}

fn layer(double: &Double, bytes: &[u8], size: u64) -> Value {
    json!({ "mediaType": LAYER_TYPE, "digest": double.put_blob("base", bytes), "size": size })
}

/// Packages on a base, with a folder of its own for temporary files.
fn on(base: &str, dir: &Path, words: &[&str]) -> Finished {
    let mut command = package(PROJECT.path(), &dir.join("layout"));
    command
        .args(["--base", base, "--base-plain-http", "--base-blobs"])
        .args(words)
        .env("TMPDIR", dir);
    run::finish_within(SOON, &mut command, b"")
}

/// Returns the total size of the files below a folder, in bytes.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |path: &Path| {
        if path.is_dir() {
            size_of(path)
        } else {
            path.metadata().map_or(0, |file| file.len())
        }
    };
    entries.map(|entry| size(&entry.path())).sum()
}

#[test]
fn sizes_that_no_disk_has_are_refused_before_anything_is_written() {
    let double = Double::start(Rules::default());
    let huge = |size: u64| {
        let layers = [layer(&double, b"small", 5), layer(&double, b"large", size)];
        base(&double, &layers)
    };
    for (size, words, part) in [
        (TEN_TERABYTES, &[][..], "--max-download"),
        (i64::MAX.unsigned_abs(), &[][..], "--max-download"),
        (TEN_TERABYTES, &["--max-download", "100TiB"][..], "free"),
        (2_000_000, &["--max-download", "1MiB"][..], "--max-download"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let base = huge(size);
        double.forget_seen();
        let refused = on(&base, dir.path(), words);
        assert!(matches!(refused.status.code(), Some(1 | 5)), "{refused:?}");
        refused.said(&[part, "bytes", "fix: "]);
        assert_eq!(size_of(dir.path()), 0, "{size} {words:?}");
        for layer in [digest(b"small"), digest(b"large")] {
            assert!(
                !double.seen().iter().any(|seen| seen.line.contains(&layer)),
                "{:?}",
                double.seen()
            );
        }
    }
    // Each of these layers is within the limit, but not their sum.
    let layers: Vec<_> = (0..400)
        .map(|n: u32| layer(&double, &n.to_be_bytes(), 1 << 30))
        .collect();
    let dir = tempfile::tempdir().expect("a folder");
    on(&base(&double, &layers), dir.path(), &[])
        .ended(5)
        .said(&["--max-download"]);
    assert_eq!(size_of(dir.path()), 0);
    // The limit also holds for a copy between registries.
    let base = huge(TEN_TERABYTES);
    let target = Double::start(Rules::default());
    let mut push = package(PROJECT.path(), &dir.path().join("layout"));
    push.args([
        "--push",
        "--registry",
        &target.name,
        "--plain-http",
        "--base",
        &base,
        "--base-plain-http",
    ]);
    run::finish_within(SOON, &mut push, b"")
        .ended(5)
        .said(&["--max-download"]);
    assert_eq!(target.tag("digits", "1.0.0"), None);
}

#[test]
fn a_base_has_no_more_layers_than_a_runtime_stacks() {
    let double = Double::start(Rules::default());
    let layers: Vec<_> = (0..501)
        .map(|n: u32| layer(&double, &n.to_be_bytes(), 4))
        .collect();
    let dir = tempfile::tempdir().expect("a folder");
    on(&base(&double, &layers), dir.path(), &[])
        .ended(5)
        .said(&["501 layers", "fix: "]);
    assert!(double.seen().len() < 10, "{}", double.seen().len());
}

#[test]
fn artifacts_without_end_are_not_fetched_one_by_one() {
    let double = Double::start(Rules::default());
    let dir = tempfile::tempdir().expect("a folder");
    let mut push = package(PROJECT.path(), &dir.path().join("layout"));
    push.args(["--push", "--registry", &double.name, "--plain-http"]);
    let image = packaged(&mut push)["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    for by_registry in [true, false] {
        double.rule(|rules| rules.lists_referrers = by_registry);
        if by_registry {
            double.put_referrers("digits", &image, 40_000);
        } else {
            let entries: Vec<_> = (0..40_000_u32)
                .map(|n| json!({ "mediaType": MANIFEST_TYPE, "digest": digest(&n.to_be_bytes()), "size": 9 }))
                .collect();
            let list = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": entries });
            let tag = image.replace(':', "-");
            let list = list.to_string();
            let _ = double.put_manifest(
                "digits",
                &tag,
                "application/vnd.oci.image.index.v1+json",
                list.as_bytes(),
            );
        }
        double.forget_seen();
        let mut inspect = Command::new(place::xtask());
        inspect.env_clear().args([
            "inspect",
            &format!("{}/digits@{image}", double.name),
            "--plain-http",
        ]);
        run::finish_within(SOON, &mut inspect, b"")
            .ended(5)
            .said(&["artifacts", "fix: "]);
        assert!(double.seen().len() < 100, "{}", double.seen().len());
    }
}

/// A server that answers every request with the bytes that a function writes.
struct Raw {
    name: String,
    asked: Arc<AtomicUsize>,
}

fn raw(answer: impl Fn(&str, &str, &mut TcpStream) + Send + Sync + 'static) -> Raw {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let name = listener.local_addr().expect("an address").to_string();
    let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
    let raw = Raw {
        name: name.clone(),
        asked: Arc::clone(&asked),
    };
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (asked, answer, name) = (Arc::clone(&asked), Arc::clone(&answer), name.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
                let first = lines.next().and_then(Result::ok).unwrap_or_default();
                while lines
                    .next()
                    .and_then(Result::ok)
                    .is_some_and(|line| !line.is_empty())
                {}
                asked.fetch_add(1, Ordering::Relaxed);
                answer(
                    &name,
                    first.split(' ').nth(1).unwrap_or_default(),
                    &mut stream,
                );
            });
        }
    });
    raw
}

/// Sends a response whose body never ends.
fn endless(stream: &mut TcpStream, head: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {head}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let piece = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    while stream.write_all(piece.as_bytes()).is_ok() {}
}

fn whole(stream: &mut TcpStream, head: &str, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

fn inspect(raw: &Raw) -> Finished {
    let mut inspect = Command::new(place::xtask());
    inspect
        .env_clear()
        .args(["inspect", &format!("{}/a:1", raw.name), "--plain-http"]);
    inspect.args(["--username", "ci", "--password-stdin"]);
    run::finish_within(SOON, &mut inspect, b"s3cret")
}

#[test]
fn bodies_that_never_end_are_cut() {
    for head in ["200 OK", "403 Forbidden", "404 Not Found"] {
        let raw = raw(move |_, _, stream| endless(stream, head));
        let refused = inspect(&raw).ended(5);
        assert!(
            refused.stderr.len() < 8 << 10,
            "{} bytes",
            refused.stderr.len()
        );
    }
    // Here the token service sends the endless body.
    for head in ["200 OK", "403 Forbidden"] {
        let raw = raw(move |name, path, stream| {
            if path.starts_with("/token") {
                return endless(stream, head);
            }
            let challenge =
                format!("www-authenticate: Bearer realm=\"http://{name}/token\",service=\"x\"");
            whole(stream, &format!("401 Unauthorized\r\n{challenge}"), "");
        });
        let refused = inspect(&raw).ended(5);
        assert!(
            refused.stderr.len() < 8 << 10 && raw.asked.load(Ordering::Relaxed) < 20,
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn what_a_registry_says_is_one_line_and_short() {
    let message = format!(
        "\u{1b}[2J\u{202e}{}\nerror: all is well\r\n  fix: none",
        "x".repeat(50_000)
    );
    let body = json!({ "errors": [{ "code": "DENIED", "message": message }] }).to_string();
    let raw = raw(move |_, _, stream| whole(stream, "403 Forbidden", &body));
    let refused = inspect(&raw).ended(5);
    assert!(
        refused.stderr.len() < 8 << 10,
        "{} bytes",
        refused.stderr.len()
    );
    assert_eq!(
        refused.stderr.trim_end().lines().count(),
        2,
        "{}",
        refused.stderr
    );
    assert!(
        !refused
            .stderr
            .contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')),
        "{:?}",
        refused.stderr
    );
}

#[test]
fn headers_without_bound_are_refused() {
    let raw = raw(|_, _, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(format!("x: {}\r\n", "y".repeat(1 << 12)).as_bytes())
            .is_ok()
        {}
    });
    let refused = inspect(&raw);
    assert!(matches!(refused.status.code(), Some(5 | 6)), "{refused:?}");
}

#[test]
fn a_blob_ends_where_its_size_says() {
    let blob = b"the bytes of a layer";
    let layer = json!({ "mediaType": LAYER_TYPE, "digest": digest(blob), "size": blob.len() });
    let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [digest(blob)] } });
    let config = config.to_string();
    let descriptor = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(),
        "digest": digest(config.as_bytes()) });
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptor, "layers": [layer] });
    let (manifest, layer) = (manifest.to_string(), digest(blob));
    let raw = raw(move |_, path, stream| match path {
        path if path.contains(&layer) => endless(stream, "200 OK"),
        path if path.contains("/blobs/") => whole(stream, "200 OK", &config),
        _ => whole(stream, "200 OK", &manifest),
    });
    let dir = tempfile::tempdir().expect("a folder");
    on(&format!("{}/base:1", raw.name), dir.path(), &[])
        .ended(5)
        .said(&["more bytes than the 20"]);
    assert_eq!(size_of(dir.path()), 0);
}
