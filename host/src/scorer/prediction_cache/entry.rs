//! Entries of the prediction cache: the format in which an answer is kept, and the keys of answers.
//!
//! Owns the formats of entries and keys, and their limits. An entry holds the digest of its key and
//! content. If an entry was cut short, changed, or written for another key, it is refused. The
//! digest needs no secret, so an entry that is whole may still be forged; `expected` checks what it
//! says. Must not know where entries are kept.

use serde::{Deserialize, Serialize};

pub use super::parts::Key;
use super::parts::Parts;
use crate::call::{HttpAnswer, Payload};
use crate::model::Dtype;
use crate::scorer::output::Output;
use crate::tensor::Tensor;

/// Size of the digest at the start of an entry of the prediction cache, in bytes. The digest covers
/// the entry's key and the rest of the entry.
const DIGEST_BYTES: usize = 32;

/// Maximum size of an answer that the prediction cache keeps, in bytes. Reading a larger answer
/// costs about as much as running most models, and delays the round trips of all other calls.
pub const ANSWER_BYTES: usize = 1 << 20;

/// Approximate size of the memory that an answer in the cache takes in addition to its own bytes,
/// in bytes.
pub(super) const ANSWER_COST_BYTES: u64 = 256;

/// Maximum size of the description that precedes the answer in an entry of the prediction cache, in
/// bytes.
const HEAD_BYTES: usize = 64 << 10;

/// Maximum size of an entry of the prediction cache, in bytes. A longer entry is not read to its
/// end.
pub const ENTRY_BYTES: usize = DIGEST_BYTES + 4 + HEAD_BYTES + ANSWER_BYTES;

/// Description of an answer, which precedes the answer's bytes in an entry of the prediction cache.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Head {
    /// The answer is a payload with this media type.
    Payload(String),
    /// The answer is a payload with this media type and the headers that the scorer set, and with
    /// the status 200.
    Headed(String, Vec<(String, String)>),
    /// The answer consists of tensors: the name, element type, shape and number of bytes of each.
    Tensors(Vec<(String, String, Vec<u64>, usize)>),
}

/// Returns the cache key of a payload for a scorer. `scorer` is the digest of the scorer's code,
/// model and settings.
#[must_use]
pub fn payload_key(scorer: &Key, payload: &Payload) -> Key {
    let mut parts = parts_of_input(scorer);
    parts.text("payload", &payload.content_type);
    parts.bytes("body", &payload.body);
    parts.finish()
}

/// Returns the cache key of input tensors for a scorer. `scorer` is the digest of the scorer's
/// code, model and settings. The key does not depend on the format in which the tensors were sent.
#[must_use]
pub fn tensors_key(scorer: &Key, tensors: &[Tensor]) -> Key {
    let mut parts = parts_of_input(scorer);
    parts.number("tensors", tensors.len() as u64);
    for Tensor {
        name,
        dtype,
        shape,
        data,
    } in tensors
    {
        parts.text("name", name);
        parts.text("dtype", dtype.name());
        parts.number("shape", shape.len() as u64);
        shape.iter().for_each(|size| parts.number("size", *size));
        parts.bytes("data", data);
    }
    parts.finish()
}

fn parts_of_input(scorer: &Key) -> Parts {
    let mut parts = Parts::new("input");
    parts.bytes("scorer", scorer);
    parts
}

/// Computes a digest from texts, for use as the digest of a scorer. Tests and measurements use it,
/// because they do not have a scorer with code, a model and settings.
#[must_use]
pub fn scorer<'a>(texts: impl IntoIterator<Item = &'a str>) -> Key {
    let mut parts = Parts::new("scorer of texts");
    texts.into_iter().for_each(|text| parts.text("text", text));
    parts.finish()
}

/// Encodes an answer as the cache entry of a key. The status of the answer must be 200, because an
/// entry does not hold a status. Returns `None` if the answer or its description is so large that
/// [`read`] would refuse the entry.
#[must_use]
pub fn write(key: &Key, output: &Output) -> Option<Vec<u8>> {
    let head = match output {
        Output::Payload(payload) => Head::Payload(payload.content_type.clone()),
        Output::Chosen(payload, http) => {
            let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            Head::Headed(
                payload.content_type.clone(),
                http.texts().map(header).collect(),
            )
        }
        Output::Tensors(tensors) => {
            let row = |tensor: &Tensor| {
                (
                    tensor.name.clone(),
                    tensor.dtype.name().to_owned(),
                    tensor.shape.clone(),
                    tensor.data.len(),
                )
            };
            Head::Tensors(tensors.iter().map(row).collect())
        }
    };
    // The head consists of texts and numbers, and all of them have a form in JSON.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    if head.len() > HEAD_BYTES || output.bytes() > ANSWER_BYTES {
        return None;
    }
    let mut entry = vec![0; DIGEST_BYTES];
    entry.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
    entry.extend_from_slice(&head);
    match output {
        Output::Payload(payload) | Output::Chosen(payload, _) => {
            entry.extend_from_slice(&payload.body);
        }
        Output::Tensors(tensors) => tensors
            .iter()
            .for_each(|tensor| entry.extend_from_slice(&tensor.data)),
    }
    if let Some((digest, content)) = entry.split_first_chunk_mut::<DIGEST_BYTES>() {
        *digest = digest_of(key, content);
    }
    Some(entry)
}

