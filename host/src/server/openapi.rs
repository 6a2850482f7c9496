//! OpenAPI 3.1 document at `/swagger.json`, which describes the scorer's contract.
//!
//! Owns the form of the document. Must not know how the contract was found.

use serde_json::{Map, Value, json};

use crate::codec::media_type::{JSON, OCTET_STREAM, is_json};
use crate::codec::open_inference::{accepted_datatypes, datatype};
use crate::codec::takes_bytes;
use crate::manifest::{Manifest, Trigger};
use crate::model::Dtype;
use crate::scorer::signature::{Example, Shape, Signature, TensorSignature};
use crate::tensor::Port;

/// Returns the OpenAPI document of a scorer: its routes, and the schemas of its requests and
/// responses.
#[must_use]
pub(super) fn document(manifest: &Manifest, signature: Signature<'_>) -> Value {
    let scorer = &manifest.scorer;
    let version = if scorer.version.is_empty() {
        "unversioned"
    } else {
        &scorer.version
    };
    let mut paths = Map::new();
    paths.insert(
        "/".to_owned(),
        json!({"get": {
            "operationId": "ServiceHealthCheck",
            "summary": "Liveness",
            "responses": {"200": {"description": "The service is running.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
        }}),
    );
    let (input, output) = bodies(signature);
    paths.insert(
        "/score".to_owned(),
        json!({"post": operation("RunMLService", &input, &output)}),
    );
    for (index, http) in manifest
        .triggers
        .iter()
        .filter_map(Trigger::http)
        .enumerate()
    {
        let id = format!("RunMLService{}", index + 1);
        paths.insert(
            format!("/api/{}", http.route),
            operations(&id, &http.methods, &input, &output),
        );
    }
    if let Signature::Tensor(signature) = signature {
        let path = format!("/v2/models/{}/infer", scorer.name);
        let (input, output) = open_inference(signature);
        paths.insert(
            path,
            json!({"post": operation("ModelInfer", &input, &output)}),
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": scorer.name, "version": version},
        "paths": paths,
        "components": {
            "schemas": {
                "ErrorResponse": {
                    "type": "object",
                    "required": ["message", "code", "id"],
                    "properties": {
                        "message": {"type": "string", "description": "What was wrong and what to do."},
                        "code": {
                            "type": "string",
                            "description": "Machine-readable code, in kebab-case.",
                        },
                        "id": {"type": "string", "description": "The request's id, as in the log."},
                        "pointer": {
                            "type": "string",
                            "description": "JSON pointer to the wrong value in the request's body.",
                        },
                        "error": {
                            "type": "string",
                            "description": "The message again, on Open Inference Protocol routes.",
                        },
                    },
                },
            },
        },
    })
}

/// Returns the OpenAPI descriptions of the request body and of the response body of `/score`, by
/// media type.
fn bodies(signature: Signature<'_>) -> (Value, Value) {
    let signature = match signature {
        Signature::Payload(signature) => {
            return (
                content("input", &signature.input),
                content("output", &signature.output),
            );
        }
        Signature::Tensor(signature) => signature,
    };
    let mut schema = object(&signature.inputs, Direction::Input);
    describe(&mut schema, signature);
    let mut input = json!({JSON: media(schema, &signature.examples)});
    // OpenAPI 3.1 has no schema for arbitrary bytes. The empty schema admits everything.
    if let Some(input) = input
        .as_object_mut()
        .filter(|_| takes_bytes(&signature.inputs))
    {
        input.insert(OCTET_STREAM.to_owned(), json!({}));
    }
    let output = match signature.outputs.as_slice() {
        [port] => {
            json!({JSON: {"schema": nested(port, Direction::Output, &port.shape)}, OCTET_STREAM: {}})
        }
        ports => json!({JSON: {"schema": object(ports, Direction::Output)}}),
    };
    (input, output)
}

/// Returns the OpenAPI descriptions of the request body and of the response body in the Open
/// Inference Protocol, by media type. The protocol allows flat and nested data, so the schema of
/// `data` allows any array. An input of numbers accepts several datatypes.
fn open_inference(signature: &TensorSignature) -> (Value, Value) {
    let tensor = |port: &Port, datatype: Value| {
        let rank = port.shape.len();
        json!({
            "type": "object",
            "required": ["name", "shape", "datatype"],
            "properties": {
                "name": {"const": port.name},
                "shape": {"type": "array", "items": {"type": "integer"}, "minItems": rank, "maxItems": rank},
                "datatype": datatype,
                "parameters": {"type": "object"},
                "data": {"type": "array"},
            },
        })
    };
    let tensors = |tensors: Vec<Value>| json!({"type": "array", "items": {"oneOf": tensors}});
    let inputs = signature
        .inputs
        .iter()
        .map(|port| tensor(port, json!({"enum": accepted_datatypes(port)})));
    let outputs = signature
        .outputs
        .iter()
        .map(|port| tensor(port, json!({"const": datatype(port.dtype)})));
    let names: Vec<_> = signature
        .outputs
        .iter()
        .map(|port| port.name.as_str())
        .collect();
    let output = json!({
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"enum": names}, "parameters": {"type": "object"}},
    });
    let mut request = json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": tensors(inputs.collect()),
            "outputs": {"type": "array", "items": output},
        },
    });
    describe(&mut request, signature);
    let answer = json!({
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": tensors(outputs.collect()),
        },
    });
    let content = |schema| json!({JSON: {"schema": schema}, OCTET_STREAM: {}});
    (content(request), content(answer))
}

