//! A real Redis master with a replica, watched by three real sentinels.
//!
//! Owns the processes. Must not know what the host keeps in them.

use std::process::{Child, Stdio};
use std::time::Duration;

use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

use crate::redis::{PASSWORD, free_port};
use crate::{run, wait};

/// Name of the master in the sentinels' configuration.
pub const MASTER: &str = "scores";

/// A running Redis master with its replica and three sentinels. All processes are killed when this
/// value is dropped.
pub struct Watched {
    /// The servers: the master at the start, followed by its replica.
    servers: Vec<Process>,
    sentinels: Vec<Process>,
    _dir: TempDir,
}

struct Process {
    port: u16,
    child: Child,
}

impl Watched {
    /// Starts all processes and waits until the sentinels know each other and the replica.
    #[must_use]
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let start = |port: u16, config: &str, more: &[&str]| {
            let file = dir.path().join(format!("{port}.conf"));
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n{config}",
                dir.path().display()
            );
            std::fs::write(&file, text).expect("a file can be written");
            let mut command = run::tool("redis-server");
            command
                .arg(&file)
                .args(more)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Process {
                port,
                child: command.spawn().expect("redis-server can be started"),
            }
        };
        let secret = format!(
            "requirepass {PASSWORD}\nmasterauth {PASSWORD}\nsave \"\"\nrepl-diskless-sync-delay 0\n"
        );
        let master = start(free_port(), &secret, &[]);
        let replica = start(
            free_port(),
            &format!("{secret}replicaof 127.0.0.1 {}\n", master.port),
            &[],
        );
        let watch = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {} 2\nsentinel auth-pass {MASTER} {PASSWORD}\n\
             sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 3000\n",
            master.port
        );
        let sentinels = (0..3)
            .map(|_| start(free_port(), &watch, &["--sentinel"]))
            .collect();
        let watched = Self {
            servers: vec![master, replica],
            sentinels,
            _dir: dir,
        };
        wait::until("the sentinels to know all", || {
            let fields = watched.sentinels.iter().map(|sentinel| {
                let info: Vec<String> =
                    ask(sentinel.port, None, &["SENTINEL", "MASTER", MASTER]).ok()?;
                let field =
                    |name: &str| info.iter().skip_while(|text| *text != name).nth(1).cloned();
                Some((field("num-other-sentinels")?, field("num-slaves")?))
            });
            let all: Option<Vec<_>> = fields.collect();
            all?.iter()
                .all(|(others, replicas)| others == "2" && replicas == "1")
                .then_some(())
        });
        watched
    }

    /// Returns the sentinels' URLs. The first URL is one on which no sentinel listens.
    #[must_use]
    pub fn url(&self) -> String {
        let more: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("redis://127.0.0.1:{}", sentinel.port))
            .collect();
        format!(
            "redis://:{PASSWORD}@127.0.0.1:{}?sentinel={MASTER},{}",
            free_port(),
            more.join(",")
        )
    }

    /// Sends a command to the server with the index `server`, which is 0 or 1, and returns the
    /// reply.
    #[track_caller]
    pub fn command<T: FromRedisValue>(&self, server: usize, words: &[&str]) -> T {
        ask(self.servers[server].port, Some(PASSWORD), words).expect("the command is right")
    }

    /// Waits until the replica has all data of the master.
    pub fn wait_until_in_step(&self) {
        wait::until("the replica", || {
            (self.command::<i64>(0, &["WAIT", "1", "100"]) == 1).then_some(())
        });
    }

    /// Kills the server that was the master at the start.
    pub fn kill_master(&mut self) {
        let child = &mut self.servers[0].child;
        drop(child.kill());
        drop(child.wait());
    }

    /// Asks a sentinel to make the replica the master, while both servers run. A sentinel refuses
    /// with `NOGOODSLAVE` if the replica has not answered for some seconds, which happens on a busy
    /// machine. The command is then repeated until the sentinel accepts it.
    pub fn fail_over(&self) {
        wait::until("a sentinel that finds the replica good enough", || {
            let words = ["SENTINEL", "FAILOVER", MASTER];
            match ask::<()>(self.sentinels[0].port, None, &words) {
                Ok(()) => Some(()),
                Err(error) if error.code() == Some("NOGOODSLAVE") => None,
                Err(error) => panic!("the sentinel refused: {error}"),
            }
        });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        for process in self.sentinels.iter_mut().chain(&mut self.servers) {
            drop(process.child.kill());
            drop(process.child.wait());
        }
    }
}

fn ask<T: FromRedisValue>(
    port: u16,
    password: Option<&str>,
    words: &[&str],
) -> redis::RedisResult<T> {
    let login = password
        .map(|password| format!(":{password}@"))
        .unwrap_or_default();
    let client = redis::Client::open(format!("redis://{login}127.0.0.1:{port}"))?;
    let mut connection: Connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    redis::Cmd::new().arg(words).query(&mut connection)
}
