//! A request to one node: a command or a transaction, sent in one write.
//!
//! Owns the commands ASKING, MULTI and EXEC, and which errors in an answer allow another attempt.
//! Must not know which node has a key.

use std::sync::Arc;

use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use super::node::{Fault, Node};

/// Request that is sent to one node in one write.
#[derive(Clone, Copy)]
pub enum Parcel<'a> {
    /// The request is a single command.
    Command(&'a Cmd),
    /// The request consists of these commands, between MULTI and EXEC.
    Transaction(&'a [Cmd]),
}

/// Node to which a request is sent, and a flag that says if the request must begin with ASKING.
pub struct Target {
    /// Node that gets the request.
    pub node: Arc<Node>,
    /// True if the request must begin with ASKING, because the slot of its keys is being moved to
    /// this node.
    pub is_asked: bool,
}

impl Target {
    /// Returns the target for a node that owns the slot of the request's keys. The request does not
    /// begin with ASKING.
    #[must_use]
    pub fn of(node: Arc<Node>) -> Self {
        Self {
            node,
            is_asked: false,
        }
    }

    /// Sends a request to the node, and waits until `deadline` for the answer. The answer to a
    /// transaction is the answer to EXEC. `only_reads` is true if the request does not write, so
    /// that it may be sent again while the server may still execute it.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no answer arrives, or if the answer is an error.
    pub async fn send(
        &self,
        parcel: Parcel<'_>,
        deadline: Instant,
        only_reads: bool,
    ) -> Result<Value, Fault> {
        let (commands, is_transaction) = match parcel {
            Parcel::Command(command) if !self.is_asked => {
                return self.node.send(command, deadline, only_reads).await;
            }
            Parcel::Command(command) => (std::slice::from_ref(command), false),
            Parcel::Transaction(commands) => (commands, true),
        };
        // All commands go in one write, so that no command of another call comes between them.
        let mut pipeline = Pipeline::with_capacity(commands.len() + 3);
        if self.is_asked {
            // ASKING stays in effect up to EXEC.
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
        let mut answers = self.node.send_all(&pipeline, deadline, only_reads).await?;
        let answer = answers.pop().unwrap_or(Ok(Value::Nil));
        answer.map_err(|error| {
            Fault::Answer(if is_transaction {
                cause(error, answers)
            } else {
                error
            })
        })
    }
}

/// Returns the reason why a transaction was not executed: the error of EXEC, or the error of one of
/// its commands. A reason that lets the transaction be sent again is returned only if the answer to
/// EXEC shows that the whole transaction was discarded.
fn cause(exec: RedisError, answers: Vec<Result<Value, RedisError>>) -> RedisError {
    let is_given_up = matches!(exec.kind(), ErrorKind::Server(ServerErrorKind::ExecAbort));
    if !is_given_up && is_passing(&exec) {
        return exec;
    }
    let mut errors: Vec<RedisError> = answers.into_iter().filter_map(Result::err).collect();
    if is_given_up && let Some(at) = errors.iter().position(is_passing) {
        return errors.swap_remove(at);
    }
    errors
        .into_iter()
        .find(|error| !is_passing(error))
        .unwrap_or(exec)
}

/// Returns true if an error says that a command's keys are on two nodes at the moment, because
/// their slot is being moved.
#[must_use]
pub fn is_split(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::TryAgain))
}

/// Returns true if an error says that the command may succeed on another node or a little later.
#[must_use]
pub fn is_passing(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    matches!(
        error.kind(),
        ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown)
    )
}
