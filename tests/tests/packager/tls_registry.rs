//! A real registry behind TLS that requires tokens: from the project to the container.
//!
//! Owns the whole way. Must not know how tokens are created or requested.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_tests::certificates::Certificates;
use scorebox_tests::container::Container;
use scorebox_tests::double::{Double, Rules, SERVICE, Signer, User};
use scorebox_tests::http::{self, Body};
use scorebox_tests::packaging::{documents, package, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, require, skip, stand_in};

const PASSWORD: &str = "s3cret";

/// A docker-registry with TLS, and the token service that it trusts.
struct Rig {
    certificates: Certificates,
    tokens: Double,
    registry: Registry,
}

impl Rig {
    fn start() -> Self {
        let certificates = Certificates::make();
        certificates.self_signed("tokens", "tokens");
        let users = vec![
            User {
                name: "ci",
                password: PASSWORD,
                rights: vec![("*", "pull,push")],
            },
            User {
                name: "reader",
                password: PASSWORD,
                rights: vec![("*", "pull")],
            },
        ];
        let certificate = BASE64_STANDARD.encode(certificates.der("tokens.crt"));
        let signer = Some(Signer {
            key: certificates.file("tokens.key"),
            certificate,
        });
        let tokens = Double::start_with(
            Rules {
                users,
                signer,
                ..Rules::default()
            },
            Some(certificates.server()),
        );
        let file = |name: &str| certificates.file(name).display().to_string();
        let settings = format!(
            "  tls: {{certificate: {}, key: {}}}\nauth:\n  token:\n    realm: https://{}/oauth2/token\n    \
             service: {SERVICE}\n    issuer: {}\n    rootcertbundle: {}\n",
            file("server.crt"),
            file("server.key"),
            tokens.name,
            Signer::ISSUER,
            file("tokens.crt"),
        );
        let registry =
            Registry::start_with(&settings, |name| std::net::TcpStream::connect(name).ok());
        Self {
            certificates,
            tokens,
            registry,
        }
    }

    /// Adds the flags that every command needs for this registry.
    fn ask<'a>(&self, command: &'a mut Command, user: &str) -> &'a mut Command {
        command.args([
            "--registry",
            &self.registry.name,
            "--username",
            user,
            "--password-stdin",
            "--ca-file",
        ]);
        command.arg(self.certificates.file("ca.crt"))
    }

    #[track_caller]
    fn push(&self, command: &mut Command, repository: &str) -> String {
        let command = self
            .ask(command, "ci")
            .args(["--push", "--repository", repository]);
        run::finish(command, PASSWORD.as_bytes())
            .ended(0)
            .stdout
            .trim_end()
            .to_owned()
    }

    /// Pulls an image with skopeo, which checks every digest, and returns its manifest.
    #[track_caller]
    fn pulled(&self, reference: &str, to: &Path) -> serde_json::Value {
        let mut copy = run::tool("skopeo");
        copy.args([
            "copy",
            "--preserve-digests",
            "--src-creds",
            &format!("ci:{PASSWORD}"),
            "--src-cert-dir",
        ]);
        copy.arg(self.certificates.folder())
            .arg(format!("docker://{reference}"))
            .arg(format!("oci:{}:x", to.display()));
        run::finish(&mut copy, b"").ended(0);
        documents(to).0
    }

    #[track_caller]
    fn runs(&self, name: &str, reference: &str) {
        let mut pull = run::tool("podman");
        pull.args(["pull", "--creds", &format!("ci:{PASSWORD}"), "--cert-dir"])
            .arg(self.certificates.folder());
        run::finish(pull.arg(reference), b"").ended(0);
        let container = Container::run(name, reference, &[]);
        let url = |path: &str| format!("http://127.0.0.1:{}{path}", container.port);
        let ask = |path: &str| http::try_send("GET", &url(path), &[], Body::Sized(Vec::new())).ok();
        container.until("readiness", || {
            ask("/readyz").filter(|answer| answer.status == 200)
        });
        // A container that does not stop by itself within 10 s is killed, and has another exit
        // code.
        let (code, _) = container.stop();
        assert_eq!(code, 0, "{}", container.logs());
    }
}

