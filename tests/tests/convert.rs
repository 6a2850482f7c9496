//! Pickled models that are converted, packaged and served: the library's own answers, or a refusal
//! with a reason.
//!
//! Owns the way from a file to an answer over HTTP, and the outcome for a damaged or hostile file.
//! Must not know converters.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scorebox_tests::host::Host;
use scorebox_tests::models::{Case, Models};
use scorebox_tests::packaging::{packaged, unpack};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::shared::Shared;
use scorebox_tests::{place, require, skip, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

static MODELS: Shared<Result<Models, String>> = Shared::new();

/// Timeout of a conversion. It imports large libraries, and several conversions run at a time.
const LIMIT: Duration = Duration::from_secs(180);

/// Returns the trained models. `None` if they cannot be trained; then the test is reported as
/// skipped.
fn models() -> Option<Arc<Result<Models, String>>> {
    let models = MODELS.get(Models::train);
    if let Err(reason) = models.as_ref() {
        skip::skip(reason);
        return None;
    }
    Some(models)
}

macro_rules! models {
    ($models:ident) => {
        require!("python3", "pip3");
        let Some(models) = models() else { return };
        let Ok($models) = models.as_ref() else { return };
    };
}

/// Returns a call of `convert`, with a secret in the environment.
fn convert(model: &Path, output: &Path) -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SECRET", "b3c1");
    command.env("HOME", std::env::var_os("HOME").unwrap_or_default());
    command
        .arg("convert")
        .arg(model)
        .arg("--output")
        .arg(output);
    command
}

