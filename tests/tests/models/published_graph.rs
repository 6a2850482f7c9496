//! A published model from another project, served without changes: Magika, which recognises kinds
//! of files.
//!
//! Owns the steps before the model, as in its own program, and files of known kinds. Must not know
//! the graph inside. The model (Apache-2.0) is downloaded for the test and is not part of this
//! repository.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::wheel::Wheel;
use scorebox_tests::{onnx, place, programs, require, skip};
use serde_json::{Value, json};

const MAGIKA: Wheel = Wheel {
    requirement: "magika==1.0.3",
    name: "magika-1.0.3-py3-none-manylinux_2_28_x86_64.whl",
    digest: "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
};

/// Folder of the model inside the package.
const FOLDER: &str = "magika/models/standard_v3_3";

/// Number of bytes that are read at each end of a file. The model sees the first or last `SEEN`
/// bytes of them.
const BLOCK: usize = 4096;
const SEEN: usize = 1024;
/// Value for positions after the end of a file.
const PADDING: u16 = 256;

/// Returns the model's input: the first and the last bytes of a file, without white space around
/// it.
fn features(file: &[u8]) -> Vec<u16> {
    let padded = |bytes: &[u8]| {
        (
            vec![PADDING; SEEN - bytes.len()],
            bytes.iter().map(|byte| u16::from(*byte)).collect(),
        )
    };
    let start = file[..file.len().min(BLOCK)].trim_ascii_start();
    let end = file[file.len().saturating_sub(BLOCK)..].trim_ascii_end();
    let (after, start): (_, Vec<u16>) = padded(&start[..start.len().min(SEEN)]);
    let (before, end): (_, Vec<u16>) = padded(&end[end.len().saturating_sub(SEEN)..]);
    [start, after, before, end].concat()
}

#[test]
fn kinds_of_files_are_told() {
    require!("python3");
    let package = tempfile::tempdir().unwrap();
    if let Err(reason) = MAGIKA.unpack(package.path()) {
        return skip::skip(&reason);
    }
    let read = |file: &str| {
        std::fs::read(package.path().join(FOLDER).join(file)).expect("the package has it")
    };
    let config: Value = serde_json::from_slice(&read("config.min.json")).expect("JSON");
    // On a busy machine the first run of a graph takes seconds.
    let settings = "[limits]\ndeadline = \"60s\"\n";
    let app = App::graph("filetype.onnx", &read("model.onnx"), settings);
    let host = Host::start(&app);

    let own = |file: &str| std::fs::read(place::workspace().join(file)).expect("the file is there");
    let python = b"import sys\n\n\ndef main(names):\n    for name in names:\n        print(f\"hello, {name}\")\n\n\n\
        if __name__ == \"__main__\":\n    main(sys.argv[1:])\n";
    let pdf = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\n\
        endobj\nxref\n0 3\ntrailer\n<< /Size 3 /Root 1 0 R >>\nstartxref\n110\n%%EOF\n";
    let cases = [
        (
            "csv",
            b"name,age,city\nAnna,41,Basel\nBeat,29,Bern\nCarla,35,Chur\n".to_vec(),
        ),
        (
            "elf",
            std::fs::read(place::host()).expect("the host is there"),
        ),
        ("gzip", own("tests/data/graphs/forest.onnx.gz")),
        ("json", own("tests/data/digits-sample.json")),
        ("markdown", own("README.md")),
        ("onnx", onnx::trained("logreg")),
        ("pdf", pdf.to_vec()),
        ("python", python.to_vec()),
        ("rust", own("xtask/src/main.rs")),
        ("shell", own(".cargo/rustc")),
        ("toml", own("Cargo.toml")),
        (
            "wasm",
            std::fs::read(place::program(programs::WAYWARD)).expect("the component is there"),
        ),
    ];
    let files: Vec<_> = cases.iter().map(|(_, file)| features(file)).collect();
    let answer = host.score(&json!({ "bytes": files })).expect(200).json();
    for (index, (kind, _)) in cases.iter().enumerate() {
        let probabilities = answer[index].as_array().expect("a list for each file");
        let number = |value: &Value| value.as_f64().expect("a number");
        let best = (0..probabilities.len())
            .max_by(|a, b| number(&probabilities[*a]).total_cmp(&number(&probabilities[*b])));
        let best = best.expect("there are kinds");
        assert_eq!(
            config["target_labels_space"][best], *kind,
            "{probabilities:?}"
        );
        assert!(
            number(&probabilities[best]) > 0.5,
            "{kind}: {}",
            probabilities[best]
        );
    }
}
