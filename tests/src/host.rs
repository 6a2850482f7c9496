//! The real `scorebox`, with an empty environment, on a port of its own.
//!
//! Owns the process from its first log line to its end. Must not know any scorer.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::http::{self, Answer, Body};
use crate::log::Log;
use crate::run::{self, Finished};
use crate::{place, wait};

/// A running host. It is killed when this value is dropped.
pub struct Host {
    child: Mutex<Child>,
    pid: Pid,
    /// Address on which the host listens, e.g. `127.0.0.1:41234`.
    pub address: String,
    /// Log lines of the host, from standard output.
    pub log: Log,
    /// Standard error of the host, which should stay empty.
    pub stderr: Log,
}

impl Host {
    /// Serves an app and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn start(app: &Path) -> Self {
        Self::start_with(app, &[])
    }

    /// Serves an app with the environment variables `variables`, and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn start_with(app: &Path, variables: &[(&str, &str)]) -> Self {
        let host = Self::launch(app, &["--port", "0"], variables);
        host.log.wait_for_message("ready");
        host
    }

    /// Serves an app with the given arguments and environment variables, and waits until it
    /// listens.
    #[track_caller]
    #[must_use]
    pub fn launch(app: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = scorebox("serve", app);
        command.args(arguments).envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts a host with any command and waits until it listens.
    #[track_caller]
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host can be started");
        let log = Log::of(child.stdout.take().expect("it is piped"));
        let stderr = Log::of(child.stderr.take().expect("it is piped"));
        let pid = Pid::from_child(&child);
        let mut host = Self {
            child: Mutex::new(child),
            pid,
            address: String::new(),
            log,
            stderr,
        };
        let listening = wait::within(wait::LIMIT, || {
            let line = host
                .log
                .entries()
                .into_iter()
                .find(|line| line["message"] == "listening");
            let ended = host
                .child
                .lock()
                .expect("no test holds it")
                .try_wait()
                .expect("a child can be waited for");
            assert!(
                line.is_some() || ended.is_none(),
                "the host ended: {}{}",
                host.log.text(),
                host.stderr.text()
            );
            line
        });
        let listening =
            listening.unwrap_or_else(|| panic!("the host does not listen: {}", host.log.text()));
        host.address = listening["address"]
            .as_str()
            .expect("an address")
            .to_owned();
        host
    }

    /// Returns the URL of a path on this host.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request to the host and returns the response.
    #[track_caller]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let answer = http::try_send(method, &self.url(path), headers, Body::Sized(body.into()));
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log.text()))
    }

    /// Sends a `GET` request to the host and returns the response.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// Sends `POST /score` with a JSON body, and returns the response.
    #[track_caller]
    pub fn score(&self, input: &Value) -> Answer {
        self.post("application/json", input.to_string())
    }

    /// Sends `POST /score` with the given content type and body, and returns the response.
    #[track_caller]
    pub fn post(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", "/score", &[("content-type", content_type)], body)
    }

    /// Returns the id of the host's process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Returns the resident memory of the host, in bytes.
    ///
    /// # Panics
    /// Panics if the host does not run.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Returns the largest resident memory that the host had so far, in bytes.
    ///
    /// # Panics
    /// Panics if the host does not run.
    #[must_use]
    pub fn largest_resident_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the host runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .expect("a process has memory");
        let kibibytes: u64 = line
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number");
        kibibytes * 1024
    }

    /// Sends SIGTERM to the host, as a platform does.
    pub fn terminate(&self) {
        rustix::process::kill_process(self.pid, Signal::TERM).expect("the host runs");
    }

    /// Waits until the host ends, and returns its exit status.
    #[track_caller]
    pub fn wait_for_exit(&self) -> ExitStatus {
        let mut child = self.child.lock().expect("no test holds it");
        let ended = wait::within(wait::LIMIT, || {
            child.try_wait().expect("a child can be waited for")
        });
        ended.unwrap_or_else(|| panic!("the host does not end: {}", self.log.text()))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let child = self
            .child
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(child.kill());
        drop(child.wait());
    }
}

/// Returns a command that runs `scorebox` with the subcommand `command` on an app. Its environment
/// has only the cache of compiled components.
#[must_use]
pub fn scorebox(command: &str, app: &Path) -> Command {
    let mut scorebox = scorebox_alone(command);
    scorebox.arg("--app").arg(app);
    scorebox
}

/// Returns a command that runs `scorebox` with the subcommand `command`, and without `--app`. Its
/// environment has only the cache of compiled components. The app can be set by an environment
/// variable.
#[must_use]
pub fn scorebox_alone(command: &str) -> Command {
    let mut scorebox = Command::new(place::host());
    scorebox
        .env_clear()
        .env("SCOREBOX_CACHE", place::compiled())
        .arg(command);
    scorebox
}

/// Returns a `scorebox` command without arguments that runs as the user `user`, whose processes may
/// have `threads` threads together. Only root can run it. It needs the programs `setpriv` and
/// `prlimit`.
///
/// # Panics
/// Panics if one of the two programs is not installed.
#[must_use]
pub fn scorebox_with_threads(threads: u32, user: &str) -> Command {
    let mut scorebox = Command::new(place::tool("setpriv").expect("setpriv is installed"));
    scorebox
        .env_clear()
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(place::tool("prlimit").expect("prlimit is installed"))
        .arg(format!("--nproc={threads}"))
        .arg(place::host());
    scorebox
}

/// Runs `scorebox serve` on an app that it should refuse.
#[track_caller]
pub fn refused(app: &Path, variables: &[(&str, &str)]) -> Finished {
    // A host that serves by mistake does not end, so the timeout is short.
    let mut serve = scorebox("serve", app);
    serve.args(["--port", "0"]).envs(variables.iter().copied());
    run::finish_within(wait::LIMIT / 2, &mut serve, b"")
}

/// Runs `scorebox invoke` on an app, with `input` as the body of the call.
#[track_caller]
pub fn invoke(app: &Path, content_type: &str, input: &[u8]) -> Finished {
    run::finish(
        scorebox("invoke", app).args(["--content-type", content_type]),
        input,
    )
}
