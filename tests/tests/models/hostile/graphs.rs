//! Damaged ONNX files: each is refused, or gives the answers of the whole file.
//!
//! Owns the graphs that are damaged, and the comparison of their answers.

use std::ops::Range;
use std::sync::Mutex;

use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::invoke;
use scorebox_tests::mutation::{Chance, mutated};
use scorebox_tests::onnx;
use serde_json::{Value, json};

use super::{INIT_DEADLINE, check, each, refusal};

/// Returns the ranges with lengths, names and types. Nearly all of a large file is weights, or
/// trees for a forest.
fn structure(form: &str, whole: &[u8]) -> Vec<Range<usize>> {
    let all = 0..whole.len();
    match form {
        "forest" => vec![all.clone(), all, 0..600],
        _ if whole.len() < 8192 => vec![all],
        _ => vec![0..600, whole.len() - 2048..whole.len()],
    }
}

/// Returns an app whose model is a graph, with a sample of the whole graph's answers.
fn graph_app(whole: &[u8], inputs: &Value) -> App {
    let limits = format!(
        "[limits]\ninit_deadline = \"{}s\"\n[package]\nsample = \"sample.json\"\n",
        INIT_DEADLINE.as_secs()
    );
    let app = App::graph("m.onnx", whole, &limits);
    let outputs = invoke(&app, "application/json", inputs.to_string().as_bytes())
        .ended(0)
        .json();
    app.write(
        "sample.json",
        json!({ "inputs": inputs, "outputs": outputs })
            .to_string()
            .as_bytes(),
    );
    app
}

/// Damages a graph as often as is listed, and checks the outcomes.
fn damage_graph(form: &str, whole: &[u8], inputs: &Value) {
    // Each of the two threads has an app folder of its own.
    let apps = [graph_app(whole, inputs), graph_app(whole, inputs)].map(Mutex::new);
    check(&apps[0].lock().unwrap()).ended(0);
    let expected: Value = serde_json::from_slice(
        &std::fs::read(apps[0].lock().unwrap().path().join("sample.json")).unwrap(),
    )
    .unwrap();
    let structure = structure(form, whole);
    each(form, |index, ends| {
        let (what, bytes) = mutated(whole, &structure, &mut Chance::new(index as u64));
        let app = match apps[0].try_lock() {
            Ok(app) => app,
            Err(_) => apps[1].lock().unwrap(),
        };
        app.write("model/m.onnx", &bytes);
        let finished = check(&app);
        match finished.status.code() {
            Some(0) if bytes == whole => ends.count("unchanged"),
            Some(0) => {
                ends.count("proven equal");
                // Some files are also checked in another way than by the sample.
                if index % 8 == 0 {
                    let answer = invoke(&app, "application/json", inputs.to_string().as_bytes())
                        .ended(0)
                        .json();
                    is_near(&answer, &expected["outputs"], &what);
                }
            }
            Some(5) => ends.count(refusal(&finished, "m.onnx", &what)),
            _ => panic!("{form} {index}, {what}: {finished:?}"),
        }
    });
}

#[track_caller]
fn is_near(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{what}");
            found
                .iter()
                .zip(expected)
                .for_each(|(found, expected)| is_near(found, expected, what));
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{what}");
            found
                .values()
                .zip(expected.values())
                .for_each(|(found, expected)| is_near(found, expected, what));
        }
        _ => {
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
            let numbers = found.as_f64().zip(expected.as_f64());
            assert!(
                found == expected || numbers.is_some_and(|(a, b)| near(a, b)),
                "{what}: {found} is not {expected}"
            );
        }
    }
}

fn digits() -> Value {
    json!({ "X": sample().iter().map(|digit| digit.row()).collect::<Vec<_>>() })
}

#[test]
fn damaged_regressions() {
    for form in ["logreg", "logreg-ovr", "logreg-zipmap"] {
        damage_graph(form, &onnx::trained(form), &digits());
    }
}

#[test]
fn damaged_networks_and_forests() {
    damage_graph("mlp", &onnx::trained("mlp"), &digits());
    damage_graph("forest", &onnx::trained("forest"), &digits());
}

#[test]
fn damaged_small_graphs() {
    damage_graph(
        "identity",
        &onnx::identity(onnx::element::FLOAT),
        &json!({ "x": [[1.5, -2.0], [3.0, 0.0]] }),
    );
    damage_graph(
        "counting",
        &onnx::counting(),
        &json!({ "n": 3, "x": [1.0] }),
    );
    damage_graph("zeros", &onnx::zeros(), &json!({ "n": [3] }));
}
