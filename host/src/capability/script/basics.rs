//! The commands that every store answers, in memory or on a server, without an entry in the
//! manifest: those for single values.
//!
//! Owns the operations of a store that these commands stand for. Must not know the bytes of the
//! protocol. A command with an option that only a server has needs an entry in the manifest.

use std::time::Duration;

use super::resp::Writer;
use crate::redis::raw::{Command, CommandError};
use crate::redis::{BATCH_KEYS, Condition, KEY_LIMIT_BYTES, Lifetime, Store, StoreError};

/// Command that a store answers by its own operations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Basic {
    Get(String),
    GetMany(Vec<String>),
    Set {
        key: String,
        value: Vec<u8>,
        ttl: Option<Duration>,
        condition: Condition,
        /// True if the reply says by a number whether the value was written.
        counts: bool,
    },
    SetMany(Vec<(String, Vec<u8>)>),
    Delete(Vec<String>),
    Exists(Vec<String>),
    Increment(String, i64),
    /// Sets the expiry of a key. 0 removes the key.
    Expire(String, Duration),
    Persist(String),
    Lifetime {
        key: String,
        in_ms: bool,
    },
}

impl Basic {
    /// Returns the operation of a store that a command stands for. Returns `None` if the command is
    /// another one, or has an argument that the operation does not take.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let (name, arguments) = command.split_first()?;
        let name = name.to_ascii_uppercase();
        let texts = || {
            arguments
                .iter()
                .map(|key| text(key))
                .collect::<Option<Vec<_>>>()
        };
        Some(match (name.as_slice(), arguments) {
            (b"GET", [key]) => Self::Get(text(key)?),
            (b"MGET", [_, ..]) => Self::GetMany(texts()?),
            (b"SET", [key, value, options @ ..]) => {
                let (ttl, condition) = set_options(options)?;
                Self::Set {
                    key: text(key)?,
                    value: value.clone(),
                    ttl,
                    condition,
                    counts: false,
                }
            }
            (b"SETEX" | b"PSETEX", [key, time, value]) => Self::Set {
                key: text(key)?,
                value: value.clone(),
                ttl: Some(span(time, name.starts_with(b"P"))?),
                condition: Condition::Always,
                counts: false,
            },
            (b"SETNX", [key, value]) => Self::Set {
                key: text(key)?,
                value: value.clone(),
                ttl: None,
                condition: Condition::IfAbsent,
                counts: true,
            },
            (b"MSET", [_, ..]) if arguments.len().is_multiple_of(2) => {
                let entry = |pair: &[Vec<u8>]| match pair {
                    [key, value] => Some((text(key)?, value.clone())),
                    _ => None,
                };
                Self::SetMany(arguments.chunks(2).map(entry).collect::<Option<_>>()?)
            }
            (b"DEL" | b"UNLINK", [_, ..]) => Self::Delete(texts()?),
            (b"EXISTS", [_, ..]) => Self::Exists(texts()?),
            (b"INCR", [key]) => Self::Increment(text(key)?, 1),
            (b"DECR", [key]) => Self::Increment(text(key)?, -1),
            (b"INCRBY", [key, delta]) => Self::Increment(text(key)?, number(delta)?),
            (b"DECRBY", [key, delta]) => Self::Increment(text(key)?, number(delta)?.checked_neg()?),
            (b"EXPIRE" | b"PEXPIRE", [key, time]) => {
                Self::Expire(text(key)?, span(time, name.starts_with(b"P"))?)
            }
            (b"PERSIST", [key]) => Self::Persist(text(key)?),
            (b"TTL" | b"PTTL", [key]) => Self::Lifetime {
                key: text(key)?,
                in_ms: name.starts_with(b"P"),
            },
            _ => return None,
        })
    }

    /// Runs the operation on a store, and writes the reply.
    ///
    /// # Errors
    /// Fails if the store cannot be reached. If the store refuses the operation, the reply says so.
    pub(super) async fn answer(
        self,
        store: &Store,
        writer: &mut Writer,
    ) -> Result<(), CommandError> {
        if writer.refuses(1) {
            return Ok(());
        }
        let written = match self.check() {
            Ok(()) => self.write(store, writer).await,
            Err(problem) => Err(problem),
        };
        match written {
            Ok(()) => return Ok(()),
            Err(StoreError::Disconnected(why)) => return Err(CommandError::Disconnected(why)),
            Err(StoreError::Full(text)) if !text.starts_with("OOM") => {
                writer.error(&format!("OOM {text}"));
            }
            Err(
                StoreError::Full(text)
                | StoreError::Denied(text)
                | StoreError::Refused(text)
                | StoreError::Invalid(text),
            ) => writer.error(&text),
        }
        Ok(())
    }

    /// Checks the limits on keys, which the host's other functions for stores have, too.
    fn check(&self) -> Result<(), StoreError> {
        let keys: Vec<&String> = match self {
            Self::GetMany(keys) | Self::Delete(keys) | Self::Exists(keys) => keys.iter().collect(),
            Self::SetMany(entries) => entries.iter().map(|(key, _)| key).collect(),
            Self::Get(key)
            | Self::Set { key, .. }
            | Self::Increment(key, _)
            | Self::Expire(key, _)
            | Self::Persist(key)
            | Self::Lifetime { key, .. } => vec![key],
        };
        if keys.len() > BATCH_KEYS {
            return Err(StoreError::Invalid(format!(
                "a command has at most {BATCH_KEYS} keys"
            )));
        }
        match keys.iter().find(|key| key.len() > KEY_LIMIT_BYTES) {
            None => Ok(()),
            Some(_) => Err(StoreError::Invalid(format!(
                "a key has at most {KEY_LIMIT_BYTES} bytes"
            ))),
        }
    }

    async fn write(self, store: &Store, writer: &mut Writer) -> Result<(), StoreError> {
        match self {
            Self::Get(key) => writer.value(store.get(&key).await?.as_deref()),
            Self::GetMany(keys) => {
                let values = store.get_many(&keys).await?;
                writer.list(values.len());
                for value in values {
                    writer.value(value.as_deref());
                }
            }
            Self::Set {
                key,
                value,
                ttl,
                condition,
                counts,
            } => {
                let is_set = store.set(&key, &value, ttl, condition).await?;
                match (counts, is_set) {
                    (true, _) => writer.integer(is_set.into()),
                    (false, true) => writer.text("OK"),
                    (false, false) => writer.value(None),
                }
            }
            Self::SetMany(entries) => {
                store.set_many(entries, None).await?;
                writer.text("OK");
            }
            Self::Delete(keys) => {
                let found = existing(store, &keys).await?;
                store.delete(&keys).await?;
                writer.integer(found);
            }
            Self::Exists(keys) => writer.integer(existing(store, &keys).await?),
            Self::Increment(key, delta) => {
                writer.integer(store.increment(&key, delta, None).await?);
            }
            Self::Expire(key, ttl) if ttl.is_zero() => {
                let found = existing(store, std::slice::from_ref(&key)).await?;
                store.delete(&[key]).await?;
                writer.integer(found);
            }
            Self::Expire(key, ttl) => writer.integer(store.touch(&key, Some(ttl)).await?.into()),
            Self::Persist(key) => {
                let expires = matches!(store.lifetime(&key).await?, Lifetime::Remaining(_));
                let persists = expires && store.touch(&key, None).await?;
                writer.integer(persists.into());
            }
            Self::Lifetime { key, in_ms } => writer.integer(match store.lifetime(&key).await? {
                Lifetime::Absent => -2,
                Lifetime::Unlimited => -1,
                Lifetime::Remaining(left) => {
                    let ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
                    // Redis rounds to the nearest second.
                    if in_ms {
                        ms
                    } else {
                        ms.saturating_add(500) / 1000
                    }
                }
            }),
        }
        Ok(())
    }
}

