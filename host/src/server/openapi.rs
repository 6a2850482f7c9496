//! OpenAPI 3.1 document at `/openapi.json`, which describes every route and the scorer's contract.
//!
//! Owns the operations that take a body. The file `openapi/frame.json` has all other operations,
//! and the responses to calls that fail. The file is text, because code that builds its content is
//! several times as large. Must not know how the contract was found, or the schemas of tensors,
//! which are in `schema`.

mod forms;
mod inference;
mod keys;
mod routes;
mod schema;

use serde_json::{Map, Value, json};

use self::schema::{any_of, binary, described, reference};
use crate::codec::media_type::{JSON, OCTET_STREAM, is_json};
use crate::codec::takes_bytes;
use crate::manifest::{Manifest, Trigger};
use crate::scorer::signature::{Example, Shape, Signature, TensorSignature};

/// OpenAPI document as JSON, with the routes that take no body and the schemas of failures.
/// `@NAME@` stands for the name of the scorer.
const FRAME: &str = include_str!("openapi/frame.json");

/// Status codes of the failures of a call. The file `openapi/frame.json` describes all of them.
const FAILURES: [&str; 11] = [
    "400", "404", "405", "408", "413", "415", "422", "431", "500", "503", "504",
];

/// Returns the OpenAPI document of a scorer: its routes, and the schemas of its requests and
/// responses. `model_paths` are the paths of the model in the Open Inference Protocol, the one
/// without a version first.
#[must_use]
#[inline(never)]
pub(super) fn document(
    manifest: &Manifest,
    signature: Signature<'_>,
    model_paths: &[String],
) -> Value {
    let scorer = &manifest.scorer;
    // The frame is a constant, and a name has only characters that JSON need not escape.
    let mut document: Value =
        serde_json::from_str(&FRAME.replace("@NAME@", &scorer.name)).unwrap_or_default();
    if !scorer.version.is_empty() {
        put(
            &mut document,
            "/info",
            "version",
            scorer.version.clone().into(),
        );
    }
    let description = match signature {
        Signature::Payload(_) => String::new(),
        Signature::Tensor(signature) => described(signature),
    };
    if !description.is_empty() {
        put(&mut document, "/info", "description", description.into());
    }
    let (input, output) = match signature {
        Signature::Payload(signature) => (
            content("input", &signature.input),
            content("output", &signature.output),
        ),
        Signature::Tensor(signature) => {
            put_tensors(&mut document, manifest, signature, model_paths);
            tensor_bodies(manifest, signature)
        }
    };
    let post = json!({"post": operation("RunMLService", &input, &output)});
    put(&mut document, "/paths", "/score", post);
    let triggers = manifest.triggers.iter().filter_map(Trigger::http);
    for (index, http) in triggers.enumerate() {
        for (path, id, parameters) in routes::paths(&http.route) {
            let id = format!("RunMLService{}{id}", index + 1);
            let operations = operations(&id, &http.methods, &input, &output);
            routes::put(
                &mut document,
                &format!("/api{path}"),
                &parameters,
                operations,
            );
        }
    }
    put_versions(&mut document, model_paths);
    if !manifest.server.key_variables.is_empty() {
        keys::put_keys(&mut document);
    }
    document
}

/// Inserts `value` under `key` into the object at the JSON pointer `pointer` of the OpenAPI
/// document. Does nothing if the pointer does not lead to an object.
#[inline(never)]
fn put(document: &mut Value, pointer: &str, key: &str, value: Value) {
    if let Some(object) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.insert(key.to_owned(), value);
    }
}

/// Adds the schemas of a tensor scorer, and the routes of KServe and MLflow, to the OpenAPI
/// document.
#[inline(never)]
fn put_tensors(
    document: &mut Value,
    manifest: &Manifest,
    signature: &TensorSignature,
    model_paths: &[String],
) {
    for (name, schema) in forms::schemas(signature) {
        put(document, "/components/schemas", &name, schema);
    }
    inference::put_schemas(signature, document);
    let input = json!({JSON: media(reference("PredictRequest"), examples(manifest, signature))});
    let output = json!({JSON: {"schema": reference("PredictResponse")}});
    let predict = format!("/v1/models/{}:predict", manifest.scorer.name);
    for (path, id) in [
        (predict.as_str(), "Predict"),
        ("/invocations", "Invocations"),
    ] {
        put(
            document,
            "/paths",
            path,
            json!({"post": operation(id, &input, &output)}),
        );
    }
    let content =
        |name| json!({JSON: {"schema": reference(name)}, OCTET_STREAM: {"schema": binary()}});
    let infer = operation(
        "ModelInfer",
        &content("InferRequest"),
        &content("InferResponse"),
    );
    if let Some(path) = model_paths.first() {
        put(
            document,
            "/paths",
            &format!("{path}/infer"),
            json!({"post": infer}),
        );
    }
}

/// Copies the operations on the model's path without a version to the model's path with its
/// version. Does nothing if the model does not have a path with a version. `model_paths` are the
/// paths of the model, the one without a version first.
#[inline(never)]
fn put_versions(document: &mut Value, model_paths: &[String]) {
    let [path, versioned] = model_paths else {
        return;
    };
    for end in ["", "/ready", "/infer"] {
        let found = document
            .get("paths")
            .and_then(|paths| paths.get(format!("{path}{end}")));
        let Some(mut operations) = found.cloned() else {
            continue;
        };
        // The id of an operation must be unique in the document.
        for method in ["get", "post"] {
            let id = operations.pointer_mut(&format!("/{method}/operationId"));
            if let Some(Value::String(id)) = id {
                id.push_str("Version");
            }
        }
        put(document, "/paths", &format!("{versioned}{end}"), operations);
    }
}

