//! Tests of the authentication of requests in a session at a registry.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::super::access::Identity;
use super::super::fake::{self, Request};
use super::*;

const PASSWORD: [(&str, &str); 2] = [
    ("SCOREBOX_REGISTRY_USERNAME", "me"),
    ("SCOREBOX_REGISTRY_PASSWORD", "s3cret"),
];
const CHALLENGE: &str = "401|www-authenticate: Bearer realm=\"http://{registry}/oauth2/token\",\
                         service=\"r.azurecr.io\",scope=\"repository:a:pull\"";

/// Sends `times` requests for `/v2/a/x` to a fake registry with the given responses. `variables`
/// are the environment variables of the session. Returns the status codes or the failure, and the
/// requests that the registry received.
fn run(
    times: usize,
    variables: &[(&str, &str)],
    answers: Vec<&str>,
) -> (Result<Vec<u16>, Failure>, Vec<Request>) {
    let (registry, requests) = fake::start(answers);
    (
        ask(&registry, times, variables, "/v2/a/x"),
        requests.iter().collect(),
    )
}

fn ask(
    registry: &str,
    times: usize,
    variables: &[(&str, &str)],
    path: &str,
) -> Result<Vec<u16>, Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let access = Identity::default().access(registry, true, true);
    let session = Session::within(&access, Surroundings::of(variables)).unwrap();
    let url = session.root().join(path).unwrap();
    let scopes = [
        "repository:a:pull,push".to_owned(),
        "repository:b:pull".to_owned(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut statuses = Vec::new();
        for _ in 0..times {
            let response = session
                .send("asking", &scopes, |client| Some(client.get(url.clone())))
                .await?;
            statuses.push(response.status().as_u16());
        }
        Ok(statuses)
    })
}

fn basic(text: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(text))
}

#[test]
fn basic_is_shown_with_every_request_after_the_first() {
    let (statuses, requests) = run(
        2,
        &PASSWORD,
        vec!["401|www-authenticate: Basic realm=\"x\"", "200", "200"],
    );
    assert_eq!(statuses, Ok(vec![200, 200]));
    let shown: Vec<_> = requests
        .iter()
        .map(|request| request.authorization.clone())
        .collect();
    assert_eq!(
        shown,
        [String::new(), basic("me:s3cret"), basic("me:s3cret")]
    );
}

#[test]
fn token_is_fetched_for_all_scopes_and_kept() {
    let token = "200||{\"access_token\":\"t1\",\"expires_in\":300}";
    let (statuses, requests) = run(2, &PASSWORD, vec![CHALLENGE, token, "200", "200"]);
    assert_eq!(statuses, Ok(vec![200, 200]));
    assert_eq!(
        requests[1].line,
        "GET /oauth2/token?service=r.azurecr.io&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull"
    );
    assert_eq!(requests[1].authorization, basic("me:s3cret"));
    assert_eq!(
        (
            requests[2].authorization.as_str(),
            requests[3].authorization.as_str()
        ),
        ("Bearer t1", "Bearer t1")
    );
    let (statuses, requests) = run(1, &[], vec![CHALLENGE, "200||{\"token\":\"t\"}", "200"]);
    assert_eq!(
        (statuses, requests[1].authorization.as_str()),
        (Ok(vec![200]), ""),
        "anonymous"
    );
}

#[test]
fn token_is_renewed_before_its_end_and_once_on_a_refusal() {
    let short = "200||{\"token\":\"t1\",\"expires_in\":0}";
    let (statuses, requests) = run(
        2,
        &PASSWORD,
        vec![CHALLENGE, short, "200", "200||{\"token\":\"t2\"}", "200"],
    );
    assert_eq!(
        (statuses, requests[4].authorization.as_str()),
        (Ok(vec![200, 200]), "Bearer t2")
    );

    let (first, second) = ("200||{\"token\":\"t1\"}", "200||{\"token\":\"t2\"}");
    let (statuses, requests) = run(
        2,
        &PASSWORD,
        vec![CHALLENGE, first, "200", CHALLENGE, second, "200"],
    );
    assert_eq!(
        (statuses, requests[5].authorization.as_str()),
        (Ok(vec![200, 200]), "Bearer t2")
    );

    let denied = "401||{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"who?\"}]}";
    let (outcome, _) = run(1, &PASSWORD, vec![CHALLENGE, first, denied]);
    let refused = outcome.unwrap_err();
    assert!(
        refused.problem.contains("repository:a:pull,push") && refused.problem.contains("denied"),
        "{refused}"
    );
    assert!(
        !refused.to_string().contains("t1") && refused.exit_code() == 5,
        "{refused}"
    );
}

