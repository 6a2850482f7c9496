//! A packaged image in a container, started as the Functions host starts its handler, with all
//! three triggers.
//!
//! Owns the way from `[[trigger]]` to an answer through files that only the image has. Must not
//! know more of podman than the harness offers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use scorebox_tests::container::Container;
use scorebox_tests::functions::outputs::{Bound, Failed, bind};
use scorebox_tests::functions::values::{base64, blob, envelope, message_metadata, wrapped};
use scorebox_tests::functions::{documented_environment, wire};
use scorebox_tests::packaging::{file, json};
use scorebox_tests::registry::Registry;
use scorebox_tests::{place, programs, require, run, skip};
use serde_json::{Value, json};

const TRIGGERS: &str = r#"
[[trigger]]
kind = "http"

[[trigger]]
kind = "blob"
path = "incoming/{name}.json"
output = { blob = "scored/{name}.json" }
park = { blob = "rejected/{name}.json" }

[[trigger]]
kind = "service-bus"
queue = "applications"
connection = "Bus"
output = { queue = "scores" }
park = { queue = "rejected" }

[[trigger]]
kind = "service-bus"
topic = "many"
subscription = "scoring"
connection = "Bus"
cardinality = "many"
output = { topic = "scores" }
"#;

const APP_ROOT: &str = "/home/site/wwwroot";

struct Image {
    container: Container,
    layout: tempfile::TempDir,
}

impl Image {
    fn invoke(&self, function: &str, body: &[u8]) -> Result<Bound, Failed> {
        let id = "22222222-0000-4000-8000-000000000000";
        let answer = wire::post(
            self.container.port,
            function,
            id,
            body,
            Duration::from_secs(30),
        );
        let bindings = json(&file(
            self.layout.path(),
            &format!("{}/{function}/function.json", &APP_ROOT[1..]),
        ));
        bind(&bindings, &answer.map_err(Failed::NoAnswer)?)
    }

    #[track_caller]
    fn bound(&self, function: &str, body: &[u8]) -> Bound {
        self.invoke(function, body)
            .unwrap_or_else(|failed| panic!("{failed:?}: {}", self.container.logs()))
    }
}

fn packaged(registry: &Registry, project: &Path, layout: &Path) -> String {
    std::fs::copy(
        place::program(programs::WAYWARD),
        project.join("wayward.wasm"),
    )
    .expect("a file can be copied");
    let manifest = format!(
        "[scorer]\nname = \"wayward\"\ncomponent = \"wayward.wasm\"\nsnapshot = false\n{TRIGGERS}"
    );
    std::fs::write(project.join("scorebox.toml"), manifest).expect("a file can be written");
    let mut package = Command::new(place::xtask());
    package.env_clear().args([
        "package",
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
    ]);
    package
        .arg("--manifest")
        .arg(project.join("scorebox.toml"))
        .arg("--layout")
        .arg(layout);
    package.arg("--host").arg(place::image_host());
    let repository = format!("scorebox-test-{}/functions", std::process::id());
    let packaged = run::finish(package.args(["--repository", &repository]), b"").ended(0);
    // `package` prints the settings that the app must have.
    let packaged = packaged.said(&["TriggerConnectionString", "FUNCTIONS_WORKER_RUNTIME=custom"]);
    packaged.stdout.trim_end().to_owned()
}

#[test]
fn an_image_serves_all_three_triggers() {
    require!("podman", "runc", "docker-registry");
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (registry, project, layout) = (
        Registry::start(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let reference = packaged(&registry, project.path(), layout.path());
    // The Functions host reads this file before it starts anything.
    let host_json = json(&file(
        layout.path(),
        &format!("{}/host.json", &APP_ROOT[1..]),
    ));
    assert_eq!(
        (
            &host_json["version"],
            &host_json["extensionBundle"]["version"]
        ),
        (&json!("2.0"), &json!("[4.*, 5.0.0)"))
    );
    let description = &host_json["customHandler"]["description"];
    let arguments = description["arguments"].as_array().expect("a list");
    let words: Vec<_> = std::iter::once(&description["defaultExecutablePath"])
        .chain(arguments)
        .map(|word| word.as_str().expect("text").to_owned())
        .collect();
    let environment = documented_environment(Path::new(APP_ROOT), 0);
    let environment: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| !name.ends_with("_PORT"))
        .collect();
    let container = Container::run_words("functions", &reference, &environment, &words);
    container.until("an answer", || wire::ping(container.port).ok());
    let image = Image { container, layout };

    let deed = json!({"do": "attributes"}).to_string();
    let metadata = json!({"name": wrapped("a"), "Uri": wrapped("https://acct.blob.core.windows.net/incoming/a.json")});
    let seen = image
        .bound("incoming", &blob("blob", deed.as_bytes(), metadata.clone()))
        .json("output");
    assert_eq!(seen["source"], "blob", "{seen}");
    let expected = json!([
        ["uri", "https://acct.blob.core.windows.net/incoming/a.json"],
        ["path.name", "a"]
    ]);
    assert_eq!(seen["attributes"], expected);

    let message = |deed: &Value, attempt| {
        envelope(
            "message",
            base64(deed.to_string()),
            message_metadata("m-1", attempt),
        )
    };
    let seen = image
        .bound("applications", &message(&json!({"do": "attributes"}), 2))
        .json("output");
    assert_eq!(
        (&seen["source"], &seen["attempt"]),
        (&json!("service-bus"), &json!(2)),
        "{seen}"
    );
    let reject = json!({"do": "reject", "code": "no", "message": "not this one"});
    let bound = image.bound("applications", &message(&reject, 1));
    assert_eq!(
        bound.json("park")["problem"],
        json!({"code": "no", "message": "not this one"})
    );
    assert_eq!(bound.logs, ["no not this one"]);
    let trap = json!({"do": "trap"});
    assert!(matches!(
        image.invoke("applications", &message(&trap, 9)),
        Err(Failed::Status(500, _))
    ));
    assert_eq!(
        image
            .bound("applications", &message(&trap, 10))
            .json("park")["problem"]["code"],
        "trapped"
    );

    let bodies = wrapped(vec![base64(&deed), base64(&deed)]);
    let bound = image.bound(
        "many-scoring",
        &envelope(
            "message",
            bodies,
            json!({"MessageIdArray": wrapped(vec!["a", "b"])}),
        ),
    );
    assert_eq!(bound.of("output").len(), 2, "{bound:?}");

    // Requests are forwarded without an envelope.
    let headers = [
        ("Content-Type", "application/json"),
        ("x-functions-key", "k3y"),
    ];
    let answer = wire::forward(
        image.container.port,
        "/api/score?code=k3y",
        &headers,
        "i",
        deed.as_bytes(),
    );
    let answer = answer.expect("it answers");
    let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (answer.status, &seen["source"], &seen["id"]),
        (200, &json!("http"), &json!("i")),
        "{seen}"
    );

    let logs = image.container.logs();
    assert!(
        !logs.contains("c3RvcmFnZS1rZXk") && !logs.contains("k3y"),
        "{logs}"
    );
}
