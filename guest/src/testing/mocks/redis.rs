//! Mock of the interface `redis`. A function of the test answers the commands.
//!
//! Owns the record of the commands that a scorer sent. Must not know the effect of any command.

use std::sync::Arc;

use crate::testing::host::Host;
use crate::testing::state::{Capability, Redis};

pub use crate::bindings::capabilities::scorebox::scoring::redis::{Error, Node, Reply};

/// A connection to a store whose Redis commands a function of the test answers.
pub(crate) struct Connection {
    host: Host,
    answer: Arc<Redis>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let host = Host::current_for(Capability::Other);
        let answer = host.state().redis.get(name).map(Arc::clone);
        Ok(Self {
            answer: answer.ok_or(Error::NoSuchConnection)?,
            host,
        })
    }

    pub(crate) fn execute(&self, command: &[Vec<u8>]) -> Result<Reply, Error> {
        let words: Vec<_> = command
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        {
            let mut state = self.host.state();
            if state.is_away {
                return Err(Error::Disconnected);
            }
            state.commands.push(words.clone());
        }
        // The lock is released first, because the function of a test may ask the host, too.
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        (self.answer)(&words).map(super::super::redis_value::Value::into_reply)
    }

    pub(crate) fn pipeline(
        &self,
        commands: &[Vec<Vec<u8>>],
    ) -> Result<Vec<Result<Reply, Error>>, Error> {
        if self.host.state().is_away {
            return Err(Error::Disconnected);
        }
        Ok(commands
            .iter()
            .map(|command| self.execute(command))
            .collect())
    }

    pub(crate) fn transaction(&self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Reply>, Error> {
        commands
            .iter()
            .map(|command| self.execute(command))
            .collect()
    }
}
