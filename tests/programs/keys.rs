//! A scorer that runs a list of store operations:
//! `{"ops": [{"op": "set", "key": "a", "value": "1"}]}`.
//!
//! Owns a name for every function of wasi:keyvalue and of the contract's `cache`. It answers with
//! one `{"ok": …}` or `{"error": …}` for each operation. A value is a string, or `{"bytes": […]}`
//! if it is not UTF-8. With `"strict": true`, the first error of `get`, `set` or `increment` fails
//! the call, as `?` does in a scorer.

use std::thread;
use std::time::Duration;

use scorebox_guest::cache::{Bucket, Condition, Entry, Error, Lifetime, Swap};
use scorebox_guest::{Invocation, Json, OrProblem, Result, Scorer, Signature, export_scorer};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Request {
    #[serde(default = "default_store")]
    store: String,
    ops: Vec<Op>,
    #[serde(default)]
    strict: bool,
}

fn default_store() -> String {
    "default".to_owned()
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Op {
    // These operations are those of wasi:keyvalue/store.
    Open,
    Get {
        key: String,
    },
    Set {
        key: String,
        value: Value,
    },
    Delete {
        key: String,
    },
    Exists {
        key: String,
    },
    /// An operation that lists one page of keys.
    ListKeys {
        cursor: Option<String>,
    },
    /// An operation that lists the keys of all pages, sorted.
    AllKeys,
    // These operations are those of wasi:keyvalue/atomics.
    Increment {
        key: String,
        delta: i64,
    },
    /// An operation that swaps a value.
    ///
    /// `meanwhile` is written between reading and swapping. With `retry`, a conflict is followed by
    /// a swap on the handle that came with it.
    Swap {
        key: String,
        value: Value,
        meanwhile: Option<Value>,
        #[serde(default)]
        retry: bool,
    },
    // These operations are those of wasi:keyvalue/batch.
    GetMany {
        keys: Vec<String>,
    },
    SetMany {
        entries: Vec<(String, Value)>,
    },
    DeleteMany {
        keys: Vec<String>,
    },
    // These operations are those of scorebox:scoring/cache.
    SetWith {
        key: String,
        value: Value,
        ttl_ms: Option<u64>,
        condition: Option<When>,
    },
    SetManyFor {
        entries: Vec<(String, Value)>,
        ttl_ms: Option<u64>,
    },
    IncrementFor {
        key: String,
        delta: i64,
        ttl_ms: u64,
    },
    Lifetime {
        key: String,
    },
    Touch {
        key: String,
        ttl_ms: Option<u64>,
    },
    // These operations are the SDK's own.
    SetJson {
        key: String,
        value: Value,
        ttl_ms: Option<u64>,
    },
    GetJson {
        key: String,
    },
    /// An operation that appends text by compare and swap.
    Append {
        key: String,
        text: String,
    },
    /// A pause of `ms` milliseconds between two operations.
    Wait {
        ms: u64,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    Always,
    IfAbsent,
    IfPresent,
}

struct Keys;

impl Scorer for Keys {
    type Input = Json<Request>;
    type Output = Json<Vec<Value>>;

    fn describe() -> Signature {
        Signature::json().input_example("nothing", r#"{"ops": []}"#)
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(request): Json<Request>,
    ) -> Result<Json<Vec<Value>>> {
        if request.strict {
            return strict(&request.store, request.ops).map(Json);
        }
        let results = request
            .ops
            .into_iter()
            .map(|op| match perform(&request.store, op) {
                Ok(value) => json!({ "ok": value }),
                Err(error) => json!({ "error": error }),
            });
        Ok(Json(results.collect()))
    }
}

export_scorer!(Keys);

/// An error in the form that the test sees: the variant's name, or the text of `other`.
struct Fault(Value);

impl serde::Serialize for Fault {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::NoSuchStore => json!("no-such-store"),
            Error::AccessDenied => json!("access-denied"),
            Error::Other(text) => json!({ "other": text }),
        })
    }
}

impl From<scorebox_guest::Error> for Fault {
    fn from(error: scorebox_guest::Error) -> Self {
        Self(json!({ "problem": error.problem().code, "detail": error.problem().detail }))
    }
}

fn strict(store: &str, ops: Vec<Op>) -> Result<Vec<Value>> {
    let bucket = Bucket::open(store)?;
    let mut answers = Vec::new();
    for op in ops {
        answers.push(match op {
            Op::Get { key } => rendered(bucket.get(&key)?),
            Op::Set { key, value } => done(bucket.set(&key, bytes(&value)?)?),
            Op::Increment { key, delta } => json!(bucket.increment(&key, delta)?),
            _ => {
                return Err(scorebox_guest::Error::rejected(
                    "op",
                    "not a strict operation",
                ));
            }
        });
    }
    Ok(answers)
}

