//! The interface `redis`: Redis commands that a scorer sends on a store's connection.
//!
//! Must not know which commands there are, or where keys are in them; that is in
//! `crate::redis::raw`. If the server cannot be reached, is full or does not allow a command, the
//! host also writes a line to the log, because a scorer may ignore the error.

use wasmtime::component::Resource;

use super::state::InstanceState;
use super::telemetry::LogSink;
use crate::capability::bindings::capabilities::scorebox::scoring::redis::{
    self as wit, Command, Error,
};
use crate::redis::raw::{CommandError, Connection, Node, Reply};

/// Result of a host function. The outer error ends the scorer's call with a trap, and the inner
/// error is returned to the scorer.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl InstanceState {
    /// Returns a clone of the connection that a scorer's handle stands for. The connection is
    /// cloned so that the table of handles is not borrowed while a command waits for the server.
    /// Fails if the handle is not open.
    fn connection(&self, connection: &Resource<Connection>) -> wasmtime::Result<Connection> {
        Ok(self.table.get(connection)?.clone())
    }

    fn note<'a>(&self, errors: impl IntoIterator<Item = &'a CommandError>) {
        note(&self.log, errors);
    }
}

/// Logs the first of the given errors that an operator must know: the server cannot be reached, is
/// full, or does not allow a command. At most one error is logged per call of this function,
/// because the other errors usually have the same cause.
pub(super) fn note<'a>(log: &LogSink, errors: impl IntoIterator<Item = &'a CommandError>) {
    let noted = |error: &'a CommandError| match error {
        CommandError::Timeout | CommandError::Disconnected(_) => Some(("store", error)),
        CommandError::Server(text) if text.starts_with("OOM") => Some(("store-full", error)),
        CommandError::Server(text) if text.starts_with("NOPERM") => Some(("store-denied", error)),
        _ => None,
    };
    if let Some((context, error)) = errors.into_iter().find_map(noted) {
        log.warn(context, &error.to_string());
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Denied(why) => Self::Denied(why),
            CommandError::CrossSlot => Self::CrossSlot,
            CommandError::Timeout => Self::Timeout,
            CommandError::Disconnected(_) => Self::Disconnected,
            CommandError::TooLarge(limit) => Self::TooLarge(limit as u64),
            CommandError::Server(text) => Self::Server(text),
        }
    }
}

impl wit::Host for InstanceState {}

impl wit::HostConnection for InstanceState {
    async fn open(&mut self, name: String) -> Answer<Resource<Connection>> {
        let Some(store) = self.shared.stores.get(&name) else {
            return Ok(Err(Error::NoSuchConnection));
        };
        let Some(connection) = store.connection().cloned() else {
            return Ok(Err(Error::Denied(format!(
                "set stores.{name}.commands in the manifest"
            ))));
        };
        Ok(Ok(self.table.push(connection)?))
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        command: Command,
    ) -> Answer<wit::Reply> {
        let reply = self.connection(&connection)?.execute(command).await;
        self.note(reply.as_ref().err());
        Ok(reply.map(Into::into).map_err(Into::into))
    }

    async fn pipeline(
        &mut self,
        connection: Resource<Connection>,
        commands: Vec<Command>,
    ) -> Answer<Vec<Result<wit::Reply, Error>>> {
        let replies = self.connection(&connection)?.pipeline(commands).await;
        self.note(replies.as_ref().err());
        self.note(
            replies
                .iter()
                .flatten()
                .filter_map(|reply| reply.as_ref().err()),
        );
        let each = |reply: Result<Reply, CommandError>| reply.map(Into::into).map_err(Into::into);
        Ok(replies
            .map(|replies| replies.into_iter().map(each).collect())
            .map_err(Into::into))
    }

    async fn transaction(
        &mut self,
        connection: Resource<Connection>,
        commands: Vec<Command>,
    ) -> Answer<Vec<wit::Reply>> {
        let replies = self.connection(&connection)?.transaction(commands).await;
        self.note(replies.as_ref().err());
        Ok(replies
            .map(|replies| replies.into_iter().map(Into::into).collect())
            .map_err(Into::into))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl From<Reply> for wit::Reply {
    fn from(reply: Reply) -> Self {
        Self {
            nodes: reply.nodes.into_iter().map(Into::into).collect(),
            root: reply.root,
        }
    }
}

impl From<Node> for wit::Node {
    fn from(node: Node) -> Self {
        match node {
            Node::Nil => Self::Nil,
            Node::Boolean(value) => Self::Boolean(value),
            Node::Integer(value) => Self::Integer(value),
            Node::Double(value) => Self::Double(value),
            Node::Text(text) => Self::Text(text),
            Node::Bytes(bytes) => Self::Bytes(bytes),
            Node::Array(items) => Self::Array(items),
            Node::Map(pairs) => Self::Map(pairs),
            Node::Fault(text) => Self::Fault(text),
        }
    }
}
