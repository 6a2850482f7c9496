//! Redis beyond keys and values: hashes, sorted sets, streams, pipelines, transactions.
//!
//! Owns the building of commands and the reading of replies. Must not know addresses, prefixes or
//! credentials: the host holds them, and puts the store's prefix before every key. A store allows
//! the commands that its `commands` in `scorebox.toml` lists. Give an expiry with the command
//! itself: the store's `default_ttl` applies only to [`cache`](crate::cache).
//!
//! ```no_run
//! use scorebox_guest::redis::{Command, Connection};
//!
//! # fn run() -> scorebox_guest::Result<()> {
//! let redis = Connection::open("default")?;
//! redis.execute(["HSET", "user:1", "age", "41"])?;
//! let features = redis.execute(["HGETALL", "user:1"])?;
//! let age = features.value().field("age").and_then(|age| age.as_f64());
//! let replies = redis.transaction([
//!     Command::new("ZADD").arg("scores").arg("0.7").arg("user:1"),
//!     Command::new("EXPIRE").arg("scores").arg("3600"),
//! ])?;
//! # Ok(())
//! # }
//! ```

mod value;

use std::cell::OnceCell;

use crate::imports::redis as wit;

pub use self::value::Value;
pub use wit::{Error, Node};

/// A connection to a Redis store. All instances of the scorer share one connection from the host to
/// each server of the store.
///
/// ```
/// # use scorebox_guest::{redis::*, testing};
/// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
/// # let redis = Connection::lazy("default");
/// let redis = Connection::lazy("default");
/// redis.execute(["SET", "user:1", "0.5", "EX", "60"]).unwrap();
/// ```
#[derive(Debug)]
pub struct Connection {
    name: String,
    handle: OnceCell<wit::Connection>,
}

impl Connection {
    /// Opens the store `name` of `scorebox.toml`, without connecting to the store yet.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
    /// # let redis = Connection::lazy("default");
    /// assert!(Connection::open("default").is_ok());
    /// assert!(matches!(Connection::open("other"), Err(Error::NoSuchConnection)));
    /// ```
    ///
    /// # Errors
    /// Fails if `scorebox.toml` has no store of this name, or if `scorebox.toml` allows no command
    /// for the store.
    pub fn open(name: &str) -> Result<Self, Error> {
        let connection = Self::lazy(name);
        connection.handle()?;
        Ok(connection)
    }

