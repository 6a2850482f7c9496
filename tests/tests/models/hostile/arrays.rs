//! Damaged safetensors files, and damaged files of NumPy.
//!
//! Owns the scorer that reads all of a file, and the conversion in little address space.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use scorebox_tests::app::App;
use scorebox_tests::host::invoke;
use scorebox_tests::mutation::{Chance, mutated};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::zip_file::{self, Member};
use scorebox_tests::{bytes, numpy, place, programs, safetensors};
use serde_json::{Value, json};

use super::{STARTING, check, each, refusal};

/// Returns an app of the program `weights` with a model of several types, and a sample that reads
/// all of it.
fn reading(model: &str, bytes: &[u8]) -> App {
    let app = App::with(
        programs::WEIGHTS,
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
