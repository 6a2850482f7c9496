//! `cargo xtask bench idle`: measures first calls on connections to Redis that a network device,
//! such as a load balancer, has forgotten.
//!
//! Owns the order of the run: connect, wait, let a proxy forget the connections, and call. Must not
//! know the protocol of Redis, nor how the host checks a connection.

mod arguments;
mod proxy;
mod report;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use scorebox_host::redis::{Condition, Credentials, Endpoint, Platform, Server, Store};
use scorebox_packager::format::Format;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;
use tokio::runtime::Runtime;

pub use self::arguments::IdleBenchArgs;
use self::proxy::Proxy;
use self::report::{Figures, Times};
use super::redis::{Store as RedisServer, find_server};

/// Timeout of a Redis operation, which is the default timeout of a store.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Value that the benchmark stores in Redis for a first call that reads.
const VALUE: &[u8] = b"value";

/// A connection to Redis that the benchmark measures, with a key prefix of its own.
struct Client {
    store: Store,
    /// True if the first call reads a value. If false, the first call increments a counter, so it
    /// must not be repeated.
    is_reader: bool,
}

/// Runs `cargo xtask bench idle`, and prints its figures. Fails if Redis is missing or cannot be
/// started, or if a first call on any connection gets a wrong answer.
pub fn run(args: &IdleBenchArgs) -> Result<(), Failure> {
    let program = find_server()?;
    let folder = workspace::target().join("bench-idle");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "be made", error))?;
    let redis = RedisServer::start(&program, &folder)?;
    let runtime = Runtime::new().map_err(|error| failed(format!("no runtime: {error}")))?;
    let proxies = || runtime.block_on(Proxy::start(redis.port()));
    let (forgetful, faithful) = match (proxies(), proxies()) {
        (Ok(forgetful), Ok(faithful)) => (forgetful, faithful),
        (Err(error), _) | (_, Err(error)) => return Err(failed(format!("no proxy: {error}"))),
    };
    let clients = |proxy: &Proxy, name: &str| -> Result<Vec<Client>, Failure> {
        let number = 0..args.connections;
        let made = number.map(|number| client(proxy, &format!("{name}-{number}"), number % 2 == 0));
        made.collect()
    };
    let (forgotten, living) = (
        clients(&forgetful, "forgotten")?,
        clients(&faithful, "living")?,
    );
    for client in forgotten.iter().chain(&living) {
        runtime.block_on(client.prepare())?;
    }

    let idle = Duration::from_secs_f64(args.minutes * 60.0);
    eprintln!(
        "{} connections are idle for {} s",
        forgotten.len() + living.len(),
        idle.as_secs()
    );
    thread::sleep(idle);
    forgetful.forget();

    // Each round measures one call of each kind, so a machine that is slow for a while slows all
    // kinds.
    let (mut alive, mut dead, mut fresh) = (Times::default(), Times::default(), Times::default());
    for (number, (living, forgotten)) in living.iter().zip(&forgotten).enumerate() {
        alive.add(runtime.block_on(living.first_call()));
        dead.add(runtime.block_on(forgotten.first_call()));
        let new = client(&faithful, &format!("fresh-{number}"), living.is_reader)?;
        fresh.add(runtime.block_on(new.connect_and_call()));
    }
    let figures = Figures::of(args.minutes, &alive, &dead, &fresh);
    report::print(&figures, args.output == Format::Json)?;
    if figures.wrong > 0 {
        return Err(failed(format!(
            "{} of {} first calls are wrong",
            figures.wrong, figures.calls
        )));
    }
    Ok(())
}

fn client(proxy: &Proxy, prefix: &str, is_reader: bool) -> Result<Client, Failure> {
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let endpoint = Endpoint::parse(&url).map_err(|error| failed(error.to_string()))?;
    let credentials = Credentials::new(endpoint.source(|| Platform::VirtualMachine));
    let server = Server::new(&endpoint, credentials, TIMEOUT);
    let server = server.map_err(|error| failed(error.to_string()))?;
    Ok(Client {
        store: Store::new(Arc::new(server), prefix, None),
        is_reader,
    })
}

impl Client {
    /// Connects, stores the value that the first call reads, and increments the counter to 1. Fails
    /// if the value cannot be stored, or if the counter is not 1 afterwards.
    async fn prepare(&self) -> Result<(), Failure> {
        let written = self.store.set("value", VALUE, None, Condition::Always);
        let written = written.await.map_err(|error| failed(error.to_string()))?;
        let counted = self.store.increment("count", 1, None).await;
        match counted {
            Ok(1) if written => Ok(()),
            other => Err(failed(format!("a new connection counts {other:?}"))),
        }
    }

    /// Makes the first call on this connection to Redis after the idle time. Returns the time that
    /// the call took, or `None` if the call fails or its answer is wrong.
    async fn first_call(&self) -> Option<Duration> {
        let started = Instant::now();
        let is_right = if self.is_reader {
            self.store.get("value").await == Ok(Some(VALUE.to_vec()))
        } else {
            self.store.increment("count", 1, None).await == Ok(2)
        };
        is_right.then(|| started.elapsed())
    }

    /// Opens a connection to Redis and makes a call on it. Returns the time that the connection and
    /// the call took together, or `None` if the call fails or its answer is wrong.
    async fn connect_and_call(&self) -> Option<Duration> {
        let started = Instant::now();
        let is_right = self.store.get("value").await == Ok(None);
        is_right.then(|| started.elapsed())
    }
}

fn failed(problem: impl Into<String>) -> Failure {
    Failure::other(problem, "see the log in target/bench-idle")
}
