//! `host.json` and each `<function>/function.json`: what the Functions host reads too.
//!
//! Owns which functions there are, what starts each, and the names of their outputs. An app laid out by hand is read as one
//! that the packager made; without `host.json` there are the manifest's HTTP routes alone. Must not know envelopes.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::route::Route;
use crate::error::StartupError;
use crate::manifest::triggers::{DEFAULT_MAX_DELIVERY_COUNT, Start};
use crate::manifest::{Manifest, Trigger};

/// The name of an output binding that parks: what can never be scored goes there, and nothing else.
pub const PARK: &str = "park";

/// The name of a binding whose value is the function's return value.
pub const RETURN: &str = "$return";

/// A function app.
#[derive(Debug, Clone, Default)]
pub struct FunctionApp {
    /// In the order of their names.
    pub functions: Vec<Function>,
    /// Where HTTP calls come as they were sent, and the verbs that score there.
    pub routes: Vec<(Route, Vec<String>)>,
    /// After which the Functions host kills its handler, with all calls that are under way.
    pub timeout: Option<Duration>,
}

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// The folder's name.
    pub name: String,
    /// The trigger's name in `Data`.
    pub trigger_name: String,
    /// What starts it.
    pub trigger: TriggerBinding,
    /// Input bindings.
    pub inputs: Vec<InputBinding>,
    /// The name of its HTTP output.
    pub http: Option<String>,
    /// Where answers go.
    pub outputs: Vec<OutputBinding>,
    /// Where what can never be scored goes.
    pub park: Option<OutputBinding>,
    /// Deliveries after which the platform gives a message up.
    pub max_delivery_count: u32,
    /// Where the Functions host sends its requests on to as they came; none where it wraps them.
    pub route: Option<Route>,
}

/// What starts a function, with what fixes the form of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerBinding {
    /// Base64, whatever `dataType` says.
    Blob {
        /// Container and name, with `{names}`.
        path: String,
    },
    /// An object.
    Http,
    /// Messages.
    ServiceBus {
        /// `cardinality`.
        many: bool,
        /// `dataType`.
        data_type: DataType,
    },
    /// The platform's own call of a new instance.
    WarmUp,
}

/// `dataType`, where the form of a value depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// Base64.
    Binary,
    /// Text in a JSON string in a JSON string.
    Text,
    /// As text; but many messages are whatever JSON they are.
    Unspecified,
}

/// An input binding beside the trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBinding {
    /// Its name in `Data`.
    pub name: String,
}

/// An output binding other than HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBinding {
    /// Its name in `Outputs`, or `$return`.
    pub name: String,
    /// What it takes.
    pub kind: OutputKind,
}

/// What an output takes safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Bytes, as base64.
    Blob,
    /// The text of a JSON object.
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

/// The prefix of HTTP routes, if `host.json` names none.
const ROUTE_PREFIX: &str = "api";

/// The verbs of `customHandler.http.routes`, and of a trigger that names none.
const ALL_METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

impl FunctionApp {
    /// Reads the function app in the folder of a manifest.
    ///
    /// # Errors
    /// A file cannot be read, is not what the Functions host takes, or asks for a binding that Scorebox does not serve.
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

    /// The function of a name, in the case of its folder.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    fn read_functions(&mut self, root: &Path, host: &HostFile, manifest: &Manifest) -> Result<(), StartupError> {
        let handler = &host.custom_handler;
        let forwards = handler.enable_forwarding_http_request || handler.enable_proxying_http_request;
        let prefix = host.extensions.http.route_prefix.as_deref().unwrap_or(ROUTE_PREFIX);
        for (index, section) in handler.http.routes.iter().enumerate() {
            let name = format!("http-handler{}", index + 1);
            let (route, methods) = (Route::new(prefix, &section.route), ALL_METHODS.map(str::to_owned).to_vec());
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
                folders.push((entry.file_name().to_string_lossy().into_owned(), entry.path().join("function.json")));
            }
        }
        folders.sort();
        for (name, path) in folders {
            let file: FunctionFile = read(&path)?;
            let (function, methods) = function(name, file, Some(prefix).filter(|_| forwards), manifest)
                .map_err(|(problem, fix)| StartupError::Functions { path: path.clone(), problem, fix })?;
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
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| failed(format!("{error}")))
}

