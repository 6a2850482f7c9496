//! The programs and folders that the whole-system tests use.
//!
//! Owns how they are built, and the environment variables that tell the tests their paths. Must not
//! know what a test does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use scorebox_workspace::commands::Program;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, GUEST_TARGET};

use crate::programs::{Packager, Stop};

/// Name of the environment variable with the root folder of the workspace, for the tests.
const WORKSPACE_VARIABLE: &str = "SCOREBOX_WORKSPACE";
/// Name of the environment variable with the path of the host program for developers, for the
/// tests.
const HOST_VARIABLE: &str = "SCOREBOX_HOST_PROGRAM";
/// Name of the environment variable with the path of the host program for images, for the tests.
/// This host cannot run ONNX graphs.
const IMAGE_HOST_VARIABLE: &str = "SCOREBOX_IMAGE_HOST_PROGRAM";
/// Name of the environment variable with the path of the host program for images that run ONNX
/// graphs, for the tests.
const GRAPHS_HOST_VARIABLE: &str = "SCOREBOX_GRAPHS_HOST_PROGRAM";
/// Name of the environment variable with the path of the host program for images that run scripts
/// in Python, for the tests.
const PYTHON_HOST_VARIABLE: &str = "SCOREBOX_PYTHON_HOST_PROGRAM";
/// Name of the environment variable with the path of the ONNX Runtime library, which runs graphs,
/// for the tests and the host.
const ENGINE_VARIABLE: &str = "SCOREBOX_ENGINE_LIBRARY";
/// Name of the environment variable with the path of the packager, for the tests. The packager runs
/// the commands of `cargo xtask` that are about scorers and images.
const XTASK_VARIABLE: &str = "SCOREBOX_XTASK";
/// Name of the environment variable with the path of the program that runs `cargo xtask demo`,
/// `bench` and `soak`, for the tests.
const TRIALS_VARIABLE: &str = "SCOREBOX_TRIALS";
/// Name of the environment variable with the path of the program that `cargo xtask` itself runs,
/// for the tests. The program checks and tests the repository, and builds the programs that run all
/// other commands.
const CHORES_VARIABLE: &str = "SCOREBOX_CHORES";
/// Name of the environment variable with the folder of the scorers that only the tests use,
/// compiled to WebAssembly, for the tests.
const PROGRAMS_VARIABLE: &str = "SCOREBOX_PROGRAMS";
/// Name of the environment variable with the folder that contains one app folder for each example,
/// for the tests.
const APPS_VARIABLE: &str = "SCOREBOX_APPS";
/// Name of the environment variable with the folder of the engine pack, which runs scripts in
/// Python, for the tests and the host.
pub const PACK_VARIABLE: &str = "SCOREBOX_PYTHON_PACK";

/// File name of a scorer's manifest.
const MANIFEST_FILE: &str = "scorebox.toml";
/// File name of the script of an example that has a script instead of a component.
const SCRIPT_FILE: &str = "score.py";

/// Paths of the programs and folders that are built for the whole-system tests.
pub struct Places {
    host: PathBuf,
    packager: Packager,
    trials: PathBuf,
    engine_library: PathBuf,
    programs: PathBuf,
    apps: PathBuf,
}

impl Places {
    /// Builds everything that the tests start, except for the host programs for images. Fails if a
    /// build fails.
    pub fn build() -> Result<Self, Failure> {
        let root = workspace::root();
        let programs = guests(&root)?;
        let packager = Packager::build()?;
        let trials = Program::Trials.build()?;
        let engine_library = packager.part("engine-library", &[])?;
        let host = packager.part("host", &[])?;
        let manifests = [
            examples(&root.join("guest/examples"))?,
            examples(&root.join("host/examples"))?,
        ]
        .concat();
        for manifest in manifests {
            let words: [OsString; 5] = [
                "build".into(),
                "--manifest".into(),
                manifest.into(),
                "--engine-library".into(),
                engine_library.clone().into(),
            ];
            packager.said(&words)?;
        }
        Ok(Self {
            host,
            packager,
            trials,
            engine_library,
            programs,
            apps: workspace::target().join("apps"),
        })
    }

