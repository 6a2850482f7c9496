//! The same call with answers kept in Redis: what a good engineer would write natively in place of the prediction cache.
//!
//! Owns the one connection, its two commands, and what happens without an answer of Redis. Keys and entries are made, read
//! and checked by the host's own functions, so that both sides hash and keep the same bytes. No memory of its own, no
//! joining of equal calls, no way back to a Redis that was away. Must not know HTTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, ProtocolVersion};
use scorebox_host::error::ScoreFailure;
use scorebox_host::scorer::entry::{self, Key};
use scorebox_host::scorer::{CacheStatus, Input, Output};
use tokio::sync::Semaphore;

use crate::scoring::Digits;

/// Before every key; as long as the host's for the example `digits`.
const PREFIX: &str = "native//predictions:";

/// How long an answer is kept, in milliseconds, and how long a call waits for Redis: the defaults of `[prediction_cache]`.
const TTL_MS: u64 = 600_000;
const TIMEOUT: Duration = Duration::from_millis(50);

/// Entries that are on their way at a time, as in the host.
const WRITES: usize = 64;

/// The model, and the connection that all calls share.
pub struct Keeper {
    digits: Digits,
    /// What an answer depends on beside its input; the host's is another, of the same length.
    scorer: Key,
    connection: MultiplexedConnection,
    writes: Arc<Semaphore>,
}

impl Keeper {
    /// Connects.
    ///
    /// # Errors
    /// The URL is none, or Redis cannot be reached.
    pub async fn connect(url: &str, digits: Digits) -> anyhow::Result<Self> {
        let info = url.into_connection_info().context("this is no URL of a Redis")?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.context("Redis cannot be reached")?;
        Ok(Self { digits, scorer: entry::scorer(["native"]), connection, writes: Arc::new(Semaphore::new(WRITES)) })
    }

    /// Scores a body, or finds what it was answered before.
    ///
    /// # Errors
    /// The body does not fit.
    pub async fn score(&self, body: Bytes) -> Result<(Bytes, CacheStatus), ScoreFailure> {
        let (inputs, reply) = self.digits.parse(body)?;
        let input = Input::Tensors(inputs);
        let key = entry::key(&self.scorer, &input);
        let name = format!("{PREFIX}{}", hex::encode(key));
        if let Some(Output::Tensors(tensors)) = self.stored(&key, &name).await {
            return Ok((self.digits.render(&reply, tensors), CacheStatus::Hit));
        }
        let tensors = match &input {
            Input::Tensors(inputs) => self.digits.predict(inputs),
            Input::Payload(_) => Vec::new(),
        };
        let output = Output::Tensors(tensors);
        self.store(name, entry::write(&key, &output));
        let tensors = match output {
            Output::Tensors(tensors) => tensors,
            Output::Payload(_) => Vec::new(),
        };
        Ok((self.digits.render(&reply, tensors), CacheStatus::Miss))
    }

    async fn stored(&self, key: &Key, name: &str) -> Option<Output> {
        let mut connection = self.connection.clone();
        let entry: Option<Vec<u8>> = redis::cmd("GET").arg(name).query_async(&mut connection).await.ok()?;
        entry::read(key, entry?)
    }

    /// In the background: the caller has its answer.
    fn store(&self, name: String, entry: Vec<u8>) {
        let Ok(place) = Arc::clone(&self.writes).try_acquire_owned() else { return };
        let mut connection = self.connection.clone();
        tokio::spawn(async move {
            let mut command = redis::cmd("SET");
            command.arg(name).arg(entry).arg("PX").arg(TTL_MS);
            // An answer that is not kept is computed again.
            let _ = command.query_async::<()>(&mut connection).await;
            drop(place);
        });
    }
}
