//! Planted mistakes of the settings and the stores.
//!
//! Owns this part of the table. Must not know registries.

use scorebox_tests::redis::{Kind, Redis, free_port};
use scorebox_tests::require;

use super::{BUS, Mistake, Scene, finds, nothing, verdicts, written};

/// Arguments that check the settings of the built app.
const APP: [&str; 3] = ["--app", "APP", "--offline"];

fn check(variables: &[(&str, &str)], line: (&str, &str), text: &str, fix: &str) {
    let mistake = Mistake {
        plant: &nothing,
        words: &APP,
        variables,
        line,
        text,
        fix,
    };
    mistake.check();
}

/// Checks a mistake of an app whose server has two keys.
fn check_keys(variables: &[(&str, &str)], line: (&str, &str), text: &str, fix: &str) {
    let add = |scene: &Scene| {
        scene.edit("app/scorebox.toml", |text| {
            format!("{text}\n[server]\nkeys = [\"env:KEY_A\", \"env:KEY_B\"]\n")
        });
    };
    let others = [
        BUS,
        ("SCOREBOX_REDIS_URL", "redis://:s3cret@127.0.0.1:6379"),
    ];
    let variables: Vec<_> = others.iter().chain(variables).copied().collect();
    let mistake = Mistake {
        plant: &add,
        words: &APP,
        variables: &variables,
        line,
        text,
        fix,
    };
    mistake.check();
}

#[test]
fn mistakes_of_the_keys_of_the_server() {
    let good = "s3cret-0123456789abcdef0123456789abcdef";
    check_keys(
        &[],
        ("settings", "warning"),
        "none of KEY_A, KEY_B is set",
        "cargo xtask deploy",
    );
    check_keys(
        &[("KEY_A", good), ("KEY_B", "s3cret")],
        ("settings", "problem"),
        "`KEY_B` has fewer than 32 characters",
        "openssl rand -hex 32",
    );
}

#[test]
fn mistakes_of_the_settings() {
    let problem = ("settings", "problem");
    let redis = ("SCOREBOX_REDIS_URL", "redis://:s3cret@127.0.0.1:6379");
    check(
        &[redis],
        problem,
        "`Bus` is not set in the environment",
        "`Bus__fullyQualifiedNamespace`",
    );
    check(
        &[("Bus", " "), redis],
        problem,
        "`Bus` is not set",
        "set `Bus`",
    );
    let storage = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=s3cret==";
    check(
        &[("Bus", storage), redis],
        problem,
        "the value of `Bus` is not a connection string of the Service Bus namespace",
        "Endpoint=sb://",
    );
    let quoted = format!("\"{}\"", BUS.1);
    check(
        &[("Bus", &quoted), redis],
        problem,
        "the value of `Bus` has quotes around it",
        "without the quotes",
    );
    let with_end = format!("{}\n", BUS.1);
    check(
        &[("Bus", &with_end), redis],
        problem,
        "the value of `Bus` has white space around it",
        "without the white space",
    );
    check(
        &[BUS],
        ("settings", "warning"),
        "`SCOREBOX_REDIS_URL` is not set",
        "set `SCOREBOX_REDIS_URL` to redis://",
    );
    check(
        &[BUS, redis, ("SCOREBOX_LOG", "loud")],
        problem,
        "SCOREBOX_LOG",
        "",
    );
}

#[test]
fn mistakes_of_the_settings_of_a_deployed_app() {
    let check = |text: &str, line: &str, fix: &str| {
        let scene = Scene::new();
        let file = written(scene.0.path(), "settings.json", text);
        let words = ["--app", "APP", "--offline", "--settings", &file];
        finds(
            &scene.doctor(&words, &[BUS]),
            ("settings", "problem"),
            line,
            fix,
        );
    };
    let az = r#"[{"name": "FUNCTIONS_WORKER_RUNTIME", "value": "s3cret"}]"#;
    check(
        az,
        "`FUNCTIONS_WORKER_RUNTIME` of the deployed app has another value",
        "set `FUNCTIONS_WORKER_RUNTIME` to `custom`",
    );
    check(
        az,
        "`Bus` is not set in the file of --settings",
        "set `Bus`",
    );
    check(
        r#"{"AzureWebJobsStorage__accountName": " "}"#,
        "`AzureWebJobsStorage` of the deployed app is not set",
        "set `AzureWebJobsStorage`",
    );
    let local = "\u{feff}{\"Values\": {\"Bus\": \"AccountName=s3cret\"}}";
    check(local, "the value of `Bus` is not", "Endpoint=sb://");
    check(
        "{\"Bus\": \"s3cret",
        "it is not JSON",
        "az functionapp config appsettings list",
    );

    // A secret of a key vault can be read by the platform alone.
    let scene = Scene::new();
    let vault = r#"{"Bus": "@Microsoft.KeyVault(SecretUri=s3cret)", "AzureWebJobsStorage__accountName": "a",
        "SCOREBOX_REDIS_URL": "@Microsoft.KeyVault(SecretUri=s3cret)", "FUNCTIONS_WORKER_RUNTIME": "custom",
        "FUNCTIONS_EXTENSION_VERSION": "~4"}"#;
    let file = written(scene.0.path(), "settings.json", vault);
    let report = scene
        .doctor(&["--app", "APP", "--settings", &file], &[])
        .ended(0)
        .json();
    assert_eq!(verdicts(&report, "settings"), ["ok"], "{report:#}");
    assert_eq!(verdicts(&report, "store"), ["skipped"], "{report:#}");
}

#[test]
fn mistakes_of_the_stores() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    let check = |url: &str, text: &str, fix: &str| {
        let mistake = Mistake {
            plant: &nothing,
            words: &["--app", "APP"],
            variables: &[BUS, ("SCOREBOX_REDIS_URL", url)],
            line: ("store", "problem"),
            text,
            fix,
        };
        mistake.check();
    };
    let by = "`default` by SCOREBOX_REDIS_URL";
    let nobody = format!("redis://:s3cret@127.0.0.1:{}", free_port());
    check(&nobody, by, "");
    let wrong = format!("redis://:s3cret@127.0.0.1:{}", redis.port());
    check(&wrong, by, "");
    check("s3cret", "is not a Redis URL", "redis://");

    let scene = Scene::new();
    let report = scene
        .doctor(
            &["--app", "APP"],
            &[BUS, ("SCOREBOX_REDIS_URL", &redis.url())],
        )
        .ended(0)
        .json();
    let line = super::lines(&report)
        .find(|line| line["noun"] == "store")
        .expect("a line");
    let text = line["text"].as_str().expect("a text");
    for part in ["connected and asked in ", " ms, one ping takes "] {
        assert!(line["verdict"] == "ok" && text.contains(part), "{report:#}");
    }
}
