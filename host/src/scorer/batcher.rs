//! Batching: joins concurrent calls of a batchable tensor scorer along axis 0 into one call.
//!
//! Owns which calls are joined, how long the first call of a batch waits, and what each caller
//! gets. A call in a batch must have the outcome that it would have alone. If the batch fails in
//! any way, each of its calls is made by itself, with the time that it has left. Must not know
//! JSON, instances or pools.

mod rows;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::call::Invocation;
use crate::error::ScoreFailure;
use crate::manifest::Batching;
use crate::panics::caught;
use crate::tensor::Tensor;

/// Runner of a scorer's calls, which can run the joined calls of a batch as one call.
pub(super) trait Runner: Send + Sync + 'static {
    /// Runs one call, or several calls whose rows were joined in `inputs`, as one call of the
    /// scorer. `calls` has one invocation for each of the calls.
    ///
    /// # Errors
    /// Fails if the scorer does not answer before the deadline, or answers with an error.
    fn run(
        self: Arc<Self>,
        calls: Vec<Invocation>,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Answer, ScoreFailure>> + Send;
}

/// Output tensors of a call, and the time for which the component or graph ran.
pub(super) type Answer = (Vec<Tensor>, Duration);

/// Batcher of one scorer. The batcher joins concurrent calls into one call of the scorer.
pub(super) struct Batcher {
    limits: Batching,
    /// The open batch, to which further calls can still be added.
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    members: Vec<Member>,
    rows: u64,
    /// Number of the open batch. The timer of an earlier batch compares this number with its own,
    /// to see that its batch has already run.
    generation: u64,
}

struct Member {
    invocation: Invocation,
    inputs: Vec<Tensor>,
    rows: u64,
    deadline: Instant,
    answer: oneshot::Sender<Result<Answer, ScoreFailure>>,
}

impl Batcher {
    pub(super) fn new(limits: Batching) -> Self {
        Self {
            limits,
            open: Mutex::default(),
        }
    }

    /// Runs one call on `runner`, either alone or joined with other calls. `inputs` are the input
    /// tensors of the call. Returns its output tensors and the time for which the component or
    /// graph ran.
    ///
    /// # Errors
    /// Fails if the scorer does not answer before the deadline, or answers with an error.
    pub(super) async fn score<R: Runner>(
        self: &Arc<Self>,
        runner: &Arc<R>,
        invocation: Invocation,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<Answer, ScoreFailure> {
        // Inputs that disagree about the number of rows were refused before.
        let rows = match rows::count(&inputs) {
            Some(rows) if rows > 0 && rows < self.limits.max_rows => rows,
            _ => {
                return Arc::clone(runner)
                    .run(vec![invocation], inputs, deadline)
                    .await;
            }
        };
        let (answer, answered) = oneshot::channel();
        self.join(
            runner,
            Member {
                invocation,
                inputs,
                rows,
                deadline,
                answer,
            },
        );
        answered.await.unwrap_or_else(|_| {
            Err(ScoreFailure::HostFault(
                "a batch ended without an answer".to_owned(),
            ))
        })
    }

    /// Adds a call to the open batch. If the batch is then full, it is run. If the call does not
    /// fit into the batch, the batch is run without this call, and the call starts a new batch.
    fn join<R: Runner>(self: &Arc<Self>, runner: &Arc<R>, member: Member) {
        let mut open = self.lock();
        let fits = open.rows + member.rows <= self.limits.max_rows
            && open
                .members
                .first()
                .is_none_or(|first| rows::alike(&first.inputs, &member.inputs));
        if !fits {
            tokio::spawn(finish(Arc::clone(runner), open.close()));
        }
        let is_first = open.members.is_empty();
        open.rows += member.rows;
        open.members.push(member);
        if open.rows == self.limits.max_rows {
            tokio::spawn(finish(Arc::clone(runner), open.close()));
        } else if is_first {
            let (batcher, runner, generation) =
                (Arc::clone(self), Arc::clone(runner), open.generation);
            tokio::spawn(async move {
                tokio::time::sleep(batcher.limits.max_wait).await;
                let members = {
                    let mut open = batcher.lock();
                    if open.generation == generation {
                        open.close()
                    } else {
                        Vec::new()
                    }
                };
                finish(runner, members).await;
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn close(&mut self) -> Vec<Member> {
        self.rows = 0;
        self.generation += 1;
        std::mem::take(&mut self.members)
    }
}

/// Runs a batch of the calls `members`, and sends to each of them its part of the answer. If the
/// batch fails, each call is run alone.
async fn finish<R: Runner>(runner: Arc<R>, members: Vec<Member>) {
    let members = match members.len() {
        0 => return,
        1 => members,
        _ => {
            let together = async {
                let rows: Vec<u64> = members.iter().map(|member| member.rows).collect();
                let inputs = members.iter().map(|member| member.inputs.as_slice());
                let inputs = rows::join(inputs, rows.iter().sum());
                let calls = members
                    .iter()
                    .map(|member| member.invocation.clone())
                    .collect();
                let (outputs, run_time) = Arc::clone(&runner)
                    .run(calls, inputs, deadline(&members))
                    .await?;
                Ok::<_, ScoreFailure>((rows::split(&outputs, &rows), run_time))
            };
            let outcome = caught(together)
                .await
                .unwrap_or_else(|panic| Err(ScoreFailure::HostFault(panic.to_string())));
            match outcome {
                Ok((Some(parts), run_time)) => {
                    for (member, part) in members.into_iter().zip(parts) {
                        // A caller that is gone needs no answer.
                        let _ = member.answer.send(Ok((part, run_time)));
                    }
                    return;
                }
                Ok((None, _)) => {
                    tracing::warn!(
                        "the answer to a batch has a different number of rows; its calls run alone"
                    )
                }
                Err(failure) => {
                    crate::text::debug!(?failure, "a batch failed; its calls run alone")
                }
            }
            members
        }
    };
    for Member {
        invocation,
        inputs,
        deadline,
        answer,
        ..
    } in members
    {
        let runner = Arc::clone(&runner);
        tokio::spawn(async move {
            let scored = caught(runner.run(vec![invocation], inputs, deadline)).await;
            let scored =
                scored.unwrap_or_else(|panic| Err(ScoreFailure::HostFault(panic.to_string())));
            let _ = answer.send(scored);
        });
    }
}

/// Returns the deadline of the joined call of `members`.
///
/// The joined call gets half of the time that the most urgent call has left. The other half is kept
/// for running that call alone, in case another call of the batch never ends.
fn deadline(members: &[Member]) -> Instant {
    let now = Instant::now();
    let urgent = members
        .iter()
        .map(|member| member.deadline)
        .min()
        .unwrap_or(now);
    now + urgent.saturating_duration_since(now) / 2
}
