//! Tests of the OpenAPI document: its operations, the bounds of elements, and the forms of bodies.

use std::path::Path;

use super::schema::{Direction, element};
use super::*;
use crate::model::Dtype;
use crate::tensor::{EqualSizes, Port, Requests};

fn signature(inputs: Vec<Port>) -> TensorSignature {
    TensorSignature {
        inputs,
        outputs: vec![
            Port::new("label", Dtype::I64, vec![None]),
            Port::new("probabilities", Dtype::F32, vec![None, Some(2)]),
        ],
        requests: Requests::default(),
        sizes: EqualSizes::default(),
        batchable: false,
        deterministic: true,
        examples: Vec::new(),
    }
}

/// Returns the OpenAPI document of a graph with these inputs.
fn document_of(inputs: Vec<Port>) -> Value {
    let text = "[scorer]\nname = \"m\"\nversion = \"1.0\"\nmodel = \"model\"\n";
    let manifest = Manifest::parse(Path::new("scorebox.toml"), text).unwrap();
    let paths = ["/v2/models/m", "/v2/models/m/versions/1.0"].map(str::to_owned);
    document(&manifest, Signature::Tensor(&signature(inputs)), &paths)
}

fn columns() -> Vec<Port> {
    vec![
        Port::new("age", Dtype::I64, vec![None, Some(1)]),
        Port::new("city", Dtype::Text, vec![None, Some(1)]),
    ]
}

fn matrix() -> Vec<Port> {
    let mut port = Port::new("X", Dtype::F32, vec![None, Some(2)]);
    port.facts.columns = ["width", "age"].map(str::to_owned).to_vec();
    vec![port]
}

/// Calls `visit` with a JSON value and with each value inside of it.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, visit)),
        _ => {}
    }
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

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    let unnamed = Port::new("x", Dtype::F64, vec![None, Some(3)]);
    let scalar = Port::new("x", Dtype::Bool, Vec::new());
    for inputs in [columns(), matrix(), vec![unnamed], vec![scalar]] {
        let document = document_of(inputs);
        let (mut ids, mut references) = (Vec::new(), Vec::new());
        walk(&document, &mut |value| {
            ids.extend(
                value
                    .get("operationId")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            references.extend(value.get("$ref").and_then(Value::as_str).map(str::to_owned));
        });
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), count), (20, 20), "{ids:?}");
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        assert!(!document.to_string().contains('@'));
    }
}

#[test]
fn the_document_names_the_columns_in_their_order() {
    let document = document_of(matrix());
    assert_eq!(
        document["info"]["description"],
        "Inputs, in order: `X` (f32 [N, 2]). Columns of `X`, in order: `width`, `age`."
    );
    let examples = &document["paths"]["/score"]["post"]["requestBody"]["content"][JSON]["examples"];
    assert_eq!(
        examples["records"]["value"],
        json!([{"width": 0, "age": 0}])
    );
    assert_eq!(
        examples["columns"]["value"],
        json!({"width": [0], "age": [0]})
    );
    let split = json!({"columns": ["width", "age"], "data": [[0, 0]]});
    assert_eq!(examples["split"]["value"], split);
    let row = &document["components"]["schemas"]["Row"];
    assert_eq!(row["required"], json!(["age", "width"]));
    assert_eq!(row["additionalProperties"], json!(false));
    let document = document_of(columns());
    assert_eq!(
        document["info"]["description"],
        "Inputs, in order: `age` (i64 [N, 1]), `city` (text [N, 1])."
    );
}

