//! Tests of the ids and attributes of HTTP requests, and of the status and headers of responses.

use super::*;
use crate::call::HttpAnswer;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

/// Checks that a response has the ids of its request in the headers that Azure ML's former
/// inference server used.
#[test]
fn ids_come_back_as_azure_ml_clients_know_them() {
    #[track_caller]
    fn check(sent: &[(&'static str, &'static str)], expected: [Option<&str>; 3]) {
        let ids = Ids::take(&headers(sent)).unwrap();
        let answer = ids.document(Bytes::new());
        let back = |name: HeaderName| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let made = back(REQUEST_ID).unwrap();
        let found = [
            back(REQUEST_ID),
            back(MS_REQUEST_ID),
            back(MS_CLIENT_REQUEST_ID),
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(
                found.as_deref(),
                expected.map(|id| if id == "NEW" { made.as_str() } else { id })
            );
        }
    }
    check(&[], [Some("NEW"), Some("NEW"), None]);
    check(&[("x-request-id", "r")], [Some("r"), Some("r"), None]);
    check(
        &[("x-ms-request-id", "m")],
        [Some("NEW"), Some("m"), Some("m")],
    );
    check(
        &[("x-ms-client-request-id", "c")],
        [Some("NEW"), Some("c"), Some("c")],
    );
    let both = [("x-ms-request-id", "m"), ("x-ms-client-request-id", "c")];
    check(&both, [Some("NEW"), Some("m"), Some("c")]);
}

#[test]
fn a_scorer_sees_neither_credentials_nor_the_connection() {
    let sent = headers(&[
        ("authorization", "Bearer s3cret"),
        ("cookie", "s3cret"),
        ("x-functions-key", "s3cret"),
        ("x-ms-token-aad-access-token", "s3cret"),
        ("ocp-apim-subscription-key", "s3cret"),
        ("x-zumo-auth", "s3cret"),
        ("apikey", "s3cret"),
        ("x-jwt-assertion", "s3cret"),
        ("x-original-url", "/api/score?code=s3cret"),
        ("x-waws-unencoded-url", "/api/score?code=s3cret"),
        ("referer", "https://a/?code=s3cret"),
        ("host", "127.0.0.1:7071"),
        ("content-length", "2"),
        ("traceparent", "00-1"),
        ("x-client", "a"),
        ("x-ms-original-url", "/api/score?code=s3cret"),
        ("x-auto-uri", "/api/score?code=s3cret"),
    ]);
    let invocation = invocation(&Ids::take(&sent).unwrap(), &sent, Vec::new());
    let expected =
        [("traceparent", "00-1"), ("x-client", "a")].map(|(a, b)| (a.to_owned(), b.into()));
    assert_eq!(invocation.attributes, expected);
}

#[test]
fn a_header_forges_no_attribute_of_the_platform() {
    let sent = headers(&[
        ("route.customer", "forged"),
        ("route.", "forged"),
        ("input.limits", "forged"),
        ("path.name", "forged"),
        ("property.kind", "forged"),
        ("metadata.kind", "forged"),
        ("routes.customer", "a"),
        ("route", "b"),
        ("x.route.customer", "c"),
    ]);
    let given = vec![("route.customer".to_owned(), "7".into())];
    let invocation = invocation(&Ids::take(&sent).unwrap(), &sent, given);
    let expected = [
        ("route.customer", "7"),
        ("routes.customer", "a"),
        ("route", "b"),
        ("x.route.customer", "c"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.into()));
    assert_eq!(invocation.attributes, expected);
}

fn scored_with(content_type: &str, body: &'static str, status: u16) -> Scored {
    let headers = vec![
        ("X-Model".to_owned(), "7".to_owned()),
        ("x-model".to_owned(), "8".to_owned()),
    ];
    let http = HttpAnswer::new(Some(status), headers, false).unwrap();
    Scored {
        payload: Payload {
            content_type: content_type.to_owned(),
            body: body.into(),
        },
        attributes: Vec::new(),
        http: http.map(Box::new),
        run_time: Duration::ZERO,
        cache: None,
    }
}

#[test]
fn a_scorer_s_status_and_headers_are_next_to_those_of_the_host() {
    let answer = scored(&Ids::of("id"), scored_with("text/plain", "no", 404));
    assert_eq!(answer.status(), 404);
    let headers = answer.headers();
    let models: Vec<_> = headers.get_all("x-model").iter().collect();
    assert_eq!(models, ["7", "8"]);
    assert_eq!(headers[&REQUEST_ID], "id");
    assert_eq!(headers[&RUN_FUNCTION_FAILED], "False");
    assert_eq!(headers[CONTENT_TYPE], "text/plain");
    let answer = scored(&Ids::of("id"), scored_with("", "", 503));
    assert_eq!(answer.headers()[&RUN_FUNCTION_FAILED], "True");
    assert!(!answer.headers().contains_key(CONTENT_TYPE));
    for status in [204, 205, 304] {
        assert!(scored_with("", "", status).is_nothing());
        assert!(!scored_with("text/plain", "no", status).is_nothing());
        let answer = scored(&Ids::of("id"), scored_with("text/plain", "no", status));
        assert!(answer.body().is_empty(), "{status}");
        assert!(!answer.headers().contains_key(CONTENT_TYPE), "{status}");
    }
    assert!(!scored_with("", "", 202).is_nothing());
}

#[test]
fn only_an_empty_answer_whose_status_was_chosen_may_lack_a_media_type() {
    let fits = |scored: &Scored| check_content_type(scored).is_ok();
    assert!(fits(&scored_with("", "", 302)));
    assert!(!fits(&scored_with("", "a", 302)));
    assert!(!fits(&scored_with("text", "", 302)));
    let plain = Scored {
        http: None,
        ..scored_with("", "", 302)
    };
    assert!(!fits(&plain));
}