#[test]
fn entra_token_is_exchanged_once_and_again_when_that_ended() {
    let (exchanged, short) = (
        "200||{\"refresh_token\":\"r1\"}",
        "200||{\"access_token\":\"t\",\"expires_in\":0}",
    );
    let answers = vec![
        CHALLENGE, exchanged, short, "200", short, "200", "401", exchanged, short, "200",
    ];
    let (statuses, requests) = run(3, &[("SCOREBOX_ENTRA_TOKEN", "e+1")], answers);
    assert_eq!(statuses, Ok(vec![200; 3]));
    let lines: Vec<_> = requests
        .iter()
        .map(|request| request.line.as_str())
        .collect();
    assert_eq!(
        (lines[1], lines[2], lines[7]),
        (
            "POST /oauth2/exchange",
            "POST /oauth2/token",
            "POST /oauth2/exchange"
        )
    );
    assert_eq!(
        requests[1].text,
        "grant_type=access_token&access_token=e%2B1&service=r.azurecr.io"
    );
    let form = "grant_type=refresh_token&client_id=scorebox&refresh_token=r1\
                &scope=repository%3Aa%3Apull%2Cpush+repository%3Ab%3Apull&service=r.azurecr.io";
    assert_eq!(requests[2].text, form);
    let (outcome, _) = run(
        1,
        &[("SCOREBOX_ENTRA_TOKEN", "e+1")],
        vec![CHALLENGE, "401"],
    );
    assert!(outcome.unwrap_err().fix.contains("az login"));
}

#[test]
fn refusals_name_their_cause() {
    let check = |variables: &[(&str, &str)], answers: Vec<&str>, part: &str| {
        let refused = run(1, variables, answers).0.unwrap_err();
        assert!(
            refused.problem.contains(part) && refused.exit_code() == 5,
            "{refused}"
        );
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    };
    check(
        &PASSWORD,
        vec![CHALLENGE, "401"],
        "wrong user name or password",
    );
    check(
        &PASSWORD,
        vec![CHALLENGE, "403||{\"errors\":[{\"code\":\"DENIED\"}]}"],
        "denied",
    );
    check(&PASSWORD, vec![CHALLENGE, "200||{}"], "no token");
    check(&[], vec![CHALLENGE, "401"], "wants a login");
    check(
        &[],
        vec!["401|www-authenticate: Basic realm=\"x\""],
        "wants a login",
    );
    check(&PASSWORD, vec!["401"], "no known way to log in");

    let dir = tempfile::tempdir().unwrap();
    let variables = [("DOCKER_CONFIG", dir.path().to_str().unwrap())];
    let (registry, requests) = fake::start(vec![CHALLENGE, "401"]);
    let config = format!("{{\"auths\":{{\"{registry}\":{{\"identitytoken\":\"s3cret\"}}}}}}");
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let refused = ask(&registry, 1, &variables, "/v2/a/x").unwrap_err();
    assert!(
        refused.problem.contains("may have expired") && refused.fix.contains("docker login"),
        "{refused}"
    );
    assert!(
        requests
            .iter()
            .nth(1)
            .unwrap()
            .text
            .contains("refresh_token=s3cret")
    );
}

#[test]
fn another_host_sees_nothing() {
    let (storage, asked) = fake::start(vec!["200", "401|www-authenticate: Basic realm=\"x\""]);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (registry, requests) = fake::start(vec!["401|www-authenticate: Basic realm=\"x\"", "200"]);
    let access = Identity::default().access(&registry, true, true);
    let session = Session::within(&access, Surroundings::of(&PASSWORD)).unwrap();
    let elsewhere = Url::parse(&format!("http://{storage}/s")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (url, status) in [(session.root(), 200), (&elsewhere, 200), (&elsewhere, 401)] {
            let response = session
                .send("asking", &[], |client| Some(client.get(url.clone())))
                .await
                .unwrap();
            assert_eq!(response.status().as_u16(), status);
        }
    });
    assert_eq!(
        requests.iter().nth(1).unwrap().authorization,
        basic("me:s3cret")
    );
    assert!(asked.iter().all(|request| request.authorization.is_empty()));
}