fn perform(store: &str, op: Op) -> std::result::Result<Value, Fault> {
    if let Op::Wait { ms } = op {
        thread::sleep(Duration::from_millis(ms));
        return Ok(Value::Null);
    }
    let bucket = Bucket::open(store)?;
    Ok(match op {
        Op::Open | Op::Wait { .. } => Value::Null,
        Op::Get { key } => rendered(bucket.get(&key)?),
        Op::Set { key, value } => done(bucket.set(&key, bytes(&value)?)?),
        Op::Delete { key } => done(bucket.delete(&key)?),
        Op::Exists { key } => json!(bucket.exists(&key)?),
        Op::ListKeys { cursor } => {
            let page = bucket.page(cursor.as_deref())?;
            json!({ "keys": page.keys, "cursor": page.cursor })
        }
        Op::AllKeys => {
            let mut keys = bucket.keys()?;
            keys.sort();
            json!(keys)
        }
        Op::Increment { key, delta } => json!(bucket.increment(&key, delta)?),
        Op::Swap {
            key,
            value,
            meanwhile,
            retry,
        } => swap(&bucket, &key, &value, meanwhile.as_ref(), retry)?,
        Op::GetMany { keys } => {
            let found = bucket.get_many(&keys)?.into_iter();
            found
                .map(|entry| entry.map(|(key, value)| json!([key, rendered(Some(value))])))
                .collect()
        }
        Op::SetMany { entries: pairs } => done(bucket.set_many(&entries(pairs)?)?),
        Op::DeleteMany { keys } => done(bucket.delete_many(&keys)?),
        Op::SetWith {
            key,
            value,
            ttl_ms,
            condition,
        } => {
            let condition = condition.unwrap_or(When::Always).into();
            json!(bucket.set_if(&key, bytes(&value)?, condition, time(ttl_ms))?)
        }
        Op::SetManyFor {
            entries: pairs,
            ttl_ms,
        } => done(bucket.set_many_for(&entries(pairs)?, time(ttl_ms))?),
        Op::IncrementFor { key, delta, ttl_ms } => {
            json!(bucket.increment_for(&key, delta, Duration::from_millis(ttl_ms))?)
        }
        Op::Lifetime { key } => match bucket.lifetime(&key)? {
            Lifetime::Absent => json!("absent"),
            Lifetime::Unlimited => json!("unlimited"),
            Lifetime::Remaining(ms) => json!({ "remaining": ms }),
        },
        Op::Touch { key, ttl_ms } => json!(bucket.touch(&key, time(ttl_ms))?),
        Op::SetJson { key, value, ttl_ms } => done(bucket.set_json(&key, &value, time(ttl_ms))?),
        Op::GetJson { key } => json!(bucket.get_json::<Value>(&key)?),
        Op::Append { key, text } => {
            let append = |old: Option<Vec<u8>>| {
                [old.unwrap_or_default().as_slice(), text.as_bytes()].concat()
            };
            rendered(Some(bucket.update(&key, append)?))
        }
    })
}

fn swap(
    bucket: &Bucket,
    key: &str,
    value: &Value,
    meanwhile: Option<&Value>,
    retry: bool,
) -> std::result::Result<Value, Fault> {
    let snapshot = bucket.snapshot(key)?;
    let current = rendered(snapshot.current()?);
    if let Some(meanwhile) = meanwhile {
        bucket.set(key, bytes(meanwhile)?)?;
    }
    Ok(match snapshot.swap(bytes(value)?)? {
        Swap::Done => json!({ "current": current, "swapped": true }),
        Swap::Changed(newer) => {
            let conflict = rendered(newer.current()?);
            let swapped = retry && matches!(newer.swap(bytes(value)?)?, Swap::Done);
            json!({ "current": current, "conflict": conflict, "swapped": swapped })
        }
    })
}

fn done((): ()) -> Value {
    Value::Null
}

fn time(ttl_ms: Option<u64>) -> Option<Duration> {
    ttl_ms.map(Duration::from_millis)
}

fn entries(pairs: Vec<(String, Value)>) -> Result<Vec<Entry>> {
    pairs
        .into_iter()
        .map(|(key, value)| Ok((key, bytes(&value)?)))
        .collect()
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.clone().into_bytes()),
        other => serde_json::from_value(other["bytes"].clone())
            .or_reject("bad-value", r#"a value is a string or {"bytes": [0, 255]}"#),
    }
}

fn rendered(value: Option<Vec<u8>>) -> Value {
    match value.map(String::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => json!(text),
        Some(Err(error)) => json!({ "bytes": error.into_bytes() }),
    }
}

impl From<When> for Condition {
    fn from(when: When) -> Self {
        match when {
            When::Always => Self::Always,
            When::IfAbsent => Self::IfAbsent,
            When::IfPresent => Self::IfPresent,
        }
    }
}
