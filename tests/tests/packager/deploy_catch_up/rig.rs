//! A fake `az` that lists blobs, and a fake Functions host that takes them.
//!
//! Owns the forms of both. Must not know which blobs were missed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use scorebox_tests::run;
use scorebox_tests::run::Finished;
use serde_json::Value;
use tempfile::TempDir;

use super::TRIGGERS;
use crate::deploy::{deploy, project};

/// Time of the last change of most blobs, as `az` prints it.
pub const EARLY: &str = "2026-11-27T12:00:00+00:00";
/// Time of a later change.
pub const LATE: &str = "2026-11-27T12:00:07+00:00";

/// A fake `az` with listings of blobs, and a fake Functions host that takes calls.
pub struct Rig {
    /// Folder with the manifest, the script and what the script writes.
    pub project: TempDir,
    /// Function and blob of each call that the fake Functions host took.
    taken: Arc<Mutex<Vec<(String, String)>>>,
    url: String,
}

impl Rig {
    /// Writes the script, and starts a Functions host that answers every call with `status`.
    pub fn new(status: u16) -> Self {
        let project = project(TRIGGERS);
        let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
        run::finish(deploy.arg(project.path().join("catch-up.sh")), b"").ended(0);
        // `az` prints the file with the name of the container. Another process writes the script, so
        // that no child of another test keeps it open.
        let az = "#!/bin/sh\ncontainer=''\nlast=''\n\
                  for word in \"$@\"; do\n\
                  case $last in --container-name | --name) container=$word ;; esac\nlast=$word\ndone\n\
                  case \"$1 $2 $3\" in\n\
                  'storage container exists') [ -f \"$LISTS/$container\" ] && echo true || echo false ;;\n\
                  'storage blob list') [ \"$AZURE_STORAGE_CONNECTION_STRING\" != '' ] && cat \"$LISTS/$container\" ;;\n\
                  *) echo answer ;;\nesac\n";
        let bin = project.path().join("bin");
        std::fs::create_dir_all(&bin).expect("a folder can be made");
        std::fs::create_dir_all(project.path().join("lists")).expect("a folder can be made");
        let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let mut sh = Command::new("sh");
        sh.args(["-c", write, "sh"]).arg(bin.join("az")).arg(az);
        assert!(sh.status().expect("sh runs").success());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || take(&listener, status, &kept));
        Self {
            project,
            taken,
            url,
        }
    }

    /// Writes the listing of a container: time of the change, names of metadata, ETag and name.
    pub fn list(
        &self,
        container: &str,
        blobs: impl IntoIterator<Item = (String, &'static str, String)>,
    ) {
        let lines: String = blobs
            .into_iter()
            .map(|(etag, time, name)| {
                let mark = if etag.ends_with('!') {
                    "Incomplete"
                } else {
                    ""
                };
                let etag = etag.trim_end_matches('!');
                format!("{etag}\t{time}\t{mark}\t{name}\n")
            })
            .collect();
        std::fs::write(self.lists().join(container), lines).expect("a file can be written");
    }

    fn lists(&self) -> std::path::PathBuf {
        self.project.path().join("lists")
    }

    pub fn run(&self, arguments: &[&str]) -> Finished {
        let path = format!(
            "{}:/usr/bin:/bin",
            self.project.path().join("bin").display()
        );
        let mut sh = Command::new("sh");
        sh.arg("catch-up.sh")
            .args(arguments)
            .current_dir(self.project.path())
            .env_clear()
            .env("PATH", path)
            .env("LISTS", self.lists())
            .env("TriggerConnectionString", "AccountKey=s3cret")
            .env("IN", "incoming")
            .env("MASTER_KEY", "s3cret-master==")
            .env("APP_URL", &self.url);
        run::finish(&mut sh, b"")
    }

    /// Returns the blobs that a function was handed since the last call of this function.
    pub fn taken(&self, function: &str) -> Vec<String> {
        let mut taken = self.taken.lock().expect("no test holds it");
        let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut *taken)
            .into_iter()
            .partition(|(name, _)| name.as_str() == function);
        *taken = others;
        own.into_iter().map(|(_, blob)| blob).collect()
    }
}

/// Takes calls as the Functions host does, one per connection.
fn take(listener: &TcpListener, status: u16, taken: &Mutex<Vec<(String, String)>>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        let (head, body) = loop {
            let read = stream.read(&mut piece).unwrap_or_default();
            bytes.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let length = text
                .to_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if let (Some((head, _)), Some(length)) = (text.split_once("\r\n\r\n"), length)
                && bytes.len() >= head.len() + 4 + length
            {
                let head = head.to_owned();
                let body = bytes.split_off(head.len() + 4);
                break (head, body);
            }
            if read == 0 {
                return;
            }
        };
        assert!(head.contains("x-functions-key: s3cret-master=="), "{head}");
        let function = head
            .split(' ')
            .nth(1)
            .and_then(|path| path.strip_prefix("/admin/functions/"))
            .unwrap_or_default()
            .to_owned();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let blob = body["input"].as_str().expect("a text").to_owned();
        if status == 202 {
            taken
                .lock()
                .expect("no test holds it")
                .push((function, blob));
        }
        let answer =
            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
    }
}
