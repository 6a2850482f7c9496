//! Containers of podman with runc, with as few rights as possible.
//!
//! Owns the container and its image, and removes both. Must not know what runs inside.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::redis::free_port;
use crate::run::{self, Finished};
use crate::{place, wait};

/// A running container. The container and its image are removed when this value is dropped.
pub struct Container {
    name: String,
    reference: String,
    /// Port that the container listens on, in the machine's own network.
    pub port: u16,
}

impl Container {
    /// Pulls an image and runs it: as an unprivileged user, with a read-only root, without
    /// capabilities.
    ///
    /// Some flags have reasons that are not obvious. Without both flags `--ulimit`, runc needs a
    /// capability that the root user of a container does not have. crun cannot work on machines
    /// with hybrid cgroups.
    #[track_caller]
    #[must_use]
    pub fn run(name: &str, reference: &str, variables: &[(String, String)]) -> Self {
        Self::run_words(name, reference, variables, &[])
    }

    /// Runs an image like [`Container::run`], with the program and the arguments in `words`. If
    /// `words` is empty, the image's own program runs.
    #[track_caller]
    #[must_use]
    pub fn run_words(
        name: &str,
        reference: &str,
        variables: &[(String, String)],
        words: &[String],
    ) -> Self {
        let port = free_port();
        let name = format!("scorebox-test-{name}-{}", std::process::id());
        let container = Self {
            name,
            reference: reference.to_owned(),
            port,
        };
        let runc = place::tool("runc").expect("the test asked for it");
        let mut podman = run::tool("podman");
        podman
            .args(["run", "--detach", "--name", &container.name])
            .arg("--runtime")
            .arg(runc);
        podman.args([
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=4096:4096",
            "--network=host",
        ]);
        podman.args([
            "--read-only",
            "--read-only-tmpfs=false",
            "--tmpfs",
            "/tmp:rw,size=16m,mode=1777",
        ]);
        podman.args([
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--user",
            "65532:65532",
        ]);
        podman.args(["--memory=256m", "--pids-limit=100", "--tls-verify=false"]);
        podman.args(["-e", &format!("FUNCTIONS_CUSTOMHANDLER_PORT={port}")]);
        for (variable, value) in variables {
            podman.args(["-e", &format!("{variable}={value}")]);
        }
        let (program, arguments) = match words {
            [] => (None, words),
            [program, arguments @ ..] => (Some(program), arguments),
        };
        podman.args(program.map(|program| format!("--entrypoint={program}")));
        run::finish(podman.arg(reference).args(arguments), b"").ended(0);
        container
    }

    /// Runs a podman command on this container.
    #[track_caller]
    pub fn podman(&self, words: &[&str]) -> Finished {
        run::finish(run::tool("podman").args(words).arg(&self.name), b"")
    }

    /// Returns the id of the container's process on this machine.
    #[track_caller]
    #[must_use]
    pub fn pid(&self) -> u32 {
        let shown = self
            .podman(&["inspect", "--format", "{{.State.Pid}}"])
            .ended(0)
            .stdout;
        shown.trim().parse().expect("a process id")
    }

    /// Returns the output of the container so far.
    #[track_caller]
    #[must_use]
    pub fn logs(&self) -> String {
        let Finished { stdout, stderr, .. } = self.podman(&["logs"]);
        stdout + &stderr
    }

    /// Calls `probe` until it returns a value, and returns the value. `what` says what is waited
    /// for, for the error message.
    #[track_caller]
    pub fn until<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        let found = wait::within(wait::LIMIT, probe);
        found.unwrap_or_else(|| panic!("waited in vain for {what}: {}", self.logs()))
    }

    /// Stops the container. Returns its exit code, and the time that the stop took.
    #[track_caller]
    #[must_use]
    pub fn stop(&self) -> (i32, Duration) {
        let start = Instant::now();
        self.podman(&["stop", "--time", "10"]).ended(0);
        let took = start.elapsed();
        let code = self
            .podman(&["inspect", "--format", "{{.State.ExitCode}}"])
            .ended(0)
            .stdout;
        (code.trim().parse().expect("an exit code"), took)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A test that fails before the container runs has nothing to remove. That must not become a
        // second failure.
        drop(quiet(&["rm", "--force", "--time", "1", &self.name]).status());
        drop(quiet(&["rmi", &self.reference]).status());
    }
}

fn quiet(words: &[&str]) -> Command {
    let mut podman = run::tool("podman");
    podman
        .args(words)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    podman
}
