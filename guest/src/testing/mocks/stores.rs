//! Mocks of wasi:keyvalue and of the interface `cache`: stores of keys and values in memory.
//!
//! Owns the semantics of a store, which are those of the real host: expiry, conditions, counters
//! and limits. A mock store differs from the real host in two points: open `Cas` handles may hold
//! any number of bytes, and a mock store is never full. Must not know Redis commands.

use std::time::Duration;

use crate::testing::host::Host;
use crate::testing::state::{Capability, Entry, State, Store};

const VALUE_BYTES: usize = 32 << 20;
const KEY_BYTES: usize = 64 << 10;
const BATCH_KEYS: usize = 4096;
const BATCH_BYTES: usize = 64 << 20;
const PAGE_KEYS: usize = 1000;
const TTL_LIMIT: Duration = Duration::from_secs(1000 * 366 * 24 * 3600);

/// Mock of wasi:keyvalue/store: opening a store, and operations on one key.
pub(crate) mod keyvalue {
    use super::{Capability, Entry, Host, PAGE_KEYS, Store, expiry, live, other};

    pub use crate::bindings::capabilities::wasi::keyvalue::store::{Error, KeyResponse};

    /// A store of the mock host that was installed when the store was opened.
    #[derive(Debug)]
    pub(crate) struct Bucket {
        pub(super) host: Host,
        pub(super) name: String,
    }

    pub(crate) fn open(name: &str) -> Result<Bucket, Error> {
        let host = Host::current_for(Capability::Other);
        if !host.state().stores.contains_key(name) {
            return Err(Error::NoSuchStore);
        }
        Ok(Bucket {
            host,
            name: name.to_owned(),
        })
    }

    impl Bucket {
        /// Calls `act` with the store and the time on the mock host's clock. Fails if one of `keys`
        /// is longer than 64 KiB, if the test made the stores unreachable, or if `act` fails.
        pub(super) fn with<T>(
            &self,
            keys: &[&str],
            act: impl FnOnce(&mut Store, std::time::Duration) -> Result<T, Error>,
        ) -> Result<T, Error> {
            super::check_keys(keys)?;
            let mut state = self.host.state();
            super::check_away(&state)?;
            let now = state.now;
            let store = state.stores.get_mut(&self.name);
            act(store.ok_or(Error::NoSuchStore)?, now)
        }

        pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            self.with(&[key], |store, now| {
                Ok(live(store, key, now).map(|entry| entry.value.clone()))
            })
        }

        pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
            self.with(&[key], |store, now| {
                super::put(store, key, value, expiry(store.default_ttl, now))
            })
        }

        pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
            self.with(&[key], |store, _| {
                store.entries.remove(key);
                Ok(())
            })
        }

        pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
            self.with(&[key], |store, now| Ok(live(store, key, now).is_some()))
        }

        pub(crate) fn list_keys(&self, cursor: Option<&str>) -> Result<KeyResponse, Error> {
            self.with(&[], |store, now| {
                // A cursor is the last key of the page before.
                let is_live = |entry: &Entry| entry.expires.is_none_or(|at| now < at);
                let mut rest = store
                    .entries
                    .iter()
                    .filter(|(key, entry)| {
                        is_live(entry) && cursor.is_none_or(|cursor| key.as_str() > cursor)
                    })
                    .map(|(key, _)| key.clone());
                let keys: Vec<_> = rest.by_ref().take(PAGE_KEYS).collect();
                let cursor = rest.next().and_then(|_| keys.last().cloned());
                Ok(KeyResponse { keys, cursor })
            })
        }
    }

    /// Returns the integer that a value holds. In Redis, `+5` and `007` are not integers.
    pub(super) fn integer(value: &[u8]) -> Result<i64, Error> {
        let text = std::str::from_utf8(value).ok();
        let number = text.and_then(|text| {
            let number = text.parse::<i64>().ok()?;
            (number.to_string() == text).then_some(number)
        });
        number
            .ok_or_else(|| other("the store refused: ERR value is not an integer or out of range"))
    }
}

/// Mock of wasi:keyvalue/atomics: counters and compare-and-swap.
pub(crate) mod atomics {
    use super::keyvalue::{Bucket, Error};
    use super::{expiry, live};

    /// A key with the value that it had when it was read.
    #[derive(Debug)]
    pub(crate) struct Cas {
        bucket: Bucket,
        key: String,
        seen: Option<Vec<u8>>,
    }

    /// Reason why a swap failed.
    pub(crate) enum CasError {
        /// The store did not answer, or refused the write.
        StoreError(Error),
        /// The value of the key has changed since it was read. The new handle has the changed
        /// value.
        CasFailed(Cas),
    }

