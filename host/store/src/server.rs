//! The store on a Redis server or a cluster.
//!
//! Owns the translation of operations to commands. The module `faults` owns the translation of
//! errors to texts that a scorer may see. Must not know key prefixes or default expiries, nor which
//! server has a key.

mod faults;
mod scripts;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, Value};

pub(super) use self::faults::translate;

use self::faults::{too_large, wrong_type};
use self::scripts::{INCREMENT, SWAP};

use super::dialer::Dialer;
use super::endpoint::Endpoint;
use super::identity::Credentials;
use super::node::Fault;
use super::reply_limit::REPLY_LIMIT_BYTES;
use super::router::{Repeat, Routed, Router};
use super::slots::slot;
use super::tls::TlsError;
use super::watching::{Told, Watch};
use super::{Condition, Lifetime, Page, Redis, StoreError};

/// Number of keys of a batch that are requested in one round trip to a cluster. The number is
/// limited because only the reply of each single server has a size limit.
const SPREAD_KEYS: usize = 32;

/// Default time after which a connection without traffic is checked. Load balancers of Azure forget
/// a connection after 4 minutes at the earliest.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Back end of a store on a Redis server or a Redis cluster.
pub struct Server(Arc<Router>);

impl Server {
    /// Creates a back end that connects to its server when it is first used, and reconnects
    /// whenever the connection is lost. `timeout` is the maximum time of each command, including
    /// the time to connect.
    ///
    /// # Errors
    /// Fails if the endpoint uses TLS, but the trusted certificates cannot be read, or there are
    /// none.
    pub fn new(
        endpoint: &Endpoint,
        credentials: Credentials,
        timeout: Duration,
    ) -> Result<Self, TlsError> {
        Self::with_keepalive(endpoint, credentials, timeout, KEEPALIVE)
    }

    /// Creates a back end as [`Server::new`] does. `keepalive` is the time after which a connection
    /// without traffic is checked, and replaced if the server does not answer on it.
    ///
    /// # Errors
    /// Fails if the endpoint uses TLS, but the trusted certificates cannot be read, or there are
    /// none.
    pub fn with_keepalive(
        endpoint: &Endpoint,
        credentials: Credentials,
        timeout: Duration,
        keepalive: Duration,
    ) -> Result<Self, TlsError> {
        Ok(Self(Router::new(
            endpoint.seeds.clone(),
            Dialer::new(endpoint, credentials, timeout, keepalive)?,
        )))
    }

    /// Returns the router that sends commands to the store's nodes.
    pub(super) fn router(&self) -> Arc<Router> {
        Arc::clone(&self.0)
    }

    async fn query<T: FromRedisValue>(
        &self,
        key: &str,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<T, StoreError> {
        let answer = self
            .0
            .send(slot(key.as_bytes()), command, repeat)
            .await
            .map_err(translate)?;
        redis::from_redis_value(answer).map_err(|_| wrong_type())
    }

    /// Sends commands that may be repeated, each with the key that determines its server, in one
    /// round trip to each server. Returns the answers in the order of the commands. `repeat` is the
    /// repeat policy of each command.
    ///
    /// # Errors
    /// Fails if one of the commands fails, or if its answer does not have the form of `T`.
    async fn query_all<T: FromRedisValue>(
        &self,
        commands: Vec<(&str, Cmd)>,
        repeat: Repeat,
    ) -> Result<Vec<T>, StoreError> {
        let routed = |(key, command): (&str, Cmd)| Routed {
            slot: slot(key.as_bytes()),
            command,
            repeat,
        };
        let answers = self
            .0
            .send_all(commands.into_iter().map(routed).collect())
            .await
            .into_iter();
        let read = |answer: Result<Value, Fault>| {
            redis::from_redis_value(answer.map_err(translate)?).map_err(|_| wrong_type())
        };
        answers.map(read).collect()
    }
}

#[async_trait]
impl Redis for Server {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.query(key, redis::cmd("GET").arg(key), Repeat::Read)
            .await
    }

