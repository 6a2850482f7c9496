//! A base image like those of Azure Functions, built by the test: several layers, Docker's schema
//! 2, two platforms behind one tag.
//!
//! Owns how it is built with umoci and skopeo. Must not know what is put on it.

use std::path::Path;

use serde_json::{Value, json};

use crate::http::{Body, try_send};
use crate::registry::Registry;
use crate::{packaging, run};

/// Size of the large file in the base image, in bytes. The file takes more than one chunk of an
/// upload.
const LARGE_BYTES: usize = 20 << 20;
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A base image in a registry.
#[derive(Debug)]
pub struct StandIn {
    /// Name of the image with its tag, e.g. `127.0.0.1:41234/azure-functions/dotnet:4`.
    pub name: String,
    /// Digest of the image for linux/amd64.
    pub digest: String,
    /// Manifest of the image for linux/amd64.
    pub manifest: Value,
    /// Digest of the manifest list that the tag points to, which has one image for each platform.
    pub list_digest: String,
}

impl StandIn {
    /// Returns the digests of the layers of the image for linux/amd64, from the lowest layer up.
    #[must_use]
    pub fn layers(&self) -> Vec<String> {
        let layers = self.manifest["layers"].as_array().expect("layers");
        layers
            .iter()
            .map(|layer| layer["digest"].as_str().expect("a digest").to_owned())
            .collect()
    }
}

/// Builds a base image that contains a Functions host, and pushes it to a registry.
///
/// # Panics
/// Panics if umoci, skopeo or the registry fails.
#[must_use]
pub fn functions(registry: &Registry) -> StandIn {
    let command = "/azure-functions-host/start.sh";
    let settings = [
        "--config.env",
        "AzureWebJobsScriptRoot=/home/site/wwwroot",
        "--config.env",
        "HOME=/home",
    ];
    let more = [
        "--config.cmd",
        command,
        "--config.exposedports",
        "80",
        "--config.workingdir",
        "/azure-functions-host",
    ];
    push(
        registry,
        "azure-functions/dotnet",
        "4",
        &[settings.as_slice(), &more].concat(),
    )
}

/// Builds a base image that does not start a Functions host, and pushes it to a registry.
///
/// # Panics
/// Panics if umoci, skopeo or the registry fails.
#[must_use]
pub fn plain(registry: &Registry) -> StandIn {
    let settings = [
        "--config.env",
        "LANG=C",
        "--config.cmd",
        "/bin/sh",
        "--config.user",
        "1000",
    ];
    push(registry, "library/plain", "12", &settings)
}

fn push(registry: &Registry, repository: &str, tag: &str, settings: &[&str]) -> StandIn {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let layout = dir.path().join("layout");
    let image = format!("{}:base", layout.display());
    run_umoci(&["init", "--layout", &layout.display().to_string()]);
    run_umoci(&["new", "--image", &image]);
    for (name, size) in [("etc", 100), ("azure-functions-host", LARGE_BYTES)] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).expect("a folder can be made");
        // The registry's name makes the layers differ from test to test, and from the contents of a
        // cache.
        std::fs::write(folder.join("start.sh"), noise(&registry.name, size))
            .expect("a file can be written");
        insert(&image, &folder, &format!("/{name}"));
    }
    for (platform, tag) in [("amd64", "amd64"), ("arm64", "arm64")] {
        let mut arguments = vec![
            "config",
            "--image",
            &image,
            "--tag",
            tag,
            "--architecture",
            platform,
        ];
        arguments.extend(settings);
        run_umoci(&arguments);
    }
    let mut entries = Vec::new();
    for platform in ["arm64", "amd64"] {
        let from = format!("oci:{}:{platform}", layout.display());
        let to = format!("docker://{}/{repository}:{tag}-{platform}", registry.name);
        let mut copy = run::tool("skopeo");
        copy.args([
            "copy",
            "--dest-tls-verify=false",
            "--format",
            "v2s2",
            &from,
            &to,
        ]);
        run::finish(&mut copy, b"").ended(0);
        let (digest, manifest) = get(registry, repository, &format!("{tag}-{platform}"));
        let size = manifest.len();
        entries.push(
            json!({ "mediaType": MANIFEST, "digest": digest, "size": size,
            "platform": { "os": "linux", "architecture": platform } }),
        );
    }
    let list = json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": entries }).to_string();
    let url = format!("http://{}/v2/{repository}/manifests/{tag}", registry.name);
    let stored = try_send(
        "PUT",
        &url,
        &[("content-type", LIST)],
        Body::Sized(list.into_bytes()),
    );
    let stored = stored.expect("the registry answers").expect(201);
    let (digest, manifest) = get(registry, repository, &format!("{tag}-amd64"));
    StandIn {
        name: format!("{}/{repository}:{tag}", registry.name),
        digest,
        manifest: packaging::json(&manifest),
        list_digest: stored
            .header("docker-content-digest")
            .expect("a digest")
            .to_owned(),
    }
}

fn run_umoci(arguments: &[&str]) {
    run::finish(run::tool("umoci").args(arguments), b"").ended(0);
}

fn insert(image: &str, folder: &Path, inside: &str) {
    let mut arguments = vec!["insert", "--image", image];
    if !rustix::process::geteuid().is_root() {
        arguments.push("--rootless");
    }
    run::finish(
        run::tool("umoci").args(arguments).arg(folder).arg(inside),
        b"",
    )
    .ended(0);
}

fn get(registry: &Registry, repository: &str, tag: &str) -> (String, Vec<u8>) {
    let url = format!("http://{}/v2/{repository}/manifests/{tag}", registry.name);
    let answer = try_send(
        "GET",
        &url,
        &[("accept", MANIFEST)],
        Body::Sized(Vec::new()),
    );
    let answer = answer.expect("the registry answers").expect(200);
    (
        answer
            .header("docker-content-digest")
            .expect("a digest")
            .to_owned(),
        answer.body,
    )
}

/// Returns `size` bytes that cannot be compressed. Equal seeds give equal bytes.
fn noise(seed: &str, size: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9E37_79B9_7F4A_7C15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