    impl Cas {
        pub(crate) fn new(bucket: &Bucket, key: &str) -> Result<Self, Error> {
            Ok(Self {
                seen: bucket.get(key)?,
                bucket: Bucket {
                    host: bucket.host.clone(),
                    name: bucket.name.clone(),
                },
                key: key.to_owned(),
            })
        }

        pub(crate) fn current(&self) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.seen.clone())
        }
    }

    pub(crate) fn swap(cas: Cas, value: &[u8]) -> Result<(), CasError> {
        let now = cas.bucket.with(&[&cas.key], |store, now| {
            let found = live(store, &cas.key, now).map(|entry| entry.value.clone());
            if found == cas.seen {
                super::put(store, &cas.key, value, expiry(store.default_ttl, now))?;
                return Ok(None);
            }
            Ok(Some(found))
        });
        match now.map_err(CasError::StoreError)? {
            None => Ok(()),
            Some(seen) => Err(CasError::CasFailed(Cas { seen, ..cas })),
        }
    }

    pub(crate) fn increment(bucket: &Bucket, key: &str, delta: i64) -> Result<i64, Error> {
        super::add(bucket, key, delta, None)
    }
}

/// Mock of wasi:keyvalue/batch: operations on several keys.
pub(crate) mod batch {
    use super::keyvalue::{Bucket, Error};
    use super::{BATCH_BYTES, live, other};

    /// A key with its value. `None` stands for a key that does not exist.
    type Found = Option<(String, Vec<u8>)>;

    pub(crate) fn get_many(bucket: &Bucket, keys: &[String]) -> Result<Vec<Found>, Error> {
        let names: Vec<_> = keys.iter().map(String::as_str).collect();
        super::check_batch(keys.len(), keys.iter().map(String::len).sum())?;
        bucket.with(&names, |store, now| {
            let found = names.iter().map(|key| {
                let entry = live(store, key, now)?;
                Some(((*key).to_owned(), entry.value.clone()))
            });
            let found: Vec<_> = found.collect();
            let bytes: usize = found.iter().flatten().map(|(_, value)| value.len()).sum();
            if bytes > BATCH_BYTES {
                return Err(other(&format!(
                    "a batch gives at most {BATCH_BYTES} bytes; ask for fewer keys"
                )));
            }
            Ok(found)
        })
    }

    pub(crate) fn set_many(bucket: &Bucket, entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
        super::cache::set_many(bucket, entries, None)
    }

    pub(crate) fn delete_many(bucket: &Bucket, keys: &[String]) -> Result<(), Error> {
        let names: Vec<_> = keys.iter().map(String::as_str).collect();
        super::check_batch(keys.len(), keys.iter().map(String::len).sum())?;
        bucket.with(&names, |store, _| {
            for key in keys {
                store.entries.remove(key);
            }
            Ok(())
        })
    }
}

/// Mock of the interface `cache`: expiry and conditional writes.
pub(crate) mod cache {
    use super::keyvalue::{Bucket, Error};
    use super::{expiry, live, ttl};

    pub use crate::bindings::capabilities::scorebox::scoring::cache::{
        Condition, Lifetime, SetOptions,
    };

    pub(crate) fn set(
        bucket: &Bucket,
        key: &str,
        value: &[u8],
        options: SetOptions,
    ) -> Result<bool, Error> {
        let chosen = ttl(options.ttl_ms)?;
        bucket.with(&[key], |store, now| {
            let exists = live(store, key, now).is_some();
            let holds = match options.condition {
                Condition::Always => true,
                Condition::IfAbsent => !exists,
                Condition::IfPresent => exists,
            };
            if holds {
                super::put(store, key, value, expiry(chosen.or(store.default_ttl), now))?;
            }
            Ok(holds)
        })
    }

    pub(crate) fn set_many(
        bucket: &Bucket,
        entries: &[(String, Vec<u8>)],
        ttl_ms: Option<u64>,
    ) -> Result<(), Error> {
        let chosen = ttl(ttl_ms)?;
        let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let bytes = entries.iter().map(|(key, value)| key.len() + value.len());
        super::check_batch(entries.len(), bytes.sum())?;
        bucket.with(&keys, |store, now| {
            // If a value is too large, no entry is written.
            entries
                .iter()
                .try_for_each(|(_, value)| super::check_value(value))?;
            let expires = expiry(chosen.or(store.default_ttl), now);
            let mut entries = entries.iter();
            entries.try_for_each(|(key, value)| super::put(store, key, value, expires))
        })
    }

    pub(crate) fn increment(
        bucket: &Bucket,
        key: &str,
        delta: i64,
        ttl_ms: u64,
    ) -> Result<i64, Error> {
        let chosen = ttl(Some(ttl_ms))?;
        super::add(bucket, key, delta, chosen)
    }

