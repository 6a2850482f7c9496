//! What a server tells of its own accord: that keys changed, so that copies of them are stale.
//!
//! Owns asking for it and reading it. Not every server does this (proxies may not, users may not be allowed to), so
//! nothing may depend on it but how soon a copy goes. Must not know what is copied.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, PushInfo, PushKind, Value};

/// Told each key that changed, or `None` for all of them.
pub type Told = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// Keys that are watched.
#[derive(Clone)]
pub struct Watch {
    /// What they begin with.
    pub prefix: String,
    /// Who wants to know.
    pub told: Told,
}

impl Watch {
    /// Listens on a connection that is about to be made.
    #[must_use]
    pub fn listen(&self, config: AsyncConnectionConfig) -> AsyncConnectionConfig {
        let told = Arc::clone(&self.told);
        config.set_push_sender(move |PushInfo { kind, data }: PushInfo| {
            if kind == PushKind::Invalidate {
                for keys in data {
                    match keys {
                        Value::Array(keys) => keys.iter().filter_map(text).for_each(|key| told(Some(key))),
                        // The server was emptied.
                        _ => told(None),
                    }
                }
            }
            Ok::<(), ()>(())
        })
    }

    /// Asks the server for news of all keys with the prefix, but of what we write ourselves.
    pub async fn ask(&self, connection: &MultiplexedConnection) {
        let mut command = Cmd::new();
        command.arg(&["CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP", "PREFIX", &self.prefix]);
        let answer = connection.clone().send_packed_command(&command).await.and_then(Value::extract_error);
        if let Err(error) = answer {
            tracing::debug!("Redis tells nothing of changed keys: {}", error.category());
        }
    }
}

fn text(key: &Value) -> Option<&str> {
    match key {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
