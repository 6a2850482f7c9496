//! Everything that `bench hostile` builds before it attacks: a host, a scorer that misbehaves on
//! request, and a Redis server.
//!
//! Owns the settings of the scorer. Must not know how anything is measured.

use std::path::{Path, PathBuf};

use scorebox_host::manifest::MANIFEST_FILE;
use scorebox_host::packaging::Times;
use scorebox_host::precompiled::Cpu;
use scorebox_packager::graph_trial::Trial;
use scorebox_packager::host_program::{self, Kind};
use scorebox_packager::manifest_file;
use scorebox_packager::{app, component};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, GUEST_TARGET};

use crate::bench::redis::Store;

/// Name of the environment variable with the URL of Redis, for the host.
pub const REDIS_VARIABLE: &str = "SCOREBOX_REDIS_URL";

/// Section of the scorer's manifest with limits for a container of 512 MiB, as an operator would
/// set them.
///
/// All instances together fit into the container, and a call ends after a second at most.
const LIMITS: &str = "[limits]\nmemory = \"24MiB\"\ndeadline = \"1s\"\n";

/// Sections of the scorer's manifest that give the host a prediction cache. The host keeps no
/// answers in its own memory, so each hit is a request to Redis.
const CACHE: &str = "[stores.default]\n[prediction_cache]\nmemory = \"0\"\nclaim = \"1s\"\n";

/// Name of the test scorer, which misbehaves in the way that a request asks for.
const SCORER: &str = "hostile";

/// Programs and folders that are needed to attack a host.
pub struct Stage {
    /// Path of the folder for logs and app folders.
    pub folder: PathBuf,
    /// Path of the host program.
    pub host: PathBuf,
    /// Path of the app folder of the test scorer without a prediction cache.
    pub app: PathBuf,
    /// Path of the app folder of the test scorer with a prediction cache.
    pub cached: PathBuf,
    /// A running Redis server for the prediction cache.
    pub redis: Store,
}

impl Stage {
    /// Builds the test scorer, and starts a Redis server. `host` and `redis` are the paths of the
    /// host program and of the Redis program. If `host` is `None`, the host program for images is
    /// built. Fails if a build fails, or if Redis cannot be started.
    pub fn prepare(host: Option<&Path>, redis: &Path) -> Result<Self, Failure> {
        let folder = workspace::target().join("bench-hostile");
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::file(&folder, "be made", error))?;
        let host = match host {
            Some(file) => {
                std::path::absolute(file).map_err(|error| Failure::file(file, "be found", error))?
            }
            None => host_program::build(Kind::Image)?,
        };
        let component = build_scorer()?;
        let app = staged(&folder, "plain", &component, LIMITS)?;
        let cached = staged(&folder, "cached", &component, &format!("{LIMITS}{CACHE}"))?;
        let redis = Store::start(redis, &folder)?;
        Ok(Self {
            folder,
            host,
            app,
            cached,
            redis,
        })
    }
}

fn build_scorer() -> Result<PathBuf, Failure> {
    eprintln!("building the scorer that misbehaves");
    let arguments = [
        "--release",
        "--target",
        GUEST_TARGET,
        "-p",
        "scorebox-test-programs",
        "--example",
        SCORER,
    ];
    let built = workspace::build(&workspace::root(), &arguments)?;
    let mut files = built
        .into_iter()
        .filter(|artifact| artifact.name == SCORER)
        .flat_map(|artifact| artifact.files);
    files
        .find(|file| file.extension() == Some("wasm".as_ref()))
        .ok_or_else(|| {
            Failure::toolchain(
                format!("cargo built no {SCORER}.wasm"),
                "see tests/programs/Cargo.toml",
            )
        })
}

fn staged(folder: &Path, name: &str, component: &Path, settings: &str) -> Result<PathBuf, Failure> {
    let project = folder.join(format!("{name}-project"));
    std::fs::create_dir_all(&project).map_err(|error| Failure::file(&project, "be made", error))?;
    let file = project.join(MANIFEST_FILE);
    // A path in TOML is quoted as in Rust, unless it holds characters that no path of a target
    // folder holds.
    let text = format!(
        "[scorer]\nname = \"{SCORER}\"\ncomponent = {:?}\n{settings}",
        component.display().to_string()
    );
    std::fs::write(&file, text).map_err(|error| Failure::file(&file, "be written", error))?;
    let manifest = manifest_file::read(&file)?;
    let component = component::locate(&manifest)?;
    let dir = folder.join("apps").join(name);
    app::stage(
        &manifest,
        component.as_ref(),
        &dir,
        Cpu::Baseline,
        Times::AsWritten,
        Trial::default(),
    )?;
    Ok(dir)
}
