//! Models of the kinds that users of other tools reported as converted wrongly: they answer as
//! their libraries for rows with missing values, or are refused with an instruction that works.
//!
//! Owns the outcome for each of them. Must not know converters.

use std::path::Path;
use std::sync::Arc;

use scorebox_tests::gaps::GapCase;
use scorebox_tests::host::Host;
use scorebox_tests::models::Models;
use scorebox_tests::place;
use scorebox_tests::shared::Shared;
use scorebox_tests::skip;
use serde_json::{Value, json};

use super::{convert, finish, folder};

static REPORTED: Shared<Result<Models, String>> = Shared::new();

/// Returns the trained models. `None` if they cannot be trained; then the test is reported as
/// skipped.
fn reported() -> Option<Arc<Result<Models, String>>> {
    let models = REPORTED.get(|| Models::made_by("reported.py", &[]));
    if let Err(reason) = models.as_ref() {
        skip::skip(reason);
        return None;
    }
    Some(models)
}

/// Declares a variable that refers to the trained models. Returns from the test if they cannot be
/// trained.
macro_rules! reported {
    ($models:ident) => {
        scorebox_tests::require!("python3", "pip3");
        let Some(models) = reported() else { return };
        let Ok($models) = models.as_ref() else { return };
    };
}

/// Converts the model of a case, which must succeed. Returns the report.
fn report(case: &GapCase, project: &Path, arguments: &[&str]) -> Value {
    let mut command = convert(&case.model, project);
    command.args(["--output-format", "json"]).args(arguments);
    if let Some(sample) = &case.sample {
        command.arg("--sample").arg(sample);
    }
    finish(&mut command).ended(0).json()
}

/// Converts the model of a case, serves it and compares the answers over HTTP. Returns the report
/// and the host.
fn serve(models: &Models, name: &str, project: &Path) -> (Value, Host) {
    let case = GapCase::read(models.path(), name);
    let report = report(&case, project, &[]);
    assert_eq!(report["verdict"], "agrees", "{name}: {report}");
    let host = Host::start(project);
    let asked = case.case(&report);
    let answer = host.score(&asked.call).expect(200).json();
    asked.check(&answer);
    let rows = answer["probabilities"].as_array().into_iter().flatten();
    for number in rows.filter_map(Value::as_array).flatten() {
        let number = number.as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&number), "{name}: {answer}");
    }
    (report, host)
}

/// Returns an input of a report by its name.
fn input<'a>(report: &'a Value, name: &str) -> &'a Value {
    let inputs = report["inputs"].as_array().expect("inputs");
    let found = inputs.iter().find(|input| input["name"] == name);
    found.unwrap_or_else(|| panic!("no input {name}: {report}"))
}

#[test]
fn missing_values_reach_the_parts_that_learned_from_them() {
    reported!(models);
    let names = [
        "gaps-forest",
        "gaps-extra",
        "gaps-tree",
        "gaps-forest-text",
        "gaps-extra-text",
        "indicator",
        "indicator-tree",
        "category",
        "filled",
        "code",
        "sparse",
    ];
    for name in names {
        let folder = folder();
        let (report, _host) = serve(models, name, &folder.path().join("project"));
        let compared = &report["comparison"];
        assert!(
            compared["missing"].as_u64() > Some(10),
            "{name}: {compared}"
        );
        assert_eq!(compared["refused"], Value::Null, "{name}: {compared}");
        // A logistic regression raises for a missing number, which only its encoders take.
        for input in report["inputs"].as_array().expect("inputs") {
            let takes = name != "category" || input["name"] != "age";
            assert_eq!(input["missing"], takes, "{name}: {input}");
        }
    }
}

#[test]
fn zeros_for_missing_values_tuned_thresholds_and_capitals_convert() {
    reported!(models);
    for name in ["zeros", "tuned", "capitals"] {
        let folder = folder();
        let (report, host) = serve(models, name, &folder.path().join("project"));
        let input = &report["inputs"][0];
        assert_eq!(input["missing"], false, "{name}: {input}");
        // Where the estimator raises, null stays a mistake of the caller.
        let width = input["shape"][1].as_u64().map_or(1, |width| width as usize);
        let row = match name {
            "capitals" => Value::Null,
            _ => vec![Value::Null; width].into(),
        };
        let name = input["name"].as_str().expect("a name");
        host.score(&json!({ name: [row] })).expect(400);
    }
}

#[test]
fn labels_of_a_tie_count_as_agreement() {
    reported!(models);
    let mut ties = 0;
    for count in [20, 40, 50, 60, 250, 500] {
        let folder = folder();
        let case = GapCase::read(models.path(), &format!("ties-{count}"));
        let report = report(&case, &folder.path().join("project"), &[]);
        assert_eq!(report["verdict"], "agrees", "{count}: {report}");
        let outputs = &report["comparison"]["outputs"];
        ties += outputs[0]["ties"].as_u64().unwrap_or(0);
        assert_eq!(outputs[1]["mismatches"], 0, "{count}: {outputs}");
    }
    assert!(ties > 0, "no forest has a tie");
}