/// Returns how many of the keys exist. A key that is named twice counts twice.
async fn existing(store: &Store, keys: &[String]) -> Result<i64, StoreError> {
    let mut found = 0;
    for key in keys {
        found += i64::from(store.exists(key).await?);
    }
    Ok(found)
}

/// Reads the options of SET: an expiry and a condition. Returns `None` if there is another option.
fn set_options(mut options: &[Vec<u8>]) -> Option<(Option<Duration>, Condition)> {
    let (mut ttl, mut condition) = (None, Condition::Always);
    while let Some((option, rest)) = options.split_first() {
        options = rest;
        match (option.to_ascii_uppercase().as_slice(), rest) {
            (b"NX", _) if condition == Condition::Always => condition = Condition::IfAbsent,
            (b"XX", _) if condition == Condition::Always => condition = Condition::IfPresent,
            (unit @ (b"EX" | b"PX"), [time, rest @ ..]) if ttl.is_none() => {
                ttl = Some(span(time, unit == b"PX")?);
                options = rest;
            }
            _ => return None,
        }
    }
    Some((ttl, condition))
}

/// Returns a key as text. Returns `None` if the key is not UTF-8, because keys of a store are
/// texts.
fn text(key: &[u8]) -> Option<String> {
    str::from_utf8(key).ok().map(str::to_owned)
}

