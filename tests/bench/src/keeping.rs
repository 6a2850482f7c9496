//! The native call with answers kept in Redis: what a good engineer would write natively in place
//! of the prediction cache.
//!
//! Owns the one connection, its two commands, and what happens if Redis does not answer. Keys and
//! entries are made, read and checked by the host's own functions, so that both sides hash and keep
//! the same bytes. It has no memory of its own, does not join equal calls, and does not reconnect
//! to a Redis server that was unavailable. Must not know HTTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, ProtocolVersion};
use scorebox_host::call::CacheStatus;
use scorebox_host::error::ScoreFailure;
use scorebox_host::scorer::Output;
use scorebox_host::scorer::entry::{self, Key};
use tokio::sync::Semaphore;

use crate::scoring::Digits;

/// Prefix of every key, as long as the host's for the example `digits`.
const PREFIX: &str = "native//predictions:";

/// Time that an answer is kept, in milliseconds. `TIMEOUT` is the time that a call waits for Redis.
///
/// Both are the defaults of `[prediction_cache]`.
const TTL_MS: u64 = 600_000;
const TIMEOUT: Duration = Duration::from_millis(50);

/// Maximum number of entries that are being written at a time, as in the host.
const WRITES: usize = 64;

/// A model, and the connection to Redis that all calls share.
pub struct Keeper {
    digits: Digits,
    /// Digest of everything that an answer depends on in addition to its input. It is as long as
    /// the host's digest.
    scorer: Key,
    connection: MultiplexedConnection,
    writes: Arc<Semaphore>,
}

impl Keeper {
    /// Connects to Redis.
    ///
    /// # Errors
    /// Fails if the URL is not valid, or Redis cannot be reached.
    pub async fn connect(url: &str, digits: Digits) -> anyhow::Result<Self> {
        let info = url
            .into_connection_info()
            .context("this is no URL of a Redis")?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await;
        let connection = connection.context("Redis cannot be reached")?;
        Ok(Self {
            digits,
            scorer: entry::scorer(["native"]),
            connection,
            writes: Arc::new(Semaphore::new(WRITES)),
        })
    }

    /// Scores a body, or returns the answer that was kept for it.
    ///
    /// # Errors
    /// Fails if the body does not fit the ports.
    pub async fn score(&self, body: Bytes) -> Result<(Bytes, CacheStatus), ScoreFailure> {
        let (inputs, reply) = self.digits.parse(body)?;
        let key = entry::tensors_key(&self.scorer, &inputs);
        let name = format!("{PREFIX}{}", hex::encode(key));
        if let Some(Output::Tensors(tensors)) = self.stored(&key, &name).await {
            return Ok((self.digits.render(&reply, tensors), CacheStatus::Hit));
        }
        let output = Output::Tensors(self.digits.predict(&inputs));
        if let Some(entry) = entry::write(&key, &output) {
            self.store(name, entry);
        }
        let tensors = match output {
            Output::Tensors(tensors) => tensors,
            Output::Payload(_) | Output::Chosen(..) => Vec::new(),
        };
        Ok((self.digits.render(&reply, tensors), CacheStatus::Miss))
    }

    async fn stored(&self, key: &Key, name: &str) -> Option<Output> {
        let mut connection = self.connection.clone();
        let entry: Option<Vec<u8>> = redis::cmd("GET")
            .arg(name)
            .query_async(&mut connection)
            .await
            .ok()?;
        entry::read(key, entry?)
    }

    /// Writes an entry in the background, because the caller has its answer.
    ///
    /// If too many entries are being written, the entry is dropped.
    fn store(&self, name: String, entry: Vec<u8>) {
        let Ok(place) = Arc::clone(&self.writes).try_acquire_owned() else {
            return;
        };
        let mut connection = self.connection.clone();
        tokio::spawn(async move {
            let mut command = redis::cmd("SET");
            command.arg(name).arg(entry).arg("PX").arg(TTL_MS);
            // If an answer is not kept, it is computed again.
            let _ = command.query_async::<()>(&mut connection).await;
            drop(place);
        });
    }
}
