//! Rules for the file `function.json`.
//!
//! Owns what a second, simpler reader finds in it. Must not know folders.

use std::path::Path;

use serde_json::Value;

use crate::errors;
use crate::readers::{Function, MANIFEST_FILE, Manifest, TriggerBinding};

/// Manifest of the app that the function belongs to.
const MANIFEST: &str = "[scorer]\nname = \"digits\"\ncomponent = \"digits.wasm\"\n";

/// Checks the bytes as the text of a `function.json`.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let manifest = Manifest::parse(Path::new(MANIFEST_FILE), MANIFEST).expect("it is a manifest");
    for prefix in [None, Some("api"), Some("")] {
        let parse = |text: &str| {
            let path = Path::new("score/function.json");
            Function::parse("score".to_owned(), path, text, prefix, &manifest)
        };
        match parse(text) {
            Err(error) => errors::several_lines(&error.to_string()),
            Ok((function, methods)) => {
                let bare = text.trim_start_matches('\u{feff}');
                // Numbers beyond any range are only skipped by the reader, and not kept.
                let Ok(document) = serde_json::from_str::<Value>(bare) else {
                    continue;
                };
                bindings(&document, &function);
                assert_eq!(function.name, "score");
                assert!(
                    methods
                        .iter()
                        .all(|method| *method == method.to_ascii_uppercase())
                );
                let is_forwarded = function.route.is_some();
                assert!(
                    !is_forwarded || prefix.is_some() && function.trigger == TriggerBinding::Http
                );
                let again = parse(&document.to_string()).expect("a document is read again");
                assert_eq!(format!("{again:?}"), format!("{:?}", (function, methods)));
            }
        }
    }
}

/// Checks that a function has exactly the bindings of its file.
fn bindings(document: &Value, function: &Function) {
    let all = document["bindings"]
        .as_array()
        .expect("bindings are a list");
    let lower = |binding: &Value, key: &str| {
        binding[key]
            .as_str()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let (triggers, others): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|binding| lower(binding, "type").ends_with("trigger"));
    let [trigger] = triggers.as_slice() else {
        panic!("{} triggers", triggers.len());
    };
    assert_eq!(trigger["name"], function.trigger_name.as_str());
    let kind = match &function.trigger {
        TriggerBinding::Blob { path } => {
            assert_eq!(trigger["path"].as_str().unwrap_or_default(), path);
            "blobtrigger"
        }
        TriggerBinding::Http => {
            assert!(function.http.is_some());
            "httptrigger"
        }
        TriggerBinding::ServiceBus { many, .. } => {
            assert_eq!(*many, lower(trigger, "cardinality") == "many");
            "servicebustrigger"
        }
        TriggerBinding::Queue { .. } => "queuetrigger",
        TriggerBinding::WarmUp => "warmuptrigger",
    };
    assert_eq!(lower(trigger, "type"), kind);
    let names = |is_out: bool, is_http: bool| {
        let of_kind = others.iter().filter(move |binding| {
            (lower(binding, "direction") == "out") == is_out
                && (is_out && lower(binding, "type") == "http") == is_http
        });
        of_kind.map(|binding| binding["name"].as_str().unwrap_or_default())
    };
    let inputs = function.inputs.iter().map(|input| input.name.as_str());
    assert!(names(false, false).eq(inputs));
    assert_eq!(names(true, true).next_back(), function.http.as_deref());
    let outputs = function.outputs.iter().map(|output| output.name.as_str());
    assert!(
        names(true, false)
            .filter(|name| *name != "park")
            .eq(outputs)
    );
    assert_eq!(
        names(true, false).any(|name| name == "park"),
        function.park.is_some()
    );
    assert!(others.iter().all(|binding| binding["name"] != "") && trigger["name"] != "");
}
