//! A thousand damaged models: each is refused with a message, or proven to give the right answers.
//!
//! Owns the number of files of each form, and the allowed outcomes: no crash of the program that a
//! packager waits for, and no overrun of the time limit. ONNX files are checked as in `package`: by
//! a host's `check` with the scorer's sample, which tries them in a process of its own. Safetensors
//! files go through the same `check` of a component that reads them. NumPy's files go through
//! `convert`. Must not know how a form is read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};
use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::{invoke, scorebox};
use scorebox_tests::mutation::{Chance, mutated};
use scorebox_tests::onnx_hostile::{self, Hostile};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::zip_file::{self, Member};
use scorebox_tests::{bytes, numpy, onnx, place, safetensors, wait};
use serde_json::{Value, json};

/// Number of damaged files of each form. Together with the files made on purpose they are more than
/// a thousand.
const FILES: [(&str, usize); 11] = [
    ("logreg", 140),
    ("logreg-ovr", 70),
    ("logreg-zipmap", 90),
    ("mlp", 110),
    ("forest", 80),
    ("identity", 70),
    ("counting", 90),
    ("zeros", 70),
    ("safetensors", 160),
    ("npz", 200),
    ("npy", 120),
];

/// Time limit for loading a graph. A network needs some hundredths of it.
const INIT_DEADLINE: Duration = Duration::from_secs(8);
/// Additional time for starting two processes on a busy machine.
const STARTING: Duration = Duration::from_secs(60);

/// Numbers of outcomes for the files of one form.
#[derive(Debug, Default)]
struct Ends(Mutex<BTreeMap<&'static str, usize>>);

impl Ends {
    fn count(&self, end: &'static str) {
        *self.0.lock().unwrap().entry(end).or_default() += 1;
    }
}

/// Lock that lets one form at a time be tried: tests run in parallel, and these tests measure time.
static TURN: Mutex<()> = Mutex::new(());

/// Tries the listed number of files of a form, two at a time. `one` gets the number of each file.
fn each(form: &str, one: impl Fn(usize, &Ends) + Sync) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, count) = FILES
        .into_iter()
        .find(|(name, _)| *name == form)
        .expect("the form is listed");
    let (next, ends, started) = (AtomicUsize::new(0), Ends::default(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count)
                {
                    one(index, &ends);
                }
            });
        }
    });
    let tried: usize = ends.0.lock().unwrap().values().sum();
    assert_eq!(tried, count, "each has one end");
    println!(
        "{form}: {count} files in {:.1?}: {:?}",
        started.elapsed(),
        ends.0.lock().unwrap()
    );
}

#[test]
fn they_are_a_thousand() {
    assert!(FILES.iter().map(|(_, count)| count).sum::<usize>() >= 1000);
}

/// Returns the ranges with lengths, names and types. Nearly all of a large file is weights, or
/// trees for a forest.
fn structure(form: &str, whole: &[u8]) -> Vec<Range<usize>> {
    let all = 0..whole.len();
    match form {
        "forest" => vec![all.clone(), all, 0..600],
        _ if whole.len() < 8192 => vec![all],
        _ => vec![0..600, whole.len() - 2048..whole.len()],
    }
}

/// Returns an app whose model is a graph, with a sample of the whole graph's answers.
fn graph_app(whole: &[u8], inputs: &Value) -> App {
    let limits = format!(
        "[limits]\ninit_deadline = \"{}s\"\n[package]\nsample = \"sample.json\"\n",
        INIT_DEADLINE.as_secs()
    );
    let app = App::graph("m.onnx", whole, &limits);
    let outputs = invoke(&app, "application/json", inputs.to_string().as_bytes())
        .ended(0)
        .json();
    app.write(
        "sample.json",
        json!({ "inputs": inputs, "outputs": outputs })
            .to_string()
            .as_bytes(),
    );
    app
}

