//! The catch-up script of `cargo xtask deploy`: it hands over exactly the blobs that were missed.
//!
//! Owns a fake `az` that lists blobs, and a fake Functions host that takes them. Must not know Azure.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use scorebox_tests::run::Finished;
use scorebox_tests::{require, run};
use serde_json::Value;
use tempfile::TempDir;

use crate::deploy::{deploy, project};

/// A trigger that writes an output and parks, one that writes nothing, and one that leaves no trace.
const TRIGGERS: &str = r#"
[[trigger]]
kind = "blob"
function = "watch"
path = "incoming/{name}.json"
source = "event-grid"
output = { blob = "scored/{name}.json" }
park = { blob = "rejected/of/{Name}.txt" }

[[trigger]]
kind = "blob"
function = "count"
path = "%IN%/{name}.json"
source = "scan"

[[trigger]]
kind = "blob"
function = "silent"
path = "incoming/{name}"
source = "event-grid"
output = { blob = "scored/{rand-guid}" }

[package]
base = "functions"
"#;

/// Number of blobs. So many that no list in a command line would hold them.
const BLOBS: usize = 1000;

/// Parts of the names of blobs. Everything is there that a shell, awk, JSON or a URL could take for
/// something else.
const PARTS: [&str; 32] = [
    " ",
    "'",
    "\"",
    "%20",
    "%",
    "é",
    "日本",
    "$(touch made)",
    "`touch made`",
    "\\",
    "\\n",
    "&",
    "?",
    "#",
    "{",
    "}",
    "a/b",
    "//",
    "\t",
    "+",
    "=",
    ";",
    "*",
    "~",
    "..",
    "\u{2028}",
    "😀",
    "--x",
    "|",
    "<",
    "\u{1}",
    "7",
];

const EARLY: &str = "2026-11-27T12:00:00+00:00";
const LATE: &str = "2026-11-27T12:00:07+00:00";

struct Rig {
    project: TempDir,
    /// Function and blob of each call that the fake Functions host took.
    taken: Arc<Mutex<Vec<(String, String)>>>,
    url: String,
}

impl Rig {
    /// Writes the script, and starts a Functions host that answers every call with `status`.
    fn new(status: u16) -> Self {
        let project = project(TRIGGERS);
        let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
        run::finish(deploy.arg(project.path().join("catch-up.sh")), b"").ended(0);
        // `az` prints the file with the name of the container. Another process writes the script, so
        // that no child of another test keeps it open.
        let az = "#!/bin/sh\ncontainer=''\nlast=''\n\
                  for word in \"$@\"; do\n\
                  case $last in --container-name | --name) container=$word ;; esac\nlast=$word\ndone\n\
                  case \"$1 $2 $3\" in\n\
                  'storage container exists') [ -f \"$LISTS/$container\" ] && echo true || echo false ;;\n\
                  'storage blob list') [ \"$AZURE_STORAGE_CONNECTION_STRING\" != '' ] && cat \"$LISTS/$container\" ;;\n\
                  *) echo answer ;;\nesac\n";
        let bin = project.path().join("bin");
        std::fs::create_dir_all(&bin).expect("a folder can be made");
        std::fs::create_dir_all(project.path().join("lists")).expect("a folder can be made");
        let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let mut sh = Command::new("sh");
        sh.args(["-c", write, "sh"]).arg(bin.join("az")).arg(az);
        assert!(sh.status().expect("sh runs").success());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || take(&listener, status, &kept));
        Self {
            project,
            taken,
            url,
        }
    }

    /// Writes the listing of a container: time of the change, names of metadata, ETag and name.
    fn list(
        &self,
        container: &str,
        blobs: impl IntoIterator<Item = (String, &'static str, String)>,
    ) {
        let lines: String = blobs
            .into_iter()
            .map(|(etag, time, name)| {
                let mark = if etag.ends_with('!') {
                    "Incomplete"
                } else {
                    ""
                };
                let etag = etag.trim_end_matches('!');
                format!("{etag}\t{time}\t{mark}\t{name}\n")
            })
            .collect();
        std::fs::write(self.lists().join(container), lines).expect("a file can be written");
    }

    fn lists(&self) -> std::path::PathBuf {
        self.project.path().join("lists")
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let path = format!(
            "{}:/usr/bin:/bin",
            self.project.path().join("bin").display()
        );
        let mut sh = Command::new("sh");
        sh.arg("catch-up.sh")
            .args(arguments)
            .current_dir(self.project.path())
            .env_clear()
            .env("PATH", path)
            .env("LISTS", self.lists())
            .env("TriggerConnectionString", "AccountKey=s3cret")
            .env("IN", "incoming")
            .env("MASTER_KEY", "s3cret-master==")
            .env("APP_URL", &self.url);
        run::finish(&mut sh, b"")
    }

    /// Returns the blobs that a function was handed since the last call of this function.
    fn taken(&self, function: &str) -> Vec<String> {
        let mut taken = self.taken.lock().expect("no test holds it");
        let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut *taken)
            .into_iter()
            .partition(|(name, _)| name.as_str() == function);
        *taken = others;
        own.into_iter().map(|(_, blob)| blob).collect()
    }
}