#[test]
fn an_optional_input_need_not_be_there() {
    let mut inputs = columns();
    let mut plan = Port::new("plan", Dtype::Text, vec![None, Some(1)]);
    let mut threshold = Port::new("threshold", Dtype::F32, Vec::new());
    plan.optional = true;
    threshold.optional = true;
    inputs.extend([plan, threshold]);
    let document = document_of(inputs);
    let schemas = &document["components"]["schemas"];
    let required = json!(["age", "city"]);
    assert_eq!(schemas["Columns"]["required"], required);
    assert!(schemas["Columns"]["properties"]["threshold"].is_object());
    assert_eq!(schemas["Row"]["required"], required);
    let properties = schemas["Row"]["properties"].as_object().unwrap();
    assert_eq!(
        properties.keys().collect::<Vec<_>>(),
        ["age", "city", "plan"]
    );
    let names = &schemas["SplitByName"]["properties"]["columns"];
    assert_eq!(
        (&names["minItems"], &names["maxItems"]),
        (&json!(2), &json!(3))
    );
    let inputs = &schemas["InferRequest"]["properties"]["inputs"];
    assert_eq!(
        (&inputs["minItems"], &inputs["maxItems"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(
        document["info"]["description"],
        "Inputs, in order: `age` (i64 [N, 1]), `city` (text [N, 1]), `plan` (text [N, 1], optional), \
         `threshold` (f32 [], optional)."
    );
    let mut inputs = matrix();
    let mut weights = Port::new("w", Dtype::F32, vec![Some(2)]);
    weights.optional = true;
    inputs.push(weights);
    let data = &document_of(inputs)["components"]["schemas"]["Data"];
    assert_eq!(data["required"], json!(["data"]));
    assert!(data["properties"]["w"].is_object(), "{data}");
}

#[test]
fn sizes_that_must_be_equal_are_described() {
    let mut signature = signature(columns());
    signature.sizes = EqualSizes::of_rows(&signature.inputs);
    assert!(
        schema::described(&signature).ends_with(" All inputs must have the same number of rows.")
    );
}

#[test]
fn a_form_whose_key_is_a_name_is_left_out() {
    #[track_caller]
    fn check(name: &str, form: &str, is_there: bool) {
        let mut inputs = columns();
        inputs[0].name = name.to_owned();
        let document = document_of(inputs);
        let forms = &document["components"]["schemas"]["PredictRequest"]["anyOf"];
        let reference = json!({"$ref": format!("#/components/schemas/{form}")});
        let found = forms
            .as_array()
            .is_some_and(|forms| forms.contains(&reference));
        assert_eq!(found, is_there, "{name} {form}");
    }
    check("age", "InstancesRequest", true);
    check("instances", "InstancesRequest", false);
    check("params", "InputsRequest", false);
    check("Inputs", "AutomatedRequest", false);
    check("Inputs", "InstancesRequest", true);
}

#[test]
fn an_element_may_be_what_its_input_takes() {
    #[track_caller]
    fn check(dtype: Dtype, missing: bool, boolean: bool, input: &Value, output: &Value) {
        let mut port = Port::new("x", dtype, Vec::new());
        assert_eq!(element(&port, Direction::Output)["type"], *output);
        port.facts.missing = missing;
        port.facts.boolean = boolean;
        assert_eq!(element(&port, Direction::Input)["type"], *input);
    }
    let (number, text) = (json!("number"), json!("string"));
    let nullable = json!(["number", "null"]);
    check(Dtype::F32, false, false, &number, &nullable);
    check(Dtype::F32, true, false, &nullable, &nullable);
    let all = json!(["number", "null", "boolean"]);
    check(Dtype::F64, true, true, &all, &nullable);
    check(Dtype::Text, true, false, &json!(["string", "null"]), &text);
    let integer = json!("integer");
    let either = json!(["integer", "boolean"]);
    check(Dtype::I64, false, true, &either, &integer);
}

/// Checks that the schema of each element type has the bounds that the decoder of bodies has: a
/// bound is accepted unless it is exclusive, and the number beyond it is refused.
#[test]
fn bounds_are_those_of_the_reader() {
    #[track_caller]
    fn check(dtype: Dtype, key: &str, bound: &Value, beyond: &str) {
        let ports = [Port::new("x", dtype, vec![None])];
        let schema = element(&ports[0], Direction::Input);
        assert_eq!(schema[key], *bound, "{dtype:?}");
        let read = |text: &str| {
            let lists = crate::tensor::PortLists {
                inputs: &ports,
                outputs: &[],
                requests: Requests::default(),
            };
            let payload = crate::call::Payload {
                content_type: JSON.to_owned(),
                body: format!("[{text}]").into(),
            };
            crate::codec::read(lists, crate::call::BodyFormat::Labelled, &payload, &[]).is_ok()
        };
        assert_eq!(
            read(&bound.to_string()),
            !key.starts_with("exclusive"),
            "{bound}"
        );
        assert!(!read(beyond), "{beyond}");
    }
    check(Dtype::I8, "minimum", &json!(-128), "-129");
    check(Dtype::I16, "maximum", &json!(32_767), "32768");
    check(
        Dtype::I64,
        "minimum",
        &json!(i64::MIN),
        "-9223372036854775809",
    );
    check(Dtype::U8, "minimum", &json!(0), "-1");
    check(Dtype::U32, "maximum", &json!(u32::MAX), "4294967296");
    check(
        Dtype::U64,
        "maximum",
        &json!(u64::MAX),
        "18446744073709551616",
    );
    check(Dtype::F16, "exclusiveMaximum", &json!(65_520.0), "65521");
    check(Dtype::F16, "exclusiveMinimum", &json!(-65_520.0), "-65520");
    let limit = 2f64.powi(128) - 2f64.powi(103);
    check(
        Dtype::F32,
        "maximum",
        &json!(limit),
        &limit.next_up().to_string(),
    );
    let limit = 2f64.powi(128) - 2f64.powi(119);
    check(
        Dtype::Bf16,
        "minimum",
        &json!(-limit),
        &(-limit.next_up()).to_string(),
    );
    check(Dtype::F64, "maximum", &json!(f64::MAX), "1.8e308");
}

#[test]
fn keys_guard_every_operation_but_the_probes() {
    let guarded = |text: &str| {
        let text = format!("[scorer]\nname = \"m\"\nversion = \"1.0\"\nmodel = \"model\"\n{text}");
        let manifest = Manifest::parse(Path::new("scorebox.toml"), &text).unwrap();
        let paths = ["/v2/models/m", "/v2/models/m/versions/1.0"].map(str::to_owned);
        document(&manifest, Signature::Tensor(&signature(matrix())), &paths)
    };
    let open = guarded("");
    assert!(open.get("security").is_none() && !open.to_string().contains("Error401"));
    let document = guarded("[server]\nkeys = [\"env:K\"]\n");
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    let required = document["security"].as_array().unwrap();
    assert_eq!((schemes.len(), required.len()), (3, 3));
    for scheme in required
        .iter()
        .flat_map(|scheme| scheme.as_object().unwrap().keys())
    {
        assert!(schemes.contains_key(scheme), "{scheme}");
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            let is_open = operation.get("security") == Some(&json!([]));
            let has_401 = operation["responses"].get("401").is_some();
            let probes = [
                "/",
                "/livez",
                "/readyz",
                "/v2/health/live",
                "/v2/health/ready",
            ];
            let is_probe = probes.contains(&path.as_str());
            assert_eq!((is_open, has_401), (is_probe, !is_probe), "{path}");
        }
    }
}
