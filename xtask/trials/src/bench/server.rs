//! A server process under measurement.
//!
//! Owns its start, its first answer and its end. Must not know what it scores or how it is
//! measured.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use scorebox_packager::leash::Leash;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use super::client::{self, Answer};

/// Maximum time from the start of a server until it accepts connections.
const LISTENING: Duration = Duration::from_secs(60);
/// Pause between two attempts to connect to a server that starts. The kernel's timer lengthens each
/// pause by about a half.
const RETRY: Duration = Duration::from_micros(100);
/// Ports that servers can get, all below the ports that the kernel gives to clients.
///
/// If a server had one of the kernel's ports for clients, a client that connects before the server
/// listens could get this port as its own, and connect to itself.
const PORTS: RangeInclusive<u16> = 20_000..=31_999;

/// A program that can be started as a server, with its arguments and environment variables.
#[derive(Debug, Clone)]
pub struct Program {
    /// Name of the program in messages, and of its log file.
    name: String,
    file: PathBuf,
    arguments: Vec<String>,
    /// Environment variables of the process, as pairs of a name and a value. The process gets no
    /// others.
    variables: Vec<(&'static str, String)>,
    log: PathBuf,
}

impl Program {
    /// Returns a program that serves the app folder `app` with the host program `file`. `name` is
    /// the name of the program in messages. The log is written to a file in the folder `logs`.
    pub fn host(name: &str, file: &Path, app: &Path, logs: &Path) -> Self {
        let arguments = [
            "serve",
            "--app",
            &app.display().to_string(),
            "--address",
            "127.0.0.1",
        ]
        .map(str::to_owned);
        Self::new(name, file, arguments.into(), logs)
    }

    /// Returns a program that serves the model file `model` with the native reference program
    /// `file`. `name` is the name of the program in messages. The log is written to a file in the
    /// folder `logs`.
    pub fn ceiling(name: &str, file: &Path, model: &Path, logs: &Path) -> Self {
        Self::new(
            name,
            file,
            vec!["--model".to_owned(), model.display().to_string()],
            logs,
        )
    }

    /// Returns a program that is started with the given arguments, and with `--port` and a port
    /// after them. `name` is the name of the program in messages. The log is written to a file in
    /// the folder `logs`.
    pub fn new(name: &str, file: &Path, arguments: Vec<String>, logs: &Path) -> Self {
        let (name, log) = (name.to_owned(), logs.join(format!("{name}.log")));
        Self {
            name,
            file: file.to_path_buf(),
            arguments,
            variables: Vec::new(),
            log,
        }
    }

    /// Adds a flag and its value to the command line of the program.
    pub fn with_argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Adds an environment variable to the environment of the program.
    pub fn with_variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Starts the program as a server on a free port of 127.0.0.1. Fails if the program cannot be
    /// started.
    ///
    /// The process gets only the environment variables that were added with `with_variable`,
    /// because the first process of a container has few other variables.
    pub fn start(&self) -> Result<Server, Failure> {
        let port = free_port()?;
        let log =
            File::create(&self.log).map_err(|error| Failure::file(&self.log, "be made", error))?;
        let copy = log
            .try_clone()
            .map_err(|error| Failure::file(&self.log, "be shared", error))?;
        let mut command = Command::new(&self.file);
        command
            .args(&self.arguments)
            .args(["--port", &port.to_string()])
            .env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(log).stderr(copy);
        let started = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| Failure::file(&self.file, "be started", error))?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Server {
            name: self.name.clone(),
            child,
            address,
            started,
            log: self.log.clone(),
            leash: None,
        })
    }
}

/// A running server. The process is killed when this value is dropped.
pub struct Server {
    name: String,
    child: Child,
    /// Address on which the server listens.
    pub address: SocketAddr,
    started: Instant,
    log: PathBuf,
    /// Watcher that kills the server if the benchmark ends first. `None` until the first answer,
    /// because starting the watcher would add to the measured time.
    leash: Option<Leash>,
}

impl Server {
    /// Returns the process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request as soon as the server accepts a connection. Returns the answer, and the time
    /// from the start of the server's process to the answer. Fails if the server ends, if it does
    /// not listen within 60 s, or if the connection breaks.
    pub fn first_answer(&mut self, request: &[u8]) -> Result<(Answer, Duration), Failure> {
        loop {
            match client::connect(self.address) {
                Ok(stream) => {
                    let answer = client::ask(&stream, request)
                        .map_err(|error| self.failure(&error.to_string()))?;
                    let took = self.started.elapsed();
                    self.leash.get_or_insert_with(|| Leash::on(&self.child));
                    return Ok((answer, took));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(self.failure(&error.to_string())),
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failure(&format!("it ended at its start with {status}")));
            }
            if self.started.elapsed() > LISTENING {
                return Err(self.failure(&format!(
                    "it does not listen after {} s",
                    LISTENING.as_secs()
                )));
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Returns the failure for a problem of the server, with the last lines of the server's log.
    pub fn failure(&self, problem: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(10)..)
            .unwrap_or_default()
            .join("\n  ");
        Failure::other(
            format!(
                "server `{}`: {problem}; the end of its log:\n  {tail}",
                self.name
            ),
            format!("see {}", shown(&self.log)),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended cannot be killed, and does not need to be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a port of 127.0.0.1 on which no process listens. Fails if no port from 20000 to 31999 is
/// free.
pub fn free_port() -> Result<u16, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end() - PORTS.start() + 1;
    // Two runs at the same time begin at different ports.
    let first = (std::process::id() % u32::from(count)) as u16;
    for _ in 0..count {
        let offset =
            (u32::from(first) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(count);
        let port = PORTS.start() + offset as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(all_taken())
}

fn all_taken() -> Failure {
    Failure::other(
        format!(
            "no port of 127.0.0.1 from {} to {} is free",
            PORTS.start(),
            PORTS.end()
        ),
        "end some servers",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_only_ports_that_were_tried() {
        let problem = all_taken().problem;
        assert!(problem.contains("from 20000 to 31999 is"), "{problem}");
        let port = free_port().unwrap();
        assert!((20_000..32_000).contains(&port), "{port}");
    }
}
