//! A host under attack: the program in its container, and its memory as the kernel reports it.
//!
//! Owns the process from its start to its end. Must not know the attacks.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde::Serialize;

use super::cage::Cage;
use super::stage::{REDIS_VARIABLE, Stage};
use crate::bench::client;
use crate::bench::server::free_port;

/// Memory limit of the container in which the host runs, in MiB.
pub const CONTAINER_MIB: u64 = 512;

/// Maximum time from the start of the host to its first answer.
const READY: Duration = Duration::from_secs(60);
/// Pause between two attempts to get an answer from a host that starts.
const PAUSE: Duration = Duration::from_millis(10);

/// Settings with which a host is started for one attack.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// True if the host's standard output is a pipe that is never read.
    pub unread_log: bool,
    /// True if the host has a prediction cache in Redis.
    pub cached: bool,
}

/// Resident memory of the host, in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Memory {
    /// Resident memory of the host at this moment, in MiB.
    pub now_mib: f64,
    /// Peak resident memory of the host since its start, in MiB.
    pub peak_mib: f64,
}

/// Counters of the kernel for the container in which the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Container {
    /// Peak memory of the container in MiB: processes, sockets and file pages. `None` if the kernel
    /// does not report it.
    pub peak_mib: Option<f64>,
    /// Number of processes that the kernel killed because the container had reached its memory
    /// limit. `None` if the kernel does not report the number.
    pub killed: Option<u64>,
}

/// A running host under attack. The process is killed when this value is dropped.
pub struct Guarded {
    child: Child,
    cage: Option<Cage>,
    /// Standard output of the host, which is kept open and never read. `None` if the output is
    /// discarded.
    _unread: Option<ChildStdout>,
    /// Address on which the host listens.
    pub address: SocketAddr,
}

impl Guarded {
    /// Starts the host and waits for a correct answer. The host runs in a container if
    /// `is_contained` is true. Fails if the container cannot be created, or if the host ends or
    /// does not answer within 60 s.
    pub fn start(stage: &Stage, setting: Setting, is_contained: bool) -> Result<Self, Failure> {
        let why =
            |problem| Failure::other(format!("the container: {problem}"), "run the command again");
        let cage = is_contained
            .then(|| Cage::make(CONTAINER_MIB << 20).map_err(why))
            .transpose()?;
        let port = free_port()?;
        let log = stage.folder.join("host.log");
        let errors = File::create(&log).map_err(|error| Failure::file(&log, "be made", error))?;
        let app = if setting.cached {
            &stage.cached
        } else {
            &stage.app
        };
        let mut command = match &cage {
            Some(cage) => cage.command(&stage.host),
            None => Command::new(&stage.host),
        };
        command.env_clear().env(REDIS_VARIABLE, stage.redis.url());
        command
            .args([
                "serve",
                "--address",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--app",
            ])
            .arg(app);
        // A file would fill the disk, because some attacks make the host log as fast as it can.
        let output = if setting.unread_log {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let mut child = command
            .spawn()
            .map_err(|error| Failure::file(&stage.host, "be started", error))?;
        let unread = child.stdout.take();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let mut host = Self {
            child,
            cage,
            _unread: unread,
            address,
        };
        host.wait_until_ready(&log)?;
        Ok(host)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<(), Failure> {
        let started = Instant::now();
        let request = client::request(r#"{"do":"score","x":0}"#);
        while started.elapsed() < READY {
            let answer =
                client::connect(self.address).and_then(|stream| client::ask(&stream, &request));
            match answer {
                Ok(answer) if answer.status == 200 && answer.body == br#"{"y":1}"# => return Ok(()),
                _ if self.child.try_wait().is_ok_and(|status| status.is_some()) => break,
                _ => std::thread::sleep(PAUSE),
            }
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        Err(Failure::other(
            format!("the host does not answer: {}", said.trim()),
            format!("see {}", shown(log)),
        ))
    }

    /// Returns true if the host's process has ended, which should never happen.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the resident memory of the host, now and at its peak. Both are zero if the process
    /// has ended.
    pub fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        memory(&status)
    }

    /// Returns the kernel's counters for the host's container. Returns `None` if there is no
    /// container.
    pub fn container(&self) -> Option<Container> {
        let cage = self.cage.as_ref()?;
        Some(Container {
            peak_mib: cage.peak_bytes().map(|bytes| bytes as f64 / MIB),
            killed: cage.killed(),
        })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // A process that has ended cannot be killed, and does not need to be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MIB: f64 = 1_048_576.0;

fn memory(status: &str) -> Memory {
    let of = |name: &str| -> f64 {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_suffix("kB"));
        line.and_then(|number| number.trim().parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1024.0
    };
    Memory {
        now_mib: of("VmRSS:"),
        peak_mib: of("VmHWM:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_of_a_process() {
        let status = "Name:\tscorebox\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            memory(status),
            Memory {
                now_mib: 1.0,
                peak_mib: 2.0
            }
        );
        assert_eq!(memory(""), Memory::default());
    }
}