/// Runs the check that `package` runs on its staged folder.
fn check(app: &App) -> Finished {
    let started = Instant::now();
    let sample = app.path().join("sample.json");
    let mut command = scorebox("check", app);
    if sample.exists() {
        command.arg("--sample").arg(sample);
    }
    let finished = run::finish(command.args(["--output", "json"]), b"");
    let limit = INIT_DEADLINE * 2 + STARTING;
    assert!(
        started.elapsed() < limit,
        "{:?} is longer than {limit:?}: {finished:?}",
        started.elapsed()
    );
    finished
}

/// Returns the outcome that a refusal reports. The message must name the file and contain a fix.
#[track_caller]
fn refusal(finished: &Finished, file: &str, what: &str) -> &'static str {
    let said = &finished.stderr;
    assert!(
        said.contains(file) && said.contains("fix: "),
        "{what}: {finished:?}"
    );
    let ends = [
        ("crashed the process that tried it", "crashed"),
        ("more memory than", "out of memory"),
        ("was not loaded and run within", "out of time"),
        ("as it should", "answers otherwise"),
    ];
    ends.iter()
        .find(|(part, _)| said.contains(part))
        .map_or("refused", |(_, end)| end)
}

/// Damages a graph as often as is listed, and checks the outcomes.
fn damage_graph(form: &str, whole: &[u8], inputs: &Value) {
    // Each of the two threads has an app folder of its own.
    let apps = [graph_app(whole, inputs), graph_app(whole, inputs)].map(Mutex::new);
    check(&apps[0].lock().unwrap()).ended(0);
    let expected: Value = serde_json::from_slice(
        &std::fs::read(apps[0].lock().unwrap().path().join("sample.json")).unwrap(),
    )
    .unwrap();
    let structure = structure(form, whole);
    each(form, |index, ends| {
        let (what, bytes) = mutated(whole, &structure, &mut Chance::new(index as u64));
        let app = match apps[0].try_lock() {
            Ok(app) => app,
            Err(_) => apps[1].lock().unwrap(),
        };
        app.write("model/m.onnx", &bytes);
        let finished = check(&app);
        match finished.status.code() {
            Some(0) if bytes == whole => ends.count("unchanged"),
            Some(0) => {
                ends.count("proven equal");
                // Some files are also checked in another way than by the sample.
                if index % 8 == 0 {
                    let answer = invoke(&app, "application/json", inputs.to_string().as_bytes())
                        .ended(0)
                        .json();
                    is_near(&answer, &expected["outputs"], &what);
                }
            }
            Some(5) => ends.count(refusal(&finished, "m.onnx", &what)),
            _ => panic!("{form} {index}, {what}: {finished:?}"),
        }
    });
}

#[track_caller]
fn is_near(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{what}");
            found
                .iter()
                .zip(expected)
                .for_each(|(found, expected)| is_near(found, expected, what));
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{what}");
            found
                .values()
                .zip(expected.values())
                .for_each(|(found, expected)| is_near(found, expected, what));
        }
        _ => {
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
            let numbers = found.as_f64().zip(expected.as_f64());
            assert!(
                found == expected || numbers.is_some_and(|(a, b)| near(a, b)),
                "{what}: {found} is not {expected}"
            );
        }
    }
}

fn digits() -> Value {
    json!({ "X": sample().iter().map(|digit| digit.row()).collect::<Vec<_>>() })
}

#[test]
fn damaged_regressions() {
    for form in ["logreg", "logreg-ovr", "logreg-zipmap"] {
        damage_graph(form, &onnx::trained(form), &digits());
    }
}

#[test]
fn damaged_networks_and_forests() {
    damage_graph("mlp", &onnx::trained("mlp"), &digits());
    damage_graph("forest", &onnx::trained("forest"), &digits());
}

#[test]
fn damaged_small_graphs() {
    damage_graph(
        "identity",
        &onnx::identity(onnx::element::FLOAT),
        &json!({ "x": [[1.5, -2.0], [3.0, 0.0]] }),
    );
    damage_graph(
        "counting",
        &onnx::counting(),
        &json!({ "n": 3, "x": [1.0] }),
    );
    damage_graph("zeros", &onnx::zeros(), &json!({ "n": [3] }));
}