/// Returns one OpenAPI operation for each HTTP method of a route. The id of an operation must be
/// unique in the document, so the id of every operation but POST is `id` followed by the name of
/// the method.
fn operations(id: &str, methods: &[String], input: &Value, output: &Value) -> Value {
    let operations = methods.iter().map(|method| {
        let name = method.to_ascii_lowercase();
        let id = match method.split_at_checked(1) {
            Some((first, rest)) if name != "post" => {
                format!("{id}{first}{}", rest.to_ascii_lowercase())
            }
            _ => id.to_owned(),
        };
        (name, operation(&id, input, output))
    });
    Value::Object(operations.collect())
}

fn operation(id: &str, input: &Value, output: &Value) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({"description": "The answer.", "content": output}),
    );
    for (status, description) in [
        (
            "400",
            "The body does not fit the contract; `pointer` says where.",
        ),
        ("413", "The body is too large."),
        ("415", "The content type is not accepted."),
        ("422", "The scorer can never score this input."),
        ("500", "The scorer is at fault."),
        ("503", "The host cannot answer now. Try again later."),
        ("504", "There was no answer in time."),
    ] {
        let schema = json!({"schema": {"$ref": "#/components/schemas/ErrorResponse"}});
        responses.insert(
            status.to_owned(),
            json!({"description": description, "content": {JSON: schema}}),
        );
    }
    json!({
        "operationId": id,
        "summary": "Score one request",
        "requestBody": {"required": true, "content": input},
        "responses": responses,
    })
}

/// Returns the media types of the input or output of a payload scorer, each with its schema and
/// examples. `direction` is `input` or `output`.
fn content(direction: &str, shape: &Shape) -> Value {
    let any = ["*/*".to_owned()];
    let types = if shape.content_types.is_empty() {
        &any
    } else {
        shape.content_types.as_slice()
    };
    let media_type = |content_type: &String| {
        let schema = match &shape.schema {
            Some(schema) if is_json(content_type) => embedded(direction, &schema.document),
            // OpenAPI 3.1 has no schema for arbitrary bytes. The empty schema admits everything.
            _ => json!({}),
        };
        let fits = |example: &&Example| {
            content_type == "*/*" || example.value.content_type == *content_type
        };
        let examples: Vec<_> = shape.examples.iter().filter(fits).cloned().collect();
        (content_type.clone(), media(schema, &examples))
    };
    Value::Object(types.iter().map(media_type).collect())
}

/// Prepares a scorer's JSON schema for the OpenAPI document: adds an `$id` if the schema does not
/// have one. The `$id` makes a reference such as `#/$defs/…` point into the schema and not into the
/// document. `direction` is `input` or `output`.
fn embedded(direction: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema
            .entry("$id")
            .or_insert_with(|| format!("urn:scorebox:{direction}").into());
    }
    schema
}

fn media(schema: Value, examples: &[Example]) -> Value {
    let mut media = Map::new();
    media.insert("schema".to_owned(), schema);
    let examples: Map<String, Value> = examples
        .iter()
        .filter_map(|example| {
            // JSON is shown as JSON, and other text as a string. Other bytes have no place in the
            // document.
            let value = if is_json(&example.value.content_type) {
                serde_json::from_slice(&example.value.body).ok()?
            } else {
                Value::String(str::from_utf8(&example.value.body).ok()?.to_owned())
            };
            Some((example.name.clone(), json!({"value": value})))
        })
        .collect();
    if !examples.is_empty() {
        media.insert("examples".to_owned(), Value::Object(examples));
    }
    Value::Object(media)
}

