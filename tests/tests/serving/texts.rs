//! Texts that users of `scorebox` see, compared with snapshots.
//!
//! Owns the help, the settings and the API documents. Must not know why a text is as it is.

mod errors;

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, scorebox};
use scorebox_tests::snapshot::{Snapshots, check_help};
use scorebox_tests::{place, programs, run};

/// Sections whose settings `--explain` shows in another form than the default.
const SETTINGS: &str = r#"
[limits]
deadline = "2s"
memory = "64MiB"

[instances]
isolation = "call"

[stores.default]

[[trigger]]
kind = "service-bus"
queue = "applications"

[config]
threshold = "0.5"
"#;

#[test]
fn the_help_of_every_command() {
    let mut snapshots = Snapshots::of("serving/help");
    check_help(&mut snapshots, &place::host(), "scorebox", &[]);
    check_help(&mut snapshots, &place::image_host(), "image-scorebox", &[]);
    snapshots.finish();
}

#[test]
fn every_setting_explained() {
    // Times are nanoseconds of the files of the example, and sizes are those of its files.
    let mut snapshots = Snapshots::of("serving/settings")
        .filter("[0-9]{19}", "[TIME]")
        .filter("(size[^0-9\n]*)[0-9]{3,}", "$1[SIZE]")
        .filter(r"wasmtime [0-9.]+", "wasmtime [VERSION]");
    for (name, app) in [
        ("defaults", App::of(programs::MIRROR)),
        ("set", App::with(programs::KEYS, SETTINGS)),
        ("digits", App::example("digits", "")),
    ] {
        let mut check = scorebox("check", &app);
        let explained = run::finish(check.arg("--explain"), b"").ended(0);
        snapshots.check(name, &explained.stdout);
    }
    snapshots.finish();
}

#[test]
fn the_api_of_the_examples() {
    // The example of an input has 784 numbers.
    let mut snapshots =
        Snapshots::of("serving/openapi").filter(r"(\n +[-0-9.e]+,?){20,}", "\n[NUMBERS]");
    let triggers = "[[trigger]]\nkind = \"http\"\nroute = \"score\"\n\
                    [[trigger]]\nkind = \"http\"\nroute = \"risk\"\nmethods = [\"put\"]\n";
    for (name, app) in [
        ("digits", App::example("digits", "")),
        ("echo", App::example("echo", "")),
        ("features", App::example("features", "")),
        ("routes", App::with(programs::MIRROR, triggers)),
    ] {
        let host = Host::start(&app);
        let document = host.get("/openapi.json").expect(200).json();
        let text = serde_json::to_string_pretty(&document).expect("JSON can be written");
        snapshots.check(&format!("{name}.json"), &text);
    }
    snapshots.finish();
}
