//! Everything that a scorer in Python or JavaScript can use, on a real host with a real Redis.
//!
//! Owns one tensor scorer in each language, which returns a number for each capability. Must not
//! know the limits of a capability: scorers in Rust try them.

use std::path::Path;
use std::time::Duration;

use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{extent, place, require, run};
use serde_json::{Value, json};

use super::{created, edit, xtask};

/// Additional settings of the scorers.
const SETTINGS: &str = "\n[config]\nlimit = \"7\"\n\n[stores.default]\ncommands = [\"@all\"]\n";

/// Numbers that each scorer returns with its first call, in the order of its source.
const FACTS: [u32; 19] = [1, 0, 1, 1, 1, 2, 5, 2, 3, 5, 0, 2, 2, 1, 1, 3, 7, 71, 1];

const PYTHON: &str = r#"
from scorebox_guest import (
    Dtype, InputPort, NamedTensor, Port, ScoreError, TensorScorer, TensorSignature,
    cache, config, graphs, log, metrics, model, redis,
)


class Everything(TensorScorer):
    def describe(self):
        inputs = [InputPort("x", Dtype.F32, [None, 3])]
        outputs = [Port("probability", Dtype.F32, [None, 1]), Port("facts", Dtype.I64, [None])]
        return TensorSignature(inputs, outputs)

    def init(self):
        self.store, self.redis = cache.Bucket(), redis.Connection()
        self.limit = config.number("limit")

    def run(self, calls, inputs):
        x, store, connection = inputs[0], self.store, self.redis
        outputs = graphs.run("risk", [NamedTensor.of("X", x.values(), x.shape)])
        probability = graphs.output(outputs, "probability")
        facts = [
            store.set("word", "value", ttl=60, only_if="absent"),
            store.set("word", "other", only_if="absent"),
            store.get("word") == b"value",
            0 < store.lifetime("word") <= 60,
            store.touch("word", 30),
            store.increment("n", 2),
            store.increment("m", 5, ttl=60),
        ]
        store.set_many({"a": "1", "b": b"2"})
        facts += [
            len(store.get_many(["a", "b", "c"])),
            int(store.update("n", lambda held: str(int(held) + 1))),
            len(store.keys()),
        ]
        store.delete_many(["a", "b"])
        missing, wrong = connection.pipeline([["GET", "none"], ["INCR", "word"]])
        facts += [
            store.exists("a"),
            connection.execute("RPUSH", "l", "a", b"b"),
            len(connection.execute("LRANGE", "l", 0, -1)),
            missing is None,
            isinstance(wrong, ScoreError),
            sum(connection.transaction([["INCR", "t"], ["INCR", "t"]])),
            self.limit,
            len(model.info().digest),
            graphs.all()[0].inputs[0].name == "X",
        ]
        metrics.count("calls")
        log.info("everything works")
        numbers = [int(fact) for fact in facts]
        return [
            NamedTensor.of("probability", probability.values(), probability.shape),
            NamedTensor.of("facts", numbers, [len(numbers)], Dtype.I64),
        ]
"#;

const JAVASCRIPT: &str = r"
import {
  Bucket, Connection, ScoreError, config, decode, graphs, log, metrics, model, tensor, tensorScorer,
} from '@scorebox/guest';

const store = new Bucket();
const connection = new Connection();
let limit;

const everything = tensorScorer({
  describe: () => ({
    inputs: [{ name: 'x', dtype: 'f32', shape: [null, 3] }],
    outputs: [
      { name: 'probability', dtype: 'f32', shape: [null, 1] },
      { name: 'facts', dtype: 'i64', shape: [null] },
    ],
  }),

  init() {
    limit = config.number('limit');
  },

  run(calls, [x]) {
    const { probability } = graphs.run('risk', [tensor('X', x.values, { shape: x.shape })]);
    const facts = [
      store.set('word', 'value', { ttl: 60, onlyIf: 'absent' }),
      store.set('word', 'other', { onlyIf: 'absent' }),
      store.getText('word') === 'value',
      store.lifetime('word') > 0 && store.lifetime('word') <= 60,
      store.touch('word', 30),
      store.increment('n', 2),
      store.increment('m', 5, { ttl: 60 }),
    ];
    store.setMany({ a: '1', b: new Uint8Array([50]) });
    facts.push(
      store.getMany(['a', 'b', 'c']).size,
      Number(decode(store.update('n', (held) => String(Number(decode(held)) + 1)))),
      store.keys().length,
    );
    store.deleteMany(['a', 'b']);
    const [missing, wrong] = connection.pipeline([['GET', 'none'], ['INCR', 'word']]);
    facts.push(
      store.exists('a'),
      connection.execute('RPUSH', 'l', 'a', 'b'),
      connection.execute('LRANGE', 'l', 0, -1).length,
      missing === null,
      wrong instanceof ScoreError,
      connection.transaction([['INCR', 't'], ['INCR', 't']]).reduce((sum, one) => sum + one, 0),
      limit,
      model.info().digest.length,
      graphs.all()[0].inputs[0].name === 'X',
    );
    metrics.count('calls');
    log.info('everything works');
    return [
      tensor('probability', probability.values, { shape: probability.shape }),
      tensor('facts', facts.map(Number), { dtype: 'i64' }),
    ];
  },
});

export { everything as tensorScorer };
";

/// Builds the project of a template whose script is replaced by `text`, and checks its answer.
#[track_caller]
fn check(template: &str, script: &str, text: &str, change: impl Fn(&Path)) {
    let (dir, project) = created(template);
    std::fs::write(project.join(script), text).unwrap();
    let manifest = project.join("scorebox.toml");
    // The sample is that of the script which was replaced.
    edit(&manifest, "sample = \"sample.json\"\n", "");
    change(&manifest);
    let settings = std::fs::read_to_string(&manifest).unwrap() + SETTINGS;
    std::fs::write(&manifest, settings).unwrap();
    let graph = place::workspace().join("xtask/packager/templates/onnx/model/risk.onnx");
    std::fs::copy(graph, project.join("model/risk.onnx")).unwrap();

    let app = dir.path().join("app");
    let mut build = xtask();
    build.args(["build", "--manifest"]).arg(&manifest);
    build.arg("--engine-library").arg(place::engine_library());
    // The first build fetches the toolchain.
    let limit = Duration::from_secs(600);
    run::finish_within(limit, build.arg("--app").arg(&app), b"").ended(0);

    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    let answer = host.score(&json!({ "x": [[1, 2, 0.5]] })).expect(200);
    let answer: Value = answer.json();
    assert_eq!(answer["facts"], json!(FACTS), "{answer}");
    let probability = answer["probability"][0][0].as_f64().unwrap();
    assert!((probability - 0.437_823_5).abs() < 1e-5, "{answer}");
    host.log.wait_for_message("everything works");
}

#[test]
fn a_scorer_in_python_uses_every_capability() {
    require!("python3", "pip3", "redis-server");
    check("python", "app.py", PYTHON, |_| {});
}

#[test]
fn a_scorer_in_javascript_uses_every_capability() {
    require!("node", "npm", "redis-server");
    // A component with SpiderMonkey is compiled for a minute.
    let engines = ["quickjs", "componentize-js"];
    for engine in engines.into_iter().take(extent::of(1, 2)) {
        check("javascript", "app.js", JAVASCRIPT, |manifest| {
            edit(
                manifest,
                "component = { quickjs",
                &format!("component = {{ {engine}"),
            );
        });
    }
}
