//! The connection that a scorer opens to send Redis commands and receive replies.
//!
//! Owns the order of checks (size, allowed, keys, bounds, slots) and the prefix on every key. Must
//! not know how a node is found, nor what a command means.
//!
//! The functions that send return boxed futures, so that their code, and the code of routers and
//! nodes, is compiled once. The code of a future that is not boxed is compiled again in each crate
//! that awaits it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use redis::{Cmd, Value};

use super::bounds::{self, Asked};
use super::commands::Keys;
use super::reply::{Budget, fault, reply, strip, why};
use super::{
    ARGUMENT_BYTES, ARGUMENTS, Allowed, COMMANDS_AT_ONCE, Command, CommandError, Reply, keys,
};
use crate::VALUE_LIMIT_BYTES;
use crate::node::Fault;
use crate::router::{Repeat, Routed, Router};
use crate::server::Server;
use crate::slots::slot;

/// Connection on which a scorer sends Redis commands to the server of one store. All clones share
/// one connection.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    router: Option<Arc<Router>>,
    /// Name of the store, for error messages.
    store: String,
    /// Prefix of every key of the store, including the colon at its end.
    prefix: String,
    allowed: Allowed,
    /// Name of the environment variable for the URL of the store's server. If the store is in
    /// memory, this variable is not set.
    variable: String,
}

/// Redis command of a scorer that has passed all checks and is ready to be sent.
struct Prepared {
    routed: Routed,
    /// True if the command's keys have different slots.
    is_spread: bool,
    /// True if the command has at least one key.
    has_keys: bool,
    keys: Keys,
}

impl Connection {
    /// Creates a connection for Redis commands of scorers to the server of the store with the name
    /// `store`. If `server` is `None`, the store is in memory, and every command fails.
    ///
    /// `prefix` and a colon are put before every key. `variable` is the name of the environment
    /// variable for the server's URL, which error messages name.
    #[must_use]
    pub fn new(
        server: Option<&Server>,
        store: &str,
        prefix: &str,
        allowed: Allowed,
        variable: &str,
    ) -> Self {
        Self(Arc::new(Shared {
            router: server.map(Server::router),
            store: store.to_owned(),
            prefix: format!("{prefix}:"),
            allowed,
            variable: variable.to_owned(),
        }))
    }

    /// Returns true if the store is on a server, and not in memory.
    #[must_use]
    pub fn has_server(&self) -> bool {
        self.0.router.is_some()
    }

    /// Returns true if the store is on a server and the manifest allows the command.
    #[must_use]
    pub fn allows(&self, command: &Command) -> bool {
        self.has_server() && self.0.allowed.row(command, &self.0.store).is_ok()
    }

