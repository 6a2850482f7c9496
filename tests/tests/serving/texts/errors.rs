//! Errors of `scorebox` about typical mistakes: problem, place and fix.
//!
//! Owns the list of mistakes. Must not know how they are found.

use std::net::TcpListener;
use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::host::{refused, scorebox, scorebox_alone};
use scorebox_tests::snapshot::{Snapshots, Transcript};
use scorebox_tests::{place, programs};

/// Manifests with one mistake each. Each is all that follows the name and the component.
const MANIFESTS: &[(&str, &str)] = &[
    ("A table is not closed.", "[limits\n"),
    ("A section is not known.", "[limit]\n"),
    ("A setting is misspelled.", "[limits]\nmemroy = \"64MiB\"\n"),
    ("A time has no unit.", "[limits]\ndeadline = 5\n"),
    ("A time is a word.", "[limits]\ndeadline = \"soon\"\n"),
    ("A size is a word.", "[limits]\nmemory = \"much\"\n"),
    ("A size is too large.", "[limits]\nmemory = \"64GiB\"\n"),
    ("A count is zero.", "[limits]\ninstances = 0\n"),
    ("A count is a text.", "[limits]\nqueue = \"x\"\n"),
    (
        "A choice is not known.",
        "[instances]\nisolation = \"none\"\n",
    ),
    (
        "A key is given twice.",
        "version = \"1\"\nversion = \"2\"\n",
    ),
    ("A trigger has one bracket.", "[trigger]\nkind = \"http\"\n"),
    ("A trigger has no kind.", "[[trigger]]\nroute = \"score\"\n"),
    ("A trigger is not known.", "[[trigger]]\nkind = \"timer\"\n"),
    (
        "A trigger has a setting of another kind.",
        "[[trigger]]\nkind = \"http\"\nqueue = \"in\"\n",
    ),
    (
        "A queue is missing.",
        "[[trigger]]\nkind = \"service-bus\"\n",
    ),
    ("A blob has no path.", "[[trigger]]\nkind = \"blob\"\n"),
    (
        "Two triggers have the same function.",
        "[[trigger]]\nkind = \"http\"\nroute = \"a\"\n[[trigger]]\nkind = \"http\"\nroute = \"a\"\n",
    ),
    (
        "A method is not known.",
        "[[trigger]]\nkind = \"http\"\nmethods = [\"fetch\"]\n",
    ),
    (
        "A URL is written into the manifest.",
        "[stores.default]\nurl = \"redis://cache:6379\"\n",
    ),
    (
        "A command is not allowed for scorers.",
        "[stores.default]\ncommands = [\"FLUSHALL\"]\n",
    ),
    ("A cache has no store.", "[prediction_cache]\n"),
    (
        "Batching has a setting that is not known.",
        "[batching]\nmax_size = 8\n",
    ),
    ("A base is not known.", "[package]\nbase = \"debian\"\n"),
];

#[test]
fn errors_of_the_manifest() {
    let mut cases = Transcript::default();
    let check = |cases: &mut Transcript, subject: &str, app: &Path| {
        cases.run(subject, &mut scorebox("check", app), b"");
    };
    for (subject, rest) in MANIFESTS {
        check(&mut cases, subject, &App::with(programs::MIRROR, rest));
    }
    let app = App::of(programs::MIRROR);
    for (subject, text) in [
        ("The manifest is empty.", ""),
        (
            "The scorer has no name.",
            "[scorer]\ncomponent = \"component.wasm\"\n",
        ),
        (
            "The name has capital letters.",
            "[scorer]\nname = \"Risk\"\n",
        ),
        (
            "There is neither component nor model.",
            "[scorer]\nname = \"risk\"\n",
        ),
        (
            "The component must be built.",
            "[scorer]\nname = \"x\"\ncomponent = { cargo = \".\" }\n",
        ),
        (
            "The component lies outside.",
            "[scorer]\nname = \"x\"\ncomponent = \"../c.wasm\"\n",
        ),
    ] {
        app.write("scorebox.toml", text.as_bytes());
        check(&mut cases, subject, &app);
    }
    app.remove("scorebox.toml");
    check(&mut cases, "The manifest is missing.", &app);
    check(&mut cases, "The folder is missing.", &app.join("nowhere"));
    compare("manifest", &cases, &[]);
}

#[test]
fn errors_of_components_and_models() {
    let mut cases = Transcript::default();
    let mut check = |subject: &str, app: &App| {
        let mut command = scorebox("check", app);
        let library = place::engine_library();
        cases.run(
            subject,
            command.env("SCOREBOX_ENGINE_LIBRARY", library),
            b"",
        );
    };
    check(
        "The component imports what no host has.",
        &App::of(programs::IMPORTER),
    );
    check(
        "The component has another world.",
        &App::of(programs::STRANGER),
    );
    check(
        "The store is not in the manifest.",
        &App::of(programs::KEYS),
    );
    check(
        "The component is a core module.",
        &App::made("core", b"\0asm\x01\0\0\0", ""),
    );
    check(
        "The component is not WebAssembly.",
        &App::made("text", b"#!/bin/sh\n", ""),
    );
    let impure = App::with(programs::IMPURE, "model = \"model\"\n");
    impure.write_digits_model();
    check("`describe` reads the model.", &impure);
    let weights = App::with(programs::WEIGHTS, "model = \"model\"\n");
    check("The model is missing.", &weights);
    weights.write("model/w.safetensors", b"not a model");
    check("The model is damaged.", &weights);
    check(
        "The graph is damaged.",
        &App::graph("g.onnx", b"no graph", ""),
    );
    let failing = App::with(programs::WAYWARD, "[config]\ninit = \"fail\"\n");
    check("`init` refuses its configuration.", &failing);
    compare("component", &cases, &[]);
}

