//! Tests of instances of a real engine pack: their start, their calls, their limits, and the
//! messages between a script and the host.
//!
//! Owns the scripts of these tests. Must not know how the pack is made.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod engine_pack;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use scorebox_python::{
    Answer, CallError, GraphFailure, Instance, Level, Outside, Pack, RedisFailure, Request, Script,
    StartError,
};

/// Host that answers Redis commands with `+PONG`, and keeps log lines.
#[derive(Default)]
struct Host {
    lines: Mutex<Vec<String>>,
}

impl Outside for Host {
    fn redis(&self, _: u8, commands: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, RedisFailure>> {
        Box::pin(async move {
            match commands.windows(4).any(|part| part == b"PING") {
                true => Ok(b"+PONG\r\n".to_vec()),
                false => Err(RedisFailure::Unreachable("no store".to_owned())),
            }
        })
    }

    fn log(&self, level: Level, text: &str) {
        self.lines.lock().unwrap().push(format!("{level:?} {text}"));
    }

    fn metric(&self, _: &[u8]) {}

    fn graph(&self, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>> {
        Box::pin(async { Err(GraphFailure("no graph".to_owned())) })
    }

    fn model_info(&self) -> String {
        r#"{"name":"m","version":"1","digest":"","labels":{}}"#.to_owned()
    }
}

/// Returns a script with the text `code` in a temporary folder, and the folder.
fn script(pack: &Arc<Pack>, code: &str) -> (tempfile::TempDir, Script) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("score.py"), code).unwrap();
    let script = Script {
        pack: Arc::clone(pack),
        code: folder.path().to_owned(),
        entry: "score.py".to_owned(),
        packages: None,
        model: None,
        environment: vec![("GREETING".to_owned(), "hällo \"you\"".to_owned())],
        memory_bytes: 512 << 20,
        shared_memory: None,
        state: None,
        accelerated: Vec::new(),
    };
    (folder, script)
}

fn soon(limit_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(limit_ms)
}

async fn start(script: &Script) -> Instance {
    Instance::start(script, Arc::new(Host::default()), soon(60_000))
        .await
        .unwrap()
}

async fn call(instance: &mut Instance, body: &str, limit_ms: u64) -> Result<Answer, CallError> {
    let attributes = r#"{"id":"1","source":"http","method":"POST","path":"/score","query":"",
        "headers":[],"content_type":"application/json"}"#;
    let request = Request {
        attributes,
        body: body.as_bytes(),
    };
    let host = Arc::new(Host::default());
    instance.call(request, host, soon(limit_ms)).await
}

fn text(answer: Result<Answer, CallError>) -> String {
    String::from_utf8(answer.unwrap().body).unwrap()
}

#[tokio::test]
async fn an_instance_answers_call_after_call() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let (_folder, script) = script(
        &pack,
        "import os, json, numpy as np\n\
         count = 0\n\
         def init():\n    print('started')\n\
         def run(data):\n    global count\n    count += 1\n    \
         return [count, os.environ['GREETING'], float(np.sum(json.loads(data)['data']))]\n",
    );
    let begun = Instant::now();
    let mut instance = start(&script).await;
    eprintln!(
        "start {:?}, contract {}",
        begun.elapsed(),
        instance.contract()
    );
    for count in 1..=3 {
        let begun = Instant::now();
        let answer = text(call(&mut instance, r#"{"data":[1,2,3.5]}"#, 5_000).await);
        eprintln!("call {:?}", begun.elapsed());
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, serde_json::json!([count, "hällo \"you\"", 6.5]));
    }
    let mut times: Vec<_> = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        call(&mut instance, r#"{"data":[1,2,3.5]}"#, 5_000)
            .await
            .unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    eprintln!("call: median {:?}, p10 {:?}", times[250], times[50]);
}

#[tokio::test]
async fn a_script_that_cannot_start_says_why() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let cases = [
        ("import nothing\n", "ModuleNotFoundError"),
        ("def init(:\n", "SyntaxError"),
        (
            "def init():\n    raise ValueError('no model')\ndef run(d):\n    pass\n",
            "no model",
        ),
        (
            "import sys\ndef init():\n    sys.exit(3)\ndef run(d):\n    pass\n",
            "SystemExit: 3",
        ),
    ];
    for (code, part) in cases {
        let (_folder, script) = script(&pack, code);
        match Instance::start(&script, Arc::new(Host::default()), soon(60_000)).await {
            Err(StartError::Raised { text }) => assert!(text.contains(part), "{text}"),
            other => panic!("{code}: {:?}", other.map(drop)),
        }
    }
    let (_folder, late) = script(&pack, "import time\ntime.sleep(60)\n");
    let begun = Instant::now();
    let error = Instance::start(&late, Arc::new(Host::default()), soon(300)).await;
    assert!(matches!(error.map(drop), Err(StartError::TimedOut)));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let (_folder, mut small) = script(&pack, "def init():\n    pass\ndef run(d):\n    pass\n");
    small.memory_bytes = 1 << 20;
    let error = Instance::start(&small, Arc::new(Host::default()), soon(60_000)).await;
    eprintln!("{:?}", error.map(drop));
}