#[test]
fn images_go_through_tls_and_tokens_into_containers() {
    require!(
        "docker-registry",
        "openssl",
        "skopeo",
        "umoci",
        "podman",
        "runc"
    );
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (rig, project, dir) = (
        Rig::start(),
        project(),
        tempfile::tempdir().expect("a folder"),
    );
    let name = |part: &str| format!("scorebox-test-{}/{part}", std::process::id());
    let scratch = rig.push(
        &mut package(project.path(), &dir.path().join("scratch")),
        &name("scratch"),
    );
    assert!(
        scratch.starts_with(&format!(
            "{}/{}@sha256:",
            rig.registry.name,
            name("scratch")
        )),
        "{scratch}"
    );
    rig.pulled(&scratch, &dir.path().join("pulled-scratch"));
    rig.runs("tls-scratch", &scratch);

    // The base has two layers and a list in Docker's form. It is in another registry, which needs
    // no login.
    let theirs = Registry::start();
    let base = stand_in::plain(&theirs);
    let mut command = package(project.path(), &dir.path().join("based"));
    command.args(["--base", &base.name, "--base-plain-http"]);
    let based = rig.push(&mut command, &name("based"));
    let manifest = rig.pulled(&based, &dir.path().join("pulled-based"));
    let digests: Vec<_> = manifest["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .map(|one| one["digest"].clone())
        .collect();
    assert_eq!(
        digests[..2],
        base.layers(),
        "the base's layers keep their digests"
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.digest"],
        base.digest.as_str()
    );
    rig.runs("tls-based", &based);

    // The attached documents are found there, too.
    let mut inspect = Command::new(place::xtask());
    inspect.env_clear().args([
        "inspect",
        &based,
        "--username",
        "reader",
        "--password-stdin",
        "--ca-file",
    ]);
    run::finish(
        inspect.arg(rig.certificates.file("ca.crt")),
        PASSWORD.as_bytes(),
    )
    .ended(0);
}

#[test]
fn refusals_of_a_real_registry_are_clear() {
    require!("docker-registry", "openssl");
    let (rig, project, dir) = (
        Rig::start(),
        project(),
        tempfile::tempdir().expect("a folder"),
    );
    let layout = dir.path().join("layout");
    run::finish(&mut package(project.path(), &layout), b"").ended(0);
    let command = || {
        let mut command = Command::new(place::xtask());
        command
            .env_clear()
            .arg("push")
            .arg(&layout)
            .args(["--repository", "a/b"]);
        command
    };
    let secret = |outcome: Finished| {
        assert!(
            !format!("{}{}", outcome.stdout, outcome.stderr).contains(PASSWORD),
            "{outcome:?}"
        );
        outcome
    };
    let refused = |user: &str, password: &str| {
        secret(run::finish(
            rig.ask(&mut command(), user),
            password.as_bytes(),
        ))
    };
    refused("ci", "wrong")
        .ended(5)
        .said(&["wrong user name or password", "`ci`", "fix:"]);
    refused("reader", PASSWORD)
        .ended(5)
        .said(&["repository:a/b:pull,push", "is denied", "fix:"]);
    let mut anonymous = command();
    anonymous
        .args(["--registry", &rig.registry.name, "--ca-file"])
        .arg(rig.certificates.file("ca.crt"));
    secret(run::finish(&mut anonymous, b""))
        .ended(5)
        .said(&["wants a login", "--password-stdin"]);
    let mut untrusted = command();
    untrusted.args(["--registry", &rig.registry.name]);
    run::finish(&mut untrusted, b"")
        .ended(6)
        .said(&["the certificate of `127.0.0.1` is not trusted", "--ca-file"]);
    // The certificate is for the address, but not for the name.
    let port = rig.registry.name.rsplit(':').next().unwrap_or_default();
    let mut other = command();
    other
        .args(["--registry", &format!("localhost:{port}"), "--ca-file"])
        .arg(rig.certificates.file("ca.crt"));
    run::finish(&mut other, b"")
        .ended(6)
        .said(&["the certificate of `localhost` is not valid", "fix:"]);
    assert!(
        !rig.registry.log.text().contains("\"PUT /v2/"),
        "{}",
        rig.registry.log.text()
    );
    // Tokens that expire during the push are renewed.
    rig.tokens.token_life(Duration::from_secs(2));
    secret(run::finish(
        rig.ask(&mut command(), "ci"),
        PASSWORD.as_bytes(),
    ))
    .ended(0);
}
