//! A scorer that chooses the status and headers of its HTTP answer: `{"status": 404, "headers":
//! [["x-a", "1"]], "content_type": "text/plain", "body": "no"}`.
//!
//! Owns the answer, which is what the input says. Without a body it answers with what it sees of
//! the call: the request line, the parameters of the query and the attributes in their types. Every
//! answer with `counts` has the number of the run in the header `x-run`.

use scorebox_guest::{
    Answer, AttributeValue, Invocation, Json, Payload, Result, Scorer, Signature, export_scorer,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wish {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    body: Option<String>,
    counts: bool,
}

struct Chooser {
    runs: u64,
}

impl Scorer for Chooser {
    type Input = Payload;
    type Output = Answer;

    fn describe() -> Signature {
        Signature::any().deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self { runs: 0 })
    }

    fn run(&mut self, call: &Invocation, input: Payload) -> Result<Answer> {
        self.runs += 1;
        let wish: Wish = serde_json::from_slice(&input.body).unwrap_or_default();
        let mut answer = match wish.body {
            None => Answer::of(Json(seen(call)))?,
            Some(body) => {
                let content_type = wish.content_type.unwrap_or_else(|| "text/plain".to_owned());
                Answer::from(Payload::new(content_type, body))
            }
        };
        if let Some(status) = wish.status {
            answer = answer.status(status);
        }
        for (name, value) in wish.headers {
            answer = answer.header(name, value);
        }
        if wish.counts {
            answer = answer.header("x-run", self.runs.to_string());
        }
        Ok(answer)
    }
}

export_scorer!(Chooser);

fn seen(call: &Invocation) -> Value {
    let http = call.http.as_ref();
    let attributes = call.attributes.iter();
    let typed = |(name, value): &(String, AttributeValue)| {
        let (kind, value) = match value {
            AttributeValue::Null => ("null", json!(null)),
            AttributeValue::Boolean(value) => ("boolean", json!(value)),
            AttributeValue::Integer(value) => ("integer", json!(value)),
            AttributeValue::Number(value) => ("number", json!(value)),
            AttributeValue::Decimal(text) => ("decimal", json!(text)),
            AttributeValue::Text(text) => ("text", json!(text)),
            AttributeValue::Time(text) => ("time", json!(text)),
        };
        json!([name, kind, value])
    };
    json!({
        "method": http.map(|http| http.method.as_str()),
        "path": http.map(|http| http.path.as_str()),
        "query": http.map(|http| http.query.as_str()),
        "parameters": http.map(|http| http.parameters().collect::<Vec<_>>()),
        "source": call.source.to_string(),
        "attributes": attributes.map(typed).collect::<Vec<_>>(),
    })
}