#[test]
fn errors_of_serve() {
    let mut cases = Transcript::default();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let app = App::of(programs::MIRROR);
    // The log on standard output has times, so only standard error is compared.
    let mut serve = |subject: &str, flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = scorebox("serve", &app);
        command.args(flags).envs(variables.iter().copied());
        let mut ended = scorebox_tests::run::finish(&mut command, b"");
        ended.stdout.clear();
        cases.add(subject, &command, &ended);
    };
    serve("The port is taken.", &["--port", &port], &[]);
    serve("The port is too large.", &["--port", "70000"], &[]);
    serve("The flag is misspelled.", &["--prot", "80"], &[]);
    let variable = [("FUNCTIONS_CUSTOMHANDLER_PORT", "many")];
    serve(
        "The port of the Functions host is not a number.",
        &[],
        &variable,
    );
    let variable = [("SCOREBOX_LOG_FORMAT", "xml")];
    serve("The log format is not known.", &["--port", "0"], &variable);
    let variable = [("SCOREBOX_LOG", "loud")];
    serve("The log level is not known.", &["--port", "0"], &variable);
    let stores = App::with(programs::KEYS, "[stores.default]\n");
    for (subject, url) in [
        (
            "The URL of the store has no scheme.",
            "hunter2@cache.example:6380",
        ),
        (
            "The URL of the store has another scheme.",
            "http://:hunter2@cache.example",
        ),
        (
            "The port of the store is not a number.",
            "redis://:hunter2@cache.example:many",
        ),
    ] {
        let mut ended = refused(&stores, &[("SCOREBOX_REDIS_URL", url)]);
        ended.stdout.clear();
        cases.add(subject, &scorebox("serve", &stores), &ended);
    }
    cases.run("The app is not named.", &mut scorebox_alone("serve"), b"");
    cases.run(
        "The command is misspelled.",
        &mut scorebox_alone("serv"),
        b"",
    );
    compare("serve", &cases, &[(&port, "[PORT]")]);
}

#[test]
fn errors_of_invoke() {
    let mut cases = Transcript::default();
    let digits = App::example("digits", "");
    let wayward = App::with(programs::WAYWARD, "[limits]\ndeadline = \"200ms\"\n");
    let mut invoke = |subject: &str, app: &App, flags: &[&str], input: &str| {
        cases.run(
            subject,
            scorebox("invoke", app).args(flags),
            input.as_bytes(),
        );
    };
    invoke("The input is empty.", &digits, &[], "");
    invoke("The input is not JSON.", &digits, &[], "{\"data\": [");
    invoke("The input lacks a tensor.", &digits, &[], "{}");
    invoke(
        "The tensor has another shape.",
        &digits,
        &[],
        "{\"data\": [[1, 2, 3]]}",
    );
    invoke(
        "The tensor holds a text.",
        &digits,
        &[],
        "{\"data\": [[\"one\"]]}",
    );
    invoke(
        "The file is missing.",
        &digits,
        &["--input", "/nowhere/input.json"],
        "",
    );
    invoke(
        "The file has no flag.",
        &digits,
        &["/nowhere/input.json"],
        "",
    );
    invoke(
        "The content type is not known.",
        &digits,
        &["--content-type", "text/csv"],
        "1,2",
    );
    invoke(
        "The trigger is not known.",
        &digits,
        &["--trigger", "timer"],
        "{}",
    );
    invoke(
        "The app has no such trigger.",
        &digits,
        &["--trigger", "blob"],
        "{}",
    );
    let reject = "{\"do\": \"reject\", \"code\": \"no-such-customer\", \"message\": \"not known\"}";
    invoke("The scorer refuses the input.", &wayward, &[], reject);
    invoke("The scorer panics.", &wayward, &[], "{\"do\": \"panic\"}");
    invoke(
        "The scorer does not end.",
        &wayward,
        &[],
        "{\"do\": \"loop\"}",
    );
    compare("invoke", &cases, &[]);
}

/// Compares the errors with their snapshot. `placeholders` are for texts that vary.
#[track_caller]
fn compare(name: &str, cases: &Transcript, placeholders: &[(&str, &str)]) {
    let mut snapshots = Snapshots::of(&format!("serving/errors-{name}"));
    for (text, placeholder) in placeholders {
        snapshots = snapshots.replace(text, placeholder);
    }
    // A trap has a time, the line of the program, and a frame for each of its functions.
    let mut snapshots = snapshots
        .filter(r"/[^ `']*/\.tmp[A-Za-z0-9]{6}", "[APP]")
        .filter("[0-9-]{10}T[0-9:.]+Z", "[TIME]")
        .filter(r"(wayward\.rs):[0-9:]+", "$1:[LINE]")
        .filter(r"(\n +[0-9]+: +0x[^\n]*)+", "\n[FRAMES]");
    snapshots.check(name, cases.text());
    snapshots.finish();
}
