//! The operations of the test program `keys`, on a store in this process.
//!
//! Owns what each operation means. Must not know its expected answer.

use std::time::Duration;

use scorebox_host::redis::{
    Condition, Credentials, Endpoint, Lifetime, Platform, Server, Store, StoreError,
};
use serde_json::{Value, json};

/// Returns a client of the Redis server, cluster or sentinels at a URL, with the timeout `timeout`
/// for each operation.
///
/// # Panics
/// Panics if the URL is invalid.
#[must_use]
pub fn server(url: &str, timeout: Duration) -> Server {
    let endpoint = Endpoint::parse(url).expect("a URL");
    let credentials = Credentials::new(endpoint.source(|| Platform::VirtualMachine));
    Server::new(&endpoint, credentials, timeout).expect("certificates")
}

/// Performs operations of the test program `keys` on a store, and returns one answer for each.
///
/// # Panics
/// Panics if an operation is unknown.
pub async fn perform_all(store: &Store, ops: Vec<Value>) -> Vec<Value> {
    let mut answers = Vec::with_capacity(ops.len());
    for op in ops {
        answers.push(match perform(store, &op).await {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": { "other": error.to_string() } }),
        });
    }
    answers
}

async fn perform(store: &Store, op: &Value) -> Result<Value, StoreError> {
    let key = op["key"].as_str().unwrap_or_default();
    let ttl = op["ttl_ms"].as_u64().map(Duration::from_millis);
    let delta = op["delta"].as_i64().unwrap_or_default();
    let done = |()| Value::Null;
    Ok(match op["op"].as_str().expect("an operation") {
        // The cases with this operation are about lifetimes, so the time itself has to pass.
        "wait" => {
            tokio::time::sleep(Duration::from_millis(op["ms"].as_u64().unwrap_or_default())).await;
            Value::Null
        }
        "get" => rendered(store.get(key).await?),
        "set" => store
            .set(key, &bytes(&op["value"]), None, Condition::Always)
            .await
            .map(|_| Value::Null)?,
        "delete" => done(store.delete(&[key.to_owned()]).await?),
        "exists" => json!(store.exists(key).await?),
        "all-keys" => {
            let mut keys = Vec::new();
            let mut cursor = None;
            loop {
                let page = store.keys(cursor.as_deref()).await?;
                keys.extend(page.keys);
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            keys.sort();
            json!(keys)
        }
        "increment" => json!(store.increment(key, delta, None).await?),
        "increment-for" => json!(store.increment(key, delta, ttl).await?),
        "swap" => swap(store, key, op).await?,
        "get-many" => {
            let keys: Vec<String> = serde_json::from_value(op["keys"].clone()).expect("keys");
            let values = store.get_many(&keys).await?;
            let found = keys.iter().zip(values);
            found
                .map(|(key, value)| value.map(|value| json!([key, rendered(Some(value))])))
                .collect()
        }
        "set-many" | "set-many-for" => done(store.set_many(entries(op), ttl).await?),
        "delete-many" => {
            let keys: Vec<String> = serde_json::from_value(op["keys"].clone()).expect("keys");
            done(store.delete(&keys).await?)
        }
        "set-with" => {
            let condition = match op["condition"].as_str() {
                Some("if-absent") => Condition::IfAbsent,
                Some("if-present") => Condition::IfPresent,
                _ => Condition::Always,
            };
            json!(store.set(key, &bytes(&op["value"]), ttl, condition).await?)
        }
        "lifetime" => match store.lifetime(key).await? {
            Lifetime::Absent => json!("absent"),
            Lifetime::Unlimited => json!("unlimited"),
            Lifetime::Remaining(left) => {
                json!({ "remaining": u64::try_from(left.as_millis()).unwrap() })
            }
        },
        "touch" => json!(store.touch(key, ttl).await?),
        other => panic!("no operation {other}"),
    })
}

async fn swap(store: &Store, key: &str, op: &Value) -> Result<Value, StoreError> {
    let value = bytes(&op["value"]);
    let current = store.get(key).await?;
    if !op["meanwhile"].is_null() {
        store
            .set(key, &bytes(&op["meanwhile"]), None, Condition::Always)
            .await?;
    }
    if store.swap(key, current.as_deref(), &value).await? {
        return Ok(json!({ "current": rendered(current), "swapped": true }));
    }
    let conflict = store.get(key).await?;
    let swapped = op["retry"] == true && store.swap(key, conflict.as_deref(), &value).await?;
    Ok(json!({ "current": rendered(current), "conflict": rendered(conflict), "swapped": swapped }))
}

fn entries(op: &Value) -> Vec<(String, Vec<u8>)> {
    let pairs: Vec<(String, Value)> =
        serde_json::from_value(op["entries"].clone()).expect("entries");
    pairs
        .into_iter()
        .map(|(key, value)| (key, bytes(&value)))
        .collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => serde_json::from_value(other["bytes"].clone()).expect("bytes"),
    }
}

fn rendered(value: Option<Vec<u8>>) -> Value {
    match value.map(String::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => json!(text),
        Some(Err(error)) => json!({ "bytes": error.into_bytes() }),
    }
}
