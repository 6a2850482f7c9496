//! Bindings of a function app, from `host.json` and each `<function>/function.json`, which the
//! Functions host reads, too.
//!
//! Owns which functions there are, what starts each, and the names of their outputs. An app that
//! was laid out by hand is read like one that the packager made. Without `host.json` there are only
//! the HTTP routes of the manifest. Must not know envelopes.

mod files;
mod function;

use std::path::Path;
use std::time::Duration;

use self::files::{FunctionFile, HostFile, parse, text, time_span};
use self::function::function;
use super::route::Route;
use crate::error::StartupError;
use crate::manifest::triggers::DEFAULT_MAX_DELIVERY_COUNT;
use crate::manifest::{Manifest, Trigger};

/// Name of an output binding that receives only the records of calls that can never be scored.
pub const PARK: &str = "park";

/// Name of a binding whose value is the function's return value.
pub const RETURN: &str = "$return";

/// Function app: its functions, its HTTP routes and its timeout.
#[derive(Debug, Clone, Default)]
pub struct FunctionApp {
    /// Functions of the app: first those from `customHandler.http.routes`, then the others in the
    /// order of their names.
    pub functions: Vec<Function>,
    /// Routes at which HTTP requests arrive without an envelope, each with the HTTP methods that
    /// start a call on the route.
    pub routes: Vec<(Route, Vec<String>)>,
    /// Time after which the Functions host kills its handler with all calls in flight. `None` if
    /// there is no limit.
    pub timeout: Option<Duration>,
}

/// One function of a function app, with its bindings.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name of the function, which is the name of its folder.
    pub name: String,
    /// Name of the trigger, under which the `Data` of an envelope holds the trigger's value.
    pub trigger_name: String,
    /// Trigger that starts the function.
    pub trigger: TriggerBinding,
    /// Input bindings of the function, without its trigger.
    pub inputs: Vec<InputBinding>,
    /// Name of the function's HTTP output. `None` if the function has no HTTP output.
    pub http: Option<String>,
    /// Outputs that receive the results of successful calls.
    pub outputs: Vec<OutputBinding>,
    /// Output that receives the records of calls that can never be scored. `None` if the function
    /// has no output `park`.
    pub park: Option<OutputBinding>,
    /// Number of deliveries after which the platform gives up on a message.
    pub max_delivery_count: u32,
    /// Route to which the Functions host forwards requests unchanged. `None` if it wraps the values
    /// of the trigger in envelopes.
    pub route: Option<Route>,
}

/// Trigger of a function, with the settings that determine the form of its value in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerBinding {
    /// A new or changed blob. The value of the trigger is base64, whatever `dataType` says.
    Blob {
        /// Path of the blobs: the container and the blob name, with placeholders such as `{name}`.
        path: String,
    },
    /// An HTTP request. The value of the trigger is a JSON object.
    Http,
    /// A Service Bus message, or a batch of messages.
    ServiceBus {
        /// True if `cardinality` is `many`, so that messages come in batches.
        many: bool,
        /// Value of `dataType` in the trigger binding.
        data_type: DataType,
    },
    /// A call of the platform that warms up a new instance.
    WarmUp,
}

/// Value of `dataType` in a binding, on which the form of a message in an envelope depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// `dataType` is `binary`: the message is base64.
    Binary,
    /// `dataType` has any other value: the message is a JSON string that holds the text as another
    /// JSON string.
    Text,
    /// The binding has no `dataType`. A single message comes as text, and a message of a batch as
    /// the JSON value that the message holds.
    Unspecified,
}

/// Input binding of a function, other than its trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBinding {
    /// Name of the input, under which the `Data` of an envelope holds its value.
    pub name: String,
}

/// Output binding of a function, other than its HTTP output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBinding {
    /// Name of the output in the `Outputs` of an answer, or `$return` for the return value.
    pub name: String,
    /// Kind of data that the output accepts.
    pub kind: OutputKind,
}

/// Kind of data that an output passes on unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Bytes of a blob, sent as base64.
    Blob,
    /// Text of a JSON object, sent as a message.
    Message,
}

/// Prefix of HTTP routes if `host.json` does not set one.
const ROUTE_PREFIX: &str = "api";

/// HTTP methods of a route in `customHandler.http.routes`, and of a trigger that lists no methods.
const ALL_METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

impl FunctionApp {
    /// Reads the function app in the folder of a manifest.
    ///
    /// # Errors
    /// Fails if a file cannot be read, if the Functions host would not accept the file, or if the
    /// file asks for a binding that Scorebox does not serve.
    pub fn read(manifest: &Manifest) -> Result<Self, StartupError> {
        let root = manifest.dir();
        let mut app = Self::default();
        let path = root.join("host.json");
        if path.is_file() {
            let host: HostFile = parse(&path, &text(&path)?)?;
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

    /// Returns the function called `name`, which is case-sensitive. `None` if the app has no such
    /// function.
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
            let prefix = Some(prefix).filter(|_| forwards);
            let (function, methods) =
                Function::parse(name, &path, &text(&path)?, prefix, manifest)?;
            if let Some(route) = &function.route {
                self.routes.push((route.clone(), methods));
            }
            self.functions.push(function);
        }
        Ok(())
    }
}

impl Function {
    /// Parses the text of a `function.json`. Returns the function with the HTTP methods of its
    /// trigger.
    ///
    /// `name` is the name of the function's folder, and `path` is for the error. `prefix` is the
    /// prefix of HTTP routes. It is `None` if the Functions host forwards no requests.
    ///
    /// # Errors
    /// Fails if the Functions host would not accept the file, or if the file asks for a binding
    /// that Scorebox does not serve.
    pub fn parse(
        name: String,
        path: &Path,
        text: &str,
        prefix: Option<&str>,
        manifest: &Manifest,
    ) -> Result<(Self, Vec<String>), StartupError> {
        let file: FunctionFile = parse(path, text)?;
        function(name, file, prefix, manifest).map_err(|(problem, fix)| StartupError::Functions {
            path: path.to_path_buf(),
            problem,
            fix,
        })
    }
}
