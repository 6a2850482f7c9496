//! Components around graphs of digits: the answers are scikit-learn's.
//!
//! Owns a component of wasi:nn alone, and the example `picture`.

use scorebox_tests::app::App;
use scorebox_tests::digits::{Digit, sample};
use scorebox_tests::host::Host;
use scorebox_tests::{onnx, place, programs};
use serde_json::{Value, json};

use super::app;

/// Models of digits, with their files and the names of their outputs.
const MODELS: [(&str, &str, [&str; 2]); 5] = [
    ("logreg", "logreg", ["label", "probabilities"]),
    ("logreg-ovr", "logreg-ovr", ["label", "probabilities"]),
    (
        "logreg",
        "logreg-zipmap",
        ["output_label", "output_probability"],
    ),
    ("forest", "forest", ["label", "probabilities"]),
    ("mlp", "mlp", ["label", "probabilities"]),
];

#[test]
fn a_component_of_wasi_nn_alone_scores_all_models_as_scikit_learn() {
    let graphs: Vec<_> = MODELS
        .iter()
        .map(|(_, file, _)| (*file, onnx::trained(file)))
        .collect();
    let app = app(programs::CLASSIFIER, &graphs, "");
    let host = Host::start(&app);
    let classify = |graph: &str, digits: &[Digit]| {
        let rows: Vec<_> = digits.iter().map(Digit::row).collect();
        host.score(&json!({ "graph": graph, "input": "X", "rows": rows }))
            .expect(200)
            .json()
    };
    for (model, graph, [label, probabilities]) in MODELS {
        let all = classify(graph, sample());
        for (index, digit) in sample().iter().enumerate() {
            digit.check_by(model, &all[label][index], &all[probabilities][index]);
        }
    }
    std::thread::scope(|scope| {
        for half in sample().chunks(100) {
            let classify = &classify;
            scope.spawn(move || {
                for digit in half.chunks(1) {
                    let answer = classify("mlp", digit);
                    digit[0].check_by("mlp", &answer["label"][0], &answer["probabilities"][0]);
                }
            });
        }
    });
    assert_eq!(host.stderr.text(), "");
}

#[test]
fn a_picture_is_read_by_a_component_around_a_graph() {
    let example = App::example("picture", "");
    let manifest = std::fs::read_to_string(example.path().join("scorebox.toml")).unwrap();
    let host = Host::start(&example);
    let read = |host: &Host, picture: Vec<u8>| host.post("image/x-portable-graymap", picture);
    let pgm = |digit: &Digit| [b"P5 28 28\n# a digit\n255\n".as_slice(), &digit.pixels].concat();
    let answer = read(&host, pgm(&sample()[0])).expect(200).json();
    assert_eq!(answer["best"].as_array().map(Vec::len), Some(3), "{answer}");
    let shipped =
        std::fs::read(place::workspace().join("guest/examples/picture/seven.pgm")).unwrap();
    assert_eq!(read(&host, shipped).expect(200).json()["label"], 7);
    read(&host, b"P5 27 28 255 ".to_vec()).expect_error(422, "wrong-size", &["27 x 28"]);
    read(&host, pgm(&sample()[0])[..700].to_vec()).expect_error(422, "cut-off", &[]);
    for broken in [
        "",
        "P6 28 28 255 ",
        "P5",
        "P5 28",
        "P5 28 28 99999999999999999999 ",
        "P5 28 28 #",
    ] {
        read(&host, broken.into()).expect_error(422, "no-pgm", &[]);
    }
    host.post("application/json", "{}").expect(415);

    example.write(
        "scorebox.toml",
        manifest.replace("best = \"3\"", "best = \"10\"").as_bytes(),
    );
    let host = Host::start(&example);
    for digit in sample() {
        let answer = read(&host, pgm(digit)).expect(200).json();
        let mut best = answer["best"].as_array().expect("a list").clone();
        best.sort_by_key(|guess| guess["label"].as_u64());
        let probabilities: Value = best
            .iter()
            .map(|guess| guess["probability"].clone())
            .collect();
        digit.check_by("mlp", &answer["label"], &probabilities);
    }
}
