//! Tests of batches, with a runner that returns its inputs as outputs.

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

/// Returns the inputs of a call: one input `x`, whose rows are bytes.
pub(super) fn tensor(data: &[u8]) -> Vec<Tensor> {
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
async fn rows_are_joined_and_split_and_a_bad_one_stays_alone() {
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