    /// Returns the folder of the engine pack, which is made if there is none. Returns `None` if it
    /// cannot be made, e.g. without network. In this case, a test that needs the pack reports why
    /// it is skipped.
    pub fn pack(&self) -> Option<PathBuf> {
        self.packager.part("python-pack", &[]).ok()
    }

    /// Returns the environment variables with the paths of programs and folders for the tests. Each
    /// is a pair of a name and a value.
    pub fn variables(&self) -> [(&'static str, PathBuf); 8] {
        [
            (WORKSPACE_VARIABLE, workspace::root()),
            (HOST_VARIABLE, self.host.clone()),
            (ENGINE_VARIABLE, self.engine_library.clone()),
            (XTASK_VARIABLE, self.packager.file().to_path_buf()),
            (TRIALS_VARIABLE, self.trials.clone()),
            (CHORES_VARIABLE, std::env::current_exe().unwrap_or_default()),
            (PROGRAMS_VARIABLE, self.programs.clone()),
            (APPS_VARIABLE, self.apps.clone()),
        ]
    }
}

/// Paths of the host programs for images: one that runs components alone, one that also runs ONNX
/// graphs, and one that also runs scripts in Python.
pub struct ImageHosts {
    plain: PathBuf,
    with_graphs: PathBuf,
    with_python: PathBuf,
}

impl ImageHosts {
    /// Builds the host programs for images: plain, with graphs, and with scripts. Linking each
    /// takes minutes on one core. Fails if a build fails.
    pub fn build() -> Result<Self, Failure> {
        let build = || -> Result<Self, Stop> {
            let packager = Packager::build()?;
            Ok(Self {
                plain: packager.part("image-host", &[])?,
                with_graphs: packager.part("graphs-host", &[])?,
                with_python: packager.part("python-host", &[])?,
            })
        };
        build().map_err(Failure::from)
    }

    /// Returns the environment variables with the paths of the host programs for images. Each is a
    /// pair of a name and a value.
    pub fn variables(&self) -> [(&'static str, PathBuf); 3] {
        [
            (IMAGE_HOST_VARIABLE, self.plain.clone()),
            (GRAPHS_HOST_VARIABLE, self.with_graphs.clone()),
            (PYTHON_HOST_VARIABLE, self.with_python.clone()),
        ]
    }
}

/// Builds the scorers that only the tests use, and returns the path of the folder with their
/// `.wasm` files. `root` is the root folder of the workspace. Fails if the build fails.
fn guests(root: &Path) -> Result<PathBuf, Failure> {
    let arguments = [
        "--release",
        "--target",
        GUEST_TARGET,
        "-p",
        "scorebox-test-programs",
        "--examples",
    ];
    eprintln!("building the test guests");
    let built = workspace::build(root, &arguments)?;
    let module = built
        .iter()
        .flat_map(|artifact| &artifact.files)
        .find(|file| file.extension() == Some("wasm".as_ref()));
    let folder = module
        .and_then(|module| module.parent())
        .map(Path::to_path_buf);
    Ok(folder.unwrap_or_else(|| {
        workspace::target()
            .join(GUEST_TARGET)
            .join("release/examples")
    }))
}

/// Returns the paths of the manifests of the examples in the folder `dir`, sorted by name. An
/// example with a script is left out, because its build needs the network and the engine pack: the
/// tests that use it build it. Fails if the folder cannot be read.
fn examples(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::file(dir, "be listed", error))?;
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let folders = folders.filter(|folder| !folder.join(SCRIPT_FILE).exists());
    let manifests = folders.map(|folder| folder.join(MANIFEST_FILE));
    let mut manifests: Vec<_> = manifests.filter(|manifest| manifest.is_file()).collect();
    manifests.sort();
    Ok(manifests)
}
