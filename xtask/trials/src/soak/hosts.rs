//! The hosts of a soak and their Redis server.
//!
//! Owns their settings, their start and their end. Must not know which requests they get.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use scorebox_host::deployment::ENGINE_VARIABLE;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_host::packaging::Times;
use scorebox_host::precompiled::Cpu;
use scorebox_packager::graph_trial::Trial;
use scorebox_packager::host_program::{self, Kind as HostKind};
use scorebox_packager::manifest_file;
use scorebox_packager::{app, component, engine_library};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

use super::arguments::SoakArgs;
use crate::bench::redis::Store;
use crate::bench::server::{Program, Server};

/// Folder of the example that all hosts of the soak serve except the host with a graph, relative to
/// the workspace's root.
const DIGITS: &str = "guest/examples/digits";
/// Folder of the example that the host of the soak with a graph serves, relative to the workspace's
/// root.
const GRAPH: &str = "host/examples/digits-mlp";

/// Name of the environment variable with the URL of Redis, for the hosts.
const REDIS_VARIABLE: &str = "SCOREBOX_REDIS_URL";

/// Sections of the manifest with the triggers of the function app, one for each form of invocation
/// that the soak sends.
const TRIGGERS: &str = r#"
[[trigger]]
kind = "http"
function = "wrapped"
route = "wrapped"
forwarding = false
[[trigger]]
kind = "blob"
function = "incoming"
path = "incoming/{name}.json"
output = { blob = "scored/{name}.json" }
[[trigger]]
kind = "service-bus"
function = "applications"
queue = "applications"
connection = "Bus"
cardinality = "many"
output = { queue = "scores" }
park = { queue = "rejected" }
[[trigger]]
kind = "service-bus"
function = "single"
queue = "single"
connection = "Bus"
output = { queue = "scores" }
park = { queue = "rejected" }
"#;

/// Kind of host in the soak. The kinds differ in their settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A host of the example `digits` whose instances serve many calls each.
    Warm,
    /// A host of the example `digits` with a new instance for each call, which is restored from the
    /// snapshot.
    Fresh,
    /// A host of the example `digits` with a new instance for each call and without a snapshot:
    /// `init` runs for each call.
    Init,
    /// A host of the example `digits` with a prediction cache in Redis, and no cache in its own
    /// memory.
    Cached,
    /// A host of the example `digits` as the custom handler of a function app, which accepts
    /// invocations of the Functions host.
    Functions,
    /// A host of the example `digits-mlp`, which is an ONNX graph without a component.
    Graph,
}

const KINDS: [Kind; 6] = [
    Kind::Warm,
    Kind::Fresh,
    Kind::Init,
    Kind::Cached,
    Kind::Functions,
    Kind::Graph,
];

impl Kind {
    /// Returns the name of this kind of host in the table and in the JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Fresh => "fresh",
            Self::Init => "init",
            Self::Cached => "cached",
            Self::Functions => "functions",
            Self::Graph => "graph",
        }
    }

    /// Returns the lines to add to the manifest of the example for this kind of host. The first
    /// text has lines for the section `[scorer]`, and the second one has further sections. A text
    /// is empty if there are none.
    fn settings(self) -> [&'static str; 2] {
        match self {
            Self::Warm | Self::Graph => ["", ""],
            Self::Fresh => ["", "[instances]\nisolation = \"call\"\n"],
            Self::Init => ["snapshot = false\n", "[instances]\nisolation = \"call\"\n"],
            Self::Cached => ["", "[stores.default]\n[prediction_cache]\nmemory = \"0\"\n"],
            Self::Functions => ["", TRIGGERS],
        }
    }
}

/// One running host of the soak.
pub struct Running {
    kind: Kind,
    /// Name of the host in the table and in the JSON output.
    pub name: &'static str,
    server: Server,
}

