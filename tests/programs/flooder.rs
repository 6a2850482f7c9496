//! A scorer that passes more to host functions than they accept:
//! `{"do": "set-many", "count": 5000000}`.
//!
//! Owns one deed for each kind of host function with something to grow. It answers `{"ok": null}`
//! or `{"error": "…"}`.

use scorebox_guest::cache::{Bucket, Error};
use scorebox_guest::redis::{Command, Connection};
use scorebox_guest::{Invocation, Json, Result, Scorer, Signature, export_scorer, metrics};
use serde::Deserialize;
use serde_json::{Value, json};

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    // These interfaces are complete, because the standard library imports them too, and the linker
    // merges them.
    wit_bindgen::generate!({
        inline: "
            package flooder:host@0.1.0;

            world flooder {
                import wasi:random/random@0.2.0;
                import wasi:random/insecure@0.2.0;
                import wasi:io/poll@0.2.0;
                import wasi:clocks/monotonic-clock@0.2.0;
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
            }

            package wasi:io@0.2.0 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                        block: func();
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }

            package wasi:clocks@0.2.0 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.0.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    resolution: func() -> duration;
                    subscribe-instant: func(when: instant) -> pollable;
                    subscribe-duration: func(when: duration) -> pollable;
                }
            }
        ",
        world: "flooder:host/flooder",
        generate_all,
    });
}

use bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use bindings::wasi::io::poll::poll;
use bindings::wasi::random::insecure::get_insecure_random_bytes;
use bindings::wasi::random::random::get_random_bytes;

#[derive(Deserialize)]
struct Deed {
    r#do: Kind,
    count: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    GetMany,
    SetMany,
    SetManyFor,
    DeleteMany,
    /// One key with a length of `count` bytes.
    Key,
    /// A pipeline of `count` commands.
    Pipeline,
    /// A command with `count` words, its name included.
    Arguments,
    Attributes,
    Random,
    Insecure,
    /// One handle, given `count` times in one list.
    Poll,
}

struct Flooder;

impl Scorer for Flooder {
    type Input = Json<Deed>;
    type Output = Json<Value>;

    fn describe() -> Signature {
        Signature::json()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(Deed { r#do, count }): Json<Deed>,
    ) -> Result<Json<Value>> {
        let keys = || vec!["k".to_owned(); count];
        let entries = || vec![("k".to_owned(), b"v".to_vec()); count];
        let done = match r#do {
            Kind::GetMany => bucket(|bucket| bucket.get_many(&keys()).map(drop)),
            Kind::SetMany => bucket(|bucket| bucket.set_many(&entries())),
            Kind::SetManyFor => bucket(|bucket| bucket.set_many_for(&entries(), None)),
            Kind::DeleteMany => bucket(|bucket| bucket.delete_many(&keys())),
            Kind::Key => bucket(|bucket| bucket.get(&"k".repeat(count)).map(drop)),
            Kind::Pipeline => redis(|connection| {
                connection
                    .pipeline(vec![Command::new("PING"); count])
                    .map(drop)
            }),
            Kind::Arguments => {
                let command = (1..count).fold(Command::new("DEL"), |command, _| command.arg("k"));
                redis(|connection| connection.execute(command).map(drop))
            }
            Kind::Attributes => {
                metrics::count("flood", 1, &vec![("a", "b"); count]);
                Ok(())
            }
            Kind::Random => length(&get_random_bytes(count as u64), count),
            Kind::Insecure => length(&get_insecure_random_bytes(count as u64), count),
            Kind::Poll => {
                let ready = subscribe_duration(0);
                length(&poll(&vec![&ready; count]), count)
            }
        };
        Ok(Json(match done {
            Ok(()) => json!({ "ok": null }),
            Err(text) => json!({ "error": text }),
        }))
    }
}

export_scorer!(Flooder);

fn bucket(deed: impl FnOnce(&Bucket) -> Result<(), Error>) -> Result<(), String> {
    Bucket::open("default")
        .and_then(|bucket| deed(&bucket))
        .map_err(|error| match error {
            Error::Other(text) => text,
            other => format!("{other:?}"),
        })
}

fn redis(
    deed: impl FnOnce(&Connection) -> Result<(), scorebox_guest::redis::Error>,
) -> Result<(), String> {
    Connection::open("default")
        .and_then(|connection| deed(&connection))
        .map_err(|error| format!("{error:?}"))
}

fn length<T>(list: &[T], count: usize) -> Result<(), String> {
    if list.len() == count {
        Ok(())
    } else {
        Err(format!("{} of {count}", list.len()))
    }
}
