//! Files that cannot be converted: other models, damaged files and hostile files.
//!
//! Owns the outcome for each of them.

use scorebox_tests::run::Finished;
use scorebox_tests::wait;
use tempfile::TempDir;

use super::{convert, finish, folder};

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