/// Decodes the answer from the cache entry of a key. Returns `None` if the entry is damaged,
/// exceeds its size limits, was written for another key, or has a cookie or another header that the
/// answer of a scorer may not have.
#[must_use]
pub fn read(key: &Key, entry: Vec<u8>) -> Option<Output> {
    if entry.len() > ENTRY_BYTES {
        return None;
    }
    let (digest, content) = entry.split_first_chunk::<DIGEST_BYTES>()?;
    if *digest != digest_of(key, content) {
        return None;
    }
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (head, body) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if head.len() > HEAD_BYTES || body.len() > ANSWER_BYTES {
        return None;
    }
    let start = entry.len() - body.len();
    Some(match serde_json::from_slice(head).ok()? {
        Head::Payload(content_type) => Output::Payload(Payload {
            content_type,
            body: bytes::Bytes::from(entry).slice(start..),
        }),
        Head::Headed(content_type, headers) => {
            // A cookie is never kept, because it is for one caller.
            let http = HttpAnswer::new(None, headers, false).ok()??;
            let payload = Payload {
                content_type,
                body: bytes::Bytes::from(entry).slice(start..),
            };
            Output::Chosen(payload, Box::new(http))
        }
        Head::Tensors(rows) => {
            let mut rest = body;
            let mut tensors = Vec::with_capacity(rows.len());
            for (name, dtype, shape, count) in rows {
                let (data, more) = rest.split_at_checked(count)?;
                let dtype = Dtype::ALL.into_iter().find(|known| known.name() == dtype)?;
                tensors.push(Tensor {
                    name,
                    dtype,
                    shape,
                    data: data.to_vec(),
                });
                rest = more;
            }
            if !rest.is_empty() {
                return None;
            }
            Output::Tensors(tensors)
        }
    })
}

