//! Takes a state image of a script in a real pack, and starts instances from it.

#![cfg(feature = "compiler")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod engine_pack;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use scorebox_python::make::{self, TakeError};
use scorebox_python::state::StateImage;
use scorebox_python::{
    GraphFailure, Instance, Level, Outside, Pack, RedisFailure, Request, Script,
};

/// Script whose random numbers must differ between instances, and whose clock must go on after a
/// state image was restored.
const SCRIPT: &str = r#"
import json, random, time
import numpy as np

def init():
    global model, started
    model = np.arange(4.0)
    started = time.monotonic()

def run(data):
    rows = np.array(json.loads(data))
    return {
        "sums": (rows @ model).tolist(),
        "random": [random.random(), float(np.random.rand())],
        "year": time.gmtime().tm_year,
        "elapsed": time.monotonic() - started,
    }
"#;

const ROWS: &[u8] = b"[[1.0, 2.0, 3.0, 4.0]]";
const ATTRIBUTES: &str = r#"{"id": "1", "source": "test", "method": "POST", "path": "/score", "query": "", "headers": [], "content_type": "application/json"}"#;

/// Host that keeps the lines of the log.
#[derive(Default)]
struct Host(Mutex<Vec<String>>);

impl Outside for Host {
    fn redis(&self, _: u8, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, RedisFailure>> {
        Box::pin(async { Err(RedisFailure::Unreachable("no store".to_owned())) })
    }
    fn log(&self, _: Level, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn metric(&self, _: &[u8]) {}
    fn graph(&self, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>> {
        Box::pin(async { Err(GraphFailure("no graph".to_owned())) })
    }
    fn model_info(&self) -> String {
        "{}".to_owned()
    }
}

fn script(pack: &Arc<Pack>, folder: &Path, text: &str) -> Script {
    std::fs::write(folder.join("score.py"), text).unwrap();
    Script {
        pack: Arc::clone(pack),
        code: folder.to_owned(),
        entry: "score.py".to_owned(),
        packages: None,
        model: None,
        environment: vec![("NAME".to_owned(), "value".to_owned())],
        memory_bytes: 1 << 30,
        shared_memory: None,
        state: None,
        accelerated: Vec::new(),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn request() -> Request<'static> {
    Request {
        attributes: ATTRIBUTES,
        body: ROWS,
    }
}

async fn answer(script: &Script) -> serde_json::Value {
    let host = Arc::new(Host::default());
    let start = Instant::now();
    let mut instance = Instance::start(script, host.clone(), deadline())
        .await
        .unwrap();
    let started = start.elapsed();
    let answer = instance.call(request(), host, deadline()).await.unwrap();
    eprintln!(
        "start {started:?}, with the first call {:?}",
        start.elapsed()
    );
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn instances_start_from_a_state_image() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut script = script(&pack, folder.path(), SCRIPT);
    let take = async || {
        let host = Arc::new(Host::default());
        make::take(
            &script,
            "inputs".to_owned(),
            Some(request()),
            host,
            deadline(),
        )
        .await
    };
    let image = take().await.unwrap();
    assert!(
        image == take().await.unwrap(),
        "two images of the same inputs differ"
    );
    eprintln!("the image has {} bytes", image.len());
    let without = answer(&script).await;
    let path = folder.path().join("app.state");
    std::fs::write(&path, image).unwrap();
    script.state = Some(StateImage::open(&path).unwrap());
    let (first, second) = (answer(&script).await, answer(&script).await);
    for with in [&first, &second] {
        assert_eq!(with["sums"], without["sums"]);
        assert!(with["year"].as_i64().unwrap() >= 2025, "{with}");
    }
    assert_ne!(first["random"], second["random"]);
}

/// Script with a model of 80 MB, of which a call changes one number.
const LARGE: &str = r#"
import json
import numpy as np

def init():
    global model
    model = np.arange(10_000_000.0)

def run(data):
    before = float(model.sum())
    model[5_000_000] += 1.0
    return {"before": before, "after": float(model.sum())}
"#;

#[tokio::test]
async fn instances_share_the_pages_of_a_large_image() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut script = script(&pack, folder.path(), LARGE);
    let host = Arc::new(Host::default());
    let image = make::take(&script, "inputs".to_owned(), None, host.clone(), deadline());
    let image = image.await.unwrap();
    assert!(image.len() > 80_000_000, "{}", image.len());
    let path = folder.path().join("app.state");
    std::fs::write(&path, &image).unwrap();
    script.state = Some(StateImage::open(&path).unwrap());
    let mut instances = Vec::new();
    for _ in 0..3 {
        let instance = Instance::start(&script, host.clone(), deadline()).await;
        instances.push(instance.unwrap());
    }
    // Each instance reads all numbers and sees its own change alone.
    let sum = 49_999_995_000_000.0;
    for turn in 0..2 {
        for instance in &mut instances {
            let answer = instance.call(request(), host.clone(), deadline()).await;
            let answer: serde_json::Value = serde_json::from_slice(&answer.unwrap().body).unwrap();
            let before = sum + f64::from(turn);
            assert_eq!(
                answer,
                serde_json::json!({"before": before, "after": before + 1.0})
            );
        }
    }
    let (mapped, own) = mapped_kilobytes(&path);
    assert!(mapped >= 3 * 80_000_000 / 1024, "{mapped} kB");
    assert!(own < 3 * 1024, "{own} kB of the file are not shared");
    drop(instances);
    assert_eq!(mapped_kilobytes(&path), (0, 0));
    assert!(
        std::fs::read(&path).unwrap() == image,
        "a script changed its image"
    );
}

/// Returns how much of a file is mapped into this process, and how much of it this process has
/// changed, in kilobytes.
fn mapped_kilobytes(path: &Path) -> (u64, u64) {
    let (path, text) = (
        path.to_str().unwrap(),
        std::fs::read_to_string("/proc/self/smaps").unwrap(),
    );
    let (mut mapped, mut own, mut is_of_file) = (0, 0, false);
    for line in text.lines() {
        let number = |rest: &str| -> u64 {
            let number = rest.split_whitespace().next().unwrap();
            number.parse().unwrap()
        };
        match line.split_once(':') {
            Some(("Size", rest)) if is_of_file => mapped += number(rest),
            Some(("Private_Dirty", rest)) if is_of_file => own += number(rest),
            // The first line of a mapping has its addresses, and at the end its file.
            Some((name, _)) if name.contains(' ') => is_of_file = line.ends_with(path),
            _ => {}
        }
    }
    (mapped, own)
}

/// Script that lists its folder in `init`, and keeps the facts of the files that it saw.
const LOOKING: &str = r#"
import os

def init():
    global seen
    folder = os.path.dirname(os.path.abspath(__file__))
    seen = [(entry.name, entry.inode(), tuple(entry.stat())) for entry in os.scandir(folder)]
    assert {name for name, *_ in seen} >= {"a.txt", "score.py"}, seen
    assert os.path.samefile("/app/a.txt", os.path.join(folder, "a.txt"))
    assert not os.path.samefile("/app/a.txt", "/app/b.txt")
    assert os.path.getsize("/app/b.txt") == 5

def run(data):
    return seen
"#;

#[tokio::test]
async fn an_image_does_not_depend_on_when_and_where_its_files_were_made() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let mut images = Vec::new();
    // More files than fit into the buffer with which the C library lists a folder.
    let mut names = vec!["a.txt".to_owned(), "b.txt".to_owned()];
    names.extend((0..400).map(|number| format!("a-file-with-a-long-name-{number}.txt")));
    for _ in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        for name in &names {
            std::fs::write(folder.path().join(name), "12345").unwrap();
        }
        names.reverse();
        // A second name of a file, outside of the folder, is a fact that no build should show.
        let other = folder.path().with_extension("second");
        if images.is_empty() {
            std::fs::hard_link(folder.path().join("b.txt"), &other).unwrap();
        }
        let script = script(&pack, folder.path(), LOOKING);
        let host = Arc::new(Host::default());
        let image = make::take(&script, "inputs".to_owned(), None, host, deadline()).await;
        drop(std::fs::remove_file(other));
        images.push(image.unwrap());
    }
    let [first, second] = images.as_slice() else {
        panic!("there are two images");
    };
    assert!(first == second, "the images of the two folders differ");
}

#[tokio::test]
async fn a_script_that_keeps_a_file_open_has_no_state_image() {
    let Some(pack) = engine_pack::pack() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let text = "def init():\n    global file\n    file = open('/app/score.py')\n\ndef run(data):\n    return 1\n";
    let script = script(&pack, folder.path(), text);
    let host = Arc::new(Host::default());
    let refused = make::take(&script, "inputs".to_owned(), None, host, deadline()).await;
    match refused {
        Err(TakeError::Refused { text }) => assert!(text.contains("score.py"), "{text}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the state was taken"),
    }
}