    pub(crate) fn lifetime_of(bucket: &Bucket, key: &str) -> Result<Lifetime, Error> {
        bucket.with(&[key], |store, now| {
            Ok(match live(store, key, now).map(|entry| entry.expires) {
                None => Lifetime::Absent,
                Some(None) => Lifetime::Unlimited,
                Some(Some(at)) => {
                    let left = at.saturating_sub(now).as_millis();
                    Lifetime::Remaining(u64::try_from(left).unwrap_or(u64::MAX))
                }
            })
        })
    }

    pub(crate) fn touch(bucket: &Bucket, key: &str, ttl_ms: Option<u64>) -> Result<bool, Error> {
        let chosen = ttl(ttl_ms)?;
        bucket.with(&[key], |store, now| {
            let exists = live(store, key, now).is_some();
            if let Some(entry) = store.entries.get_mut(key).filter(|_| exists) {
                entry.expires = expiry(chosen, now);
            }
            Ok(exists)
        })
    }
}

fn other(text: &str) -> keyvalue::Error {
    keyvalue::Error::Other(text.to_owned())
}

fn check_away(state: &State) -> Result<(), keyvalue::Error> {
    match state.is_away {
        true => Err(other(
            "the store cannot be reached now: the test disconnected it",
        )),
        false => Ok(()),
    }
}

fn check_keys(keys: &[&str]) -> Result<(), keyvalue::Error> {
    match keys.iter().find(|key| key.len() > KEY_BYTES) {
        Some(key) => Err(other(&format!(
            "a key has at most {KEY_BYTES} bytes, and this one has {}",
            key.len()
        ))),
        None => Ok(()),
    }
}

fn check_value(value: &[u8]) -> Result<(), keyvalue::Error> {
    match value.len() {
        0..=VALUE_BYTES => Ok(()),
        bytes => Err(other(&format!(
            "a value of {bytes} bytes is larger than {VALUE_BYTES}"
        ))),
    }
}

fn check_batch(keys: usize, bytes: usize) -> Result<(), keyvalue::Error> {
    if keys > BATCH_KEYS {
        return Err(other(&format!("a batch is at most {BATCH_KEYS} keys")));
    }
    if bytes > BATCH_BYTES {
        return Err(other(&format!("a batch takes at most {BATCH_BYTES} bytes")));
    }
    Ok(())
}

/// Converts a lifetime in milliseconds that a scorer chose. Fails if it is zero or more than a
/// thousand years. `None` stays `None`.
fn ttl(ttl_ms: Option<u64>) -> Result<Option<Duration>, keyvalue::Error> {
    let ttl = ttl_ms.map(Duration::from_millis);
    if ttl == Some(Duration::ZERO) {
        return Err(other(
            "an expiry of 0 ms would delete the key; say delete, or at least 1 ms",
        ));
    }
    if ttl > Some(TTL_LIMIT) {
        return Err(other("an expiry is at most a thousand years"));
    }
    Ok(ttl)
}

/// Returns the time on the mock host's clock at which a key with the lifetime `ttl` expires.
/// Returns `None` if `ttl` is `None`.
fn expiry(ttl: Option<Duration>, now: Duration) -> Option<Duration> {
    ttl.map(|ttl| now.saturating_add(ttl))
}

fn live<'a>(store: &'a Store, key: &str, now: Duration) -> Option<&'a Entry> {
    let entry = store.entries.get(key)?;
    entry.expires.is_none_or(|at| now < at).then_some(entry)
}

fn put(
    store: &mut Store,
    key: &str,
    value: &[u8],
    expires: Option<Duration>,
) -> Result<(), keyvalue::Error> {
    check_value(value)?;
    let value = value.to_vec();
    let entry = Entry { value, expires };
    store.entries.insert(key.to_owned(), entry);
    Ok(())
}

/// Adds `delta` to the counter of a key, and returns the sum. The counter of a key that does not
/// exist starts at 0 and expires after `ttl`, or after the store's `default_ttl` if `ttl` is
/// `None`.
fn add(
    bucket: &keyvalue::Bucket,
    key: &str,
    delta: i64,
    ttl: Option<Duration>,
) -> Result<i64, keyvalue::Error> {
    bucket.with(&[key], |store, now| {
        let (before, expires) = match live(store, key, now) {
            Some(entry) => (keyvalue::integer(&entry.value)?, entry.expires),
            None => (0, expiry(ttl.or(store.default_ttl), now)),
        };
        let after = before.checked_add(delta);
        let after = after
            .ok_or_else(|| other("the store refused: ERR increment or decrement would overflow"))?;
        put(store, key, after.to_string().as_bytes(), expires)?;
        Ok(after)
    })
}
