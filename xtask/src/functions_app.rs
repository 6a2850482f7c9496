//! The Functions side of an app folder: `host.json` and one `function.json` per trigger.
//!
//! Owns these files' content and the functions' names. Must not know the scorer, nor where the files go.

use std::collections::BTreeMap;

use scorebox_host::manifest::{Manifest, Trigger};
use serde_json::json;

use crate::failure::Failure;
use crate::image::{APP_ROOT, HOST_PROGRAM};

/// Returns the files by their path inside the app folder.
pub fn files(manifest: &Manifest) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::from([("host.json".to_owned(), host_json())]);
    for trigger in &manifest.triggers {
        let Trigger::Http { route, auth_level } = trigger;
        let function = json!({
            "bindings": [
                {
                    "type": "httpTrigger",
                    "direction": "in",
                    "name": "req",
                    "authLevel": auth_level.to_string(),
                    "methods": ["post"],
                    "route": route,
                },
                { "type": "http", "direction": "out", "name": "res" },
            ],
        });
        let path = format!("{}/function.json", function_name(route));
        // The Functions host compares names without case.
        let taken = files.keys().any(|other: &String| other.eq_ignore_ascii_case(&path));
        if taken || files.insert(path.clone(), text(&function)).is_some() {
            return Err(Failure::project(
                format!("{}: `trigger.route`: `{route}` and another route both need {path}", manifest.path.display()),
                "change one of the routes: `/` and `.` become `-` in a function's name, and case does not count",
            ));
        }
    }
    Ok(files)
}

/// A route as a function's name: a letter, then letters, digits, `_` and `-`, at most 128, and not `host`.
fn function_name(route: &str) -> String {
    let mut name = route.replace(['/', '.'], "-");
    // The Functions host takes neither of the first two; `model` is the model's folder.
    if name.eq_ignore_ascii_case("host")
        || !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || name.eq_ignore_ascii_case("model")
    {
        name.insert_str(0, "fn-");
    }
    name.truncate(128);
    name
}

// No extension bundle: HTTP is built into the Functions host, and a bundle that the base lacks would be downloaded at
// every cold start, or fail to be where the network is closed.
fn host_json() -> String {
    text(&json!({
        "version": "2.0",
        "logging": { "logLevel": { "default": "Information" } },
        "customHandler": {
            "description": {
                "defaultExecutablePath": HOST_PROGRAM,
                "arguments": ["serve", "--app", APP_ROOT],
            },
            // Every trigger is HTTP in and HTTP out, so requests arrive as they were sent.
            "enableForwardingHttpRequest": true,
        },
    }))
}

fn text(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn manifest(routes: &[&str]) -> Manifest {
        let mut text = "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n".to_owned();
        for route in routes {
            text.push_str(&format!("[[trigger]]\nkind = \"http\"\nroute = \"{route}\"\n"));
        }
        Manifest::parse(Path::new("scorebox.toml"), &text).unwrap()
    }

    #[test]
    fn names_fit_the_functions_host() {
        let check = |route: &str, name: &str| assert_eq!(function_name(route), name);
        check("score", "score");
        check("v1/digits.score", "v1-digits-score");
        check("host", "fn-host");
        check("model", "fn-model");
        check("2/score", "fn-2-score");
        check("_score", "fn-_score");
        assert_eq!(function_name(&"x".repeat(200)).len(), 128);
    }

    #[test]
    fn each_route_has_its_function() {
        let files = files(&manifest(&["score", "v1/score"])).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["host.json", "score/function.json", "v1-score/function.json"]);
        let function: serde_json::Value = serde_json::from_str(&files["score/function.json"]).unwrap();
        assert_eq!(function["bindings"][0]["route"], "score");
        assert_eq!(function["bindings"][0]["authLevel"], "function");
        let host: serde_json::Value = serde_json::from_str(&files["host.json"]).unwrap();
        assert_eq!(host["customHandler"]["description"]["defaultExecutablePath"], "/usr/bin/scorebox");
    }

    #[test]
    fn two_routes_with_one_name_are_refused() {
        let refused = files(&manifest(&["a/b", "a-b"])).unwrap_err();
        assert!(refused.problem.contains("a-b/function.json"), "{refused}");
    }
}