fn digest_of(key: &Key, content: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut parts = Parts::new("entry");
    parts.bytes("key", key);
    parts.bytes("content", content);
    parts.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[u64], data: &[u8]) -> Tensor {
        Tensor {
            name: name.into(),
            dtype: Dtype::U8,
            shape: shape.to_vec(),
            data: data.to_vec(),
        }
    }

    #[test]
    fn what_differs_has_another_key() {
        let payload = |content_type: &str, body: &'static str| Payload {
            content_type: content_type.into(),
            body: body.into(),
        };
        let payloads = [
            payload("a/b", "1"),
            payload("a/b", "2"),
            payload("a/b1", ""),
            payload("a/", "b1"),
            payload("", ""),
        ];
        let tensors = [
            vec![tensor("x", &[2], &[1, 2])],
            vec![tensor("x", &[2, 1], &[1, 2])],
            vec![tensor("y", &[2], &[1, 2])],
            vec![tensor("x", &[1], &[1]), tensor("x", &[1], &[2])],
            // These move a byte, a size or a character from one part to the next.
            vec![tensor("x", &[1], &[1, 2]), tensor("x", &[1], &[])],
            vec![tensor("x", &[1, 1], &[1]), tensor("x", &[], &[2])],
            vec![tensor("xx", &[1], &[1]), tensor("", &[1], &[2])],
            vec![Tensor {
                dtype: Dtype::I8,
                ..tensor("x", &[2], &[1, 2])
            }],
            vec![],
        ];
        let scorers = [scorer(["a", "b"]), scorer(["ab"]), scorer(["a", "b", ""])];
        let keys_of = |scorer| {
            let payloads = payloads.iter().map(|payload| payload_key(scorer, payload));
            let tensors = tensors.iter().map(|tensors| tensors_key(scorer, tensors));
            payloads.chain(tensors).collect::<Vec<Key>>()
        };
        let mut keys: Vec<Key> = scorers.iter().flat_map(keys_of).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), scorers.len() * (payloads.len() + tensors.len()));
    }

    #[test]
    fn an_entry_that_is_not_whole_or_not_of_its_key_is_none() {
        let payload = Payload {
            content_type: "application/json".into(),
            body: "[1]".into(),
        };
        let headers = vec![("x-model".to_owned(), "7".to_owned())];
        let http = HttpAnswer::new(None, headers, false).unwrap().unwrap();
        let outputs = [
            Output::Payload(payload.clone()),
            Output::Chosen(payload, Box::new(http)),
            Output::Tensors(vec![
                tensor("label", &[1], &[7]),
                tensor("empty", &[0], &[]),
            ]),
        ];
        let own = scorer(["own"]);
        for output in outputs {
            let entry = write(&own, &output).unwrap();
            assert_eq!(read(&own, entry.clone()), Some(output));
            assert_eq!(read(&scorer(["another"]), entry.clone()), None);
            for end in 0..entry.len() {
                assert_eq!(read(&own, entry[..end].to_vec()), None);
            }
            for index in 0..entry.len() {
                let mut changed = entry.clone();
                changed[index] ^= 1;
                assert_eq!(read(&own, changed), None);
            }
            assert_eq!(read(&own, [entry, vec![0]].concat()), None);
        }
    }

    #[test]
    fn an_answer_that_could_not_be_read_back_is_not_written() {
        let own = scorer(["own"]);
        let payload = |type_bytes: usize, body_bytes: usize| {
            Output::Payload(Payload {
                content_type: "a".repeat(type_bytes),
                body: vec![0; body_bytes].into(),
            })
        };
        let most = HEAD_BYTES - r#"{"payload":""}"#.len();
        let largest = payload(most, ANSWER_BYTES);
        let entry = write(&own, &largest).unwrap();
        assert_eq!(entry.len(), ENTRY_BYTES);
        assert_eq!(read(&own, entry), Some(largest));
        assert_eq!(write(&own, &payload(most + 1, 1)), None);
        assert_eq!(write(&own, &payload(1, ANSWER_BYTES + 1)), None);
        // Many small tensors have little data and a long description.
        let names = (0..4096).map(|number| format!("output-{number}"));
        let tensors = names.map(|name| tensor(&name, &[1], &[1])).collect();
        assert_eq!(write(&own, &Output::Tensors(tensors)), None);
    }

    /// Returns a cache entry with any head and body and the right digest, as an attacker could
    /// write it.
    fn forged(key: &Key, head: &str, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(head.len()).unwrap().to_le_bytes();
        let content = [length.as_slice(), head.as_bytes(), body].concat();
        [digest_of(key, &content).as_slice(), &content].concat()
    }

    #[test]
    fn a_forged_entry_beyond_the_bounds_is_refused() {
        let own = scorer(["own"]);
        let whole = r#"{"tensors":[["label","u8",[1],1]]}"#;
        assert!(read(&own, forged(&own, whole, b"1")).is_some());
        assert_eq!(
            read(&own, forged(&own, whole, b"12")),
            None,
            "bytes that no tensor has"
        );
        assert_eq!(read(&own, forged(&own, whole, b"")), None);
        assert_eq!(
            read(
                &own,
                forged(&own, r#"{"tensors":[["label","u9",[1],1]]}"#, b"1")
            ),
            None
        );
        assert_eq!(
            read(
                &own,
                forged(&own, r#"{"tensors":[["label","u8",[-1],1]]}"#, b"1")
            ),
            None
        );
        assert_eq!(read(&own, forged(&own, r#"{"payload":3}"#, b"1")), None);
        // A header of an entry is held to the rules for headers of a scorer.
        let headed = |headers: &str| {
            let head = format!(r#"{{"headed":["a/b",[{headers}]]}}"#);
            read(&own, forged(&own, &head, b"1")).is_some()
        };
        assert!(headed(r#"["x-a","1"]"#));
        for headers in [
            "",
            r#"["x-a","1\r\nx-b: 2"]"#,
            r#"["set-cookie","a=b"]"#,
            r#"["content-length","0"]"#,
            r#"["x-ms-request-id","1"]"#,
        ] {
            assert!(!headed(headers), "{headers}");
        }
        assert_eq!(read(&own, forged(&own, &"[".repeat(HEAD_BYTES), b"")), None);
        let long = format!(r#"{{"payload":"{}"}}"#, "a".repeat(HEAD_BYTES));
        assert_eq!(read(&own, forged(&own, &long, b"1")), None);
        let largest = vec![0; ANSWER_BYTES];
        assert!(read(&own, forged(&own, r#"{"payload":""}"#, &largest)).is_some());
        assert_eq!(
            read(
                &own,
                forged(&own, r#"{"payload":""}"#, &[largest, vec![0]].concat())
            ),
            None
        );
    }
}
