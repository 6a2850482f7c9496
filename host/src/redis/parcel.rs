//! What goes to one node in one go: a command or a transaction, and what its answer says of where it should have gone.
//!
//! Owns ASKING, MULTI and EXEC, and which errors pass. Must not know which node has a key.

use std::sync::Arc;

use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use super::node::{Fault, Node};

/// What goes to one node in one go.
#[derive(Clone, Copy)]
pub enum Parcel<'a> {
    /// One command.
    Command(&'a Cmd),
    /// Several, between MULTI and EXEC.
    Transaction(&'a [Cmd]),
}

/// A node, and whether it only expects a key that it does not have yet.
pub struct Target {
    /// The node.
    pub node: Arc<Node>,
    /// Whether each parcel begins with ASKING.
    pub is_asked: bool,
}

impl Target {
    /// A node that has the key.
    #[must_use]
    pub fn of(node: Arc<Node>) -> Self {
        Self { node, is_asked: false }
    }

    /// Sends a parcel and waits for its answer; a transaction's is that of EXEC.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn send(&self, parcel: Parcel<'_>, deadline: Instant) -> Result<Value, Fault> {
        let (commands, is_transaction) = match parcel {
            Parcel::Command(command) if !self.is_asked => return self.node.send(command, deadline).await,
            Parcel::Command(command) => (std::slice::from_ref(command), false),
            Parcel::Transaction(commands) => (commands, true),
        };
        // In one go: between them nobody else's command may come.
        let mut pipeline = Pipeline::with_capacity(commands.len() + 3);
        if self.is_asked {
            // Holds up to EXEC.
            pipeline.cmd("ASKING");
        }
        if is_transaction {
            pipeline.cmd("MULTI");
        }
        for command in commands {
            pipeline.add_command(command.clone());
        }
        if is_transaction {
            pipeline.cmd("EXEC");
        }
        let mut answers = self.node.send_all(&pipeline, deadline).await?;
        let answer = answers.pop().unwrap_or(Ok(Value::Nil));
        answer.map_err(|error| Fault::Answer(if is_transaction { cause(error, answers) } else { error }))
    }
}

/// Why a transaction was not executed: what EXEC says, or the answer to a command before it. Only one that EXEC confirms
/// to have been given up, as a whole, may be sent elsewhere.
fn cause(exec: RedisError, answers: Vec<Result<Value, RedisError>>) -> RedisError {
    let is_given_up = matches!(exec.kind(), ErrorKind::Server(ServerErrorKind::ExecAbort));
    if !is_given_up && is_passing(&exec) {
        return exec;
    }
    let mut errors: Vec<RedisError> = answers.into_iter().filter_map(Result::err).collect();
    if is_given_up && let Some(at) = errors.iter().position(is_passing) {
        return errors.swap_remove(at);
    }
    errors.into_iter().find(|error| !is_passing(error)).unwrap_or(exec)
}

/// Whether the keys of a command lie on two nodes, while their slot moves.
#[must_use]
pub fn is_split(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::TryAgain))
}

/// Whether the same command may succeed elsewhere or a little later.
#[must_use]
pub fn is_passing(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    matches!(error.kind(), ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown))
}
