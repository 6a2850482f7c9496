//! Converted models give their library's answers over HTTP.
//!
//! Owns the list of models that are served out of an image.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorebox_tests::extent;
use scorebox_tests::host::Host;
use scorebox_tests::models::{Case, Models};
use scorebox_tests::packaging::{packaged, unpack};
use scorebox_tests::place;
use serde_json::{Value, json};

use super::{convert, finish, folder};

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

/// Names of the models that the short form of the test serves out of an image: rows with columns,
/// trees, texts, and a library other than scikit-learn. It serves the other models of [`IN_IMAGES`]
/// from the conversion's output folder.
const IN_IMAGES_SHORT: [&str; 4] = ["columns", "forest", "tfidf", "xgb"];

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

    let in_images = extent::of(&IN_IMAGES_SHORT[..], &IN_IMAGES[..]);
    let app = if in_images.contains(&case.name.as_str()) {
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
    let is_tried = |case: &&Case| extent::is_whole() || IN_IMAGES.contains(&case.name.as_str());
    let cases: Vec<&Case> = cases.iter().filter(is_tried).collect();
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