impl Running {
    /// Returns the process id of the host.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// All hosts of a soak and their Redis server. All of them are killed when this value is dropped.
pub struct Hosts {
    /// Running hosts, in the order of their start.
    pub running: Vec<Running>,
    /// Redis server that the hosts use.
    pub redis: Store,
}

impl Hosts {
    /// Builds the programs that `args` do not name, writes the app folders, and starts Redis and
    /// all hosts. `redis` is the path of the Redis program. Fails if a program cannot be built or
    /// started.
    pub fn start(args: &SoakArgs, redis: &Path) -> Result<Self, Failure> {
        let folder = workspace::target().join("soak");
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::file(&folder, "be made", error))?;
        let host = built(args.host.as_deref(), HostKind::Image)?;
        let graphs = if args.no_graphs {
            None
        } else {
            let library = engine_library::locate(args.engine_library.as_deref())?.file;
            Some((
                built(args.graphs_host.as_deref(), HostKind::ImageWithGraphs)?,
                library,
            ))
        };
        let redis = Store::start(redis, &folder)?;
        let stage = Stage {
            folder,
            host,
            graphs,
            url: redis.url(),
        };
        let mut hosts = Self {
            running: Vec::new(),
            redis,
        };
        for kind in KINDS {
            if let Some(program) = stage.program(kind)? {
                let mut server = program.start()?;
                // The host only has to be ready. Its scores are compared later.
                server.first_answer(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")?;
                hosts.running.push(Running {
                    kind,
                    name: kind.name(),
                    server,
                });
            }
        }
        Ok(hosts)
    }

    /// Returns true if a host of this kind is running.
    pub fn has(&self, kind: Kind) -> bool {
        self.address(kind).is_some()
    }

    /// Returns the address on which the host of this kind listens. Returns `None` if no host of
    /// this kind is running.
    pub fn address(&self, kind: Kind) -> Option<SocketAddr> {
        self.running
            .iter()
            .find(|running| running.kind == kind)
            .map(|running| running.server.address)
    }
}

fn built(given: Option<&Path>, kind: HostKind) -> Result<PathBuf, Failure> {
    match given {
        Some(file) => {
            std::path::absolute(file).map_err(|error| Failure::file(file, "be found", error))
        }
        None => host_program::build(kind),
    }
}

struct Stage {
    folder: PathBuf,
    host: PathBuf,
    /// Paths of the host program that runs graphs and of the ONNX Runtime library. `None` if the
    /// host with a graph is left out.
    graphs: Option<(PathBuf, PathBuf)>,
    url: String,
}

impl Stage {
    fn program(&self, kind: Kind) -> Result<Option<Program>, Failure> {
        let name = kind.name();
        let app = self.folder.join("apps").join(name);
        let program = if kind == Kind::Graph {
            let Some((host, library)) = &self.graphs else {
                return Ok(None);
            };
            let manifest = manifest_file::read(&workspace::root().join(GRAPH).join(MANIFEST_FILE))?;
            app::stage(
                &manifest,
                None,
                &app,
                Cpu::Baseline,
                Times::AsWritten,
                Trial {
                    host: Some(host),
                    library: Some(library),
                    engine: None,
                },
            )?;
            let library = library.display().to_string();
            Program::host(name, host, &app, &self.folder).with_variable(ENGINE_VARIABLE, &library)
        } else {
            let manifest = self.manifest(kind)?;
            let component = component::locate(&manifest)?;
            app::stage(
                &manifest,
                component.as_ref(),
                &app,
                Cpu::Baseline,
                Times::AsWritten,
                Trial::default(),
            )?;
            Program::host(name, &self.host, &app, &self.folder)
                .with_variable(REDIS_VARIABLE, &self.url)
        };
        // Without this level, a log line for each parked message would fill the disk in a long run.
        let program = program.with_variable("SCOREBOX_LOG", "warn");
        // If this variable is set, the host accepts invocations. The host takes its port from an
        // argument instead.
        let handler =
            |program: Program| program.with_variable("FUNCTIONS_CUSTOMHANDLER_PORT", "8080");
        Ok(Some(if kind == Kind::Functions {
            handler(program)
        } else {
            program
        }))
    }

    /// Writes the manifest of a project that serves the example `digits` with the settings of this
    /// kind of host, and returns the manifest. Fails if the manifest cannot be written.
    fn manifest(&self, kind: Kind) -> Result<Manifest, Failure> {
        let [scorer, tables] = kind.settings();
        let example = workspace::root().join(DIGITS).display().to_string();
        let model = format!("{example}/model");
        let text = format!(
            "[scorer]\nname = \"digits\"\nversion = \"1.0.0\"\ncomponent = {{ cargo = {example:?} }}\nmodel = {model:?}\n\
             {scorer}{tables}"
        );
        let project = self.folder.join("projects").join(kind.name());
        std::fs::create_dir_all(&project)
            .map_err(|error| Failure::file(&project, "be made", error))?;
        let file = project.join(MANIFEST_FILE);
        std::fs::write(&file, text).map_err(|error| Failure::file(&file, "be written", error))?;
        manifest_file::read(&file)
    }
}
