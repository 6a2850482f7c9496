//! Models of the kinds that users of other tools reported as trouble, and that a conversion always
//! kept: they still give the answers of their libraries.
//!
//! Owns the outcome for each of them, for names that are no identifiers, and for files of rows as
//! people save them. Must not know converters.

use std::sync::Arc;

use scorebox_tests::extent;
use scorebox_tests::gaps::GapCase;
use scorebox_tests::host::Host;
use scorebox_tests::models::Models;
use scorebox_tests::shared::Shared;
use scorebox_tests::skip;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{convert, finish, folder};

static AGREEING: Shared<Result<Models, String>> = Shared::new();

/// Models that the short form of the test tries: one for each function of `agreeing.py`.
const SHORT: [&str; 7] = [
    "lgbm-missing-later",
    "prices-xgb",
    "reversed",
    "rare",
    "targets-each",
    "two-texts",
    "xgb-base-score",
];

/// Returns the trained models. `None` if they cannot be trained; then the test is reported as
/// skipped.
fn agreeing() -> Option<Arc<Result<Models, String>>> {
    let models = AGREEING.get(|| Models::made_by("agreeing.py", &[]));
    if let Err(reason) = models.as_ref() {
        skip::skip(reason);
        return None;
    }
    Some(models)
}

/// Declares a variable that refers to the trained models. Returns from the test if they cannot be
/// trained.
macro_rules! agreeing {
    ($models:ident) => {
        scorebox_tests::require!("python3", "pip3");
        let Some(models) = agreeing() else { return };
        let Ok($models) = models.as_ref() else { return };
    };
}

/// Converts the model of a case, which must agree with its library, and serves it. Returns the report,
/// the host, and the folder of the project.
fn serve(case: &GapCase) -> (Value, Host, TempDir) {
    let folder = folder();
    let project = folder.path().join("project");
    let mut command = convert(&case.model, &project);
    command.args(["--output-format", "json"]);
    if let Some(sample) = &case.sample {
        command.arg("--sample").arg(sample);
    }
    let report = finish(&mut command).ended(0).json();
    assert_eq!(report["verdict"], "agrees", "{}: {report}", case.name);
    let host = Host::start(&project);
    (report, host, folder)
}

#[test]
fn models_that_converted_rightly_still_do() {
    agreeing!(models);
    let cases = GapCase::all(models.path());
    let known = |name: &&str| cases.iter().any(|case| case.name == **name);
    assert!(
        cases.len() == 36 && SHORT.iter().all(known),
        "{} models",
        cases.len()
    );
    let mut failed = Vec::new();
    for case in &cases {
        if case.name == "names" || !extent::is_whole() && !SHORT.contains(&case.name.as_str()) {
            continue;
        }
        let tried = || {
            let (report, host, _folder) = serve(case);
            let asked = case.case(&report);
            asked.check(&host.score(&asked.call).expect(200).json());
        };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(tried)).is_err() {
            failed.push(case.name.as_str());
        }
    }
    assert!(
        failed.is_empty(),
        "these models do not answer as their libraries, see above: {failed:?}"
    );
}

#[test]
fn names_that_are_no_identifiers_are_kept() {
    agreeing!(models);
    let case = GapCase::read(models.path(), "names");
    let (report, host, _folder) = serve(&case);
    let names: Vec<&str> = report["inputs"]
        .as_array()
        .expect("inputs")
        .iter()
        .filter_map(|input| input["name"].as_str())
        .collect();
    for name in [
        "年齢",
        "home.dest",
        "home_dest",
        "Einkommen (k€)",
        "a/b~c",
        "a,b=c[2]",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let asked = case.case(&report);
    let mut answer = host.score(&asked.call).expect(200).json();
    // An input has the name of the answer.
    answer["label"] = answer["output_label"].take();
    asked.check(&answer);
    // The protocol takes the names as they are, and a pointer escapes them.
    let call = asked.call.as_object().expect("inputs by name");
    let input = |(name, rows): (&String, &Value)| {
        let count = rows.as_array().map_or(0, Vec::len);
        json!({"name": name, "datatype": "FP64", "shape": [count, 1], "data": rows})
    };
    let inputs: Vec<Value> = call.iter().map(input).collect();
    let request = json!({ "inputs": inputs }).to_string();
    let headers = [("content-type", "application/json")];
    host.send("POST", "/v2/models/names/infer", &headers, request)
        .expect(200);
    let mut wrong = asked.call.clone();
    wrong["a/b~c"][0][0] = json!("a text");
    let refused = host.score(&wrong).expect_error(400, "not-conforming", &[]);
    assert_eq!(refused.json()["pointer"], "/a~1b~0c/0/0");
}

#[test]
fn labels_have_the_type_that_the_library_gives_them() {
    agreeing!(models);
    for (name, datatype) in [("floating-labels", "FP64"), ("boolean-labels", "BOOL")] {
        let case = GapCase::read(models.path(), name);
        let (report, host, _folder) = serve(&case);
        let asked = case.case(&report);
        asked.check(&host.score(&asked.call).expect(200).json());
        let input = json!({"name": "X", "datatype": "FP32", "shape": [1, 2], "data": [40, 60.5]});
        let request = json!({"inputs": [input], "outputs": [{"name": "label"}]}).to_string();
        let path = format!("/v2/models/{name}/infer");
        let headers = [("content-type", "application/json")];
        let answer = host
            .send("POST", &path, &headers, request)
            .expect(200)
            .json();
        assert_eq!(
            answer["outputs"][0]["datatype"], datatype,
            "{name}: {answer}"
        );
    }
}

#[test]
fn columns_of_a_converted_model_have_one_length() {
    agreeing!(models);
    let (_, host, _folder) = serve(&GapCase::read(models.path(), "target"));
    let call = json!({"age": [[40], [30]], "income": [[60.5]], "zip": [["8001"], ["01067"]]});
    host.score(&call)
        .expect_error(400, "not-conforming", &["1 row", "2"]);
}

#[test]
fn files_of_rows_are_taken_as_people_save_them() {
    agreeing!(models);
    let folder = folder();
    let case = GapCase::read(models.path(), "umlauts");
    let converted = |name: &str, text: &str| {
        let sample = folder.path().join(format!("{name}.csv"));
        std::fs::write(&sample, text).expect("a file");
        let mut command = convert(&case.model, &folder.path().join(name));
        finish(command.arg("--sample").arg(sample))
    };
    let rows = ["compared   2 rows (file)"];
    // Excel begins a file with a byte order mark, and pandas writes its index.
    converted("mark", "\u{feff}age,income\n40,60.5\n30,20\n")
        .ended(0)
        .said(&rows);
    converted("index", ",income,age\n0,60.5,40\n1,20,30\n")
        .ended(0)
        .said(&rows);
    converted("semicolons", "age;income\n40;60,5\n30;20,1\n")
        .ended(3)
        .said(&["has 1 columns, and the model takes 2", "fix: "]);
}
