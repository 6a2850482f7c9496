//! The tokens of a registry: renewed in time, and sent to no other host.
//!
//! Owns registries whose tokens end during a push, and the servers next to a registry.

use std::time::Duration;

use scorebox_tests::double::{Double, Fault, Rules, User};
use scorebox_tests::packaging::{package, project};
use scorebox_tests::run;

use super::{PASSWORD, docker, is_pushed, push, registry};

#[test]
fn tokens_are_renewed_before_they_end_and_after_they_were_ended() {
    let flags = ["--username", "ci", "--password-stdin"];
    // The tokens live so briefly that the push outlives them. Each must be given up early enough
    // that it is never refused.
    let double = registry();
    double.token_life(Duration::from_secs(2));
    double.plan(|request| {
        std::thread::sleep(Duration::from_millis(if request.path.starts_with("/v2/") {
            100
        } else {
            0
        }));
        None
    });
    push(&double, &flags, &[], PASSWORD).ended(0);
    is_pushed(&double);
    let tokens = double
        .seen()
        .iter()
        .filter(|seen| seen.line.contains("/oauth2/token"))
        .count();
    assert!(tokens > 2, "{tokens}");
    // Here the registry invalidates the tokens during the push, also between chunks.
    let double = registry();
    let mut pieces = 0;
    double.plan(move |request| {
        let is_piece = request.method == "PATCH" || request.method == "PUT";
        pieces += u32::from(is_piece);
        (is_piece && [2, 5, 9, 14].contains(&pieces)).then_some(Fault::Expire)
    });
    push(&double, &flags, &[], PASSWORD).ended(0);
    is_pushed(&double);
    assert!(
        double
            .seen()
            .iter()
            .any(|seen| seen.line.starts_with("PATCH") && seen.status == 401)
    );
    // Here the login itself is revoked during the push.
    let double = registry();
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"{}"}}}}}}"#,
        double.name,
        double.refresh_token("ci")
    );
    let config = docker(&config);
    let mut pieces = 0;
    double.plan(move |request| {
        pieces += usize::from(request.method == "PATCH");
        (pieces >= 2).then_some(Fault::Revoke)
    });
    let config = config.path().display().to_string();
    push(&double, &[], &[("DOCKER_CONFIG", &config)], "")
        .ended(5)
        .said(&["may have expired", "docker login"]);
    assert!(double.tag("scoring/digits", "1.0.0").is_none());
}

#[test]
fn nobody_else_hears_of_the_credentials() {
    // The base's blobs are at a storage host of their own, and the image's registry is not the
    // base's registry.
    let storage = Double::start(Rules::default());
    let theirs = Double::start(Rules {
        storage: Some(storage.name.clone()),
        ..Rules::default()
    });
    let layer = b"not a tar, which nobody looks into here";
    let digest = |bytes: &[u8]| theirs.put_blob("base/it", bytes);
    let layer_digest = digest(layer);
    let rootfs = serde_json::json!({ "type": "layers", "diff_ids": [layer_digest] });
    let config =
        serde_json::json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }).to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let entry = |media_type: &str, digest: String, size: usize| serde_json::json!({ "mediaType": media_type, "digest": digest, "size": size });
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": entry("application/vnd.oci.image.config.v1+json", digest(config.as_bytes()), config.len()),
        "layers": [entry("application/vnd.oci.image.layer.v1.tar", layer_digest.clone(), layer.len())],
    });
    let _ = theirs.put_manifest("base/it", "1", media_type, manifest.to_string().as_bytes());
    for bytes in [layer.as_slice(), config.as_bytes()] {
        let _ = storage.put_blob("base/it", bytes);
    }
    let ours = registry();
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let mut command = package(project.path(), &dir.path().join("layout"));
    command.args([
        "--base",
        &format!("{}/base/it:1", theirs.name),
        "--base-plain-http",
        "--plain-http",
        "--push",
    ]);
    command.args(["--registry", &ours.name, "--repository", "scoring/digits"]);
    command.envs([
        ("SCOREBOX_REGISTRY_USERNAME", "ci"),
        ("SCOREBOX_REGISTRY_PASSWORD", PASSWORD),
    ]);
    run::finish(&mut command, b"").ended(0);
    is_pushed(&ours);
    let seen = storage.seen();
    assert!(
        seen.iter()
            .any(|seen| seen.line.contains(&layer_digest) && seen.line.contains("sig=right")),
        "{seen:?}"
    );
    // Both would have recorded any credentials that they received.
    assert_eq!(
        (storage.violations(), theirs.violations()),
        (Vec::new(), Vec::new())
    );

    // In the same registry the base is mounted, and one token has the rights for both repositories.
    for bytes in [layer.as_slice(), config.as_bytes()] {
        let _ = ours.put_blob("base/it", bytes);
    }
    let _ = ours.put_manifest("base/it", "1", media_type, manifest.to_string().as_bytes());
    ours.rule(|rules| {
        let rights = vec![("scoring/other", "pull,push"), ("base/it", "pull")];
        rules.users.push(User {
            name: "both",
            password: PASSWORD,
            rights,
        });
    });
    let mut command = package(project.path(), &dir.path().join("layout"));
    command.args([
        "--base",
        &format!("{}/base/it:1", ours.name),
        "--plain-http",
        "--push",
    ]);
    command.args(["--registry", &ours.name, "--repository", "scoring/other"]);
    command.envs([
        ("SCOREBOX_REGISTRY_USERNAME", "both"),
        ("SCOREBOX_REGISTRY_PASSWORD", PASSWORD),
    ]);
    let outcome = run::finish(&mut command, b"").ended(0);
    assert!(outcome.stderr.contains("mounted"), "{}", outcome.stderr);
}