/// Takes calls as the Functions host does, one per connection.
fn take(listener: &TcpListener, status: u16, taken: &Mutex<Vec<(String, String)>>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        let (head, body) = loop {
            let read = stream.read(&mut piece).unwrap_or_default();
            bytes.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let length = text
                .to_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if let (Some((head, _)), Some(length)) = (text.split_once("\r\n\r\n"), length)
                && bytes.len() >= head.len() + 4 + length
            {
                let head = head.to_owned();
                let body = bytes.split_off(head.len() + 4);
                break (head, body);
            }
            if read == 0 {
                return;
            }
        };
        assert!(head.contains("x-functions-key: s3cret-master=="), "{head}");
        let function = head
            .split(' ')
            .nth(1)
            .and_then(|path| path.strip_prefix("/admin/functions/"))
            .unwrap_or_default()
            .to_owned();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let blob = body["input"].as_str().expect("a text").to_owned();
        if status == 202 {
            taken
                .lock()
                .expect("no test holds it")
                .push((function, blob));
        }
        let answer =
            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// Returns names of blobs that are all different, and the same in every run.
fn names() -> Vec<String> {
    let mut state = 7_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 40).expect("24 bits")
    };
    let mut names = BTreeSet::new();
    while names.len() < BLOBS {
        let count = 1 + random() % 8;
        let name: String = (0..count).map(|_| PARTS[random() % PARTS.len()]).collect();
        names.insert(name);
    }
    names.into_iter().collect()
}

fn etag(index: usize) -> String {
    format!("0x8D{index}")
}

/// Writes the listings of 1,000 blobs. Every 27th was missed, every 10th of the others is parked, and
/// every 15th was changed after it was scored. Returns the blobs that `watch`, and the blobs that
/// `count` should get.
fn fill(rig: &Rig) -> (Vec<String>, Vec<String>) {
    let names = names();
    let is_missed = |index: usize| index % 27 == 0;
    let is_parked = |index: usize| !is_missed(index) && index % 10 == 0;
    let is_stale = |index: usize| !is_missed(index) && !is_parked(index) && index % 15 == 1;
    let all = || names.iter().enumerate();
    let others =
        ["note.txt", "x.jsonx", ".jso"].map(|name| ("0xF".to_owned(), EARLY, name.to_owned()));
    let incoming = all().map(|(index, name)| {
        let time = if is_stale(index) { LATE } else { EARLY };
        (etag(index), time, format!("{name}.json"))
    });
    rig.list("incoming", incoming.chain(others));
    let scored = all().filter(|(index, _)| !is_missed(*index) && !is_parked(*index));
    rig.list(
        "scored",
        scored.map(|(_, name)| ("0x1".to_owned(), EARLY, format!("{name}.json"))),
    );
    let parked = all().filter(|(index, _)| is_parked(*index));
    rig.list(
        "rejected",
        parked.map(|(_, name)| ("0x1".to_owned(), EARLY, format!("of/{name}.txt"))),
    );
    // Receipts name the version of a blob. One that was only begun does not count, nor does one of
    // another function.
    let receipts = all().map(|(index, name)| {
        let (version, mark, function) = match index {
            index if is_missed(index) => ("0xOLD".to_owned(), "", "count"),
            index if is_parked(index) => (etag(index), "!", "count"),
            index if is_stale(index) => (etag(index), "", "watch"),
            index => (etag(index), "", "count"),
        };
        let receipt = format!(
            "blobreceipts/host-1/Host.Functions.{function}/\"{version}\"/incoming/{name}.json"
        );
        (format!("0x1{mark}"), EARLY, receipt)
    });
    rig.list("azure-webjobs-hosts", receipts);
    let expected = |fits: &dyn Fn(usize) -> bool| -> Vec<String> {
        all()
            .filter(|(index, _)| fits(*index))
            .map(|(_, name)| format!("incoming/{name}.json"))
            .collect()
    };
    (
        expected(&|index| is_missed(index) || is_stale(index)),
        expected(&|index| is_missed(index) || is_parked(index) || is_stale(index)),
    )
}

