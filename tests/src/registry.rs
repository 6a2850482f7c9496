//! A real registry: Debian's docker-registry, on a port of its own, over plain HTTP.
//!
//! Owns the process, its folder and its log. Must not know what is pushed.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::http::{self, Body};
use crate::log::Log;
use crate::redis::free_port;
use crate::{run, wait};

/// A running registry. When this value is dropped, the process is killed and its folder is removed.
pub struct Registry {
    child: Child,
    /// Host and port of the registry, as in references, e.g. `127.0.0.1:41234`.
    pub name: String,
    /// Log of the registry, with a line for every request.
    pub log: Log,
    dir: TempDir,
}

impl Registry {
    /// Starts a registry and waits until it answers.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("", |name| {
            let url = format!("http://{name}/v2/");
            http::try_send("GET", &url, &[], Body::Sized(Vec::new()))
                .ok()
                .filter(|answer| answer.status == 200)
        })
    }

    /// Starts a registry whose configuration ends with the lines `settings`, which follow those of
    /// the section `http`. Waits until `probe` returns a value for the registry's name, which is
    /// its host and port.
    #[must_use]
    pub fn start_with<T>(settings: &str, mut probe: impl FnMut(&str) -> Option<T>) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let name = format!("127.0.0.1:{}", free_port());
        let config = dir.path().join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {name}\n{settings}",
            dir.path().join("data").display()
        );
        std::fs::write(&config, text).expect("a file can be written");
        let mut command = run::tool("docker-registry");
        command
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("docker-registry can be started");
        let log = Log::of(child.stdout.take().expect("it is piped"));
        let registry = Self {
            child,
            name,
            log,
            dir,
        };
        wait::until("docker-registry", || probe(&registry.name));
        registry
    }

    /// Returns the path of the file in which the registry keeps the blob with the digest `digest`.
    #[must_use]
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let folder = format!(
            "data/docker/registry/v2/blobs/sha256/{}/{hex}/data",
            &hex[..2]
        );
        self.dir.path().join(folder)
    }

    /// Returns the number of uploads of blobs that clients have started so far.
    #[must_use]
    pub fn uploads(&self) -> usize {
        self.log
            .text()
            .lines()
            .filter(|line| line.contains("POST /v2/") && line.contains("/blobs/uploads"))
            .count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
