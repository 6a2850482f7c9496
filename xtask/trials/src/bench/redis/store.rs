//! A Redis server that runs as long as a benchmark or a soak.
//!
//! Owns the process, and the few commands that read its counters. Must not know which keys the
//! server holds.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scorebox_packager::leash::Leash;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::tools;
use scorebox_workspace::workspace::shown;

use crate::bench::server::free_port;

/// Name of the Redis program, and of the Debian package that contains it.
const PROGRAM: &str = "redis-server";

/// Maximum time from the start of the Redis server to its first answer. It is also the timeout for
/// each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two commands while the benchmark waits for the Redis server.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns the path of the program redis-server. Fails if it is not installed.
pub fn find() -> Result<PathBuf, Failure> {
    tools::find(PROGRAM).ok_or_else(|| {
        Failure::toolchain(
            format!(
                "there is no program `{PROGRAM}` on PATH; the Debian package {PROGRAM} brings it"
            ),
            format!(
                "as root: {}; then the command again",
                tools::apt_line(&[PROGRAM])
            ),
        )
    })
}

/// Counters that a Redis server reports about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of lookups of keys that existed.
    pub hits: u64,
    /// Number of lookups of keys that did not exist.
    pub misses: u64,
    /// Number of keys that the Redis server holds.
    pub keys: u64,
}

/// A running Redis server. The process is killed when this value is dropped.
pub struct Store {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
    port: u16,
    log: PathBuf,
    _leash: Leash,
}

impl Store {
    /// Starts a Redis server on a free port, and waits until it answers. `program` is the path of
    /// the Redis program. The server writes only its log to the disk, in the folder `folder`. Fails
    /// if the server does not answer within 10 s.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, Failure> {
        Self::start_on(free_port()?, program, folder)
    }

    /// Kills the Redis server, and starts an empty one on the same port. Fails if the server does
    /// not answer within 10 s.
    pub fn restart(&mut self) -> Result<(), Failure> {
        // A server that has ended cannot be killed, and does not need to be.
        let _ = self.child.kill();
        let _ = self.child.wait();
        *self = Self::start_on(self.port, &self.program, &self.folder)?;
        Ok(())
    }

    fn start_on(port: u16, program: &Path, folder: &Path) -> Result<Self, Failure> {
        let log = folder.join("redis.log");
        let file = File::create(&log).map_err(|error| Failure::file(&log, "be made", error))?;
        let mut command = Command::new(program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command
            .arg("--dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::inherit());
        let child = command
            .spawn()
            .map_err(|error| Failure::file(program, "be started", error))?;
        let leash = Leash::on(&child);
        let mut store = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            child,
            port,
            log,
            _leash: leash,
        };
        let started = Instant::now();
        loop {
            match store.ask("PING") {
                Ok(_) => return Ok(store),
                Err(failure) if started.elapsed() > PATIENCE || store.has_ended() => {
                    return Err(failure);
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Returns the URL of the Redis server.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the port of the Redis server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Deletes all keys of the Redis server. Fails if the server does not answer.
    pub fn empty(&self) -> Result<(), Failure> {
        self.ask("FLUSHALL").map(drop)
    }

    /// Waits until the counters of the Redis server no longer change, and returns the counters.
    /// Fails if they still change after 10 s.
    pub fn settled(&self) -> Result<Counts, Failure> {
        let started = Instant::now();
        let mut counts = self.counts()?;
        loop {
            thread::sleep(PAUSE);
            let now = self.counts()?;
            if now == counts {
                return Ok(now);
            }
            if started.elapsed() > PATIENCE {
                return Err(self.failure("it is still being asked after the load has ended"));
            }
            counts = now;
        }
    }

    fn counts(&self) -> Result<Counts, Failure> {
        let (stats, keys) = (self.ask("INFO stats")?, self.ask("DBSIZE")?);
        counts(&stats, &keys).ok_or_else(|| {
            self.failure("`INFO stats` and `DBSIZE` have another form than documented")
        })
    }

    fn ask(&self, command: &str) -> Result<String, Failure> {
        ask(self.port, command).map_err(|error| self.failure(&format!("{command}: {error}")))
    }

    fn failure(&self, problem: &str) -> Failure {
        Failure::other(
            format!("{PROGRAM} on port {}: {problem}", self.port),
            format!("see {}", shown(&self.log)),
        )
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A server that has ended cannot be killed, and does not need to be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(port: u16, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    read(BufReader::new(stream))
}

/// Reads one reply in the protocol of Redis, and returns its text. Fails if the reply is not a
/// simple string, an integer or a bulk string.
fn read(mut answer: impl io::BufRead) -> io::Result<String> {
    let broken =
        |text: &str| io::Error::new(io::ErrorKind::InvalidData, format!("it answered `{text}`"));
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", rest)) => Ok(rest.to_owned()),
        Some(("$", length)) => {
            let length: u64 = length.parse().map_err(|_| broken(line))?;
            let mut text = String::new();
            answer.take(length).read_to_string(&mut text)?;
            Ok(text)
        }
        _ => Err(broken(line)),
    }
}

fn counts(stats: &str, keys: &str) -> Option<Counts> {
    let count = |name: &str| {
        stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.parse().ok())
    };
    Some(Counts {
        hits: count("keyspace_hits")?,
        misses: count("keyspace_misses")?,
        keys: keys.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_counts_found() {
        assert_eq!(read(&b"+PONG\r\n"[..]).unwrap(), "PONG");
        let stats = read(&b"$41\r\n# Stats\nkeyspace_hits:7\nkeyspace_misses:9\r\n"[..]).unwrap();
        assert!(
            read(&b"-ERR unknown command\r\n"[..])
                .unwrap_err()
                .to_string()
                .contains("unknown command")
        );
        assert!(read(&b""[..]).is_err());
        let keys = read(&b":3\r\n"[..]).unwrap();
        assert_eq!(
            counts(&stats, &keys),
            Some(Counts {
                hits: 7,
                misses: 9,
                keys: 3
            })
        );
        assert_eq!(counts("keyspace_hits:1", "3"), None);
    }
}