    /// Returns a connection to the store `name` of `scorebox.toml`. The store is opened when the
    /// connection is first used.
    ///
    /// Use this function in `init`, which by default runs while the container image is built,
    /// without a store. If `scorebox.toml` has no store of this name, or allows no command for the
    /// store, the first use fails.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
    /// # let redis = Connection::lazy("default");
    /// let redis = Connection::lazy("default");
    /// assert!(redis.execute(["GET", "user:1"]).is_ok());
    /// ```
    #[must_use]
    pub fn lazy(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            handle: OnceCell::new(),
        }
    }

    fn handle(&self) -> Result<&wit::Connection, Error> {
        if let Some(handle) = self.handle.get() {
            return Ok(handle);
        }
        let opened = wit::Connection::open(&self.name)?;
        Ok(self.handle.get_or_init(|| opened))
    }

    /// Sends a command, and returns the reply to the command.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok("0.5".into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["GET", "user:1"]).unwrap();
    /// assert_eq!(reply.value().as_f64(), Some(0.5));
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used, if the host or the store refuses the command, or if the
    /// reply is larger than the host allows. Unless the host refused the command, it may have been
    /// executed.
    pub fn execute(&self, command: impl Into<Command>) -> Result<Reply, Error> {
        self.handle()?.execute(&command.into().0).map(Reply)
    }

    /// Sends all commands together. Returns one result for each command, in the order of the
    /// commands: the reply or the error of the command.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
    /// # let redis = Connection::lazy("default");
    /// let replies = redis.pipeline([["GET", "user:1"], ["GET", "user:2"]]).unwrap();
    /// assert!(replies.iter().all(|reply| reply.is_ok()));
    /// ```
    ///
    /// # Errors
    /// Fails if nothing was sent to the store, e.g. because the commands together are too large.
    /// The error of a single command is in the returned list.
    pub fn pipeline<C: Into<Command>>(
        &self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Vec<Result<Reply, Error>>, Error> {
        let replies = self.handle()?.pipeline(&all(commands))?;
        Ok(replies.into_iter().map(|reply| reply.map(Reply)).collect())
    }

    /// Executes all commands in one transaction, without a command of another client in between.
    /// Returns one reply for each command.
    ///
    /// If a command fails while it is executed, its reply is an error, which [`Value::fault`]
    /// returns. The other commands take effect.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
    /// # let redis = Connection::lazy("default");
    /// let replies = redis.transaction([["GET", "user:1"], ["DEL", "user:1"]]).unwrap();
    /// assert_eq!(replies.len(), 2);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used, if the host or the store refuses the transaction, or if
    /// the replies together are larger than the host allows. Unless the host refused the
    /// transaction, the commands may have been executed.
    pub fn transaction<C: Into<Command>>(
        &self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Vec<Reply>, Error> {
        let replies = self.handle()?.transaction(&all(commands))?;
        Ok(replies.into_iter().map(Reply).collect())
    }
}

fn all<C: Into<Command>>(commands: impl IntoIterator<Item = C>) -> Vec<Vec<Vec<u8>>> {
    commands
        .into_iter()
        .map(|command| command.into().0)
        .collect()
}

/// A Redis command: its name, followed by its arguments.
///
/// ```
/// # use scorebox_guest::{redis::*, testing};
/// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
/// # let redis = Connection::lazy("default");
/// let command = Command::new("ZADD").arg("scores").arg("0.7").arg([0, 255]);
/// assert!(redis.execute(command).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<Vec<u8>>);

impl Command {
    /// Returns the command `name` without arguments.
    ///
    /// ```
    /// use scorebox_guest::redis::Command;
    ///
    /// assert_eq!(Command::new("PING"), Command::from(["PING"]));
    /// ```
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(vec![name.into()])
    }

    /// Adds an argument after the other arguments of the command.
    ///
    /// ```
    /// use scorebox_guest::redis::Command;
    ///
    /// assert_eq!(Command::new("GET").arg("user:1"), Command::from(["GET", "user:1"]));
    /// ```
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.0.push(argument.as_ref().to_vec());
        self
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for Command {
    fn from_iter<I: IntoIterator<Item = A>>(words: I) -> Self {
        Self(
            words
                .into_iter()
                .map(|word| word.as_ref().to_vec())
                .collect(),
        )
    }
}

impl<A: AsRef<[u8]>, const N: usize> From<[A; N]> for Command {
    fn from(words: [A; N]) -> Self {
        words.into_iter().collect()
    }
}

impl<A: AsRef<[u8]>> From<&[A]> for Command {
    fn from(words: &[A]) -> Self {
        words.iter().collect()
    }
}

impl<A: AsRef<[u8]>> From<Vec<A>> for Command {
    fn from(words: Vec<A>) -> Self {
        words.into_iter().collect()
    }
}

/// A reply of the store to a command.
///
/// ```
/// # use scorebox_guest::{redis::*, testing};
/// # let _host = testing::Host::new().redis("default", |_| Ok("0.5".into())).install();
/// # let redis = Connection::lazy("default");
/// let reply = redis.execute(["GET", "user:1"]).unwrap();
/// assert_eq!(reply.value().as_str(), Some("0.5"));
/// ```
#[derive(Debug, Clone)]
pub struct Reply(wit::Reply);

impl Reply {
    /// Returns the whole reply as one value.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(41.into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["INCR", "calls"]).unwrap();
    /// assert_eq!(reply.value().as_i64(), Some(41));
    /// ```
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        Value::new(&self.0.nodes, self.0.root)
    }
}

#[cfg(test)]
mod tests;
