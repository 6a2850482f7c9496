//! Bindings of a function app, from `host.json` and each `<function>/function.json`, which the
//! Functions host reads, too.
//!
//! Owns which functions there are, what starts each, and the names of their outputs. An app that
//! was laid out by hand is read like one that the packager made. Without `host.json` there are only
//! the HTTP routes of the manifest. Must not know envelopes.

mod binding;
mod files;
mod function;

use std::path::Path;
use std::time::Duration;

use self::binding::ALL_METHODS;
pub use self::binding::{
    DataType, Function, InputBinding, OutputBinding, OutputKind, PARK, RETURN, TriggerBinding,
};
use self::files::{FunctionFile, HostFile, parse, text, time_span};
use self::function::function;
use super::route::Route;
use crate::error::StartupError;
use crate::manifest::triggers::DEFAULT_MAX_DELIVERY_COUNT;
use crate::manifest::{Manifest, Trigger};
use crate::text::Problem;

/// Function app: its functions, its HTTP routes and its timeout.
#[derive(Debug, Clone, Default)]
pub struct FunctionApp {
    /// Functions of the app: first the functions in `customHandler.http.routes`, then all other
    /// functions in the order of their names.
    pub functions: Vec<Function>,
    /// Routes at which HTTP requests arrive without an envelope, each with the HTTP methods that
    /// start a call on the route. The routes are in the order in which the Functions host tries
    /// them: of two routes, the narrower one is first.
    pub routes: Vec<(Route, Vec<String>)>,
    /// Duration of an invocation after which the Functions host kills its handler with all calls in
    /// flight. `None` if `host.json` does not set such a duration.
    pub timeout: Option<Duration>,
}

/// Prefix of all HTTP routes if `host.json` does not set a prefix.
const ROUTE_PREFIX: &str = "api";

impl FunctionApp {
    /// Reads the function app from `host.json` and the `function.json` files in the folder of a
    /// manifest. Adds the routes of the manifest's HTTP triggers. If there is no `host.json`, the
    /// app has only these routes.
    ///
    /// # Errors
    /// Fails if the folder or a file cannot be read, if the Functions host would not accept a file
    /// or a route, or if a file asks for a binding that Scorebox does not serve.
    pub fn read(manifest: &Manifest) -> Result<Self, StartupError> {
        let root = manifest.dir();
        let mut app = Self::default();
        let path = root.join("host.json");
        if path.is_file() {
            let host: HostFile = parse(&path, &text(&path)?)?;
            app.timeout = host.function_timeout.as_deref().and_then(time_span);
            app.read_functions(root, &host, manifest)?;
        }
        // If a route of the manifest is also the route of a function in `function.json`, the HTTP
        // methods of the function apply.
        let mut others = Vec::new();
        for http in manifest.triggers.iter().filter_map(Trigger::http) {
            let fail = |problem| manifest.misfit(problem);
            let route = Route::new(ROUTE_PREFIX, &http.route).map_err(fail)?;
            if !app.routes.iter().any(|(other, _)| *other == route) {
                others.push((route, http.methods.clone()));
            }
        }
        for (route, methods) in others {
            app.add_route(route, methods);
        }
        Ok(app)
    }

    /// Returns the function with the name `name`, which is case-sensitive. Returns `None` if the
    /// app does not have this function.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Adds a route to the list of routes, before the first route that the Functions host tries
    /// later than the new one.
    fn add_route(&mut self, route: Route, methods: Vec<String>) {
        let mut routes = self.routes.iter();
        let at = routes.position(|(other, _)| route.is_before(other));
        self.routes
            .insert(at.unwrap_or(self.routes.len()), (route, methods));
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
            let fail = |Problem { problem, fix }| StartupError::Functions {
                path: root.join("host.json"),
                problem,
                fix,
            };
            let route = Route::new(prefix, &section.route).map_err(fail)?;
            // Without forwarding, a request arrives in an envelope at the name of its function.
            if forwards {
                self.add_route(route.clone(), ALL_METHODS.map(str::to_owned).to_vec());
            }
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
            let (mut function, methods) =
                Function::parse(name, &path, &text(&path)?, prefix, manifest)?;
            if let Some(route) = &function.route {
                self.add_route(route.clone(), methods);
            }
            if matches!(function.trigger, TriggerBinding::Queue { .. }) {
                function.max_delivery_count = host.extensions.max_dequeue_count();
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
    /// `name` is the name of the function's folder. `path` is the path of the file, which the error
    /// names. `prefix` is the prefix of HTTP routes. It is `None` if the Functions host does not
    /// forward HTTP requests.
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
        let fail = |Problem { problem, fix }| StartupError::Functions {
            path: path.to_path_buf(),
            problem,
            fix,
        };
        function(name, file, prefix, manifest).map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_of_host_json_is_served_without_an_envelope_only_with_forwarding() {
        for forwards in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let write = |name, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
            write(
                "scorebox.toml",
                "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n",
            );
            write(
                "host.json",
                &format!(
                    r#"{{"customHandler": {{"enableForwardingHttpRequest": {forwards},
                        "http": {{"routes": [{{"route": "predict"}}]}}}}}}"#
                ),
            );
            let manifest = Manifest::read(folder.path()).unwrap();
            let app = FunctionApp::read(&manifest).unwrap();
            let route = Route::new(ROUTE_PREFIX, "predict").unwrap();
            let is_served = app.routes.iter().any(|(other, _)| *other == route);
            assert_eq!(is_served, forwards);
            let function = app.function("http-handler1").unwrap();
            assert_eq!(function.route.is_some(), forwards);
        }
    }
}
