//! Scripts and pickles that try to leave the sandbox: nothing of the machine is read or changed.
//!
//! Owns what the attempts are aimed at. The attempts are in `tests/data/scripts/attempts.py`.

use std::net::TcpListener;

use scorebox_tests::app::App;
use scorebox_tests::scripts::{app, check, packager, start_with};
use scorebox_tests::{pack, run};
use serde_json::json;

use super::answer;

/// A pickle of protocol 0 that runs a shell command when it is loaded. `{}` stands for the command.
const SHELL: &str = "cos\nsystem\n(S'{}'\ntR.";
/// A pickle that writes a file when it is loaded. `{}` stands for the path of the file.
const FILE: &str = "cbuiltins\nopen\n(S'{}'\nS'w'\ntR.";
/// A pickle that starts a process when it is loaded. `{}` stands for the path of its only argument.
const PROCESS: &str = "csubprocess\ncheck_call\n((lS'/usr/bin/touch'\naS'{}'\natR.";
/// A pickle that loads a library of the machine when it is loaded.
const LIBRARY: &str = "cctypes\nCDLL\n(S'libc.so.6'\ntR.";

#[test]
fn a_script_reaches_nothing_of_the_machine() {
    let pack = pack!();
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("secret.txt");
    std::fs::write(&file, "a secret of the machine").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let app = app("attempts", "model = \"model\"\n");
    app.write("model/labels.txt", b"one");
    let host = start_with(pack, app.path(), &[("SCOREBOX_TEST_SECRET", "hush")]);
    let port = listener.local_addr().unwrap().port();
    let reached = answer(&host, &json!({ "port": port, "file": file }));
    assert_eq!(reached, json!({ "init": {}, "run": {} }));
    assert!(listener.accept().is_err(), "nothing connected");
    untouched(&outside, 1);
    assert!(!app.path().join("written").exists() && !app.path().join("model/written").exists());
    // The host goes on.
    host.get("/readyz").expect(200);
}

#[test]
fn a_malicious_pickle_reaches_nothing_at_run_and_at_build() {
    let pack = pack!();
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("written");
    let command = format!("echo x > {}", file.display());
    let path = file.display().to_string();
    let pickles = [
        SHELL.replace("{}", &command),
        FILE.replace("{}", &path),
        PROCESS.replace("{}", &path),
        LIBRARY.to_owned(),
    ];
    let script = "import os, joblib, pickle\n\n\ndef init():\n    global model\n    \
                  path = os.path.join(os.environ['AZUREML_MODEL_DIR'], 'model.pkl')\n    \
                  model = pickle.load(open(path, 'rb'))\n\n\ndef run(data):\n    return str(model)\n";
    for pickle in pickles {
        let app = App::script("malicious", script, "model = \"model\"\n");
        app.write("model/model.pkl", pickle.as_bytes());
        // The pickle either fails, or gets an answer of the sandbox. Neither leaves a trace.
        check(pack, app.path());
        let output = outside.path().join("built");
        let words = ["build", "--app", &output.to_string_lossy()];
        packager(pack, app.path(), &words);
        if output.exists() {
            std::fs::remove_dir_all(&output).unwrap();
        }
        untouched(&outside, 0);
    }
}

/// Asserts that a folder has this number of files.
#[track_caller]
fn untouched(folder: &tempfile::TempDir, count: usize) {
    let mut list = run::tool("ls");
    let listed = run::finish(list.arg("-A").arg(folder.path()), b"").ended(0);
    assert_eq!(listed.stdout.lines().count(), count, "{}", listed.stdout);
}