#[test]
fn exactly_the_missed_ones_of_a_thousand_blobs_are_handed_over() {
    require!("curl");
    let rig = Rig::new(202);
    let (watch, count) = fill(&rig);
    assert!(watch.len() > 50 && count.len() > 150);
    let dry = rig.run(&["--dry-run"]).ended(0);
    assert_eq!(dry.stdout.lines().count(), watch.len() + count.len());
    let shown: BTreeSet<_> = dry
        .stdout
        .lines()
        .map(|line| {
            let (function, input) = line.split_once('\t').expect("two parts");
            let input: Value = serde_json::from_str(input).expect("JSON");
            (
                function.to_owned(),
                input["input"].as_str().expect("a text").to_owned(),
            )
        })
        .collect();
    let of = |function: &str, blobs: &[String]| -> BTreeSet<_> {
        blobs
            .iter()
            .map(|blob| (function.to_owned(), blob.clone()))
            .collect()
    };
    assert_eq!(shown, &of("watch", &watch) | &of("count", &count));
    assert!(rig.taken("watch").is_empty() && rig.taken("count").is_empty());
    let said = rig.run(&[]).ended(0);
    let sorted = |mut blobs: Vec<String>| {
        blobs.sort();
        blobs
    };
    assert_eq!(sorted(rig.taken("watch")), sorted(watch));
    assert_eq!(sorted(rig.taken("count")), sorted(count));
    assert!(rig.taken("silent").is_empty());
    assert!(said.stderr.contains("silent: left out"), "{}", said.stderr);
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(!rig.project.path().join("made").exists());
    // What was handed over is not handed over again.
    rig.run(&[]).ended(0);
    assert!(rig.taken("watch").is_empty() && rig.taken("count").is_empty());
    // Of a function without a trace, each blob is handed over once.
    rig.run(&["--all"]).ended(0);
    assert_eq!(rig.taken("silent").len(), BLOBS + 3);
    rig.run(&["--all"]).ended(0);
    assert!(rig.taken("silent").is_empty());
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    require!("curl");
    let rig = Rig::new(401);
    fill(&rig);
    let refused = rig.run(&[]).ended(1);
    refused.said(&["status 401", "fix: ", "MASTER_KEY"]);
    // Nothing counts as handed over.
    let state = std::fs::read_to_string(rig.project.path().join("catch-up.handed"));
    assert_eq!(state.expect("it is there"), "");
    let good = Rig::new(202);
    let (watch, _) = fill(&good);
    let handed =
        |path: &Path| std::fs::read_to_string(path.join("catch-up.handed")).expect("it is there");
    good.run(&[]).ended(0);
    let whole = handed(good.project.path());
    // A run that ended early has written down a part.
    let half: String = whole
        .lines()
        .take(20)
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(good.project.path().join("catch-up.handed"), half).expect("a file");
    good.taken("watch");
    good.run(&[]).ended(0);
    assert_eq!(good.taken("watch").len(), watch.len() - 20);
}

