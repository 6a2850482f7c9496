//! Batching: concurrent requests to a tensor scorer run as one, and each is answered as if it were
//! alone.
//!
//! Owns which requests are joined and what a bad request does to the others of its batch. Must not
//! know how rows are joined.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::digits;
use scorebox_tests::host::{Host, refused};
use scorebox_tests::http::Answer;
use scorebox_tests::programs;
use serde_json::{Value, json};

/// Settings whose wait is long enough to join concurrent requests on the slowest machine.
const BATCHING: &str =
    "[batching]\nmax_rows = 8\nmax_wait = \"1s\"\n[limits]\ndeadline = \"12s\"\n";

/// Sends these bodies at the same time, and returns their answers.
fn together(host: &Host, bodies: &[Value]) -> Vec<Answer> {
    let start = Barrier::new(bodies.len());
    thread::scope(|scope| {
        let send = |body| {
            let (start, host) = (&start, host);
            scope.spawn(move || {
                start.wait();
                host.score(body)
            })
        };
        let calls: Vec<_> = bodies.iter().map(send).collect();
        calls
            .into_iter()
            .map(|call| call.join().expect("a call returns"))
            .collect()
    })
}

fn rows(values: &[f32]) -> Value {
    json!({ "x": values.iter().map(|value| [*value]).collect::<Vec<_>>() })
}

#[test]
fn calls_that_come_together_run_together_and_part_again() {
    let host = Host::start(&App::with(programs::ROWS, BATCHING));
    let bodies = [rows(&[1.0, 2.0]), rows(&[3.0]), rows(&[4.0, 5.0, 6.0])];
    let answers = together(&host, &bodies);
    for (answer, doubled) in
        answers
            .into_iter()
            .zip([vec![2.0, 4.0], vec![6.0], vec![8.0, 10.0, 12.0]])
    {
        let answer = answer.expect(200).json();
        assert_eq!(answer["doubled"], json!(doubled));
        assert_eq!(answer["rows"], json!(vec![6; doubled.len()]), "{answer}");
        assert_eq!(answer["calls"], json!(vec![3; doubled.len()]), "{answer}");
    }
    // A request alone waits for others, but no longer than the maximum.
    let answer = host.score(&rows(&[7.0])).expect(200).json();
    assert_eq!(
        answer,
        json!({ "doubled": [14.0], "rows": [1], "calls": [1] })
    );
    // Requests that fill a batch alone do not wait.
    for count in [8, 9] {
        // Only the best of five times counts, because a busy machine may hold up any single
        // request.
        let times = (0..5).map(|_| {
            let start = Instant::now();
            assert_eq!(
                host.score(&rows(&vec![1.0; count])).expect(200).json()["rows"][0],
                count
            );
            start.elapsed()
        });
        let best = times.min().unwrap();
        assert!(best < Duration::from_secs(1), "{best:?}");
    }
}

#[test]
fn a_batch_is_no_larger_than_allowed_and_of_one_shape() {
    let host = Host::start(&App::with(programs::ROWS, BATCHING));
    for answer in together(&host, &vec![rows(&[1.0; 5]); 4]) {
        let answer = answer.expect(200).json();
        assert!(
            answer["rows"][0].as_u64().is_some_and(|rows| rows <= 8),
            "{answer}"
        );
        assert_eq!(answer["doubled"], json!(vec![2.0; 5]));
    }
    // Rows of different lengths cannot form one tensor.
    let wide = json!({ "x": [[9.0, 0.0, 0.0]] });
    let answers = together(&host, &[rows(&[1.0]), wide, rows(&[2.0])]);
    let doubled: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.expect(200).json()["doubled"][0].clone())
        .collect();
    assert_eq!(doubled, [2.0, 18.0, 4.0]);
}

#[test]
fn a_bad_call_harms_no_other() {
    let host = Host::start(&App::with(programs::ROWS, BATCHING));
    for (bad, status, code) in [
        (-1.0, 500, "trapped"),
        (-2.0, 504, "timed-out"),
        (-3.0, 422, "told-to-reject"),
    ] {
        let start = Instant::now();
        let answers = together(&host, &[rows(&[1.0]), rows(&[bad]), rows(&[2.0, 3.0])]);
        let [first, worst, last] =
            <[Answer; 3]>::try_from(answers).unwrap_or_else(|_| panic!("three answers"));
        assert_eq!(
            first.expect(200).json()["doubled"],
            json!([2.0]),
            "beside {bad}"
        );
        assert_eq!(
            last.expect(200).json()["doubled"],
            json!([4.0, 6.0]),
            "beside {bad}"
        );
        worst.expect_error(status, code, &[]);
        assert!(
            start.elapsed() < Duration::from_secs(40),
            "{bad}: {:?}",
            start.elapsed()
        );
    }
    // A body that does not conform never gets into a batch.
    let answers = together(&host, &[rows(&[1.0]), json!({ "x": "no" })]);
    assert_eq!(
        answers
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>(),
        [200, 400]
    );
}

#[test]
fn digits_in_batches_are_the_digits_alone() {
    let host = Host::start(&App::example(
        "digits",
        "[batching]\nmax_rows = 16\nmax_wait = \"5ms\"\n",
    ));
    for group in digits::sample().chunks(20).take(5) {
        let bodies: Vec<Value> = group
            .iter()
            .map(|digit| digits::request(std::slice::from_ref(digit)))
            .collect();
        for (digit, answer) in group.iter().zip(together(&host, &bodies)) {
            digits::check(std::slice::from_ref(digit), &answer.expect(200).json());
        }
    }
}

#[test]
fn what_cannot_be_batched_is_refused() {
    let batching = "[batching]\nmax_rows = 8\n";
    refused(&App::with(programs::DTYPES, batching), &[])
        .ended(4)
        .said(&["cannot be batched", "remove [batching]"]);
    refused(&App::with(programs::WAYWARD, batching), &[])
        .ended(4)
        .said(&["cannot be batched"]);
    refused(&App::with(programs::ROWS, "[batching]\n"), &[])
        .ended(3)
        .said(&["batching.max_rows", "2 to 1048576"]);
    refused(
        &App::with(programs::ROWS, "[batching]\nmax_rows = 1\n"),
        &[],
    )
    .ended(3)
    .said(&["batching.max_rows"]);
    refused(
        &App::with(
            programs::ROWS,
            "[batching]\nmax_rows = 9\nmax_wait = \"2s\"\n",
        ),
        &[],
    )
    .ended(3)
    .said(&["max_wait"]);
}