#[test]
fn graphs_made_on_purpose_are_refused_for_what_they_do() {
    let limits = "[limits]\ninit_deadline = \"4s\"\n";
    let mut wrong = Vec::new();
    for Hostile { name, file, said } in onnx_hostile::all() {
        let app = App::graph("m.onnx", &file, limits);
        let finished = check(&app);
        let code = finished.status.code();
        match said {
            Some(said) if code == Some(5) && finished.stderr.contains(said) => {
                println!("{name}: {}", refusal(&finished, "m.onnx", name));
            }
            None if code == Some(0) => println!("{name}: loads"),
            _ => wrong.push((name, finished)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn weights_outside_of_the_models_folder_are_not_read() {
    let floats = bytes!(f32: 1.0, 2.0, 3.0, 4.0);
    let app = App::graph("m.onnx", &onnx_hostile::external("w.bin"), "");
    app.write("model/w.bin", &floats);
    app.write("secret.bin", &floats);
    check(&app).ended(0);
    let absolute = app.path().join("secret.bin");
    for location in [
        "../secret.bin",
        "../../../../../../../../etc/passwd",
        "x/../../secret.bin",
        absolute.to_str().unwrap(),
    ] {
        app.write("model/m.onnx", &onnx_hostile::external(location));
        let finished = check(&app);
        println!("{location}: {}", finished.stderr.trim());
        finished.ended(5).said(&["m.onnx", "fix: "]);
    }
}

/// Checks the packager's own message and exit code for each outcome of a trial.
#[test]
fn the_packager_tells_how_a_trial_ended_and_stays_alive() {
    let package = |app: &App| {
        let mut command = Command::new(place::xtask());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .args(["package", "--manifest"])
            .arg(app.path().join("scorebox.toml"));
        command
            .arg("--layout")
            .arg(app.path().join("image"))
            .arg("--host")
            .arg(place::host());
        command.arg("--engine-library").arg(place::engine_library());
        run::finish(&mut command, b"")
    };
    let limits = "[limits]\ninit_deadline = \"3s\"\n[package]\nsample = \"sample.json\"\n";
    let app = App::graph("m.onnx", &onnx::identity(onnx::element::FLOAT), limits);
    let sample =
        |outputs: &str| format!("{{\"inputs\": {{\"x\": [[1, 2]]}}, \"outputs\": {outputs}}}");
    app.write("sample.json", sample("[[1, 2.00001]]").as_bytes());
    package(&app).ended(0);
    app.write("sample.json", sample("[[1, 2.1]]").as_bytes());
    let otherwise = "does not answer";
    package(&app).ended(3).said(&[
        "m.onnx",
        otherwise,
        "sample.json as it should: /0/1 is 2.0",
        "2.1",
        "fix: convert",
    ]);
    app.write("sample.json", b"{\"inputs\": {\"x\": [[1, 2, 3]]}}");
    package(&app)
        .ended(3)
        .said(&["m.onnx", otherwise, "[N, 2]"]);
    app.write("sample.json", b"{\"inputs\": {\"x\": [[1, 2]]}}");
    package(&app).ended(0);
    app.write("sample.json", b"no sample");
    package(&app)
        .ended(3)
        .said(&["sample.json: is no sample", "fix: write {\"inputs\""]);
    app.remove("sample.json");
    package(&app)
        .ended(3)
        .said(&["sample.json", "No such file"]);
    app.write("sample.json", b"{\"inputs\": {\"x\": [1]}}");
    for Hostile { name, file, said } in onnx_hostile::all() {
        let Some(said) = said else { continue };
        app.write("model/m.onnx", &file);
        let finished = package(&app);
        assert_eq!(finished.status.code(), Some(3), "{name}: {finished:?}");
        finished.said(&["m.onnx", said, "fix: "]);
    }
}

/// Returns the process that tries a file, started by this `check`.
fn trial_of(check: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", check.id());
    wait::until("a trial", || {
        let children = std::fs::read_to_string(&path).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    })
}

#[test]
fn a_crash_is_told_and_no_trial_outlives_the_one_who_waits() {
    let app = App::graph(
        "m.onnx",
        &onnx_hostile::endless(),
        "[limits]\ninit_deadline = \"60s\"\n",
    );
    let start = || {
        scorebox("check", &app)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for signal in [Signal::SEGV, Signal::ABORT] {
        let mut check = start();
        let trial = rustix::process::pidfd_open(trial_of(&check), PidfdFlags::empty()).unwrap();
        // Rust's own SEGV handler returns from the first signal, because a real fault would repeat.
        // A signal that was sent does not repeat, so it is sent again.
        wait::until("the end", || {
            let _ = rustix::process::pidfd_send_signal(&trial, signal);
            check.try_wait().unwrap()
        });
        let ended = check.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(5), "{said}");
        let parts = [
            "m.onnx: crashed the process that tried it",
            &format!("signal: {}", signal.as_raw()),
            "fix: convert",
        ];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let mut check = start();
    let trial = trial_of(&check);
    check.kill().unwrap();
    check.wait().unwrap();
    // The process that inherits the trial may take a moment to notice its end.
    let stat = format!("/proc/{}/stat", trial.as_raw_nonzero());
    let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    wait::until("the trial's end", || (!runs()).then_some(()));
}

/// Returns an app of the program `weights` with a model of several types, and a sample that reads
/// all of it.
fn reading(model: &str, bytes: &[u8]) -> App {
    let app = App::with(
        "weights",
        "model = \"model\"\nsnapshot = false\n[package]\nsample = \"sample.json\"\n",
    );
    app.write(model, bytes);
    let tensors = invoke(&app, "application/json", b"[{\"read\": \"tensors\"}]")
        .ended(0)
        .json()[0]["ok"]
        .clone();
    let names = tensors
        .as_array()
        .unwrap()
        .iter()
        .map(|tensor| tensor["name"].clone());
    let reads: Vec<Value> = std::iter::once(json!({"read": "tensors"}))
        .chain(names.map(|name| json!({"read": "whole-numbers", "name": name})))
        .collect();
    let outputs = invoke(
        &app,
        "application/json",
        json!(reads).to_string().as_bytes(),
    )
    .ended(0)
    .json();
    app.write(
        "sample.json",
        json!({ "inputs": reads, "outputs": outputs, "tolerance": 0 })
            .to_string()
            .as_bytes(),
    );
    app
}

#[test]
fn damaged_tensors() {
    use safetensors::Dtype;
    let whole = safetensors::file(&[
        (
            "coef",
            Dtype::F32,
            &[2, 3],
            bytes!(f32: 0.1, 0.2, 0.3, 1.0, 2.0, 3.0),
        ),
        ("intercept", Dtype::F64, &[], bytes!(f64: -0.5)),
        ("classes", Dtype::I64, &[2], bytes!(i64: 3, 8)),
        ("flags", Dtype::BOOL, &[3], vec![1, 0, 1]),
    ]);
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let structure = [0..8, 0..header, 0..header, header..whole.len()];
    let file = "model/m.safetensors";
    let apps = [reading(file, &whole), reading(file, &whole)].map(Mutex::new);
    check(&apps[0].lock().unwrap()).ended(0);
    each("safetensors", |index, ends| {
        let (what, bytes) = mutated(&whole, &structure, &mut Chance::new(index as u64));
        let app = match apps[0].try_lock() {
            Ok(app) => app,
            Err(_) => apps[1].lock().unwrap(),
        };
        app.write(file, &bytes);
        let finished = check(&app);
        match finished.status.code() {
            Some(0) => ends.count("proven equal"),
            Some(5) => ends.count(refusal(&finished, "m.safetensors", &what)),
            Some(4) => ends.count(refusal(&finished, "sample.json", &what)),
            _ => panic!("{index}, {what}: {finished:?}"),
        }
    });
}

/// Converts a file in little address space. Returns the written file too, if there is one.
fn convert(file: &Path, output: &Path) -> (Finished, Option<Vec<u8>>) {
    let started = Instant::now();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 524288 && exec \"$0\" convert \"$@\""])
        .arg(place::xtask());
    let finished = run::finish(
        command
            .arg(file)
            .arg("--output")
            .arg(output)
            .args(["--name", "m", "--force"]),
        b"",
    );
    assert!(started.elapsed() < STARTING, "{finished:?}");
    let written = finished
        .status
        .success()
        .then(|| std::fs::read(finished.stdout.trim_end()).unwrap());
    (finished, written)
}

#[test]
fn damaged_archives_of_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let array = |shape: &str, data: &[f32]| {
        numpy::file(
            "<f4",
            shape,
            true,
            &data
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect::<Vec<_>>(),
        )
    };
    let (coef, bias) = (
        array("(2, 3)", &[0.1, 0.2, 0.3, 1.0, 2.0, 3.0]),
        array("(2,)", &[0.5, -0.5]),
    );
    let small = zip_file::archive(&[
        Member::deflated("coef.npy", &coef),
        Member::stored("bias.npy", &bias),
    ]);
    let numpys = std::fs::read(numpy::made("deflated.npz")).unwrap();
    let wholes = [
        (small.clone(), std::iter::once(0..small.len()).collect()),
        (
            numpys.clone(),
            vec![0..400, numpys.len() - 600..numpys.len()],
        ),
    ];
    let whole = |index: usize| {
        let file = folder.path().join(format!("whole-{index}.npz"));
        std::fs::write(&file, &wholes[index].0).unwrap();
        convert(&file, &folder.path().join("whole"))
            .1
            .expect("a whole file is converted")
    };
    let expected = [whole(0), whole(1)];
    each("npz", |index, ends| {
        let (bytes, structure) = &wholes[index % 2];
        let (what, damaged) = mutated(bytes, structure, &mut Chance::new(index as u64));
        let file = folder.path().join(format!("damaged-{index}.npz"));
        std::fs::write(&file, &damaged).unwrap();
        match convert(&file, &folder.path().join(index.to_string())) {
            // An archive has checksums, so a file that passes is unchanged.
            (_, Some(written)) => {
                assert!(
                    written == expected[index % 2],
                    "{index}, {what}: other tensors"
                );
                ends.count("proven equal");
            }
            (finished, None) => {
                assert_eq!(
                    finished.status.code(),
                    Some(3),
                    "{index}, {what}: {finished:?}"
                );
                ends.count(refusal(&finished, &format!("damaged-{index}.npz"), &what));
            }
        }
    });
}

#[test]
fn damaged_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u8> = (0..40)
        .flat_map(|x| (f64::from(x) / 8.0).to_be_bytes())
        .collect();
    let whole = numpy::file(">f8", "(5, 8)", true, &values);
    let place = folder.path().join("whole.npy");
    std::fs::write(&place, &whole).unwrap();
    let expected = convert(&place, &folder.path().join("whole"))
        .1
        .expect("a whole file is converted");
    let app = Mutex::new(reading("model/m.safetensors", &expected));
    check(&app.lock().unwrap()).ended(0);
    let header = whole.len() - values.len();
    each("npy", |index, ends| {
        let (what, damaged) = mutated(
            &whole,
            &[0..80, 0..header, header..whole.len()],
            &mut Chance::new(index as u64),
        );
        let file = folder.path().join(format!("damaged-{index}.npy"));
        std::fs::write(&file, &damaged).unwrap();
        match convert(&file, &folder.path().join(index.to_string())) {
            (_, Some(written)) if written == expected => ends.count("proven equal"),
            // An array has no checksum, and other numbers are valid numbers. Only the scorer's
            // sample finds the difference.
            (_, Some(written)) => {
                let app = app.lock().unwrap();
                app.write("model/m.safetensors", &written);
                let finished = check(&app);
                match finished.status.code() {
                    // The changed bit of a double does not show in a float.
                    Some(0) => ends.count("proven equal"),
                    Some(4) => ends.count(refusal(&finished, "sample.json", &what)),
                    _ => panic!("{index}, {what}: {finished:?}"),
                }
            }
            (finished, None) => {
                assert_eq!(
                    finished.status.code(),
                    Some(3),
                    "{index}, {what}: {finished:?}"
                );
                ends.count(refusal(&finished, &format!("damaged-{index}.npy"), &what));
            }
        }
    });
}
