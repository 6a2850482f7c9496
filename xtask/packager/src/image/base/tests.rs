//! Tests of base images: which of them are accepted, and the config of an image on a base.

use std::collections::BTreeMap;

use super::*;

fn hash(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

fn manifest() -> BaseManifest {
    let layer = |text: &str| BaseLayer {
        media_type: "application/vnd.oci.image.layer.v1.tar".into(),
        digest: Digest::of(text.as_bytes()),
        size: 10,
        urls: Vec::new(),
        annotations: BTreeMap::new(),
    };
    BaseManifest {
        config: Digest::of(b"c"),
        layers: vec![layer("1"), layer("2")],
    }
}

fn base(config: Value) -> Base {
    let document = json!({
        "architecture": "amd64", "os": "linux", "docker_version": "20", "container_config": { "Cmd": ["x"] },
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [hash("a"), hash("b")] },
        "history": [{ "created_by": "one" }, { "created_by": "none", "empty_layer": true }, { "created_by": "two" }],
    });
    Base::new(
        "r.io/b:1".into(),
        Digest::of(b"m"),
        manifest(),
        document.to_string().as_bytes(),
    )
    .unwrap()
}

fn ours() -> ContainerConfig {
    ContainerConfig {
        user: "65532:65532".into(),
        exposed_ports: BTreeMap::from([("8080/tcp".into(), BTreeMap::new())]),
        env: vec![
            "PATH=/ours".into(),
            "FUNCTIONS_WORKER_RUNTIME=custom".into(),
        ],
        entrypoint: vec!["/usr/bin/scorebox".into()],
        working_dir: "/app".into(),
        labels: BTreeMap::from([("dev.scorebox.scorer.name".into(), "digits".into())]),
    }
}

#[test]
fn configuration_must_fit_platform_and_layers() {
    let config = |document: Value| {
        Base::new(
            "b".into(),
            Digest::of(b"m"),
            manifest(),
            document.to_string().as_bytes(),
        )
        .unwrap_err()
        .to_string()
    };
    assert!(config(json!({ "os": "linux", "architecture": "arm64" })).contains("linux/arm64"));
    assert!(config(json!({ "os": "linux", "architecture": "amd64" })).contains("2 layers"));
}

#[test]
fn functions_host_stays_in_charge() {
    let base = base(json!({
        "User": "", "Entrypoint": null, "Cmd": ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"],
        "Env": ["PATH=/base", "HOME=/home", "FUNCTIONS_WORKER_RUNTIME=node"], "ExposedPorts": { "80/tcp": {} },
        "WorkingDir": "/azure-functions-host", "Labels": { "vendor": "v", "dev.scorebox.model.digest": "old" },
    }));
    assert!(base.is_functions());
    let document = Value::from(base.document(&ours()));
    let config = &document["config"];
    assert_eq!(
        config["Cmd"],
        json!(["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"])
    );
    assert_eq!(config["Entrypoint"], Value::Null);
    assert_eq!(
        (&config["User"], &config["WorkingDir"]),
        (&json!(""), &json!("/azure-functions-host"))
    );
    assert_eq!(config["ExposedPorts"], json!({ "80/tcp": {} }));
    let logging = "AzureFunctionsJobHost__Logging__Console__IsEnabled=true";
    assert_eq!(
        config["Env"],
        json!([
            "PATH=/base",
            "HOME=/home",
            "FUNCTIONS_WORKER_RUNTIME=custom",
            logging
        ])
    );
    assert_eq!(
        config["Labels"],
        json!({ "vendor": "v", "dev.scorebox.scorer.name": "digits" })
    );
    assert_eq!(
        document["rootfs"]["diff_ids"],
        json!([hash("a"), hash("b")])
    );
    assert_eq!(document["history"].as_array().unwrap().len(), 3);
    assert!(document.get("container_config").is_none() && document.get("docker_version").is_none());
}

#[test]
fn functions_host_gets_the_signals_that_its_script_keeps_to_itself() {
    let base = base(json!({
        "Entrypoint": null, "Cmd": ["/opt/startup/start_nonappservice.sh"],
        "Env": ["FUNCTIONS_WORKER_RUNTIME=dotnet-isolated", "AzureWebJobsFeatureFlags=EnableWorkerIndexing"],
    }));
    let config = Value::from(base.document(&ours()))["config"].clone();
    assert_eq!(
        config["Entrypoint"],
        json!(["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"])
    );
    assert!(config.get("Cmd").is_none());
    let env = config["Env"].as_array().unwrap();
    assert_eq!(
        env[..2],
        [
            json!("FUNCTIONS_WORKER_RUNTIME=custom"),
            json!("AzureWebJobsFeatureFlags=")
        ]
    );
}

#[test]
fn plain_base_starts_our_host() {
    let base = base(json!({
        "User": "nginx", "Entrypoint": ["/start"], "Cmd": ["nginx"], "Env": ["LANG=C"], "StopSignal": "SIGQUIT",
        "ExposedPorts": { "80/tcp": {} }, "Healthcheck": { "Test": ["CMD", "x"] }, "Volumes": { "/data": {} },
    }));
    assert!(!base.is_functions());
    let config = Value::from(base.document(&ours()))["config"].clone();
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/scorebox"]));
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["ExposedPorts"], json!({ "8080/tcp": {} }));
    assert_eq!(
        config["Env"],
        json!(["LANG=C", "PATH=/ours", "FUNCTIONS_WORKER_RUNTIME=custom"])
    );
    assert_eq!(config["Volumes"], json!({ "/data": {} }));
    for key in ["Cmd", "StopSignal", "Healthcheck"] {
        assert!(config.get(key).is_none(), "{key}");
    }
}

#[test]
fn an_image_that_starts_scorebox_is_a_plain_base() {
    let start = crate::image::plan::start();
    let base = base(json!({ "Entrypoint": start.entrypoint, "Env": start.env }));
    assert!(!base.is_functions());
    let config = Value::from(base.document(&ours()))["config"].clone();
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/scorebox"]));
    assert_eq!(config["ExposedPorts"], json!({ "8080/tcp": {} }));
}

#[test]
fn history_is_made_up_where_it_does_not_fit() {
    let mut base = base(json!(null));
    base.document
        .insert("history".into(), json!([{ "created_by": "one" }]));
    let history = base.history();
    assert_eq!(history.len(), 2);
    assert!(history[0]["comment"].as_str().unwrap().contains(&hash("1")));
}
