//! Graphs that are served without any code: through the server, without it, and out of an image.
//!
//! Owns the digits that such a scorer is compared with. Must not know how an engine computes.

mod calls;
mod clients;
mod images;
mod limits;
mod loading;
mod refusals;
mod rows;
mod scores;
mod values;

use scorebox_tests::digits::sample;
use serde_json::{Value, json};

/// Asserts that the answer has the predictions of `model` for all digits, in these outputs.
#[track_caller]
fn check(model: &str, answer: &Value, [label, probabilities]: [&str; 2]) {
    let list = |name: &str| {
        answer[name]
            .as_array()
            .unwrap_or_else(|| panic!("no {name} in {answer}"))
    };
    assert_eq!(
        (list(label).len(), list(probabilities).len()),
        (sample().len(), sample().len())
    );
    for ((digit, label), probabilities) in sample().iter().zip(list(label)).zip(list(probabilities))
    {
        digit.check_by(model, label, probabilities);
    }
}

fn all_digits() -> Value {
    json!({ "X": sample().iter().map(|digit| digit.row()).collect::<Vec<_>>() })
}