#[test]
fn names_of_columns_and_truth_values_are_stated() {
    reported!(models);
    let folder = folder();
    let project = folder.path().join("named");
    let (report, _host) = serve(models, "named", &project);
    assert_eq!(
        input(&report, "X")["columns"],
        json!(["width", "age", "weight"])
    );
    let manifest = std::fs::read_to_string(project.join("scorebox.toml")).expect("a manifest");
    assert!(
        manifest.contains("[inputs.X]")
            && manifest.contains("columns = [\"width\", \"age\", \"weight\"]"),
        "{manifest}"
    );
    let case = GapCase::read(models.path(), "named");
    finish(&mut convert(&case.model, &folder.path().join("again")))
        .ended(0)
        .said(&["X f32 [N, 3] of width, age, weight"]);
    let (report, _host) = serve(models, "truth", &folder.path().join("truth"));
    assert_eq!(input(&report, "holiday")["boolean"], true);
    assert_eq!(input(&report, "temp")["boolean"], false);
}

#[test]
fn probabilities_stay_within_0_and_1() {
    reported!(models);
    let folder = folder();
    let case = GapCase::read(models.path(), "gaps-forest");
    let found = report(&case, &folder.path().join("forest"), &[]);
    assert_eq!(found["operators"]["Clip"], 1, "{found}");
    // A logistic function cannot leave these bounds.
    let case = GapCase::read(models.path(), "named");
    let found = report(&case, &folder.path().join("line"), &[]);
    assert_eq!(found["operators"]["Clip"], Value::Null, "{found}");
}

#[test]
fn an_unknown_category_is_announced_and_refused() {
    reported!(models);
    let folder = folder();
    let project = folder.path().join("project");
    let (report, host) = serve(models, "months", &project);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("handle_unknown='error'"), "{warnings}");
    // 7.9 is not the month 7.
    for month in [13.0, 7.9] {
        host.score(&json!({"month": [[month]], "age": [[40.0]]}))
            .expect_error(422, "graph-refused", &[]);
    }
}

#[test]
fn what_a_graph_cannot_hold_is_named_and_the_instruction_works() {
    reported!(models);
    let folder = folder();
    let cases: [(&str, i32, &[&str]); 4] = [
        (
            "two-gaps",
            3,
            &["SimpleImputer", "`city`", "make the empty texts missing"],
        ),
        (
            "two-categories",
            3,
            &["OneHotEncoder", "a missing text and the empty text"],
        ),
        (
            "neighbours",
            3,
            &["KNNImputer", "add_indicator", "fit a SimpleImputer"],
        ),
        ("ids", 1, &["`X`", "subtract an offset"]),
    ];
    for (name, code, parts) in cases {
        let case = GapCase::read(models.path(), name);
        finish(&mut convert(&case.model, &folder.path().join(name)))
            .ended(code)
            .said(parts)
            .said(&["fix: "]);
        serve(
            models,
            &format!("{name}-fixed"),
            &folder.path().join(format!("{name}-fixed")),
        );
    }
}

#[test]
fn a_graph_that_answers_otherwise_is_not_left() {
    reported!(models);
    let folder = folder();
    let output = folder.path().join("out");
    let case = GapCase::read(models.path(), "ids");
    let mut command = convert(&case.model, &output);
    let finished = finish(command.args(["--output-format", "json"]))
        .ended(1)
        .said(&["does not answer as the library does", "--allow-differences"]);
    assert_eq!(finished.json()["verdict"], "differs");
    let left: Vec<_> = std::fs::read_dir(&output)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["report.json"]);
}

#[test]
fn differences_are_written_if_the_caller_allows_them() {
    reported!(models);
    let folder = folder();
    let project = folder.path().join("project");
    let case = GapCase::read(models.path(), "ids");
    let allowed = report(&case, &project, &["--allow-differences"]);
    assert_eq!(allowed["verdict"], "differs", "{allowed}");
    assert!(project.join("scorebox.toml").is_file(), "no project");
    finish(convert(&case.model, &project).args(["--allow-differences", "--force"]))
        .ended(0)
        .said(&[
            "warning ",
            "does not answer as the library does",
            "--allow-differences",
        ]);
}

#[test]
fn rows_that_the_library_refuses_are_counted() {
    reported!(models);
    let folder = folder();
    let sample = folder.path().join("rows.csv");
    std::fs::write(&sample, "width,age,weight\n1,2,3\n,2,3\n4,5,6\n").expect("a file");
    let case = GapCase::read(models.path(), "named");
    let mut command = convert(&case.model, &folder.path().join("out"));
    finish(command.arg("--sample").arg(sample)).ended(0).said(&[
        "compared   2 rows (file)",
        "not compared: 1 rows that the library itself refuses (row 1: ValueError",
    ]);
}

#[test]
fn each_repair_answers_as_its_library() {
    scorebox_tests::require!("python3", "pip3");
    // The script's own exit status says if a part differs.
    let sources = place::workspace().join("xtask/python/convert");
    let sources = sources.to_str().expect("a path in UTF-8");
    if let Err(reason) = Models::made_by("repairs.py", &[sources]) {
        skip::skip(&reason);
    }
}
