//! The store on a Redis server.
//!
//! Owns the one shared, multiplexed connection and the translation to commands. Must not know prefixes or defaults. No
//! address or credential ever reaches a message.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ServerErrorKind};

use super::{Condition, Lifetime, NOT_AN_INTEGER, OVERFLOW, Page, Redis, StoreError};

/// Adds and, only for a key that this creates, sets the expiry (ARGV[2] in milliseconds, 0 for none). One script,
/// because between two commands the key could expire or the host could die. The sum is read back as text: a number of
/// Lua's is a double, which is exact to 2^53 only.
static INCREMENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local new = redis.call('EXISTS', KEYS[1]) == 0
         redis.call('INCRBY', KEYS[1], ARGV[1])
         if new and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
         return redis.call('GET', KEYS[1])",
    )
});

/// Writes if the value is still the expected one (ARGV[1] is '1' and ARGV[2] the value, or '0' for an absent key).
/// WATCH would watch every call that shares the connection.
static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.call('GET', KEYS[1])
         if ARGV[1] == '1' then
             if now ~= ARGV[2] then return 0 end
         elseif now then return 0 end
         if ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3])
         else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
         return 1",
    )
});

/// A store on a server. Clones of its connection share one socket.
pub struct Server(ConnectionManager);

impl Server {
    /// A store that connects when it is first used, and again whenever the connection is lost. `timeout` bounds
    /// connecting and each command.
    ///
    /// # Errors
    /// The URL is not one; the text does not repeat it.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, String> {
        let client = Client::open(url).map_err(|error| error.category().to_owned())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            // A call that finds no connection fails and the next one tries again: waiting is the caller's choice.
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        let manager =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|error| error.category().to_owned())?;
        Ok(Self(manager))
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        command.query_async(&mut self.0.clone()).await.map_err(translate)
    }
}

#[async_trait]
impl Redis for Server {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.query(redis::cmd("GET").arg(key)).await
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.query(redis::cmd("MGET").arg(keys)).await
    }

    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        // OK, or nil where the condition did not hold.
        let answer: Option<String> = self.query(&set_command(key, value, ttl, condition)).await?;
        Ok(answer.is_some())
    }

    async fn set_many(&self, entries: &[(String, Vec<u8>)], ttl: Option<Duration>) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::with_capacity(entries.len());
        for (key, value) in entries {
            pipeline.add_command(set_command(key, value, ttl, Condition::Always)).ignore();
        }
        pipeline.query_async::<()>(&mut self.0.clone()).await.map_err(translate)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        // UNLINK frees large values off the server's main thread; DEL would hold up everybody.
        self.query::<i64>(redis::cmd("UNLINK").arg(keys)).await.map(drop)
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.query(redis::cmd("EXISTS").arg(key)).await
    }

    async fn scan(&self, prefix: &str, cursor: Option<&str>, page_keys: usize) -> Result<Page, StoreError> {
        let cursor: u64 =
            cursor.unwrap_or("0").parse().map_err(|_| StoreError::Invalid(super::NOT_A_CURSOR.to_owned()))?;
        let mut command = redis::cmd("SCAN");
        // A prefix holds no character that a pattern gives a meaning to; the manifest sees to it.
        command.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(page_keys);
        let (next, keys): (u64, Vec<Vec<u8>>) = self.query(&command).await?;
        // Keys are text for a scorer; one that is not was written by somebody else.
        let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect();
        Ok(Page { keys, cursor: (next != 0).then(|| next.to_string()) })
    }

    async fn increment(&self, key: &str, delta: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        INCREMENT.key(key).arg(delta).arg(milliseconds(ttl)).invoke_async(&mut self.0.clone()).await.map_err(translate)
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let mut invocation = SWAP.key(key);
        invocation
            .arg(u8::from(expected.is_some()))
            .arg(expected.unwrap_or_default())
            .arg(value)
            .arg(milliseconds(ttl));
        invocation.invoke_async(&mut self.0.clone()).await.map_err(translate)
    }

    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError> {
        // -2: no such key; -1: no expiry.
        let left: i64 = self.query(redis::cmd("PTTL").arg(key)).await?;
        Ok(match left {
            -2 => Lifetime::Absent,
            -1 => Lifetime::Unlimited,
            left => Lifetime::Remaining(Duration::from_millis(left.unsigned_abs())),
        })
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        match ttl {
            Some(_) => self.query(redis::cmd("PEXPIRE").arg(key).arg(milliseconds(ttl))).await,
            // PERSIST answers 0 both for an absent key and for one without expiry.
            None => {
                let mut pipeline = Pipeline::with_capacity(2);
                pipeline.cmd("PERSIST").arg(key).ignore().cmd("EXISTS").arg(key);
                let (exists,): (bool,) = pipeline.query_async(&mut self.0.clone()).await.map_err(translate)?;
                Ok(exists)
            }
        }
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
    // `Store` bounds an expiry to a thousand years.
    ttl.map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// The error as a scorer may see it: never the whole text, which for a connection names the address.
fn translate(error: RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::Server(kind) => match kind {
            ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::TryAgain => {
                StoreError::Disconnected("the server is not ready".to_owned())
            }
            // Their details are addresses of nodes.
            ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot => StoreError::Refused(
                "the server is a node of a cluster; configure an endpoint that is not clustered".to_owned(),
            ),
            // Its detail is the name of a user.
            ServerErrorKind::NoPerm => StoreError::Refused("NOPERM this user may not do that".to_owned()),
            _ => {
                let words = format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default());
                // A script's error arrives wrapped; what it holds is what the same command alone would have said.
                let bare = [NOT_AN_INTEGER, OVERFLOW].into_iter().find(|bare| words.contains(bare));
                StoreError::Refused(bare.unwrap_or(words.trim()).to_owned())
            }
        },
        ErrorKind::Extension => StoreError::Refused(error.code().unwrap_or("unknown error").to_owned()),
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
            StoreError::Refused("an answer of the wrong type".to_owned())
        }
        ErrorKind::AuthenticationFailed => StoreError::Disconnected("the server refused the credentials".to_owned()),
        _ if error.is_timeout() => StoreError::Disconnected("no answer in time".to_owned()),
        _ => StoreError::Disconnected(error.category().to_owned()),
    }
}
