//! A scorer that does one deed for each request, most of them bad: `{"do": "panic"}`.
//!
//! Owns the deeds of instances and of the sandbox's edges. Keys and tensors have programs of their
//! own. Each attempt at something that must not be there reports what it got, so that a test can
//! check that it got nothing.

use std::fmt::{Debug, Display};
use std::hint::black_box;
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use scorebox_guest::{
    Error, IntoPayload, Invocation, Json, Payload, Result, Scorer, Signature, config,
    export_scorer, log, metrics,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Deed {
    /// A deed that never ends.
    Loop,
    /// A deed that allocates until memory is refused. Then it aborts, or answers how much it got if
    /// `gently`.
    Grow {
        #[serde(default)]
        gently: bool,
    },
    Panic {
        message: Option<String>,
    },
    /// A deed that executes an instruction that traps, without a message.
    Trap,
    /// A deed that recurses until the stack ends.
    Overflow,
    Reject(Fault),
    Unavailable(Fault),
    Fail(Fault),
    /// A deed that answers how often this instance ran, this call included.
    Count,
    Print {
        #[serde(default)]
        stdout: Vec<String>,
        #[serde(default)]
        stderr: Vec<String>,
    },
    Log {
        level: Level,
        #[serde(default)]
        context: String,
        message: String,
    },
    Environment,
    Files,
    Sockets {
        port: u16,
    },
    /// A deed that answers with the invocation.
    Attributes,
    /// A deed that answers with a media type and a body of the test's choice.
    WrongType {
        content_type: String,
        body: String,
    },
    /// A deed that computes for `ms` milliseconds, or waits for them if `idle`.
    Sleep {
        ms: u64,
        #[serde(default)]
        idle: bool,
        /// A line for the log, before the sleep.
        #[serde(default)]
        print: Option<String>,
    },
    Config {
        name: String,
    },
    Metrics {
        name: String,
        count: Option<u64>,
        value: Option<f64>,
        #[serde(default)]
        attributes: Vec<(String, String)>,
    },
}

#[derive(Deserialize)]
struct Fault {
    code: String,
    message: String,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

struct Wayward {
    count: u64,
}

impl Scorer for Wayward {
    type Input = Json<Deed>;
    type Output = Payload;

    fn describe() -> Signature {
        Signature::json().input_example("attributes", r#"{"do": "attributes"}"#)
    }

    fn init() -> Result<Self> {
        match config::text("init")?.as_deref() {
            Some("fail") => Err(Error::failed("told-to-fail", "init fails as told")
                .with_detail("the setting `init` says so")),
            Some("panic") => panic!("init panics as told"),
            Some("loop") => spin(),
            _ => Ok(Self { count: 0 }),
        }
    }

    fn run(&mut self, call: &Invocation, Json(deed): Json<Deed>) -> Result<Payload> {
        self.count += 1;
        let answer = match deed {
            Deed::Loop => spin(),
            Deed::Grow { gently } => json!({ "granted_bytes": grow(gently) }),
            Deed::Panic { message } => panic!("{}", message.as_deref().unwrap_or("panics as told")),
            Deed::Trap => trap(),
            Deed::Overflow => json!(dive(1)),
            Deed::Reject(fault) => return Err(fault.into_error(Error::rejected)),
            Deed::Unavailable(fault) => return Err(fault.into_error(Error::unavailable)),
            Deed::Fail(fault) => return Err(fault.into_error(Error::failed)),
            Deed::Count => json!({ "count": self.count }),
            Deed::Print { stdout, stderr } => {
                stdout.iter().for_each(|line| println!("{line}"));
                stderr.iter().for_each(|line| eprintln!("{line}"));
                json!({})
            }
            Deed::Log {
                level,
                context,
                message,
            } => {
                log::write(level.into(), &context, format_args!("{message}"));
                json!({})
            }
            Deed::Environment => environment(),
            Deed::Files => files(),
            Deed::Sockets { port } => sockets(port),
            Deed::Attributes => invocation(call),
            Deed::WrongType { content_type, body } => return Ok(Payload::new(content_type, body)),
            Deed::Sleep { ms, idle, print } => {
                print.iter().for_each(|line| println!("{line}"));
                sleep(Duration::from_millis(ms), idle);
                json!({ "ms": ms })
            }
            Deed::Config { name } => {
                json!({ "value": config::text(&name)?, "all": config::all()? })
            }
            Deed::Metrics {
                name,
                count,
                value,
                attributes,
            } => {
                let attributes: Vec<_> = attributes
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .collect();
                count
                    .into_iter()
                    .for_each(|count| metrics::count(&name, count, &attributes));
                value
                    .into_iter()
                    .for_each(|value| metrics::record(&name, value, &attributes));
                json!({})
            }
        };
        Json(answer).into_payload()
    }
}

export_scorer!(Wayward);

impl Fault {
    fn into_error(self, case: fn(String, String) -> Error) -> Error {
        let error = case(self.code, self.message);
        match self.detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

fn grow(gently: bool) -> usize {
    const STEP_BYTES: usize = 1 << 20;

    // The list of pieces must not need to grow at the moment when memory ends.
    let mut pieces = Vec::with_capacity((4 << 30) / STEP_BYTES);
    loop {
        let mut piece: Vec<u8> = Vec::new();
        if gently {
            if piece.try_reserve_exact(STEP_BYTES).is_err() {
                return pieces.len() * STEP_BYTES;
            }
        } else {
            piece.reserve_exact(STEP_BYTES);
        }
        piece.resize(STEP_BYTES, 1);
        pieces.push(black_box(piece));
    }
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

#[expect(unconditional_recursion, reason = "that is the deed")]
fn dive(depth: u64) -> u64 {
    // Work after the call keeps the compiler from turning the recursion into a loop.
    black_box(dive(black_box(depth + 1))) + depth
}

fn sleep(time: Duration, idle: bool) {
    if idle {
        return thread::sleep(time);
    }
    let start = Instant::now();
    while start.elapsed() < time {
        black_box(0);
    }
}

/// Returns the result of an attempt: `{"ok": …}` or `{"error": "…"}`.
fn attempt<T: Debug>(result: io::Result<T>) -> Value {
    match result {
        Ok(value) => json!({ "ok": format!("{value:?}") }),
        Err(error) => failure(error),
    }
}

fn failure(error: impl Display) -> Value {
    json!({ "error": error.to_string() })
}

fn environment() -> Value {
    json!({
        "variables": env::vars().collect::<Vec<_>>(),
        "arguments": env::args().collect::<Vec<_>>(),
        "current_dir": attempt(env::current_dir()),
    })
}

fn files() -> Value {
    let list = |path: &str| attempt(fs::read_dir(path).map(|entries| entries.flatten().count()));
    json!({
        "read_passwd": attempt(fs::read_to_string("/etc/passwd")),
        "read_relative": attempt(fs::read_to_string("scorebox.toml")),
        "list_root": list("/"),
        "list_current": list("."),
        "write_tmp": attempt(fs::write("/tmp/x", "x")),
        "create_dir": attempt(fs::create_dir("/tmp/y")),
    })
}

fn sockets(port: u16) -> Value {
    json!({
        "connect": attempt(TcpStream::connect(("127.0.0.1", port))),
        "listen": attempt(TcpListener::bind("127.0.0.1:0")),
        "udp": attempt(UdpSocket::bind("127.0.0.1:0")),
        "lookup": attempt(("localhost", port).to_socket_addrs().map(Iterator::collect::<Vec<_>>)),
    })
}

fn invocation(call: &Invocation) -> Value {
    let attributes = call.attributes.iter();
    let texts = attributes.filter_map(|(name, value)| Some((name, value.to_text()?)));
    json!({
        "id": call.id,
        "source": call.source.to_string(),
        "attempt": call.attempt,
        "deadline_ms": call.deadline_ms,
        "attributes": texts.collect::<Vec<_>>(),
    })
}
