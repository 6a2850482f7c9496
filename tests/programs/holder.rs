//! A scorer that opens handles of one kind: `{"open": "bucket", "count": 10000, "hold": true}`.
//!
//! Owns one deed for each way to get a handle from the SDK. With `hold`, all handles stay open
//! until the deed ends. Without it, each handle is dropped before the next one is opened. It
//! answers with the number of handles that it opened, and with the error that ended the deed.

use scorebox_guest::cache::{Bucket, Error, Snapshot, Swap};
use scorebox_guest::model::Tensor;
use scorebox_guest::redis::Connection;
use scorebox_guest::{Invocation, Json, Result, Scorer, Signature, export_scorer};
use serde::Deserialize;
use serde_json::{Value, json};

/// Key that the deeds with a compare-and-swap use.
const KEY: &str = "k";

/// Size of a value that is too large for a swap with a key of any length, in bytes.
const TOO_LARGE_BYTES: usize = (32 << 20) + (64 << 10) + 1;

#[derive(Deserialize)]
struct Deed {
    open: Kind,
    count: usize,
    #[serde(default)]
    hold: bool,
    /// Size of the key and the value of a snapshot, in bytes.
    #[serde(default)]
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Bucket,
    Connection,
    Tensor,
    Snapshot,
    /// A snapshot that is used up by a swap.
    Swapped,
    /// A snapshot that is used up by a swap whose value the host refuses.
    Refused,
    /// The snapshot that comes with a conflict.
    Conflict,
    /// `count` snapshots. The last one is then exchanged, by a conflict, for one of twice the size,
    /// and is opened again if that fails.
    Outgrown,
}

struct Holder;

impl Scorer for Holder {
    type Input = Json<Deed>;
    type Output = Json<Value>;

    fn describe() -> Signature {
        Signature::json()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, Json(deed): Json<Deed>) -> Result<Json<Value>> {
        let (opened, error) = match deed.open {
            Kind::Bucket => open(&deed, |_| Bucket::open("default").map_err(text)),
            Kind::Connection => open(&deed, |_| {
                Connection::open("default").map_err(|error| format!("{error:?}"))
            }),
            Kind::Tensor => open(&deed, |_| {
                Tensor::open("coef").map_err(|error| format!("{error:?}"))
            }),
            _ => swaps(&deed, &Bucket::open("default")?)?,
        };
        Ok(Json(json!({ "opened": opened, "error": error })))
    }
}

export_scorer!(Holder);

/// Number of handles that were opened, and the text of the error that ended a deed.
type Outcome = (usize, Option<String>);

fn open<T>(deed: &Deed, mut next: impl FnMut(usize) -> Result<T, String>) -> Outcome {
    let mut held = Vec::new();
    for number in 0..deed.count {
        match next(number) {
            Ok(handle) if deed.hold => held.push(handle),
            Ok(_) => {}
            Err(error) => return (number, Some(error)),
        }
    }
    (deed.count, None)
}

/// Does a deed with snapshots of the key [`KEY`].
fn swaps(deed: &Deed, bucket: &Bucket) -> Result<Outcome, Error> {
    let mut value = vec![0; deed.bytes.saturating_sub(KEY.len())];
    bucket.set(KEY, &value)?;
    let snapshot = || bucket.snapshot(KEY).map_err(text);
    Ok(match deed.open {
        Kind::Swapped => open(deed, |_| match snapshot()?.swap(&value).map_err(text)? {
            Swap::Done => Ok(()),
            Swap::Changed(_) => Err("a conflict".to_owned()),
        }),
        Kind::Refused => {
            let too_large = vec![0; TOO_LARGE_BYTES];
            open(deed, |_| match snapshot()?.swap(&too_large) {
                Err(Error::Other(error)) if error.contains("takes at most") => Ok(()),
                other => Err(format!("{other:?}")),
            })
        }
        Kind::Conflict => open(deed, |number| {
            let taken = snapshot()?;
            value[0] = 1 + u8::from(number % 2 == 0);
            bucket.set(KEY, &value).map_err(text)?;
            newer(taken, &value)
        }),
        Kind::Outgrown => {
            let mut held = Vec::new();
            for number in 0..deed.count {
                match snapshot() {
                    Ok(handle) => held.push(handle),
                    Err(error) => return Ok((number, Some(error))),
                }
            }
            bucket.set(KEY, vec![1; 2 * deed.bytes - KEY.len()])?;
            let outgrown = held.pop().map(|last| newer(last, &value));
            bucket.set(KEY, &value)?;
            match outgrown {
                Some(Err(error)) => match snapshot() {
                    Ok(_) => (deed.count, Some(error)),
                    Err(again) => (held.len(), Some(again)),
                },
                _ => (deed.count, None),
            }
        }
        _ => open(deed, |_| snapshot()),
    })
}

/// Returns the snapshot that comes with the conflict of a swap.
fn newer(taken: Snapshot, value: &[u8]) -> Result<Snapshot, String> {
    match taken.swap(value).map_err(text)? {
        Swap::Changed(newer) => Ok(newer),
        Swap::Done => Err("no conflict".to_owned()),
    }
}

fn text(error: Error) -> String {
    match error {
        Error::Other(text) => text,
        other => format!("{other:?}"),
    }
}
