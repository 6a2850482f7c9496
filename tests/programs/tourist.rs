//! A scorer that imports every interface of WASI 0.2 that toolchains import, in two versions, and
//! uses one if the request asks for it.
//!
//! Owns one deed for each interface. `run` does the deed of its input. `init` does the one that the
//! model's file `deed` names, which most tests do not have. The bindings below are of other
//! versions than those of the standard library, as in a component that several toolchains had a
//! part in.

use std::collections::{BTreeMap, HashMap};
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use scorebox_guest::{Error, Invocation, Json, Result, Scorer, Signature, export_scorer, model};
use serde_json::{Value, json};

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package tourist:itself@0.1.0;

            world tourist {
                import wasi:random/random@0.2.0;
                import wasi:random/insecure@0.2.0;
                import wasi:random/insecure-seed@0.2.0;
                import wasi:clocks/monotonic-clock@0.2.12;
                import wasi:clocks/wall-clock@0.2.1;
                import wasi:cli/exit@0.2.2;
            }

            package wasi:random@0.2.0 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
                interface insecure {
                    get-insecure-random-bytes: func(len: u64) -> list<u8>;
                    get-insecure-random-u64: func() -> u64;
                }
                interface insecure-seed {
                    insecure-seed: func() -> tuple<u64, u64>;
                }
            }

            package wasi:io@0.2.12 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                        block: func();
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }

            package wasi:clocks@0.2.12 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.12.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    resolution: func() -> duration;
                    subscribe-instant: func(when: instant) -> pollable;
                    subscribe-duration: func(when: duration) -> pollable;
                }
            }

            package wasi:clocks@0.2.1 {
                interface wall-clock {
                    record datetime { seconds: u64, nanoseconds: u32 }
                    now: func() -> datetime;
                    resolution: func() -> datetime;
                }
            }

            package wasi:cli@0.2.2 {
                interface exit {
                    exit: func(status: result);
                }
            }
        ",
        world: "tourist:itself/tourist",
        generate_all,
    });
}

use bindings::wasi::cli::exit::exit;
use bindings::wasi::clocks0_2_1::wall_clock;
use bindings::wasi::clocks0_2_12::monotonic_clock;
use bindings::wasi::io::poll::poll;
use bindings::wasi::random::{insecure, insecure_seed, random};

struct Tourist;

impl Scorer for Tourist {
    type Input = Json<Value>;
    type Output = Json<Value>;

    fn describe() -> Signature {
        // An interpreter does this before it runs the author's code.
        let seeds: HashMap<&str, Instant> = [("started", Instant::now())].into();
        let arguments = std::env::args().count();
        Signature::json().input_schema(format!(
            r#"{{"minProperties": {}}}"#,
            arguments + seeds.len()
        ))
    }

    fn init() -> Result<Self> {
        if let Ok(deed) = model::read_file("deed") {
            let deed = String::from_utf8(deed).unwrap_or_default();
            do_it(&json!({ "do": deed.trim(), "ms": 20 }))?;
        }
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, input: Json<Value>) -> Result<Json<Value>> {
        Ok(Json(do_it(&input.0)?))
    }
}

/// Does one deed. If an interface is closed, its error is the answer.
fn do_it(input: &Value) -> Result<Value> {
    let ms = input["ms"].as_u64().unwrap_or(0);
    let started = Instant::now;
    let closed =
        |outcome: std::io::Result<()>| json!(outcome.map_err(|error| error.kind().to_string()));
    Ok(match input["do"].as_str().unwrap_or_default() {
        "nothing" => json!(null),
        "sleep" => {
            let started = started();
            thread::sleep(Duration::from_millis(ms));
            json!(started.elapsed().as_millis() as u64)
        }
        "sleep-alone" => {
            thread::sleep(Duration::from_millis(ms));
            json!(null)
        }
        "poll" => {
            let started = monotonic_clock::now();
            let soon = monotonic_clock::subscribe_duration(ms * 1_000_000);
            let later = monotonic_clock::subscribe_instant(started + 3_600_000_000_000);
            let first = poll(&[&later, &soon]);
            json!({ "ready": first, "ms": (monotonic_clock::now() - started) / 1_000_000 })
        }
        "instant" => json!(started().elapsed().as_secs() < 60),
        "time" => {
            json!(
                SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .is_ok_and(|time| time.as_secs() > 1 << 30)
            )
        }
        "wall-clock" => {
            json!(wall_clock::now().seconds > 1 << 30 && wall_clock::resolution().nanoseconds > 0)
        }
        "hash-map" => json!(HashMap::<u8, u8>::from([(1, 2)])[&1]),
        "random" => {
            json!(random::get_random_bytes(9).len() as u64 + random::get_random_u64() / u64::MAX)
        }
        "insecure" => {
            json!(
                insecure::get_insecure_random_bytes(9).len() as u64
                    + insecure::get_insecure_random_u64() / u64::MAX
            )
        }
        "insecure-seed" => {
            json!(insecure_seed::insecure_seed().0 != insecure_seed::insecure_seed().1)
        }
        "arguments" => json!(std::env::args().collect::<Vec<_>>()),
        "environment" => json!(std::env::vars().collect::<BTreeMap<_, _>>()),
        "stdin" => {
            let mut text = String::new();
            json!(
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| error.to_string())
            )
        }
        "stderr" => closed(writeln!(std::io::stderr(), "a line")),
        "terminal" => {
            json!(
                std::io::stdin().is_terminal()
                    || std::io::stdout().is_terminal()
                    || std::io::stderr().is_terminal()
            )
        }
        "file" => closed(std::fs::read("/etc/passwd").map(drop)),
        "folder" => closed(std::fs::read_dir("/").map(drop)),
        "write" => closed(std::fs::write("/tmp/x", "x")),
        "tcp" => closed(TcpStream::connect(("127.0.0.1", 1)).map(drop)),
        "udp" => closed(UdpSocket::bind(("127.0.0.1", 0)).map(drop)),
        "resolve" => closed(("localhost", 1).to_socket_addrs().map(drop)),
        "exit" => {
            exit(Ok(()));
            json!("still here")
        }
        other => return Err(Error::failed("no-such-deed", other)),
    })
}

export_scorer!(Tourist);
