//! Notifications from a server that keys changed, so that copies of the keys are stale (client-side
//! caching).
//!
//! Owns the request for notifications, and reading them. Not every server sends them: a proxy may
//! not support them, and a user may not be allowed to ask. So only the time until a stale copy is
//! removed may depend on them. Must not know what is copied.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, PushInfo, PushKind, Value};

/// Callback that receives each key that another client of the store changed, or `None` if all keys
/// may have changed.
pub type Told = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// Prefix of the keys to watch for changes, with the callback that receives the changed keys.
#[derive(Clone)]
pub struct Watch {
    /// Prefix of the keys that are watched.
    pub prefix: String,
    /// Callback that receives each changed key, or `None` if all keys may have changed.
    pub told: Told,
}

impl Watch {
    /// Returns the settings `config` of a new connection, with this watch's callback for changed
    /// keys added to them.
    #[must_use]
    pub fn listen(&self, config: AsyncConnectionConfig) -> AsyncConnectionConfig {
        let told = Arc::clone(&self.told);
        config.set_push_sender(move |PushInfo { kind, data }: PushInfo| {
            if kind == PushKind::Invalidate {
                for keys in data {
                    match keys {
                        Value::Array(keys) => {
                            keys.iter().filter_map(text).for_each(|key| told(Some(key)))
                        }
                        // The server was emptied, so all keys changed.
                        _ => told(None),
                    }
                }
            }
            Ok::<(), ()>(())
        })
    }

    /// Asks the server to report changes to keys with this watch's prefix on the connection.
    /// Changes that are made on the connection itself are not reported. If the server refuses the
    /// request, a line is logged, and the server reports nothing.
    pub async fn ask(&self, connection: &MultiplexedConnection) {
        let mut command = Cmd::new();
        command.arg(&[
            "CLIENT",
            "TRACKING",
            "ON",
            "BCAST",
            "NOLOOP",
            "PREFIX",
            &self.prefix,
        ]);
        let answer = connection
            .clone()
            .send_packed_command(&command)
            .await
            .and_then(Value::extract_error);
        if let Err(error) = answer {
            let category = error.category();
            scorebox_text::debug!(target: log_target!(), "Redis does not report changed keys: {category}");
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
