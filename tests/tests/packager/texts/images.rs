//! Reports of `package` and `inspect`, and the files of Azure Functions in an image.
//!
//! Owns the triggers of the packaged app. Must not know how an image is built.

use std::path::Path;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::packaging::{blob, documents, package, packaged, project, unpack};
use scorebox_tests::snapshot::{Snapshots, Transcript};
use scorebox_tests::{place, programs, run};

/// Folder of the app in an image, as layers name it.
const APP: &str = "home/site/wwwroot";

/// Triggers of every kind, with settings that have no default.
const TRIGGERS: &str = r#"
[[trigger]]
kind = "http"
route = "risk"
methods = ["get", "post"]
auth_level = "admin"

[[trigger]]
kind = "http"
route = "plain"
auth_level = "anonymous"

[[trigger]]
kind = "blob"
path = "incoming/{name}.json"
source = "event-grid"
output.blob = "scored/{name}.json"

[[trigger]]
kind = "blob"
path = "older/{name}"
source = "scan"

[[trigger]]
kind = "service-bus"
queue = "applications"
connection = "Bus"
output.queue = "decisions"
park.queue = "parked"

[[trigger]]
kind = "service-bus"
topic = "events"
subscription = "risk"
connection = "Bus"
cardinality = "many"

[[trigger]]
kind = "queue"
queue = "requests"
output.queue = "scores"
park.queue = "rejected"
visibility_timeout = "30s"

[[trigger]]
kind = "http"
route = "risk/{customer}/{year:int?}"
"#;

#[test]
fn host_json_and_every_function_json() {
    let app = App::with(programs::MIRROR, TRIGGERS);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let layout = folder.path().join("layout");
    packaged(&mut package(&app, &layout));
    let files = folder.path().join("files");
    unpack(&layout, APP, &files);
    let mut snapshots = Snapshots::of("packager/functions");
    let read = |file: &Path| std::fs::read_to_string(file).expect("the image has the file");
    snapshots.check("host.json", &read(&files.join("host.json")));
    for entry in std::fs::read_dir(&files).expect("the folder can be listed") {
        let function = entry.expect("the folder can be listed to its end").path();
        if function.is_dir() && function.join("function.json").is_file() {
            let name = function.file_name().and_then(|name| name.to_str());
            let name = name.expect("a function has a name");
            snapshots.check(
                &format!("{name}-function.json"),
                &read(&function.join("function.json")),
            );
        }
    }
    snapshots.finish();
}

#[test]
fn the_reports_of_package_and_inspect() {
    let (project, folder) = (
        project(),
        tempfile::tempdir().expect("a folder can be made"),
    );
    let layout = folder.path().join("layout");
    let mut snapshots = Snapshots::of("packager/images")
        .replace(&folder.path().display().to_string(), "[FOLDER]")
        .replace(&project.path().display().to_string(), "[PROJECT]")
        .replace(&place::image_host().display().to_string(), "[HOST]")
        // Sizes are aligned to the right after a digest, and to the left elsewhere.
        .filter(r"\] +[0-9]+ bytes", "] [SIZE] bytes")
        .filter("[0-9]+ bytes", "[SIZE] bytes")
        .filter("[0-9]+ KiB", "[SIZE] KiB");
    let mut check = |name: &str, command: &mut Command| {
        let mut transcript = Transcript::default();
        transcript.run(name, command, b"");
        snapshots.check(name, transcript.text());
    };
    check("package", &mut package(project.path(), &layout));
    check("inspect", &mut inspect(&layout));

    // A layer whose bytes are not those that its digest names.
    let (manifest, _) = documents(&layout);
    let digest = &manifest["layers"][0]["digest"];
    let mut bytes = blob(&layout, digest);
    bytes[100] ^= 1;
    let hex = digest
        .as_str()
        .and_then(|digest| digest.strip_prefix("sha256:"));
    let hex = hex.expect("a digest");
    std::fs::write(layout.join("blobs/sha256").join(hex), bytes).expect("a file can be written");
    check("inspect-altered", &mut inspect(&layout));
    snapshots.finish();
}

fn inspect(layout: &Path) -> Command {
    let mut command = Command::new(place::xtask());
    command.env_clear().arg("inspect").arg(layout);
    command
}

#[test]
fn the_result_of_package_as_json() {
    let (project, folder) = (
        project(),
        tempfile::tempdir().expect("a folder can be made"),
    );
    let mut command = package(project.path(), &folder.path().join("layout"));
    let result = run::finish(command.args(["--output", "json"]), b"")
        .ended(0)
        .json();
    let mut snapshots = Snapshots::of("packager/results")
        .replace(&folder.path().display().to_string(), "[FOLDER]")
        .filter("(\"[a-z_]*(?:size|bytes)\": )[0-9]+", "$1\"[SIZE]\"");
    let text = serde_json::to_string_pretty(&result).expect("JSON can be written");
    snapshots.check("package.json", &text);
    snapshots.finish();
}