#[test]
fn a_function_that_failed_gets_its_blob_again() {
    require!("curl");
    let rig = Rig::new(202);
    rig.list("incoming", [("0x1".to_owned(), EARLY, "a.json".to_owned())]);
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("watch"), ["incoming/a.json"]);
    assert_eq!(rig.taken("count"), ["incoming/a.json"]);
    let file = rig.project.path().join("catch-up.handed");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let old: Vec<_> = text
        .lines()
        .map(|line| {
            let mut fields: Vec<_> = line.split('\t').collect();
            fields[1] = "1000";
            fields.join("\t")
        })
        .collect();
    std::fs::write(&file, old.join("\n") + "\n").expect("a file");
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("watch"), ["incoming/a.json"]);
    // An admin call leaves no receipt, so it must be remembered for good.
    assert!(rig.taken("count").is_empty());
    // A new version of the blob is another blob.
    rig.list("incoming", [("0x2".to_owned(), LATE, "a.json".to_owned())]);
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("count"), ["incoming/a.json"]);
}

#[test]
fn placeholders_take_as_much_as_the_functions_host_gives_them() {
    require!("curl");
    let rig = Rig::new(202);
    let text = "[[trigger]]\nkind = \"blob\"\nfunction = \"parts\"\npath = \"in/{dir}/{name}-{end}.json\"\n\
                output = { blob = \"out/{end}/{NAME}/{dir}\" }\n[package]\nbase = \"functions\"\n";
    let project = project(text);
    let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
    run::finish(deploy.arg(rig.project.path().join("catch-up.sh")), b"").ended(0);
    let blob = |name: &str| ("0x1".to_owned(), EARLY, name.to_owned());
    rig.list(
        "in",
        [
            "a/b/c-d-e.json",
            "a/-.json",
            "/x-.json",
            "a-b.json",
            "a/b.json",
        ]
        .map(blob),
    );
    rig.list("out", ["e/c-d/a/b", "//a"].map(blob));
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("parts"), ["in//x-.json"]);
}

#[test]
fn what_cannot_be_caught_up_is_refused() {
    let check = |manifest: &str, parts: &[&str]| {
        let project = project(&format!("{manifest}\n[package]\nbase = \"functions\"\n"));
        let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
        let file = project.path().join("catch-up.sh");
        run::finish(deploy.arg(&file), b"")
            .ended(3)
            .said(parts)
            .said(&["fix: "]);
        assert!(!file.exists());
    };
    check("", &["no trigger of this app starts on blobs"]);
    let blob =
        |path: &str| format!("[[trigger]]\nkind = \"blob\"\npath = \"{path}\"\nsource = \"scan\"");
    check(&blob("incoming/100%/{name}"), &["has no second one"]);
    check(&blob("incoming/%PATH%/{name}"), &["`%PATH%`"]);
    check(&blob("incoming/%A B%/{name}"), &["`A B`"]);
}

#[test]
fn the_script_says_what_it_needs() {
    let rig = Rig::new(202);
    let help = rig.run(&["--help"]).ended(0);
    assert!(
        help.stdout.contains("--dry-run") && help.stdout.contains("--all"),
        "{}",
        help.stdout
    );
    rig.run(&["--dry"]).ended(2).said(&["usage: "]);
    let mut sh = Command::new("sh");
    sh.arg(rig.project.path().join("catch-up.sh"))
        .current_dir(rig.project.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let said = run::finish(&mut sh, b"");
    assert!(!said.status.success());
    said.said(&["TriggerConnectionString", "connection string"]);
    // The hint is there if the script was not asked for.
    let said = run::finish(&mut deploy(rig.project.path(), "premium", &[]), b"").ended(0);
    said.said(&["--catch-up FILE"]);
}

#[test]
fn shellcheck_finds_nothing_in_the_script() {
    require!("shellcheck");
    for (target, connections) in [("premium", "strings"), ("container-apps", "identity")] {
        let project = project(TRIGGERS);
        let file = project.path().join("catch-up.sh");
        let mut deploy = deploy(
            project.path(),
            target,
            &["--connections", connections, "--catch-up"],
        );
        run::finish(deploy.arg(&file), b"").ended(0);
        let mut shellcheck = run::tool("shellcheck");
        let said = run::finish(
            shellcheck
                .args(["--shell=sh", "--severity=style"])
                .arg(&file),
            b"",
        );
        assert_eq!(said.stdout, "");
    }
}
