//! A host process of the demo.
//!
//! Owns its start, its log, requests to it and its stop. Must not know what is scored.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use scorebox_packager::leash::Leash;
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::workspace::shown;
use serde_json::Value;

/// Maximum time from the start of the host until it is ready.
const READY: Duration = Duration::from_secs(60);
/// Maximum time from SIGTERM to the end of the host. It is longer than the 10 s that the host gives
/// running calls by default.
const STOP: Duration = Duration::from_secs(15);

/// A running host. The process is killed when this value is dropped.
pub struct RunningHost {
    child: Child,
    port: u16,
    log: PathBuf,
    client: reqwest::Client,
    _leash: Leash,
}

impl RunningHost {
    /// Starts the host program `program` with the app folder `app`. The only environment variable
    /// of the host is PATH, and its log is written to the file `log`. If `port` is `None`, the host
    /// gets any free port. Fails if the port is taken, or if the program cannot be started.
    pub fn start(
        program: &Path,
        app: &Path,
        port: Option<u16>,
        log: &Path,
    ) -> Result<Self, Failure> {
        let port = free_port(port.unwrap_or(0))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            // No certificates are needed, because requests go to this machine over plain HTTP.
            .tls_certs_only([])
            .build()
            .map_err(|error| {
                Failure::other(format!("no HTTP client: {error}"), "run the command again")
            })?;
        let file = File::create(log).map_err(|error| Failure::file(log, "be made", error))?;
        let copy = file
            .try_clone()
            .map_err(|error| Failure::file(log, "be shared", error))?;
        let child = Command::new(program)
            .args(["serve", "--app"])
            .arg(app)
            .args(["--address", "127.0.0.1", "--port", &port.to_string()])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .map_err(|error| Failure::file(program, "be started", error))?;
        let leash = Leash::on(&child);
        Ok(Self {
            child,
            port,
            log: log.to_path_buf(),
            client,
            _leash: leash,
        })
    }

    /// Returns the URL of a path on the host. `path` has no leading slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Waits until the host reports that it is ready. Fails if the host ends or is not ready within
    /// 60 s.
    pub async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if let Some(status) = self.exited() {
                return Err(self.failure(&format!("the host ended at its start with {status}")));
            }
            match self.client.get(self.url("readyz")).send().await {
                Ok(response) if response.status() == 200 => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Err(self.failure(&format!(
            "the host was not ready after {} s",
            READY.as_secs()
        )))
    }

    /// Sends a request to score digits, and returns the host's answer. Both are JSON. Fails if no
    /// answer arrives, if its status code is not 200, or if it is not JSON.
    pub async fn score(&self, request: &Value) -> Result<Value, Failure> {
        let call = self
            .client
            .post(self.url("score"))
            .header("content-type", "application/json");
        let unanswered = |error: reqwest::Error| {
            Failure::new(
                Kind::Network,
                format!("POST /score: {error}"),
                format!("see {}", shown(&self.log)),
            )
        };
        let response = call
            .body(request.to_string())
            .send()
            .await
            .map_err(unanswered)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unanswered)?;
        match serde_json::from_slice(&body) {
            Ok(answer) if status == 200 => Ok(answer),
            _ => Err(self.failure(&format!(
                "POST /score answered {status}: {}",
                String::from_utf8_lossy(&body)
            ))),
        }
    }

    /// Sends SIGTERM to the host and waits until it ends. Returns a text that says how the host
    /// ended. Fails if the exit code is not 0, or if the host does not end within 15 s.
    pub async fn stop(mut self) -> Result<String, Failure> {
        let asked = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        let deadline = Instant::now() + STOP;
        while asked.is_ok() && Instant::now() < deadline {
            match self.exited() {
                Some(status) if status.success() => return Ok("by SIGTERM; exit code 0".to_owned()),
                Some(status) => {
                    return Err(
                        self.failure(&format!("the host ended with {status} after SIGTERM"))
                    );
                }
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Err(self.failure("the host did not stop after SIGTERM"))
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn failure(&self, problem: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(10)..)
            .unwrap_or_default()
            .join("\n  ");
        Failure::other(
            format!("{problem}; the end of its log:\n  {tail}"),
            format!("see {}", shown(&self.log)),
        )
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        // After a stop there is nothing to kill. The error only says this, and is ignored.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a port that is free now: the port `port`, or any free port if `port` is 0. Fails if
/// `port` is taken.
///
/// If another server listened on the port, that server would receive the requests instead of the
/// host.
fn free_port(port: u16) -> Result<u16, Failure> {
    std::net::TcpListener::bind(("127.0.0.1", port))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| {
            Failure::other(
                format!("port {port} of 127.0.0.1 is not free: {error}"),
                "give another with --port",
            )
        })
}
