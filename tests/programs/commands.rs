//! A scorer that sends raw Redis commands: `{"ask": [{"execute": ["HSET", "k", "f", "v"]}]}`.
//!
//! Owns a name for every function of the contract's `redis`. It answers with one `{"ok": …}` or
//! `{"error": …}` for each request, in which every value shows its kind. An argument is a string,
//! or `{"bytes": […]}`, or `{"zeros": n}`. With `"strict"`, the first error becomes the scorer's
//! own error.

use scorebox_guest::redis::{Command, Connection, Error, Node, Reply, Value};
use scorebox_guest::{Invocation, Json, OrProblem, Result, Scorer, Signature, export_scorer};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};

#[derive(Deserialize)]
struct Request {
    #[serde(default = "default_store")]
    store: String,
    #[serde(default)]
    strict: bool,
    ask: Vec<Ask>,
}

fn default_store() -> String {
    "default".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    Open,
    Execute(Vec<JsonValue>),
    Pipeline(Vec<Vec<JsonValue>>),
    Transaction(Vec<Vec<JsonValue>>),
    /// A command whose reply is shown as the SDK converts it to JSON.
    Json(Vec<JsonValue>),
    /// A pipeline whose replies are only shown as present, so that large replies need not come
    /// back.
    Weigh(Vec<Vec<JsonValue>>),
}

struct Commands {
    /// Connection that is opened at its first use.
    lazy: Connection,
}

impl Scorer for Commands {
    type Input = Json<Request>;
    type Output = Json<Vec<JsonValue>>;

    fn describe() -> Signature {
        Signature::json().input_example("nothing", r#"{"ask": []}"#)
    }

    fn init() -> Result<Self> {
        Ok(Self {
            lazy: Connection::lazy("default"),
        })
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(request): Json<Request>,
    ) -> Result<Json<Vec<JsonValue>>> {
        let mut results = Vec::with_capacity(request.ask.len());
        for ask in request.ask {
            let opened;
            let connection = if request.store == "default" {
                Ok(&self.lazy)
            } else {
                opened = Connection::open(&request.store);
                opened.as_ref().map_err(Clone::clone)
            };
            let result = match connection {
                Ok(connection) => perform(connection, &request.store, ask)?,
                Err(error) => Err(error),
            };
            results.push(match result {
                Ok(value) => json!({ "ok": value }),
                Err(error) if request.strict => return Err(error.into()),
                Err(error) => json!({ "error": named(&error) }),
            });
        }
        Ok(Json(results))
    }
}

export_scorer!(Commands);

/// Performs one request. The inner error is the store's, and the outer error is the request's.
fn perform(
    connection: &Connection,
    store: &str,
    ask: Ask,
) -> Result<std::result::Result<JsonValue, Error>> {
    Ok(match ask {
        Ask::Open => Connection::open(store).map(|_| JsonValue::Null),
        Ask::Execute(words) => connection
            .execute(command(&words)?)
            .map(|reply| shown(reply.value())),
        Ask::Json(words) => connection
            .execute(command(&words)?)
            .map(|reply| reply.value().to_json()),
        Ask::Weigh(list) => connection
            .pipeline(commands(&list)?)
            .map(|replies| each(replies, |_| JsonValue::Null)),
        Ask::Pipeline(list) => connection
            .pipeline(commands(&list)?)
            .map(|replies| each(replies, shown)),
        Ask::Transaction(list) => {
            let replies = connection.transaction(commands(&list)?);
            replies.map(|replies| replies.iter().map(|reply| shown(reply.value())).collect())
        }
    })
}

fn each(
    replies: Vec<std::result::Result<Reply, Error>>,
    show: fn(Value<'_>) -> JsonValue,
) -> JsonValue {
    let one = |reply: std::result::Result<Reply, Error>| match reply {
        Ok(reply) => json!({ "ok": show(reply.value()) }),
        Err(error) => json!({ "error": named(&error) }),
    };
    replies.into_iter().map(one).collect()
}

fn commands(list: &[Vec<JsonValue>]) -> Result<Vec<Command>> {
    list.iter().map(|words| command(words)).collect()
}

fn command(words: &[JsonValue]) -> Result<Command> {
    let word = |word: &JsonValue| match (word, word["zeros"].as_u64()) {
        (JsonValue::String(text), _) => Ok(text.clone().into_bytes()),
        (_, Some(count)) => Ok(vec![
            0;
            usize::try_from(count)
                .or_reject("bad-argument", "zeros are too many")?
        ]),
        (other, None) => serde_json::from_value::<Vec<u8>>(other["bytes"].clone()).or_reject(
            "bad-argument",
            r#"an argument is a string, {"bytes": [0, 255]} or {"zeros": 2}"#,
        ),
    };
    words.iter().map(word).collect()
}

/// Returns a value as JSON, with its kind if its form does not show it.
///
/// A string without a kind is bytes, and a whole number is an integer.
fn shown(value: Value<'_>) -> JsonValue {
    match value.node() {
        Node::Nil => JsonValue::Null,
        Node::Boolean(value) => json!(value),
        Node::Integer(value) => json!(value),
        Node::Double(value) => json!({ "double": value }),
        Node::Text(text) => json!({ "text": text }),
        Node::Bytes(bytes) => value
            .as_str()
            .map_or_else(|| json!({ "bytes": bytes }), |text| json!(text)),
        Node::Array(_) => value.items().map(shown).collect(),
        Node::Map(_) => {
            let pairs = value
                .pairs()
                .into_iter()
                .map(|(key, value)| json!([shown(key), shown(value)]));
            json!({ "map": pairs.collect::<Vec<_>>() })
        }
        Node::Fault(text) => json!({ "fault": text }),
    }
}

fn named(error: &Error) -> JsonValue {
    match error {
        Error::NoSuchConnection => json!("no-such-connection"),
        Error::Denied(why) => json!({ "denied": why }),
        Error::CrossSlot => json!("cross-slot"),
        Error::Timeout => json!("timeout"),
        Error::Disconnected => json!("disconnected"),
        Error::TooLarge(limit) => json!({ "too-large": limit }),
        Error::Server(text) => json!({ "server": text }),
    }
}
