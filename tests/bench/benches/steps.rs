//! Benchmarks of the steps of one call, each by itself, in this process and through the public
//! interface of the host's library.
//!
//! Owns what is timed. Reads the app folder of the example `digits` from SCOREBOX_BENCH_APP, which
//! `cargo xtask bench` sets. A call through `Scorer::run` includes what that does around the guest:
//! admission, parsing and rendering.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use divan::Bencher;
use scorebox_bench::logreg::{CLASSES, PIXELS};
use scorebox_bench::scoring::{self, Digits};
use scorebox_bench::serving::Scores as _;
use scorebox_host::app::App;
use scorebox_host::call::{Invocation, Payload, Source};
use scorebox_host::codec::Reply;
use scorebox_host::codec::open_inference::ModelName;
use scorebox_host::manifest::{Isolation, Manifest};
use scorebox_host::model::Dtype;
use scorebox_host::scorer::signature::TensorSignature;
use scorebox_host::tensor::{Port, Tensor};
use tokio::runtime::{Builder, Runtime};

/// Name of the environment variable that holds the path of the app folder.
const APP_VARIABLE: &str = "SCOREBOX_BENCH_APP";

/// Body of one request with a real digit, as callers send it.
const SEVEN: &str = include_str!("../../../guest/examples/digits/src/seven.json");

/// Runtime with one thread, because one caller at a time can use no more.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a thread can be started")
});

fn main() -> ExitCode {
    if app().is_none() {
        eprintln!(
            "error: {APP_VARIABLE} names no app folder\n  fix: run `cargo xtask bench --steps`, which builds one"
        );
        return ExitCode::from(2);
    }
    divan::main();
    ExitCode::SUCCESS
}

/// Times the decoding of a body to a tensor.
#[divan::bench]
fn parse(bencher: Bencher) {
    let data = Port::new("data", Dtype::F32, vec![None, Some(PIXELS as u64)]);
    let signature = scoring::signature(data);
    bencher.bench_local(|| {
        scoring::parse(&signature, divan::black_box(SEVEN).into()).expect("the body fits")
    });
}

/// Number of rows of a body of columns.
const ROWS: usize = 1000;

/// Returns the signature of a model of four columns, which are inputs of their own.
fn columns() -> TensorSignature {
    let mut signature = scoring::signature(Port::new("age", Dtype::I64, vec![None, Some(1)]));
    for (name, dtype) in [
        ("income", Dtype::F32),
        ("city", Dtype::Text),
        ("plan", Dtype::Text),
    ] {
        let port = Port::new(name, dtype, vec![None, Some(1)]);
        signature.inputs.push(port);
    }
    signature
}

/// Returns the values of a row, with their names.
fn row(index: usize) -> [(&'static str, String); 4] {
    let cents = index * 7919 % 100_000;
    [
        ("age", (20 + index % 60).to_string()),
        (
            "income",
            format!("{}.{:02}", 20_000 + cents / 7, cents % 100),
        ),
        (
            "city",
            ["\"Berlin\"", "\"Bonn\"", "\"Ulm\""][index % 3].to_owned(),
        ),
        ("plan", ["\"basic\"", "\"pro\""][index % 2].to_owned()),
    ]
}

/// Times a body of rows with one list for each column, in Azure ML's format. Divide by the size of
/// the body to compare it with [`parse_records`].
#[divan::bench]
fn parse_columns(bencher: Bencher) {
    let column = |place: usize| {
        let values: Vec<_> = (0..ROWS)
            .map(|index| format!("[{}]", row(index)[place].1))
            .collect();
        format!("\"{}\": [{}]", row(0)[place].0, values.join(", "))
    };
    let body = format!("{{{}}}", [0, 1, 2, 3].map(column).join(", "));
    parse_rows(bencher, body);
}

/// Times a body with the rows of [`parse_columns`] as records.
#[divan::bench]
fn parse_records(bencher: Bencher) {
    let record = |index: usize| {
        let fields = row(index).map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", fields.join(", "))
    };
    let records: Vec<_> = (0..ROWS).map(record).collect();
    parse_rows(bencher, format!("[{}]", records.join(", ")));
}

fn parse_rows(bencher: Bencher, body: String) {
    let (signature, body) = (columns(), bytes::Bytes::from(body));
    let counter = divan::counter::BytesCount::new(body.len());
    bencher.counter(counter).bench_local(|| {
        scoring::parse(&signature, divan::black_box(&body).clone()).expect("the body fits")
    });
}

/// Times the encoding of tensors to an answer.
#[divan::bench]
fn render(bencher: Bencher) {
    let probabilities: Vec<u8> = (1..=CLASSES)
        .flat_map(|class| (class as f32 / 55.0).to_le_bytes())
        .collect();
    let tensors = vec![
        Tensor {
            name: "label".into(),
            dtype: Dtype::I64,
            shape: vec![1],
            data: 7_i64.to_le_bytes().into(),
        },
        Tensor {
            name: "probabilities".into(),
            dtype: Dtype::F32,
            shape: vec![1, CLASSES as u64],
            data: probabilities,
        },
    ];
    let name = ModelName {
        name: "digits".to_owned(),
        version: String::new(),
    };
    let reply = Reply::default();
    let answer = || tensors.clone();
    bencher
        .with_inputs(answer)
        .bench_local_values(|tensors| scoring::render(&reply, &name, tensors));
}

/// Times the whole call of the native reference program: parse, predict, render.
#[divan::bench]
fn native_call(bencher: Bencher) {
    let file = app()
        .expect("main has looked")
        .join("model/logreg.safetensors");
    let digits = Digits::read(&file).expect("the app holds its model");
    bencher.bench_local(|| {
        digits
            .score(divan::black_box(SEVEN).into())
            .expect("the body fits")
    });
}

/// Times a call of an instance that has served before.
#[divan::bench]
fn warm_call(bencher: Bencher) {
    let app = load(Isolation::Warm);
    call(&app);
    bencher.bench_local(|| call(&app));
}

/// Times a call with an instance of its own, created for it and dropped after it.
#[divan::bench]
fn call_isolated(bencher: Bencher) {
    let app = load(Isolation::Call);
    call(&app);
    bencher.bench_local(|| call(&app));
}

/// Times one instance, created and dropped. If calls are isolated, no instance is kept.
#[divan::bench]
fn instantiate(bencher: Bencher) {
    let app = load(Isolation::Call);
    bencher.bench_local(|| {
        RUNTIME
            .block_on(app.scorer.warm_up())
            .expect("an instance can be made")
    });
}

fn app() -> Option<PathBuf> {
    std::env::var_os(APP_VARIABLE)
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir())
}

fn load(isolation: Isolation) -> App {
    let folder = app().expect("main has looked");
    let mut manifest = Manifest::read(&folder).expect("the app has a manifest");
    manifest.instances.isolation = isolation;
    RUNTIME.block_on(async {
        let app = App::load(manifest, &|_: &str| None, RUNTIME.handle().clone())
            .await
            .expect("the app can be loaded");
        app.scorer.warm_up().await.expect("init succeeds");
        app
    })
}

fn call(app: &App) -> Payload {
    let invocation = Invocation::new("bench".to_owned(), Source::Direct);
    let payload = Payload {
        content_type: "application/json".to_owned(),
        body: SEVEN.into(),
    };
    RUNTIME
        .block_on(app.scorer.run(invocation, payload))
        .expect("a seven is scored")
        .payload
}