fn finish(command: &mut Command) -> Finished {
    run::finish_within(LIMIT, command, b"")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

/// Names of the models that are served out of an image, one of each kind.
///
/// The other models are served from the conversion's output folder. That takes a third of the time,
/// since every image holds the engine.
const IN_IMAGES: [&str; 16] = [
    "bayes",
    "boosting",
    "columns",
    "forest",
    "isolation",
    "knn",
    "lgbm",
    "linear",
    "logreg-binary",
    "mlp",
    "pca-svc",
    "svc",
    "tfidf",
    "tree",
    "xgb",
    "xgb-regressor",
];

/// Converts a pickle, packages it if it is in the list, serves it, and compares the answers over
/// HTTP.
fn convert_package_and_serve(models: &Models, case: &Case) {
    let folder = folder();
    let project = folder.path().join("project");
    let mut command = convert(&models.file(&case.name), &project);
    command.args(["--output-format", "json"]);
    command.args(
        case.sample
            .iter()
            .flat_map(|sample| [Path::new("--sample"), sample]),
    );
    let report = finish(&mut command).ended(0).json();
    assert_eq!(report["verdict"], "agrees", "{report}");
    assert_eq!(
        report["sample"]["from"],
        if case.sample.is_some() {
            "file"
        } else {
            "generated"
        }
    );

    let app = if IN_IMAGES.contains(&case.name.as_str()) {
        from_image(folder.path(), &project)
    } else {
        project
    };
    let host = Host::start(&app);
    case.check(&host.score(&case.call).expect(200).json());
    let one = |rows: &Value, index: usize| json!([rows[index]]);
    let call = case.call.as_object().expect("inputs by name");
    let single: serde_json::Map<_, _> = call
        .iter()
        .map(|(name, rows)| (name.clone(), one(rows, 0)))
        .collect();
    host.score(&single.into()).expect(200);
}

/// Packages a project and returns the app folder out of its image.
fn from_image(folder: &Path, project: &Path) -> PathBuf {
    let layout = folder.join("image");
    let mut package = Command::new(place::xtask());
    package
        .env_clear()
        .args(["package", "--attest", "none", "--manifest"])
        .arg(project.join("scorebox.toml"));
    package
        .arg("--layout")
        .arg(&layout)
        .arg("--host")
        .arg(place::image_host_with_graphs());
    packaged(package.arg("--engine-library").arg(place::engine_library()));
    let app = folder.join("app");
    unpack(&layout, "home/site/wwwroot", &app);
    app
}

#[test]
fn models_answer_as_their_libraries() {
    models!(models);
    let cases = models.cases();
    let named = |name: &&str| cases.iter().any(|case| case.name == **name);
    assert!(
        cases.len() >= 40 && IN_IMAGES.iter().all(named),
        "{} models",
        cases.len()
    );
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = std::panic::catch_unwind(|| convert_package_and_serve(models, case));
            if outcome.is_err() {
                failed
                    .lock()
                    .expect("no thread panics here")
                    .push(case.name.clone());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism()
            .map_or(2, usize::from)
            .min(4)
        {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("no thread panics here");
    assert!(
        failed.is_empty(),
        "these models do not answer as their libraries, see above: {failed:?}"
    );
}

#[test]
fn what_cannot_be_converted_is_named_with_the_reason() {
    models!(models);
    let folder = folder();
    let refused = |model: &str, parts: &[&str]| {
        let output = folder.path().join(model);
        let finished = finish(&mut convert(&models.file(model), &output))
            .ended(3)
            .said(parts)
            .said(&["fix: "]);
        assert!(
            !finished.stderr.contains("Traceback") && !output.exists(),
            "{}",
            finished.stderr
        );
    };
    refused(
        "function",
        &[
            "sklearn.preprocessing.FunctionTransformer",
            "log1p",
            "write a scorer",
        ],
    );
    refused(
        "spline",
        &[
            "sklearn.preprocessing.SplineTransformer",
            "skl2onnx 1.",
            "no converter",
        ],
    );
    refused(
        "own-class",
        &["Doubling", "the script that wrote it", "--python"],
    );
    refused(
        "characters",
        &[
            "sklearn.feature_extraction.text.TfidfVectorizer",
            "'char_wb'",
            "analyzer='word'",
        ],
    );
    refused(
        "unfitted",
        &["sklearn.linear_model.LogisticRegression", "not fitted"],
    );
    refused(
        "dictionary",
        &[
            "dict",
            "'model', 'threshold'",
            "pickle the fitted estimator",
        ],
    );
    refused(
        "multi-output",
        &[
            "sklearn.ensemble.RandomForestClassifier",
            "several questions",
        ],
    );
    refused("booster", &["xgboost.core.Booster", "XGBClassifier"]);
    let mut verbose = convert(&models.file("unfitted"), &folder.path().join("verbose"));
    finish(verbose.arg("--verbose"))
        .ended(3)
        .said(&["Traceback", "refusal.Refused"]);
}

/// Writes these bytes to a file and converts it. Returns the folder and the outcome, which must be
/// an error.
fn of_bytes(bytes: &[u8], arguments: &[&str]) -> (TempDir, Finished) {
    let folder = folder();
    let file = folder.path().join("model.pkl");
    std::fs::write(&file, bytes).expect("a file can be written");
    let output = folder.path().join("out");
    let finished = finish(convert(&file, &output).args(arguments));
    assert!(
        !output.exists() && !finished.stderr.contains("Traceback"),
        "{}",
        finished.stderr
    );
    (folder, finished)
}

#[test]
fn damaged_files_end_in_an_error() {
    models!(models);
    let whole = std::fs::read(models.file("tree")).expect("the model is there");
    let refused = |bytes: &[u8]| {
        drop(
            of_bytes(bytes, &[])
                .1
                .ended(3)
                .said(&["model.pkl: ", "fix: "]),
        )
    };
    for bytes in [
        b"".as_slice(),
        b"no pickle at all",
        &whole[..whole.len() / 2],
        &whole[..20],
        &[0x1f, 0x8b, 8, 0],
    ] {
        refused(bytes);
    }
    of_bytes(b"cno_such_module\nThing\n(tR.", &[])
        .1
        .ended(3)
        .said(&["`no_such_module`", "--python"]);
    of_bytes(b"I42\n.", &[])
        .1
        .ended(3)
        .said(&["no estimator but builtins.int"]);
}

#[test]
fn hostile_files_reach_neither_time_nor_memory_nor_secrets() {
    models!(models);
    let _ = models.path();
    of_bytes(b"ctime\nsleep\n(I1000\ntR.", &["--timeout", "6s"])
        .1
        .ended(3)
        .said(&["longer than 6s", "--timeout"]);
    let memory = of_bytes(
        b"c__builtin__\nbytearray\n(L99999999999L\ntR.",
        &["--memory", "3GiB"],
    )
    .1;
    memory
        .ended(3)
        .said(&["needs more than 3072 MiB", "--memory"]);
    of_bytes(b"cos\n_exit\n(I0\ntR.", &[])
        .1
        .ended(3)
        .said(&["left no answer", "exit status: 0"]);
    of_bytes(b"cos\nabort\n(tR.", &[])
        .1
        .ended(3)
        .said(&["ended the process that loaded it", "signal: 6"]);
    of_bytes(b"csys\nexit\n(S'over'\ntR.", &[])
        .1
        .ended(3)
        .said(&["raised an exception", "SystemExit"]);
    let seen = folder();
    let file = seen.path().join("environment");
    let bytes = format!("cos\nsystem\n(S'env > {}'\ntR.", file.display());
    of_bytes(bytes.as_bytes(), &[]).1.ended(3);
    let environment = std::fs::read_to_string(&file).expect("the file was written");
    assert!(
        environment.contains("PYTHONHASHSEED=0") && !environment.contains("b3c1"),
        "{environment}"
    );
    // A process that the pickle leaves behind ends with the conversion.
    let left = seen.path().join("left");
    let bytes = format!(
        "cos\nsystem\n(S'sleep 1000 & echo $! > {}'\ntR.",
        left.display()
    );
    of_bytes(bytes.as_bytes(), &[]).1.ended(3);
    let process = std::fs::read_to_string(&left).expect("the file was written");
    // Its parent has ended. The process that inherits it may take a moment to notice its end.
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", process.trim())).ok();
    wait::until("the end of what it left", || {
        state()
            .is_none_or(|state| state.contains(") Z "))
            .then_some(())
    });
}

#[test]
fn another_version_of_the_library_is_said() {
    models!(models);
    let folder = folder();
    let mut bytes = std::fs::read(models.file("logreg-texts")).expect("the model is there");
    let version = b"_sklearn_version";
    let place = bytes
        .windows(version.len())
        .position(|part| part == version)
        .expect("a version")
        + version.len();
    let digits = bytes[place..]
        .windows(3)
        .position(|part| part == b"1.9")
        .expect("of this series")
        + place;
    bytes[digits + 2] = b'5';
    let file = folder.path().join("old.pkl");
    std::fs::write(&file, bytes).expect("a file can be written");
    let output = folder.path().join("out");
    let parts = [
        "pickled by scikit-learn 1.5.",
        "LogisticRegression",
        "scikit-learn==1.5.",
        "--python",
        "--other-version",
    ];
    finish(&mut convert(&file, &output)).ended(3).said(&parts);
    finish(convert(&file, &output).arg("--other-version"))
        .ended(0)
        .said(&["warning ", "pickled by scikit-learn 1.5."]);
    let report = std::fs::read(output.join("report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert!(report["warnings"].to_string().contains("1.5."), "{report}");
}

#[test]
fn a_graph_that_answers_otherwise_is_not_left() {
    models!(models);
    let folder = folder();
    let sample = folder.path().join("capitals.json");
    std::fs::write(
        &sample,
        json!({"text": ["ÜBER DIE STRASSE", "the cat"]}).to_string(),
    )
    .expect("a file can be written");
    let output = folder.path().join("out");
    let mut command = convert(&models.file("tfidf"), &output);
    command
        .arg("--sample")
        .arg(sample)
        .args(["--output-format", "json"]);
    let finished = finish(&mut command).ended(1).said(&[
        "does not answer as the library does",
        "probabilities: 1 of 2",
    ]);
    assert_eq!(finished.json()["verdict"], "differs");
    let left: Vec<_> = std::fs::read_dir(&output)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["report.json"]);
}

#[test]
fn a_conversion_can_be_repeated_and_its_folder_is_not_lost() {
    models!(models);
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let file = models.file("columns-xgb");
    finish(&mut convert(&file, &one)).ended(0);
    finish(convert(&file, &other).args(["--name", "same"])).ended(0);
    let graph = |folder: &PathBuf, name: &str| {
        std::fs::read(folder.join("model").join(name)).expect("a graph")
    };
    let first = graph(&one, "columns-xgb.onnx");
    finish(&mut convert(&file, &one))
        .ended(1)
        .said(&["holds an earlier conversion", "--force"]);
    finish(convert(&file, &one).arg("--force")).ended(0);
    assert!(
        first == graph(&one, "columns-xgb.onnx"),
        "the same file gave other bytes"
    );
    assert!(graph(&other, "same.onnx").len().abs_diff(first.len()) < 100);
    let manifest = std::fs::read_to_string(other.join("scorebox.toml")).expect("a manifest");
    assert!(
        manifest.contains("name = \"same\"") && manifest.contains("scikit-learn = \"1."),
        "{manifest}"
    );
    // A folder with other contents is not replaced.
    let strange = folder.path().join("strange");
    std::fs::create_dir(&strange)
        .and_then(|()| std::fs::write(strange.join("thesis.txt"), ""))
        .expect("a file");
    finish(convert(&file, &strange).arg("--force"))
        .ended(1)
        .said(&["holds files, and no report.json"]);
}

#[test]
fn inputs_and_environment_are_the_callers_choice() {
    models!(models);
    let folder = folder();
    let double = folder.path().join("double");
    let mut command = convert(&models.file("linear"), &double);
    let report = finish(command.args(["--inputs", "X=f64[8]", "--output-format", "json"]))
        .ended(0)
        .json();
    assert_eq!(
        report["inputs"],
        json!([{"name": "X", "dtype": "f64", "shape": [null, 8]}])
    );
    let largest = report["comparison"]["outputs"][0]["largest_difference"]
        .as_f64()
        .expect("a number");
    assert!(largest < 1e-9, "{report}");
    let output = folder.path().join("out");
    let refused = |arguments: &[&str], code: i32, parts: &[&str]| {
        finish(convert(&models.file("linear"), &output).args(arguments))
            .ended(code)
            .said(parts);
    };
    refused(&["--inputs", "X=f16"], 2, &["NAME=TYPE[COLUMNS]"]);
    refused(
        &["--inputs", "X=f32[3]"],
        3,
        &[
            "LinearRegression",
            "takes 8 columns",
            "fix: write --inputs 'X=f32[8]'",
        ],
    );
    refused(
        &["--sample", "/nowhere.csv"],
        3,
        &["--sample /nowhere.csv", "cannot be read"],
    );
    refused(
        &["--sample", "/etc/hosts"],
        3,
        &["its form is not known", ".npy"],
    );
    refused(
        &["--name", "Prices"],
        3,
        &["`Prices` cannot be a scorer's name", "lower-case"],
    );
    refused(
        &["--python", "/nowhere/python"],
        4,
        &["/nowhere/python", "cannot be run"],
    );
    let mut command = convert(Path::new("/nowhere.h5"), &output);
    finish(&mut command)
        .ended(3)
        .said(&["/nowhere.h5", ".joblib, .pickle, .pkl, .sav"]);
}