/// A function and the verbs of its HTTP trigger; there is a prefix if requests may be sent on as they came.
fn function(
    name: String,
    file: FunctionFile,
    prefix: Option<&str>,
    manifest: &Manifest,
) -> Result<(Function, Vec<String>), (String, String)> {
    let is_trigger = |binding: &RawBinding| binding.kind.to_ascii_lowercase().ends_with("trigger");
    let is_out =
        |binding: &RawBinding| binding.direction.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("out"));
    let name_of = |binding: &RawBinding, what: &str| {
        binding.name.clone().filter(|name| !name.is_empty()).ok_or_else(|| {
            (format!("the {what} of type {} has no name", binding.kind), "add `\"name\"` to the binding".to_owned())
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
        "blobtrigger" => TriggerBinding::Blob { path: trigger.path.clone().unwrap_or_default() },
        "warmuptrigger" => TriggerBinding::WarmUp,
        "servicebustrigger" => TriggerBinding::ServiceBus {
            many: trigger.cardinality.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("many")),
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
            // Its source and its maintainers contradict each other.
            return Err((
                format!("the output {name} has a `dataType`: what the Functions host then writes is not sure"),
                "remove `dataType` from the output: bytes arrive as bytes without it".to_owned(),
            ));
        } else {
            let output =
                OutputBinding { kind: if kind == "blob" { OutputKind::Blob } else { OutputKind::Message }, name };
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
    // A binding more, and it is wrapped all the same.
    let prefix = prefix.filter(|_| binding == TriggerBinding::Http && file.bindings.len() == 2);
    let route = prefix.map(|prefix| Route::new(prefix, trigger.route.as_deref().unwrap_or(&name)));
    let methods = trigger.methods.clone().unwrap_or_else(|| ALL_METHODS.map(str::to_owned).to_vec());
    let methods: Vec<_> = methods.iter().map(|method| method.to_ascii_uppercase()).collect();
    let max_delivery_count = manifest.triggers.iter().find(|trigger| trigger.function == name);
    let max_delivery_count = max_delivery_count.map_or(DEFAULT_MAX_DELIVERY_COUNT, |trigger| match &trigger.start {
        Start::ServiceBus(service_bus) => service_bus.max_delivery_count,
        Start::Blob(_) | Start::Http(_) => DEFAULT_MAX_DELIVERY_COUNT,
    });
    let trigger_name = name_of(trigger, "trigger")?;
    let function =
        Function { name, trigger_name, trigger: binding, inputs, http, outputs, park, max_delivery_count, route };
    Ok((function, methods))
}

fn data_type(binding: &RawBinding) -> DataType {
    match binding.data_type.as_deref() {
        Some(word) if word.eq_ignore_ascii_case("binary") => DataType::Binary,
        Some(_) => DataType::Text,
        None => DataType::Unspecified,
    }
}

/// A .NET time span, `[d.]hh:mm:ss[.fraction]`; none for one without end, or that is none.
fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text.trim().rsplitn(3, ':');
    let (seconds, minutes, hours) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let number = |text: &str| text.parse::<u32>().ok().map(f64::from);
    let seconds = seconds.parse::<f64>().ok()?;
    let total = ((number(days)? * 24.0 + number(hours)?) * 60.0 + number(minutes)?) * 60.0 + seconds;
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_dot_nets() {
        assert_eq!(time_span("00:05:00"), Some(Duration::from_secs(300)));
        assert_eq!(time_span("1.00:00:01.5"), Some(Duration::from_millis(86_401_500)));
        assert_eq!(time_span("-1"), None);
        assert_eq!(time_span("-00:05:00"), None);
    }
}