/// Returns the OpenAPI descriptions of the request body and of the response body for a tensor
/// scorer, by media type. They are for `/score` and for the routes of HTTP triggers.
#[inline(never)]
fn tensor_bodies(manifest: &Manifest, signature: &TensorSignature) -> (Value, Value) {
    let mut input = json!({JSON: media(reference("ScoreRequest"), examples(manifest, signature))});
    if takes_bytes(&signature.inputs) {
        put(&mut input, "", OCTET_STREAM, json!({"schema": binary()}));
    }
    let answers = vec![reference("ScoreResponse"), reference("InferResponse")];
    let mut output = json!({JSON: {"schema": any_of(answers)}});
    // Binary data is also the answer to a request of the Open Inference Protocol that asks for it.
    put(&mut output, "", OCTET_STREAM, json!({"schema": binary()}));
    (input, output)
}

/// Returns the examples of a tensor scorer's input. A component states them. A graph cannot, so its
/// examples are rows of zeros, on which the host runs each graph at start.
#[inline(never)]
fn examples(manifest: &Manifest, signature: &TensorSignature) -> Map<String, Value> {
    if manifest.scorer.serves_graph() {
        return forms::examples(signature);
    }
    stated(&signature.examples)
}

/// Returns one OpenAPI operation for each HTTP method of a route. The id of an operation must be
/// unique in the document, so the id of every operation but POST is `id` followed by the name of
/// the method.
#[inline(never)]
fn operations(id: &str, methods: &[String], input: &Value, output: &Value) -> Value {
    let mut operations = Map::new();
    for method in methods {
        let name = method.to_ascii_lowercase();
        let id = match method.split_at_checked(1) {
            Some((first, rest)) if name != "post" => {
                format!("{id}{first}{}", rest.to_ascii_lowercase())
            }
            _ => id.to_owned(),
        };
        operations.insert(name, operation(&id, input, output));
    }
    Value::Object(operations)
}

#[inline(never)]
fn operation(id: &str, input: &Value, output: &Value) -> Value {
    let mut responses = Map::new();
    let answer = json!({"description": "The answer.", "content": output});
    responses.insert("200".to_owned(), answer);
    for status in FAILURES {
        let failure = json!({"$ref": format!("#/components/responses/Error{status}")});
        responses.insert(status.to_owned(), failure);
    }
    json!({
        "operationId": id,
        "summary": "Score one request",
        "parameters": [{"$ref": "#/components/parameters/RequestId"}],
        "requestBody": {"required": true, "content": input},
        "responses": responses,
    })
}

/// Returns the media types of the input or output of a payload scorer, each with its schema and
/// examples. `direction` is `input` or `output`.
#[inline(never)]
fn content(direction: &str, shape: &Shape) -> Value {
    let any = ["*/*".to_owned()];
    let types = if shape.content_types.is_empty() {
        &any
    } else {
        shape.content_types.as_slice()
    };
    let mut content = Map::new();
    for content_type in types {
        let schema = match &shape.schema {
            _ if !is_json(content_type) => binary(),
            Some(schema) => embedded(direction, &schema.document),
            None => json!({}),
        };
        let mut examples = Vec::new();
        for example in &shape.examples {
            if content_type == "*/*" || example.value.content_type == *content_type {
                examples.push(example.clone());
            }
        }
        content.insert(content_type.clone(), media(schema, stated(&examples)));
    }
    Value::Object(content)
}

/// Prepares a scorer's JSON schema for the OpenAPI document: adds an `$id` if the schema does not
/// have one. The `$id` makes a reference such as `#/$defs/…` point into the schema and not into the
/// document. `direction` is `input` or `output`.
#[inline(never)]
fn embedded(direction: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema
            .entry("$id")
            .or_insert_with(|| format!("urn:scorebox:{direction}").into());
    }
    schema
}

#[inline(never)]
fn media(schema: Value, examples: Map<String, Value>) -> Value {
    let mut media = Map::new();
    media.insert("schema".to_owned(), schema);
    if !examples.is_empty() {
        media.insert("examples".to_owned(), Value::Object(examples));
    }
    Value::Object(media)
}

/// Returns the examples that a scorer states, by their names. Leaves out examples that are neither
/// JSON nor text in UTF-8.
#[inline(never)]
fn stated(examples: &[Example]) -> Map<String, Value> {
    let mut stated = Map::new();
    for example in examples {
        // JSON is shown as JSON, and other text as a string. Other bytes have no place in the
        // document.
        let value = if is_json(&example.value.content_type) {
            serde_json::from_slice(&example.value.body).ok()
        } else {
            let text = str::from_utf8(&example.value.body).ok();
            text.map(|text| Value::String(text.to_owned()))
        };
        if let Some(value) = value {
            stated.insert(example.name.clone(), json!({"value": value}));
        }
    }
    stated
}

#[cfg(test)]
mod tests;
