//! A scorer that behaves or misbehaves as the request says, for `cargo xtask bench hostile`:
//! `{"do": "score", "x": 5}`.
//!
//! Owns one deed for each attack that needs a guest. It declares itself deterministic, so that a
//! prediction cache keeps its answers. Must not know who asks.

use std::hint::black_box;

use scorebox_guest::{
    IntoPayload as _, Invocation, Json, Payload, Result, Scorer, Signature, export_scorer, log,
};
use serde::Deserialize;
use serde_json::json;

/// Number of steps of `Work`, which take a few milliseconds of one core.
const WORK_STEPS: u64 = 4_000_000;

/// Size of each piece of memory that `Grow` takes, in bytes.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Deed {
    /// A request that is answered at once.
    Score { x: u64 },
    /// A request that computes for some milliseconds, and is answered as `Score` is.
    Work { x: u64 },
    /// A request that never ends.
    Loop,
    /// A request that writes log lines until its deadline.
    Flood,
    /// A request that writes `lines` log lines.
    Chatter { lines: u32 },
    /// A request that takes memory until it is refused.
    Grow,
    /// A request whose answer has `bytes` bytes.
    Large { bytes: usize },
}

struct Hostile;

impl Scorer for Hostile {
    type Input = Json<Deed>;
    type Output = Payload;

    fn describe() -> Signature {
        Signature::json()
            .input_example("score", r#"{"do": "score", "x": 5}"#)
            .deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, Json(deed): Json<Deed>) -> Result<Payload> {
        match deed {
            Deed::Score { x } => answer(x),
            Deed::Work { x } => {
                for step in 0..WORK_STEPS {
                    black_box(step);
                }
                answer(x)
            }
            Deed::Loop => loop {
                black_box(0);
            },
            Deed::Flood => loop {
                log::warn!("{}", "flood \u{1b}\n".repeat(1000));
            },
            Deed::Chatter { lines } => {
                (0..lines).for_each(|line| log::warn!("line {line} of {}", "chatter ".repeat(100)));
                answer(0)
            }
            Deed::Grow => {
                let mut pieces = Vec::new();
                loop {
                    pieces.push(black_box(vec![1_u8; PIECE_BYTES]));
                }
            }
            Deed::Large { bytes } => Ok(Payload::new("text/plain", vec![b'a'; bytes])),
        }
    }
}

/// Returns the answer of `Score` for `x`. The benchmark knows this formula.
fn answer(x: u64) -> Result<Payload> {
    Json(json!({ "y": x.wrapping_mul(7).wrapping_add(1) })).into_payload()
}

export_scorer!(Hostile);
