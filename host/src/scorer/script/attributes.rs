//! Facts about a call that a script gets in addition to the body.
//!
//! Owns their form, a JSON object. Must not know how a call arrived.

use serde::Serialize;

use crate::call::{Invocation, Source, Value};

/// Facts about a call, as the Python files of Scorebox read them.
#[derive(Serialize)]
struct Attributes<'a> {
    id: &'a str,
    source: &'static str,
    method: &'a str,
    path: &'a str,
    query: String,
    headers: Vec<(&'a str, String)>,
    content_type: &'a str,
}

/// Returns the facts about a call as JSON. `content_type` is the media type of its body. A call
/// that did not come by HTTP has the method POST and the path of Azure ML's score route.
///
/// The headers are those that a scorer may see, and the facts of the platform, such as the name of
/// a blob.
pub(super) fn json(call: &Invocation, content_type: &str) -> String {
    let http = call.http.as_ref();
    let headers = call.attributes.iter();
    let attributes = Attributes {
        id: &call.id,
        source: match call.source {
            Source::Blob => "blob",
            Source::Direct => "direct",
            Source::Http => "http",
            Source::ServiceBus => "service-bus",
            Source::StorageQueue => "storage-queue",
        },
        method: http.map_or("POST", |http| http.method()),
        path: http.map_or("/score", |http| http.path()),
        query: http.map(|http| http.query()).unwrap_or_default(),
        headers: headers
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect(),
        content_type,
    };
    // Texts and lists of texts can always be written.
    serde_json::to_string(&attributes).unwrap_or_else(|_| "{}".to_owned())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Decimal(text) | Value::Text(text) | Value::Time(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::call::HttpRequest;

    #[test]
    fn a_call_without_http_looks_like_a_request_of_azure_ml() {
        let mut call = Invocation::new("a-1", Source::Blob);
        call.attributes = vec![
            ("x-customer".to_owned(), Value::Text("\"ä\"".to_owned())),
            ("metadata.n".to_owned(), Value::Integer(3)),
        ];
        let read = |call: &Invocation| -> Json {
            serde_json::from_str(&super::json(call, "text/csv")).unwrap()
        };
        let expected = json!({
            "id": "a-1",
            "source": "blob",
            "method": "POST",
            "path": "/score",
            "query": "",
            "headers": [["x-customer", "\"ä\""], ["metadata.n", "3"]],
            "content_type": "text/csv",
        });
        assert_eq!(read(&call), expected);
        let target = "/api/score?a=1&code=s3cret".parse().unwrap();
        call.http = Some(HttpRequest::new(http::Method::GET, target));
        let read = read(&call);
        assert_eq!(
            (&read["method"], &read["query"]),
            (&json!("GET"), &json!("a=1"))
        );
    }
}
