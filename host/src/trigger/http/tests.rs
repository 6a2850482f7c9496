//! Tests of `http`.

use super::*;

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
        ("host", "127.0.0.1:7071"),
        ("content-length", "2"),
        ("traceparent", "00-1"),
        ("x-client", "a"),
    ]);
    let invocation = invocation(&Ids::take(&sent).unwrap(), &sent);
    let expected =
        [("traceparent", "00-1"), ("x-client", "a")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(invocation.attributes, expected);
}
