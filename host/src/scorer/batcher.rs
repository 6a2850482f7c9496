//! Batching: joins concurrent calls of a batchable tensor scorer along axis 0 into one call.
//!
//! Owns which calls are joined, how long the first one waits, and how an answer is split. A call in
//! a batch must have the outcome that it would have alone. If the batch fails in any way, each of
//! its calls is made by itself, with the time that it has left. Must not know JSON, instances or
//! pools.

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
        let rows = match rows(&inputs) {
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
                .is_none_or(|first| alike(&first.inputs, &member.inputs));
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
                let (calls, inputs, deadline) = joined(&members);
                let (outputs, run_time) = Arc::clone(&runner).run(calls, inputs, deadline).await?;
                Ok::<_, ScoreFailure>((parts(&members, &outputs), run_time))
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

/// Joins all calls of a batch into one call. Returns the invocations of the calls, the joined
/// inputs, and the deadline of the joined call.
///
/// The joined call gets half of the time that the most urgent call has left. The other half is kept
/// for running that call alone, in case another call of the batch never ends.
fn joined(members: &[Member]) -> (Vec<Invocation>, Vec<Tensor>, Instant) {
    let now = Instant::now();
    let urgent = members
        .iter()
        .map(|member| member.deadline)
        .min()
        .unwrap_or(now);
    let deadline = now + urgent.saturating_duration_since(now) / 2;
    let calls = members
        .iter()
        .map(|member| member.invocation.clone())
        .collect();
    let mut inputs: Vec<Tensor> = members
        .first()
        .map(|member| member.inputs.clone())
        .unwrap_or_default();
    for (index, input) in inputs.iter_mut().enumerate() {
        for other in members
            .iter()
            .skip(1)
            .filter_map(|member| member.inputs.get(index))
        {
            input.data.extend_from_slice(&other.data);
        }
        if let Some(dimension) = input.shape.first_mut() {
            *dimension = members.iter().map(|member| member.rows).sum();
        }
    }
    (calls, inputs, deadline)
}

/// Splits `outputs`, the answer of a batch, into the rows of each call in `members`. Returns `None`
/// if the answer does not have as many rows as the batch.
fn parts(members: &[Member], outputs: &[Tensor]) -> Option<Vec<Vec<Tensor>>> {
    let total: u64 = members.iter().map(|member| member.rows).sum();
    let mut parts: Vec<Vec<Tensor>> = members
        .iter()
        .map(|_| Vec::with_capacity(outputs.len()))
        .collect();
    for output in outputs {
        let row_bytes = usize::try_from((output.data.len() as u64).checked_div(total)?).ok()?;
        if output.shape.first() != Some(&total)
            || row_bytes as u64 * total != output.data.len() as u64
        {
            return None;
        }
        let mut rest = output.data.as_slice();
        for (member, part) in members.iter().zip(&mut parts) {
            let (data, after) =
                rest.split_at_checked(row_bytes * usize::try_from(member.rows).ok()?)?;
            rest = after;
            let mut shape = output.shape.clone();
            *shape.first_mut()? = member.rows;
            part.push(Tensor {
                name: output.name.clone(),
                dtype: output.dtype,
                shape,
                data: data.to_vec(),
            });
        }
    }
    Some(parts)
}

/// Returns the number of rows of a call, which is the size of axis 0 of every input. Returns `None`
/// if the inputs do not all have the same number of rows, or if there are no inputs.
fn rows(inputs: &[Tensor]) -> Option<u64> {
    let first = inputs.first()?.shape.first().copied();
    first.filter(|_| {
        inputs
            .iter()
            .all(|input| input.shape.first().copied() == first)
    })
}

/// Returns true if the inputs of two calls have the same names and rows of the same shapes, so that
/// the calls can be joined.
fn alike(a: &[Tensor], b: &[Tensor]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| a.name == b.name && a.shape.get(1..) == b.shape.get(1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Source;
    use crate::model::Dtype;

    /// Test runner that returns its inputs as outputs, and fails if they contain the byte 13. The
    /// runner records the number of calls and the bytes of each run.
    #[derive(Default)]
    struct Echo(Mutex<Vec<(usize, Vec<u8>)>>);

    impl Runner for Echo {
        async fn run(
            self: Arc<Self>,
            calls: Vec<Invocation>,
            inputs: Vec<Tensor>,
            _: Instant,
        ) -> Result<Answer, ScoreFailure> {
            let data = inputs[0].data.clone();
            self.0.lock().unwrap().push((calls.len(), data.clone()));
            if data.contains(&13) {
                Err(ScoreFailure::Saturated)
            } else {
                Ok((inputs, Duration::ZERO))
            }
        }
    }

    fn tensor(data: &[u8]) -> Vec<Tensor> {
        vec![Tensor {
            name: "x".into(),
            dtype: Dtype::U8,
            shape: vec![data.len() as u64],
            data: data.to_vec(),
        }]
    }

    async fn score(
        batcher: &Arc<Batcher>,
        echo: &Arc<Echo>,
        data: &[u8],
    ) -> Result<Vec<u8>, ScoreFailure> {
        let invocation = Invocation::new("i", Source::Direct);
        let deadline = Instant::now() + Duration::from_secs(5);
        let (outputs, _) = batcher
            .score(echo, invocation, tensor(data), deadline)
            .await?;
        Ok(outputs[0].data.clone())
    }

    #[tokio::test]
    async fn rows_are_joined_and_parted_and_a_bad_one_stays_alone() {
        let batcher = Arc::new(Batcher::new(Batching {
            max_rows: 6,
            max_wait: Duration::from_millis(20),
        }));
        let echo = Arc::new(Echo::default());
        let answers = tokio::join!(
            score(&batcher, &echo, &[1, 2]),
            score(&batcher, &echo, &[3]),
            score(&batcher, &echo, &[13]),
            // This call fills the batch.
            score(&batcher, &echo, &[4, 5]),
            // This call is too large to wait for others.
            score(&batcher, &echo, &[0; 7]),
        );
        assert_eq!(answers.0.unwrap(), [1, 2]);
        assert_eq!(answers.1.unwrap(), [3]);
        assert!(matches!(answers.2, Err(ScoreFailure::Saturated)));
        assert_eq!(answers.3.unwrap(), [4, 5]);
        assert_eq!(answers.4.unwrap(), [0; 7]);
        let mut runs = echo.0.lock().unwrap().clone();
        runs.sort();
        let alone = [vec![0; 7], vec![1, 2], vec![3], vec![4, 5], vec![13]].map(|data| (1, data));
        let expected: Vec<_> = alone
            .into_iter()
            .chain([(4, vec![1, 2, 3, 13, 4, 5])])
            .collect();
        assert_eq!(runs, expected);
    }

    #[test]
    fn an_answer_with_other_rows_cannot_be_parted() {
        let (answer, _) = oneshot::channel();
        let invocation = Invocation::new("i", Source::Direct);
        let member = Member {
            invocation,
            inputs: tensor(&[1, 2]),
            rows: 2,
            deadline: Instant::now(),
            answer,
        };
        let members = [member];
        assert_eq!(
            parts(&members, &tensor(&[7, 8])).unwrap()[0][0].data,
            [7, 8]
        );
        assert_eq!(parts(&members, &tensor(&[7, 8, 9])), None);
        let mut broken = tensor(&[7, 8, 9]);
        broken[0].shape = vec![2];
        assert_eq!(parts(&members, &broken), None);
        broken[0].shape = Vec::new();
        assert_eq!(parts(&members, &broken), None);
    }
}