#[tokio::test]
async fn limits_hold_and_say_what_happened() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let (_folder, script) = script(
        &pack,
        "import os, sys, time, json\n\
         def init():\n    pass\n\
         def run(data):\n    return eval(json.loads(data))\n",
    );
    type Expected = fn(&CallError) -> bool;
    let dead: [(&str, Expected); 6] = [
        ("[1 for i in iter(int, 1)]", |error| {
            matches!(error, CallError::TimedOut)
        }),
        ("time.sleep(60)", |error| {
            matches!(error, CallError::TimedOut)
        }),
        // The C library waits here for a span, and not for a time.
        ("__import__('select').select([], [], [], 60)", |error| {
            matches!(error, CallError::TimedOut)
        }),
        ("[open('/app/score.py') for _ in range(1000)]", |error| {
            matches!(error, CallError::Trapped(_))
        }),
        ("os._exit(3)", |error| matches!(error, CallError::Exited(3))),
        ("sum(range(10**10))", |error| {
            matches!(error, CallError::TimedOut)
        }),
    ];
    for (code, is_expected) in dead {
        let mut instance = start(&script).await;
        let begun = Instant::now();
        let body = serde_json::to_string(code).unwrap();
        let error = call(&mut instance, &body, 400).await.unwrap_err();
        eprintln!("{code}: {error} after {:?}", begun.elapsed());
        assert!(is_expected(&error), "{code}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{code}");
        assert!(!instance.is_alive());
        let again = call(&mut instance, "1", 400).await.unwrap_err();
        assert!(matches!(again, CallError::Lost), "{again}");
    }
    let mut instance = start(&script).await;
    for (code, part) in [
        ("1 / 0", "ZeroDivisionError"),
        ("sys.exit(3)", "SystemExit"),
        ("bytearray(600 << 20)", "MemoryError"),
        ("(lambda f: f(f))(lambda f: f(f))", "RecursionError"),
        ("open('/etc/passwd')", "FileNotFoundError"),
        ("open('/app/../../etc/passwd')", "Error"),
        ("open('/app/x', 'w')", "Error"),
    ] {
        let body = serde_json::to_string(code).unwrap();
        match call(&mut instance, &body, 5_000).await.unwrap_err() {
            CallError::Raised { text, .. } => {
                eprintln!("{code}:\n{text}");
                assert!(text.contains(part), "{code}: {text}");
            }
            other => panic!("{code}: {other}"),
        }
        assert!(instance.is_alive(), "{code}");
    }
    assert_eq!(text(call(&mut instance, r#""1 + 1""#, 5_000).await), "2");
}

#[tokio::test]
async fn redis_and_logs_go_through_the_door() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let (_folder, script) = script(
        &pack,
        "import logging, redis\n\
         def init():\n    pass\n\
         def run(data):\n    print('printed')\n    logging.warning('careful')\n    \
         store = redis.StrictRedis(host='h', password='p', ssl=True)\n    \
         try:\n        store.get('a')\n    except redis.ConnectionError as error:\n        \
         return [store.ping(), str(error)]\n",
    );
    let mut instance = start(&script).await;
    let host = Arc::new(Host::default());
    let request = Request {
        attributes: "{}",
        body: b"{}",
    };
    let outside: Arc<dyn Outside> = Arc::clone(&host) as _;
    let answer = instance.call(request, outside, soon(5_000)).await.unwrap();
    let answer = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer, r#"[true, "no store"]"#);
    let lines = host.lines.lock().unwrap().join("\n");
    assert!(lines.contains("Info printed"), "{lines}");
    assert!(
        lines.contains("Warning") && lines.contains("careful"),
        "{lines}"
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_instance() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let (_folder, script) = script(
        &pack,
        "import time\ndef init():\n    pass\ndef run(data):\n    time.sleep(float(data))\n",
    );
    let mut instance = start(&script).await;
    let limit = Duration::from_millis(100);
    tokio::time::timeout(limit, call(&mut instance, "30", 60_000))
        .await
        .unwrap_err();
    assert!(!instance.is_alive());
}
