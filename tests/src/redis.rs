//! A real Redis server for one test: plain, with a password, or with TLS.
//!
//! Owns the process, its folder and its certificates. Must not know what the host keeps in it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use redis::{Connection, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _};
use tempfile::TempDir;

use crate::{run, wait};

/// Password of the test servers. It must never be seen in a log.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// Name of the user in the access list (ACL) of a server with TLS.
pub const USER: &str = "scorer-one";

/// Configuration of openssl for a certificate authority that signs certificates with any dates.
const SIGNING: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
                       default_md = sha256\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n";

/// Way in which clients connect to a Redis server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server has no password and no TLS.
    Plain,
    /// The server requires [`PASSWORD`], and clients use its database 3.
    Password,
    /// The server accepts TLS, with a certificate of [`Redis::authority`]. Clients log in as
    /// [`USER`], who must not use administrative or dangerous commands.
    Tls,
}

/// A running Redis server. It is killed, and its folder removed, when this value is dropped.
pub struct Redis {
    child: Option<Child>,
    kind: Kind,
    port: u16,
    /// Port on which the server accepts TLS. It is unused if the server has no TLS.
    tls_port: u16,
    dir: TempDir,
}

impl Redis {
    /// Starts a Redis server and waits until it answers.
    #[must_use]
    pub fn start(kind: Kind) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        if kind == Kind::Tls {
            make_certificates(dir.path());
        }
        let mut redis = Self {
            child: None,
            kind,
            port: free_port(),
            tls_port: free_port(),
            dir,
        };
        redis.run();
        redis
    }

    fn run(&mut self) {
        let mut command = run::tool("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--port",
            &self.port.to_string(),
        ]);
        command.arg("--dir").arg(self.dir.path());
        match self.kind {
            Kind::Plain => {}
            Kind::Password => {
                command.args(["--requirepass", PASSWORD]);
            }
            Kind::Tls => {
                let file = |name: &str| self.dir.path().join(name);
                command.args([
                    "--tls-port",
                    &self.tls_port.to_string(),
                    "--tls-auth-clients",
                    "no",
                ]);
                command
                    .arg("--tls-cert-file")
                    .arg(file("server.crt"))
                    .arg("--tls-key-file")
                    .arg(file("server.key"));
                command.arg("--tls-ca-cert-file").arg(file("ca.crt"));
                let password = format!(">{PASSWORD}");
                command.args([
                    "--user",
                    USER,
                    "on",
                    &password,
                    "~*",
                    "+@all",
                    "-@admin",
                    "-@dangerous",
                ]);
            }
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server can be started"));
        wait::until("redis-server", || self.try_connection().ok());
    }

    /// Kills the server. The keys of the server are lost.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts the server again, without keys, on its old ports.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// Returns the port on which the server accepts connections without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the port on which the server accepts TLS.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Pauses the process of the server if `pause` is true, or lets it continue. Its connections
    /// stay open.
    ///
    /// # Panics
    /// Panics if the server does not run.
    pub fn pause(&self, pause: bool) {
        let child = self.child.as_ref().expect("the server runs");
        let pid = rustix::process::Pid::from_child(child);
        let signal = if pause {
            rustix::process::Signal::STOP
        } else {
            rustix::process::Signal::CONT
        };
        rustix::process::kill_process(pid, signal).expect("a child can be signalled");
    }

    /// Returns the URL of the server, as an operator would write it.
    #[must_use]
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Plain => format!("redis://127.0.0.1:{}", self.port),
            Kind::Password => format!("redis://:{PASSWORD}@127.0.0.1:{}/3", self.port),
            Kind::Tls => format!("rediss://{USER}:{PASSWORD}@127.0.0.1:{}", self.tls_port),
        }
    }

    /// Returns the path of the certificate that a client of the server has to trust, for
    /// `SSL_CERT_FILE`.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// Returns the environment variables by which a host finds and trusts this server, as pairs of
    /// a name and a value.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![("SCOREBOX_REDIS_URL".to_owned(), self.url())];
        if self.kind == Kind::Tls {
            variables.push((
                "SSL_CERT_FILE".to_owned(),
                self.authority().to_string_lossy().into_owned(),
            ));
        }
        variables
    }

    /// Opens a connection to the server that stays open until it is dropped.
    ///
    /// # Panics
    /// Panics if the server does not answer.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.try_connection().expect("the server answers")
    }

    /// Gives a server with TLS another certificate, signed by its authority. `extensions` is the
    /// content of the certificate's extensions, and `years` are its first year and the year after
    /// its last one.
    ///
    /// # Panics
    /// Panics if the certificate cannot be made.
    pub fn certify(&self, extensions: &str, years: (u32, u32)) {
        let dir = self.dir.path();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.join(name), text).expect("a file can be written");
        };
        write("others", extensions);
        write("index.txt", "");
        write("serial", "1000\n");
        write("signing", SIGNING);
        let line = format!(
            "ca -batch -notext -config signing -cert ca.crt -keyfile ca.key -in server.csr -extfile others \
             -startdate {}0101000000Z -enddate {}0101000000Z -out server.crt",
            years.0, years.1
        );
        run::finish(
            run::tool("openssl").args(line.split(' ')).current_dir(dir),
            b"",
        )
        .ended(0);
        // Setting the name of the file makes the server read the file again.
        let file = dir.join("server.crt");
        self.command::<()>(&["CONFIG", "SET", "tls-cert-file", &file.to_string_lossy()]);
    }

    /// Sends a command to the server, in the database that the host uses, and returns the reply.
    #[track_caller]
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command
            .query(&mut self.try_connection().expect("the server answers"))
            .expect("the command is right")
    }

    fn try_connection(&self) -> redis::RedisResult<Connection> {
        let url = match self.kind {
            // The port without TLS is used here, because this connection is not what a test of TLS
            // is about.
            Kind::Tls => format!("redis://127.0.0.1:{}", self.port),
            Kind::Plain | Kind::Password => self.url(),
        };
        let info: ConnectionInfo = url.into_connection_info()?;
        debug_assert!(matches!(info.addr(), ConnectionAddr::Tcp(..)));
        let mut connection = redis::Client::open(info)?.get_connection()?;
        redis::cmd("PING").query::<String>(&mut connection)?;
        Ok(connection)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns a port that is free at the moment.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// Creates a certificate authority, and a certificate that it signs for a server at 127.0.0.1.
/// Clients do not accept an authority's own certificate for a server.
fn make_certificates(dir: &Path) {
    std::fs::write(
        dir.join("extensions"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .expect("a file can be written");
    let new_key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for line in [
        format!("{new_key} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.crt"),
        format!("{new_key} -subj /CN=server -keyout server.key -out server.csr"),
        "x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out server.crt"
            .to_owned(),
    ] {
        run::finish(run::tool("openssl").args(line.split(' ')).current_dir(dir), b"").ended(0);
    }
}
