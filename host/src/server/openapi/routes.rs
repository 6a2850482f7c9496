//! Paths of the routes of HTTP triggers in the OpenAPI document, with their parameters.
//!
//! Owns how a template becomes paths: a path of OpenAPI has no constraints, and each of its
//! parameters is required. Must not know what a route answers.

use serde_json::{Map, Value, json};

use crate::manifest::triggers::route::{Constraint, Parameter, Part, Template};

/// Returns the paths of a route below the prefix of all routes. A template whose last segments may
/// be missing has several paths, the longest one first. Each path is followed by the suffix of the
/// ids of its operations, which is empty for the longest path, and by its parameters.
#[inline(never)]
pub(super) fn paths(route: &str) -> Vec<(String, String, Vec<Value>)> {
    // The manifest has checked the template.
    let Ok(template) = Template::parse(route) else {
        return Vec::new();
    };
    let segments = template.segments();
    let mut paths = Vec::new();
    for count in (1..=segments.len()).rev() {
        let (mut path, mut parameters) = (String::new(), Vec::new());
        for segment in segments.iter().take(count) {
            path.push('/');
            for part in segment {
                match part {
                    Part::Literal(text) => path.push_str(text),
                    Part::Parameter(parameter) => {
                        path.push_str(&format!("{{{}}}", parameter.name));
                        parameters.push(described(parameter));
                    }
                }
            }
        }
        let id = match segments.len() - count {
            0 => String::new(),
            missing => format!("Without{missing}"),
        };
        paths.push((path, id, parameters));
        let last = segments.get(count - 1).map(Vec::as_slice);
        match last {
            Some([Part::Parameter(parameter)]) if parameter.may_be_missing() => {}
            _ => break,
        }
    }
    paths
}

/// Adds operations with parameters to a path of the OpenAPI document. The path may already have
/// other operations.
#[inline(never)]
pub(super) fn put(document: &mut Value, path: &str, parameters: &[Value], operations: Value) {
    let Value::Object(operations) = operations else {
        return;
    };
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    let entry = paths
        .entry(path)
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(entry) = entry.as_object_mut() else {
        return;
    };
    for (method, mut operation) in operations {
        if let Some(Value::Array(list)) = operation.get_mut("parameters") {
            list.extend_from_slice(parameters);
        }
        entry.insert(method, operation);
    }
}

fn described(parameter: &Parameter) -> Value {
    let mut schema = json!({"type": "string"});
    for constraint in &parameter.constraints {
        match constraint {
            Constraint::Int | Constraint::Range(..) => schema = json!({"type": "integer"}),
            Constraint::Bool => schema = json!({"type": "boolean"}),
            Constraint::Decimal | Constraint::Float => schema = json!({"type": "number"}),
            Constraint::Guid => schema = json!({"type": "string", "format": "uuid"}),
            _ => {}
        }
    }
    json!({"name": parameter.name, "in": "path", "required": true, "schema": schema})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_paths_of_openapi() {
        let check = |route: &str, expected: &[(&str, &str)]| {
            let found = paths(route);
            let found: Vec<_> = found
                .iter()
                .map(|(path, id, _)| (path.as_str(), id.as_str()))
                .collect();
            assert_eq!(found, expected, "{route}");
        };
        check("score", &[("/score", "")]);
        check("risk/{Customer}", &[("/risk/{customer}", "")]);
        check("{a:int}.{b}/x", &[("/{a}.{b}/x", "")]);
        check(
            "risk/{a}/{b=1}/{c?}",
            &[
                ("/risk/{a}/{b}/{c}", ""),
                ("/risk/{a}/{b}", "Without1"),
                ("/risk/{a}", "Without2"),
            ],
        );
        check("x/{*rest}", &[("/x/{rest}", ""), ("/x", "Without1")]);
        check("{*rest}", &[("/{rest}", "")]);
    }

    #[test]
    fn parameters_and_operations_are_kept() {
        let mut document = json!({"paths": {"/api/x/{id}": {"get": {}}}});
        let (path, _, parameters) = paths("x/{id:int}").remove(0);
        let operations = json!({"post": {"parameters": ["first"]}});
        put(
            &mut document,
            &format!("/api{path}"),
            &parameters,
            operations,
        );
        let schema = json!({"type": "integer"});
        let parameter = json!({"name": "id", "in": "path", "required": true, "schema": schema});
        let expected = json!({"get": {}, "post": {"parameters": ["first", parameter]}});
        assert_eq!(document["paths"]["/api/x/{id}"], expected);
    }
}
