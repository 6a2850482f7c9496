//! Bindings of a function app, from `host.json` and each `<function>/function.json`, which the
//! Functions host reads, too.
//!
//! Owns which functions there are, what starts each, and the names of their outputs. An app that
//! was laid out by hand is read like one that the packager made. Without `host.json` there are only
//! the HTTP routes of the manifest. Must not know envelopes.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::route::Route;
use crate::error::StartupError;
use crate::manifest::triggers::{DEFAULT_MAX_DELIVERY_COUNT, Start};
use crate::manifest::{Manifest, Trigger};

/// Name of an output binding that receives only calls that can never be scored.
pub const PARK: &str = "park";

/// Name of a binding whose value is the function's return value.
pub const RETURN: &str = "$return";

/// Function app: its functions, its HTTP routes and its timeout.
#[derive(Debug, Clone, Default)]
pub struct FunctionApp {
    /// Functions of the app, in the order of their names; those from `customHandler.http.routes`
    /// come first.
    pub functions: Vec<Function>,
    /// Routes at which HTTP requests arrive without an envelope, each with the HTTP methods that
    /// score there.
    pub routes: Vec<(Route, Vec<String>)>,
    /// Time after which the Functions host kills its handler with all calls in flight. `None`
    /// without a limit.
    pub timeout: Option<Duration>,
}

/// One function of a function app, with its bindings.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name of the function, which is the name of its folder.
    pub name: String,
    /// Name of the trigger in `Data`.
    pub trigger_name: String,
    /// Trigger that starts the function.
    pub trigger: TriggerBinding,
    /// Input bindings of the function.
    pub inputs: Vec<InputBinding>,
    /// Name of the function's HTTP output. `None` if it has no such output.
    pub http: Option<String>,
    /// Outputs that receive the results.
    pub outputs: Vec<OutputBinding>,
    /// Output that receives calls that can never be scored. `None` if they are not parked.
    pub park: Option<OutputBinding>,
    /// Number of deliveries after which the platform gives up on a message.
    pub max_delivery_count: u32,
    /// Route to which the Functions host forwards requests unchanged. `None` if it wraps them in
    /// envelopes.
    pub route: Option<Route>,
}

/// Trigger of a function, with the settings that determine the form of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerBinding {
    /// A blob. Its value is base64, whatever `dataType` says.
    Blob {
        /// Path of container and blob name, with placeholders such as `{name}`.
        path: String,
    },
    /// An HTTP request. Its value is an object.
    Http,
    /// A Service Bus message, or a batch of them.
    ServiceBus {
        /// True if `cardinality` is `many`, so that messages come in batches.
        many: bool,
        /// Value of `dataType`.
        data_type: DataType,
    },
    /// A call of the platform that warms up a new instance.
    WarmUp,
}

/// Value of `dataType`, on which the form of a message depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// The value is base64.
    Binary,
    /// The value is a JSON string that holds the text as another JSON string.
    Text,
    /// No `dataType`. A single message comes as text; a message of a batch is the JSON value that
    /// it holds.
    Unspecified,
}

/// Input binding other than the trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBinding {
    /// Name of the input in `Data`.
    pub name: String,
}

/// Output binding other than the HTTP output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBinding {
    /// Name of the output in `Outputs`, or `$return`.
    pub name: String,
    /// Kind of data that the output accepts.
    pub kind: OutputKind,
}