fn number(digits: &[u8]) -> Option<i64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads a length of time: a whole number of milliseconds if `in_ms` is true, and of seconds if it
/// is false. A negative number counts as 0. Returns `None` if the text is not a whole number.
fn span(digits: &[u8], in_ms: bool) -> Option<Duration> {
    let count = u64::try_from(number(digits)?).unwrap_or_default();
    Some(match in_ms {
        true => Duration::from_millis(count),
        false => Duration::from_secs(count),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::redis::Memory;

    fn command(words: &str) -> Command {
        words
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[tokio::test]
    async fn replies_are_those_of_redis() {
        let store = Store::new(Arc::new(Memory::default()), "p", None);
        for (words, expected) in [
            ("GET a", "_"),
            ("SET a 1", "+OK"),
            ("get a", "$1 1"),
            ("SET a 2 NX", "_"),
            ("SET a 2 XX EX 100", "+OK"),
            ("TTL a", ":100"),
            ("PERSIST a", ":1"),
            ("PERSIST a", ":0"),
            ("TTL a", ":-1"),
            ("TTL b", ":-2"),
            ("INCRBY a 40", ":42"),
            ("DECR a", ":41"),
            ("SETNX a 1", ":0"),
            ("SETNX b x", ":1"),
            ("INCR b", "-ERR value is not an integer or out of range"),
            ("MGET a b c", "*3 $2 41 $1 x _"),
            ("EXISTS a b c a", ":3"),
            ("MSET c 1 d 2", "+OK"),
            ("SETEX c 100 3", "+OK"),
            ("EXPIRE d 0", ":1"),
            ("EXPIRE d 10", ":0"),
            ("DEL a b d", ":2"),
            ("GET c", "$1 3"),
        ] {
            let mut writer = Writer::new(3);
            let basic = Basic::of(&command(words)).unwrap();
            basic.answer(&store, &mut writer).await.unwrap();
            let found = String::from_utf8(writer.finish()).unwrap();
            assert_eq!(found.trim_end().replace("\r\n", " "), expected, "{words}");
        }
    }

    #[tokio::test]
    async fn keys_are_bounded() {
        let store = Store::new(Arc::new(Memory::default()), "p", None);
        let long = vec![b'a'; KEY_LIMIT_BYTES + 1];
        let key = |key: &[u8]| vec![b"EXISTS".to_vec(), key.to_vec()];
        let mut many = key(b"a");
        many.resize(BATCH_KEYS + 2, b"a".to_vec());
        for (command, expected) in [
            (key(&long[1..]), ":0\r\n"),
            (key(&long), "-ERR a key has at most 65536 bytes\r\n"),
            (many, "-ERR a command has at most 4096 keys\r\n"),
        ] {
            let mut writer = Writer::new(3);
            let basic = Basic::of(&command).unwrap();
            basic.answer(&store, &mut writer).await.unwrap();
            assert_eq!(String::from_utf8(writer.finish()).unwrap(), expected);
        }
    }

    #[test]
    fn other_commands_are_for_a_server() {
        for words in [
            "HGET a b",
            "SET a 1 GET",
            "SET a",
            "SET a 1 EX",
            "MSET a",
            "GET a b",
            "MGET",
        ] {
            assert_eq!(Basic::of(&command(words)), None, "{words}");
        }
        assert_eq!(Basic::of(&vec![b"GET".to_vec(), vec![0xff]]), None);
        assert_eq!(Basic::of(&Vec::new()), None);
    }
}