    async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(last) = most.checked_sub(1) else {
            return Ok(None);
        };
        let command = redis::cmd("GETRANGE").arg(key).arg(0).arg(last).clone();
        let value: Vec<u8> = self.query(key, &command, Repeat::Read).await?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let is_one_server = self
            .0
            .masters()
            .await
            .map_err(translate)?
            .iter()
            .all(String::is_empty);
        if let (true, Some(first)) = (is_one_server, keys.first()) {
            // MGET gets one answer, with one size limit.
            return self
                .query(first, redis::cmd("MGET").arg(keys), Repeat::Read)
                .await;
        }
        let mut values = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for keys in keys.chunks(SPREAD_KEYS) {
            let commands = keys
                .iter()
                .map(|key| (key.as_str(), redis::cmd("GET").arg(key).clone()))
                .collect();
            let found: Vec<Option<Vec<u8>>> = self.query_all(commands, Repeat::Read).await?;
            bytes += found.iter().flatten().map(Vec::len).sum::<usize>();
            if bytes as u64 > REPLY_LIMIT_BYTES {
                return Err(too_large(REPLY_LIMIT_BYTES));
            }
            values.extend(found);
        }
        Ok(values)
    }

    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        let repeat = if condition == Condition::Always {
            Repeat::Harmless
        } else {
            Repeat::Wrong
        };
        // The answer is OK, or nil if the condition did not hold.
        let answer: Option<String> = self
            .query(key, &set_command(key, value, ttl, condition), repeat)
            .await?;
        Ok(answer.is_some())
    }

    async fn set_many(
        &self,
        entries: &[(String, Vec<u8>)],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let command =
            |(key, value): &'_ (String, Vec<u8>)| set_command(key, value, ttl, Condition::Always);
        let commands = entries
            .iter()
            .map(|entry| (entry.0.as_str(), command(entry)))
            .collect();
        self.query_all::<String>(commands, Repeat::Harmless)
            .await
            .map(drop)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        // UNLINK frees large values off the server's main thread. DEL would block all other
        // clients.
        let commands = keys
            .iter()
            .map(|key| (key.as_str(), redis::cmd("UNLINK").arg(key).clone()))
            .collect();
        self.query_all::<i64>(commands, Repeat::Harmless)
            .await
            .map(drop)
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.query(key, redis::cmd("EXISTS").arg(key), Repeat::Read)
            .await
    }

    /// Returns one page of about `page_keys` keys that start with a prefix. `cursor` is the cursor
    /// of the previous page, or `None` for the first page. A cursor consists of a node's own cursor
    /// and the node's ID, because the keys of one node are listed after those of another.
    async fn scan(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        page_keys: usize,
    ) -> Result<Page, StoreError> {
        let masters = self.0.masters().await.map_err(translate)?;
        let (cursor, id) = cursor.map_or(("0", ""), |cursor| {
            cursor.split_once('@').unwrap_or((cursor, ""))
        });
        let cursor: u64 = cursor.parse().map_err(|_| StoreError::not_a_cursor())?;
        // A node that is gone has been replaced by others, whose IDs may sort anywhere. The listing
        // goes on with the nodes that follow.
        let Some(at) = masters.iter().position(|master| master.as_str() >= id) else {
            return Ok(Page {
                keys: Vec::new(),
                cursor: None,
            });
        };
        let Some(master) = masters.get(at) else {
            return Err(StoreError::not_a_cursor());
        };
        let cursor = if master == id || id.is_empty() {
            cursor
        } else {
            0
        };
        let mut command = redis::cmd("SCAN");
        // The manifest ensures that a prefix holds no character with a meaning in a pattern.
        command
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{prefix}*"))
            .arg("COUNT")
            .arg(page_keys);
        let answer = self.0.send_to(master, &command).await.map_err(translate)?;
        let (next, keys): (u64, Vec<Vec<u8>>) =
            redis::from_redis_value(answer).map_err(|_| wrong_type())?;
        // A listing only has keys that are text. A key that is not text was written by a raw
        // command or by another client.
        let keys = keys
            .into_iter()
            .filter_map(|key| String::from_utf8(key).ok())
            .collect();
        let following = if next == 0 {
            masters.get(at + 1)
        } else {
            Some(master)
        };
        let cursor = following.map(|master| {
            if master.is_empty() {
                next.to_string()
            } else {
                format!("{next}@{master}")
            }
        });
        Ok(Page { keys, cursor })
    }

    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError> {
        let fill = |command: &mut Cmd| {
            command.arg(delta).arg(milliseconds(ttl));
        };
        self.run(&INCREMENT, key, fill).await
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let fill = |command: &mut Cmd| {
            command
                .arg(u8::from(expected.is_some()))
                .arg(expected.unwrap_or_default())
                .arg(value)
                .arg(milliseconds(ttl));
        };
        self.run(&SWAP, key, fill).await
    }

    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError> {
        // PTTL answers -2 if the key does not exist, and -1 if it has no expiry.
        let left: i64 = self
            .query(key, redis::cmd("PTTL").arg(key), Repeat::Read)
            .await?;
        Ok(match left {
            -2 => Lifetime::Absent,
            -1 => Lifetime::Unlimited,
            left => Lifetime::Remaining(Duration::from_millis(left.unsigned_abs())),
        })
    }

    fn watch(&self, prefix: &str, told: Told) {
        self.0.watch(Watch {
            prefix: prefix.to_owned(),
            told,
        });
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        if ttl.is_some() {
            let mut command = redis::cmd("PEXPIRE");
            return self
                .query(
                    key,
                    command.arg(key).arg(milliseconds(ttl)),
                    Repeat::Harmless,
                )
                .await;
        }
        // PERSIST answers 0 both for an absent key and for a key without an expiry.
        let commands = ["PERSIST", "EXISTS"].map(|name| (key, redis::cmd(name).arg(key).clone()));
        Ok(self
            .query_all::<bool>(commands.into(), Repeat::Harmless)
            .await?
            .last()
            .copied()
            .unwrap_or_default())
    }
}

fn set_command(key: &str, value: &[u8], ttl: Option<Duration>, condition: Condition) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value);
    if ttl.is_some() {
        command.arg("PX").arg(milliseconds(ttl));
    }
    match condition {
        Condition::Always => {}
        Condition::IfAbsent => {
            command.arg("NX");
        }
        Condition::IfPresent => {
            command.arg("XX");
        }
    }
    command
}

fn milliseconds(ttl: Option<Duration>) -> u64 {
    // `Store` limits an expiry to a thousand years.
    ttl.map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}
