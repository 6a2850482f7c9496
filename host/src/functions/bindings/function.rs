//! One function of a function app, from its `function.json`.
//!
//! Owns which bindings Scorebox serves, and what each of them means. Must not know where the file
//! is, or which other functions there are.

use super::binding::{
    ALL_METHODS, DataType, Function, InputBinding, OutputBinding, OutputKind, PARK, TriggerBinding,
};
use super::files::{FunctionFile, RawBinding};
use crate::functions::route::Route;
use crate::manifest::Manifest;
use crate::manifest::triggers::{DEFAULT_MAX_DELIVERY_COUNT, Start};
use crate::text::Problem;

/// Converts the content of a `function.json` to a function. Returns the function with the HTTP
/// methods of its trigger.
///
/// `name` is the name of the function. `prefix` is the prefix of HTTP routes. It is `None` if the
/// Functions host does not forward HTTP requests.
///
/// # Errors
/// Fails if the Functions host would not accept the file, or if the file asks for a binding that
/// Scorebox does not serve.
pub(super) fn function(
    name: String,
    file: FunctionFile,
    prefix: Option<&str>,
    manifest: &Manifest,
) -> Result<(Function, Vec<String>), Problem> {
    let is_trigger = |binding: &RawBinding| binding.kind.to_ascii_lowercase().ends_with("trigger");
    let is_out = |binding: &RawBinding| {
        binding
            .direction
            .as_deref()
            .is_some_and(|word| word.eq_ignore_ascii_case("out"))
    };
    let name_of = |binding: &RawBinding, what: &str| {
        binding
            .name
            .clone()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| {
                Problem::new(
                    format!("the {what} of type {} has no name", binding.kind),
                    "add `\"name\"` to the binding",
                )
            })
    };
    let mut triggers = file.bindings.iter().filter(|binding| is_trigger(binding));
    let (Some(trigger), None) = (triggers.next(), triggers.next()) else {
        return Err(Problem::new(
            "it does not have exactly one trigger",
            "give it one binding whose type ends in Trigger",
        ));
    };
    let binding = match trigger.kind.to_ascii_lowercase().as_str() {
        "httptrigger" => TriggerBinding::Http,
        "blobtrigger" => TriggerBinding::Blob {
            path: trigger.path.clone().unwrap_or_default(),
        },
        "queuetrigger" => TriggerBinding::Queue {
            data_type: data_type(trigger),
        },
        "warmuptrigger" => TriggerBinding::WarmUp,
        "servicebustrigger" => TriggerBinding::ServiceBus {
            many: trigger
                .cardinality
                .as_deref()
                .is_some_and(|word| word.eq_ignore_ascii_case("many")),
            data_type: data_type(trigger),
        },
        _ => {
            return Err(Problem::new(
                format!("a trigger of type {} is not served", trigger.kind),
                "use httpTrigger, blobTrigger, queueTrigger, serviceBusTrigger or warmupTrigger",
            ));
        }
    };
    let (mut inputs, mut outputs, mut park, mut http) = (Vec::new(), Vec::new(), None, None);
    for other in file.bindings.iter().filter(|binding| !is_trigger(binding)) {
        let name = name_of(other, if is_out(other) { "output" } else { "input" })?;
        let kind = other.kind.to_ascii_lowercase();
        if !is_out(other) {
            inputs.push(InputBinding { name });
        } else if kind == "http" {
            http = Some(name);
        } else if data_type(other) == DataType::Binary {
            // The source code of the Functions host and its maintainers contradict each other about
            // an output with a `dataType`.
            return Err(Problem::new(
                format!(
                    "the output {name} has a `dataType`, so it is uncertain what the Functions \
                     host writes"
                ),
                "remove `dataType` from the output: bytes arrive as bytes without it",
            ));
        } else {
            let output = OutputBinding {
                kind: if kind == "blob" {
                    OutputKind::Blob
                } else {
                    OutputKind::Message
                },
                name,
            };
            match output.name.as_str() {
                PARK => park = Some(output),
                _ => outputs.push(output),
            }
        }
    }
    if binding == TriggerBinding::Http && http.is_none() {
        return Err(Problem::new(
            "an HTTP trigger without an HTTP output cannot answer",
            "add {\"type\": \"http\", \"direction\": \"out\", \"name\": \"res\"}",
        ));
    }
    // With any further binding, the Functions host wraps the request in an envelope even if
    // forwarding is enabled.
    let prefix = prefix.filter(|_| binding == TriggerBinding::Http && file.bindings.len() == 2);
    let template = trigger.route.as_deref().filter(|route| !route.is_empty());
    let route = prefix.map(|prefix| Route::new(prefix, template.unwrap_or(&name)));
    let route = route.transpose()?;
    let methods = trigger
        .methods
        .clone()
        .unwrap_or_else(|| ALL_METHODS.map(str::to_owned).to_vec());
    let methods: Vec<_> = methods
        .iter()
        .map(|method| method.to_ascii_uppercase())
        .collect();
    let max_delivery_count = manifest
        .triggers
        .iter()
        .find(|trigger| trigger.function == name);
    let max_delivery_count =
        max_delivery_count.map_or(DEFAULT_MAX_DELIVERY_COUNT, |trigger| match &trigger.start {
            Start::ServiceBus(service_bus) => service_bus.max_delivery_count,
            // The delivery count of storage queues is in `host.json`.
            Start::Blob(_) | Start::Http(_) | Start::Queue(_) => DEFAULT_MAX_DELIVERY_COUNT,
        });
    let trigger_name = name_of(trigger, "trigger")?;
    let function = Function {
        name,
        trigger_name,
        trigger: binding,
        inputs,
        http,
        outputs,
        park,
        max_delivery_count,
        route,
    };
    Ok((function, methods))
}

fn data_type(binding: &RawBinding) -> DataType {
    match binding.data_type.as_deref() {
        Some(word) if word.eq_ignore_ascii_case("binary") => DataType::Binary,
        Some(_) => DataType::Text,
        None => DataType::Unspecified,
    }
}