    /// Sends a Redis command of a scorer, and waits for its reply.
    ///
    /// # Errors
    /// Fails with a [`CommandError`] if the command is not allowed or exceeds a limit, if its keys
    /// have different slots of a cluster, if the server refuses the command, or if no reply
    /// arrives.
    pub fn execute(&self, command: Command) -> BoxFuture<'_, Result<Reply, CommandError>> {
        Box::pin(async move {
            check_size(std::slice::from_ref(&command))?;
            let Prepared {
                routed,
                is_spread,
                keys,
                ..
            } = self.prepare(command, &mut Asked::default())?;
            let router = self.router()?;
            if is_spread && self.is_cluster(router).await? {
                return Err(CommandError::CrossSlot);
            }
            let answer = router
                .send(routed.slot, &routed.command, routed.repeat)
                .await;
            self.reply(answer, keys, &mut Budget::default())
        })
    }

    /// Sends Redis commands of a scorer in one pipeline, and waits for all replies. The replies are
    /// in the order of the commands, and each command may fail without the others.
    ///
    /// # Errors
    /// Fails with a [`CommandError`] if no command can be sent, e.g. because the commands are
    /// together too large, or because the store is in memory.
    pub fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> BoxFuture<'_, Result<Vec<Result<Reply, CommandError>>, CommandError>> {
        Box::pin(async move {
            check_size(&commands)?;
            let mut asked = Asked::default();
            let prepared: Vec<_> = commands
                .into_iter()
                .map(|command| self.prepare(command, &mut asked))
                .collect();
            let router = self.router()?;
            let has_spread = prepared.iter().flatten().any(|prepared| prepared.is_spread);
            let is_refused = has_spread && self.is_cluster(router).await?;
            let (mut sent, mut places) = (
                Vec::with_capacity(prepared.len()),
                Vec::with_capacity(prepared.len()),
            );
            for prepared in prepared {
                places.push(match prepared {
                    Ok(prepared) if is_refused && prepared.is_spread => {
                        Err(CommandError::CrossSlot)
                    }
                    Ok(prepared) => {
                        sent.push(prepared.routed);
                        Ok(prepared.keys)
                    }
                    Err(error) => Err(error),
                });
            }
            let mut answers = router.send_all(sent).await.into_iter();
            let mut budget = Budget::default();
            let lost = || Err(Fault::Lost("no answer"));
            let mut read =
                |keys| self.reply(answers.next().unwrap_or_else(lost), keys, &mut budget);
            Ok(places
                .into_iter()
                .map(|keys| keys.and_then(&mut read))
                .collect())
        })
    }

    /// Sends Redis commands of a scorer between MULTI and EXEC to one node, and returns their
    /// replies in order. The node executes them without a command of another client in between.
    ///
    /// # Errors
    /// Fails with a [`CommandError`] if a command is not allowed or exceeds a limit, if the keys
    /// have different slots of a cluster, if the server refuses a command, or if no reply arrives.
    /// Nothing was sent if a command is not allowed or exceeds a limit, or if the keys have
    /// different slots. After any other error, commands of the transaction may have been executed.
    /// An error of a command during the execution is part of the command's reply.
    pub fn transaction(
        &self,
        commands: Vec<Command>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, CommandError>> {
        Box::pin(async move {
            check_size(&commands)?;
            let mut asked = Asked::default();
            let prepared = commands
                .into_iter()
                .map(|command| self.prepare(command, &mut asked));
            let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
            let router = self.router()?;
            let mut with_keys = prepared.iter().filter(|prepared| prepared.has_keys);
            // If no command has a key, any node can execute the transaction.
            let slot = with_keys
                .next()
                .or(prepared.first())
                .map(|prepared| prepared.routed.slot);
            let Some(slot) = slot else {
                return Ok(Vec::new());
            };
            let is_elsewhere =
                |prepared: &Prepared| prepared.has_keys && prepared.routed.slot != slot;
            let is_spread = prepared
                .iter()
                .any(|prepared| prepared.is_spread || is_elsewhere(prepared));
            if is_spread && self.is_cluster(router).await? {
                return Err(CommandError::CrossSlot);
            }
            let repeats = prepared.iter().map(|prepared| prepared.routed.repeat);
            let repeat = repeats.max().unwrap_or(Repeat::Wrong);
            let (commands, keys): (Vec<Cmd>, Vec<Keys>) = prepared
                .into_iter()
                .map(|prepared| (prepared.routed.command, prepared.keys))
                .unzip();
            let answer = router.send_transaction(slot, &commands, repeat).await;
            let Value::Array(values) = answer.map_err(|failure| why(failure, &self.0.prefix))?
            else {
                return Err(CommandError::Server("EXEC gave no list".to_owned()));
            };
            let mut budget = Budget::default();
            let replies = values.into_iter().zip(keys).map(|(mut value, keys)| {
                strip(&mut value, keys, &self.0.prefix);
                reply(value, &self.0.prefix, &mut budget)
            });
            replies.collect()
        })
    }

    /// Checks that a Redis command of a scorer may be sent, and puts the store's prefix before its
    /// keys. `asked` holds the sums over the earlier commands of the call.
    ///
    /// # Errors
    /// Fails with [`CommandError::Denied`] if the command is not allowed, if its keys cannot be
    /// determined, or if it exceeds a limit.
    fn prepare(&self, mut command: Command, asked: &mut Asked) -> Result<Prepared, CommandError> {
        let shared = &*self.0;
        let row = shared.allowed.row(&command, &shared.store)?;
        let positions = keys::positions(row, &command)?;
        bounds::check(row, &command, &positions, asked)?;
        let repeat = keys::repeat(row, &command);
        // A command without a key goes to the slot of the store's prefix.
        let (mut first, mut is_spread) = (None, false);
        for position in positions {
            // A position that `keys` returns is always inside the command.
            let Some(key) = command.get_mut(position) else {
                continue;
            };
            *key = [shared.prefix.as_bytes(), key].concat();
            let slot = slot(key);
            is_spread |= *first.get_or_insert(slot) != slot;
        }
        let mut packed = Cmd::new();
        for argument in &command {
            packed.arg(argument.as_slice());
        }
        let slot = first.unwrap_or_else(|| slot(shared.prefix.as_bytes()));
        let routed = Routed {
            slot,
            command: packed,
            repeat,
        };
        Ok(Prepared {
            routed,
            is_spread,
            has_keys: first.is_some(),
            keys: row.keys,
        })
    }

    fn router(&self) -> Result<&Arc<Router>, CommandError> {
        let Shared {
            router,
            store,
            variable,
            ..
        } = &*self.0;
        router.as_ref().ok_or_else(|| {
            let why = format!(
                "{variable} is not set, and the store `{store}` in memory has no raw commands"
            );
            CommandError::Disconnected(why)
        })
    }

    async fn is_cluster(&self, router: &Arc<Router>) -> Result<bool, CommandError> {
        router
            .is_cluster()
            .await
            .map_err(|failure| why(failure, &self.0.prefix))
    }

    fn reply(
        &self,
        answer: Result<Value, Fault>,
        keys: Keys,
        budget: &mut Budget,
    ) -> Result<Reply, CommandError> {
        let prefix = &self.0.prefix;
        match answer {
            Ok(Value::ServerError(error)) => Err(fault(error.into(), prefix)),
            Ok(mut value) => {
                strip(&mut value, keys, prefix);
                reply(value, prefix, budget)
            }
            Err(failure) => Err(why(failure, prefix)),
        }
    }
}

fn check_size(commands: &[Command]) -> Result<(), CommandError> {
    let denied = |text| Err(CommandError::Denied(text));
    if commands.len() > COMMANDS_AT_ONCE {
        return denied(format!("a call sends {COMMANDS_AT_ONCE} commands at most"));
    }
    let arguments = || commands.iter().flatten();
    if arguments().count() > ARGUMENTS {
        return denied(format!("a call sends {ARGUMENTS} arguments at most"));
    }
    if arguments().any(|argument| argument.len() > VALUE_LIMIT_BYTES) {
        return denied(format!("an argument has {VALUE_LIMIT_BYTES} bytes at most"));
    }
    if arguments().map(Vec::len).sum::<usize>() > ARGUMENT_BYTES {
        return denied(format!("a call sends {ARGUMENT_BYTES} bytes at most"));
    }
    Ok(())
}