/// Adds a description to the schema of a request: the sizes that must be equal, which JSON Schema
/// cannot state.
fn describe(schema: &mut Value, signature: &TensorSignature) {
    let text = signature.sizes.described(&signature.inputs);
    if let Some(schema) = schema.as_object_mut().filter(|_| !text.is_empty()) {
        schema.insert("description".to_owned(), text.into());
    }
}

/// Direction of a tensor: what the scorer takes, or what it answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Input,
    Output,
}

fn object(ports: &[Port], direction: Direction) -> Value {
    let required = ports.iter().filter(|port| !port.optional);
    let names: Vec<_> = required.map(|port| port.name.as_str()).collect();
    let properties: Map<String, Value> = ports
        .iter()
        .map(|port| (port.name.clone(), nested(port, direction, &port.shape)))
        .collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn nested(port: &Port, direction: Direction, shape: &[Option<u64>]) -> Value {
    let Some((length, inner)) = shape.split_first() else {
        return element_schema(port, direction);
    };
    let mut list = json!({"type": "array", "items": nested(port, direction, inner)});
    if let (Some(length), Some(list)) = (length, list.as_object_mut()) {
        list.insert("minItems".to_owned(), (*length).into());
        list.insert("maxItems".to_owned(), (*length).into());
    }
    list
}

/// Returns the JSON schema of an element of a port. An element of an input may also be `null` or a
/// boolean if the manifest says so. A float of an answer may be `null`, which stands for NaN and
/// infinity.
fn element_schema(port: &Port, direction: Direction) -> Value {
    let mut schema = element(port.dtype);
    let is_null = match direction {
        Direction::Input => port.facts.missing,
        Direction::Output => port.dtype.is_float(),
    };
    let others: Vec<_> = [(is_null, "null"), (port.facts.boolean, "boolean")]
        .into_iter()
        .filter(|(is_taken, _)| *is_taken)
        .map(|(_, name)| json!(name))
        .collect();
    if let Some(kind) = schema.get_mut("type").filter(|_| !others.is_empty()) {
        let mut kinds = vec![kind.take()];
        kinds.extend(others);
        *kind = Value::Array(kinds);
    }
    schema
}

fn element(dtype: Dtype) -> Value {
    match dtype {
        Dtype::Bool => json!({"type": "boolean"}),
        Dtype::F32 => json!({"type": "number", "format": "float"}),
        Dtype::F64 => json!({"type": "number", "format": "double"}),
        Dtype::Bf16 | Dtype::F16 => json!({"type": "number"}),
        Dtype::Text => json!({"type": "string"}),
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => integer("int", dtype),
        Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => integer("uint", dtype),
    }
}

/// Returns the JSON schema of an integer, with a format name of the OpenAPI format registry such as
/// `int64` or `uint8`. `family` is `int` or `uint`.
fn integer(family: &str, dtype: Dtype) -> Value {
    json!({"type": "integer", "format": format!("{family}{}", dtype.bytes() * 8)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_may_be_what_its_input_takes() {
        #[track_caller]
        fn check(dtype: Dtype, missing: bool, boolean: bool, input: &Value, output: &Value) {
            let mut port = Port::new("x", dtype, Vec::new());
            assert_eq!(element_schema(&port, Direction::Output)["type"], *output);
            port.facts.missing = missing;
            port.facts.boolean = boolean;
            assert_eq!(element_schema(&port, Direction::Input)["type"], *input);
        }
        let (number, text) = (json!("number"), json!("string"));
        let nullable = json!(["number", "null"]);
        check(Dtype::F32, false, false, &number, &nullable);
        check(Dtype::F32, true, false, &nullable, &nullable);
        let all = json!(["number", "null", "boolean"]);
        check(Dtype::F64, true, true, &all, &nullable);
        check(Dtype::Text, true, false, &json!(["string", "null"]), &text);
        let integer = json!("integer");
        check(
            Dtype::I64,
            false,
            true,
            &json!(["integer", "boolean"]),
            &integer,
        );
    }

    #[test]
    fn a_route_has_an_operation_for_each_of_its_methods() {
        let methods = ["GET", "POST", "PUT"].map(str::to_owned);
        let operations = operations("Run", &methods, &json!({}), &json!({}));
        let ids: Vec<_> = ["get", "post", "put"]
            .iter()
            .map(|method| operations[method]["operationId"].as_str())
            .collect();
        assert_eq!(ids, [Some("RunGet"), Some("Run"), Some("RunPut")]);
        assert_eq!(operations.as_object().map(Map::len), Some(3));
    }
}