/// Kind of data that an output passes on unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Bytes, sent as base64.
    Blob,
    /// Text of a JSON object.
    Message,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HostFile {
    function_timeout: Option<String>,
    custom_handler: HandlerSection,
    extensions: ExtensionsSection,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HandlerSection {
    enable_forwarding_http_request: bool,
    enable_proxying_http_request: bool,
    http: HttpSection,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HttpSection {
    routes: Vec<RouteSection>,
}

#[derive(Deserialize)]
struct RouteSection {
    route: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExtensionsSection {
    http: ExtensionsHttpSection,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExtensionsHttpSection {
    route_prefix: Option<String>,
}

#[derive(Deserialize)]
struct FunctionFile {
    bindings: Vec<RawBinding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBinding {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    name: Option<String>,
    data_type: Option<String>,
    cardinality: Option<String>,
    path: Option<String>,
    route: Option<String>,
    methods: Option<Vec<String>>,
}

/// Prefix of HTTP routes if `host.json` does not set one.
const ROUTE_PREFIX: &str = "api";

/// HTTP methods of `customHandler.http.routes`, and of a trigger that lists none.
const ALL_METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

impl FunctionApp {
    /// Reads the function app in the folder of a manifest.
    ///
    /// # Errors
    /// Fails if a file cannot be read, if the Functions host would not accept it, or if it asks for
    /// a binding that Scorebox does not serve.
    pub fn read(manifest: &Manifest) -> Result<Self, StartupError> {
        let root = manifest.dir();
        let mut app = Self::default();
        let path = root.join("host.json");
        if path.is_file() {
            let host: HostFile = read(&path)?;
            app.timeout = host.function_timeout.as_deref().and_then(time_span);
            app.read_functions(root, &host, manifest)?;
        }
        for http in manifest.triggers.iter().filter_map(Trigger::http) {
            let route = Route::new(ROUTE_PREFIX, &http.route);
            if !app.routes.iter().any(|(other, _)| *other == route) {
                app.routes.push((route, http.methods.clone()));
            }
        }
        Ok(app)
    }

    /// Returns the function of a name, compared in the case of its folder.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    fn read_functions(
        &mut self,
        root: &Path,
        host: &HostFile,
        manifest: &Manifest,
    ) -> Result<(), StartupError> {
        let handler = &host.custom_handler;
        let forwards =
            handler.enable_forwarding_http_request || handler.enable_proxying_http_request;
        let prefix = host
            .extensions
            .http
            .route_prefix
            .as_deref()
            .unwrap_or(ROUTE_PREFIX);
        for (index, section) in handler.http.routes.iter().enumerate() {
            let name = format!("http-handler{}", index + 1);
            let (route, methods) = (
                Route::new(prefix, &section.route),
                ALL_METHODS.map(str::to_owned).to_vec(),
            );
            self.routes.push((route.clone(), methods));
            self.functions.push(Function {
                name,
                trigger_name: "req".to_owned(),
                trigger: TriggerBinding::Http,
                inputs: Vec::new(),
                http: Some("res".to_owned()),
                outputs: Vec::new(),
                park: None,
                max_delivery_count: DEFAULT_MAX_DELIVERY_COUNT,
                route: forwards.then_some(route),
            });
        }
        let unreadable = |error: std::io::Error| StartupError::Functions {
            path: root.to_path_buf(),
            problem: format!("cannot be listed: {error}"),
            fix: "let the host's user read it".to_owned(),
        };
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(root).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.path().join("function.json").is_file() {
                folders.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.path().join("function.json"),
                ));
            }
        }
        folders.sort();
        for (name, path) in folders {
            let file: FunctionFile = read(&path)?;
            let (function, methods) =
                function(name, file, Some(prefix).filter(|_| forwards), manifest).map_err(
                    |(problem, fix)| StartupError::Functions {
                        path: path.clone(),
                        problem,
                        fix,
                    },
                )?;
            if let Some(route) = &function.route {
                self.routes.push((route.clone(), methods));
            }
            self.functions.push(function);
        }
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StartupError> {
    let failed = |problem: String| StartupError::Functions {
        path: path.to_path_buf(),
        problem,
        fix: "mend the file; `cargo xtask build` writes it from scorebox.toml".to_owned(),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| failed(format!("{error}")))
}

/// Returns a function and the HTTP methods of its trigger. `prefix` is the route prefix, and `None`
/// if the Functions host forwards no requests.
fn function(
    name: String,
    file: FunctionFile,
    prefix: Option<&str>,
    manifest: &Manifest,
) -> Result<(Function, Vec<String>), (String, String)> {
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
                (
                    format!("the {what} of type {} has no name", binding.kind),
                    "add `\"name\"` to the binding".to_owned(),
                )
            })
    };
    let mut triggers = file.bindings.iter().filter(|binding| is_trigger(binding));
    let (Some(trigger), None) = (triggers.next(), triggers.next()) else {
        return Err((
            "it has not exactly one trigger".to_owned(),
            "give it one binding whose type ends in Trigger".to_owned(),
        ));
    };
    let binding = match trigger.kind.to_ascii_lowercase().as_str() {
        "httptrigger" => TriggerBinding::Http,
        "blobtrigger" => TriggerBinding::Blob {
            path: trigger.path.clone().unwrap_or_default(),
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
            return Err((
                format!("a trigger of type {} is not served", trigger.kind),
                "use httpTrigger, blobTrigger, serviceBusTrigger or warmupTrigger".to_owned(),
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
            // The source code of the Functions host and its maintainers contradict each other here.
            return Err((
                format!(
                    "the output {name} has a `dataType`: what the Functions host then writes is not sure"
                ),
                "remove `dataType` from the output: bytes arrive as bytes without it".to_owned(),
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
        return Err((
            "an HTTP trigger without an HTTP output has nowhere to answer".to_owned(),
            "add {\"type\": \"http\", \"direction\": \"out\", \"name\": \"res\"}".to_owned(),
        ));
    }
    // With any further binding, the Functions host wraps the request in an envelope even if
    // forwarding is enabled.
    let prefix = prefix.filter(|_| binding == TriggerBinding::Http && file.bindings.len() == 2);
    let route = prefix.map(|prefix| Route::new(prefix, trigger.route.as_deref().unwrap_or(&name)));
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
            Start::Blob(_) | Start::Http(_) => DEFAULT_MAX_DELIVERY_COUNT,
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

/// Parses a .NET time span, `[d.]hh:mm:ss[.fraction]`. Returns `None` for an infinite one and for
/// any other text.
fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text.trim().rsplitn(3, ':');
    let (seconds, minutes, hours) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let number = |text: &str| text.parse::<u32>().ok().map(f64::from);
    let seconds = seconds.parse::<f64>().ok()?;
    let total =
        ((number(days)? * 24.0 + number(hours)?) * 60.0 + number(minutes)?) * 60.0 + seconds;
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_dot_nets() {
        assert_eq!(time_span("00:05:00"), Some(Duration::from_secs(300)));
        assert_eq!(
            time_span("1.00:00:01.5"),
            Some(Duration::from_millis(86_401_500))
        );
        assert_eq!(time_span("-1"), None);
        assert_eq!(time_span("-00:05:00"), None);
    }
}
