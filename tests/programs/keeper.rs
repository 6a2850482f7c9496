//! A scorer whose `init` does what the model's file `keep` says. A snapshot cannot keep most of it.
//!
//! Owns one deed for each rule of snapshots. It answers with what `init` left, and with the number
//! of calls of this instance.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use scorebox_guest::cache::Bucket;
use scorebox_guest::{
    Error, Invocation, Json, Result, Scorer, Signature, config, export_scorer, log, metrics, model,
};
use serde_json::{Value, json};

struct Keeper {
    kept: Kept,
    calls: u64,
}

/// State that is alive after `init`.
enum Kept {
    Table(BTreeMap<String, f32>),
    Random(HashMap<String, f32>),
    Tensor(model::Tensor),
    Bucket(Bucket),
    Nothing,
}

impl Scorer for Keeper {
    type Input = Json<Value>;
    type Output = Json<Value>;

    fn describe() -> Signature {
        Signature::json()
    }

    fn init() -> Result<Self> {
        let keep = String::from_utf8(model::read_file("keep")?).unwrap_or_default();
        let coef = || -> Result<Vec<f32>> { Ok(model::Tensor::open("coef")?.floats()?) };
        let kept = match keep.trim() {
            "table" => {
                log::info!("init reads the model");
                Kept::Table([("sum".to_owned(), coef()?.iter().sum())].into())
            }
            "hash-map" => Kept::Random([("sum".to_owned(), coef()?.iter().sum())].into()),
            "clock" => {
                log::info!("{:?}", SystemTime::now());
                Kept::Nothing
            }
            "tensor" => Kept::Tensor(model::Tensor::open("coef")?),
            "bucket" => Kept::Bucket(Bucket::open("default")?),
            "lazy-bucket" => Kept::Bucket(Bucket::lazy("default")),
            "setting" => {
                config::text("init")?;
                Kept::Nothing
            }
            "metric" => {
                metrics::count("made", 1, &[]);
                Kept::Nothing
            }
            "print" => {
                println!("init prints");
                Kept::Nothing
            }
            "fail" => {
                return Err(Error::failed("told-to-fail", "init fails as told")
                    .with_detail("the file says so"));
            }
            "panic" => panic!("init panics as told"),
            "grow" => {
                let mut blocks: Vec<Vec<u8>> = Vec::new();
                loop {
                    blocks.push(vec![1; 1 << 20]);
                }
            }
            "loop" => loop {
                std::hint::black_box(());
            },
            other => return Err(Error::failed("no-such-deed", other)),
        };
        Ok(Self { kept, calls: 0 })
    }

    fn run(&mut self, _call: &Invocation, _input: Json<Value>) -> Result<Json<Value>> {
        self.calls += 1;
        let kept = match &self.kept {
            Kept::Table(table) => json!(table),
            Kept::Random(table) => json!(table),
            Kept::Tensor(tensor) => json!(tensor.floats()?.len()),
            Kept::Bucket(bucket) => json!(bucket.increment("calls", 1)?),
            Kept::Nothing => json!(null),
        };
        Ok(Json(json!({ "kept": kept, "calls": self.calls })))
    }
}

export_scorer!(Keeper);
