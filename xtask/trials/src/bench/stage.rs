//! Programs and app folders that are measured, built and laid out below the target folder.
//!
//! Owns the image of the example `digits`, unpacked as by `cargo xtask demo`, copies of its app
//! folder with other settings, the native reference program (`ceiling`), and a scorer that loops.
//! Must not know how anything is measured.

use std::path::{Path, PathBuf};

use scorebox_host::manifest::{MANIFEST_FILE, Manifest, ManifestError};
use scorebox_host::packaging::Times;
use scorebox_host::precompiled::Cpu;
use scorebox_packager::graph_trial::Trial;
use scorebox_packager::image::{APP_ROOT, HOST_PROGRAM};
use scorebox_packager::manifest_file;
use scorebox_packager::{app, component};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, GUEST_TARGET};

use super::server::Program;
use crate::demo;

/// Deadline of a call to the test scorer that loops. The deadline is long compared with a normal
/// call, and shorter than the 2 s that a load takes by default.
const LOOP_DEADLINE: &str = "1s";

/// Cargo profile of the native reference program. It is also the profile of the host in images, so
/// that the benchmark does not compare compiler settings.
pub(super) const PROFILE: &str = "image";

/// Numbers of instances for which the memory of the host is measured.
pub const INSTANCES: [usize; 3] = [1, 8, 64];

/// Name of the environment variable with the URL of Redis, for the host.
const REDIS_VARIABLE: &str = "SCOREBOX_REDIS_URL";

/// Programs that `cargo xtask bench` starts, and folders that it uses.
pub struct Stage {
    /// Path of the folder for the scripts of wrk and the logs of the servers.
    pub folder: PathBuf,
    /// Path of the app folder in the unpacked image.
    pub app: PathBuf,
    /// The host of the unpacked image with the settings that the image ships with.
    pub warm: Program,
    /// The host of the unpacked image with `isolation = "call"`, or the error if the host refuses
    /// this setting.
    pub call: Result<Program, ManifestError>,
    /// The native reference program, which gives the same answers as the host, but without a
    /// sandbox.
    pub ceiling: Program,
    /// Numbers of instances, each with the host that has this number of instances from the start,
    /// or with the error if the host refuses the number.
    pub instances: Vec<(usize, Result<Program, ManifestError>)>,
    /// The host with a test scorer that loops if a request asks for this.
    pub wayward: Program,
}

impl Stage {
    /// Returns a text for each server that is not measured, with its name and the reason.
    pub fn skipped(&self) -> Vec<String> {
        let call = self.call.as_ref().err();
        let call = call.map(|error| format!("call: {}", error.problem));
        let instances = self.instances.iter().filter_map(|(count, program)| {
            let error = program.as_ref().err()?;
            Some(format!("{count} instances: {}", error.problem))
        });
        call.into_iter().chain(instances).collect()
    }
}

/// Programs that `cargo xtask bench redis` starts as servers.
pub struct RedisStage {
    /// The host of the unpacked image with a prediction cache that keeps no answers in the host's
    /// memory, so that each hit is a round trip to Redis.
    pub store: Program,
    /// The host of the unpacked image with the defaults of `[prediction_cache]`, so that answers
    /// are kept in the host's memory as well.
    pub memory: Program,
    /// The native reference program, which stores its answers in the same Redis as the host.
    pub ceiling: Program,
}

/// Builds all programs that `cargo xtask bench redis` starts, and writes their app folders below
/// `folder`. The programs store their answers in the Redis server at `url`. Fails if a build fails,
/// or if a file cannot be written.
pub fn prepare_with_redis(folder: &Path, url: &str) -> Result<RedisStage, Failure> {
    let Image { apps, host, app } = unpack(folder)?;
    let cached = |name: &str, key: &str, value: &str| -> Result<Program, Failure> {
        let store =
            toml::Table::from_iter([("url".to_owned(), format!("env:{REDIS_VARIABLE}").into())]);
        let settings = [
            ("stores", "default", store.into()),
            ("prediction_cache", key, value.into()),
        ];
        let copy = altered(&app, &apps.join(name), &settings)?;
        let copy = copy.map_err(|error| {
            let problem = format!("the host refuses {name}: {}", error.problem);
            Failure::other(problem, "report it")
        })?;
        Ok(Program::host(name, &host, &copy, folder).with_variable(REDIS_VARIABLE, url))
    };
    Ok(RedisStage {
        store: cached("scorebox", "memory", "0")?,
        memory: cached("scorebox-memory", "store", "default")?,
        ceiling: Program::ceiling(
            "ceiling",
            &native("native-ceiling", &[])?,
            &model(&app)?,
            folder,
        )
        .with_argument("--redis", url),
    })
}

/// Paths of the host program and the app folder in an unpacked image, and of an empty folder for
/// copies of the app folder with other settings.
struct Image {
    apps: PathBuf,
    host: PathBuf,
    app: PathBuf,
}

fn unpack(folder: &Path) -> Result<Image, Failure> {
    let apps = folder.join("apps");
    if apps.exists() {
        std::fs::remove_dir_all(&apps)
            .map_err(|error| Failure::file(&apps, "be removed", error))?;
    }
    std::fs::create_dir_all(&apps).map_err(|error| Failure::file(&apps, "be made", error))?;
    let root = demo::unpacked(folder)?.root;
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    Ok(Image {
        apps,
        host: inside(HOST_PROGRAM),
        app: inside(APP_ROOT),
    })
}

/// Builds all programs that `cargo xtask bench` starts, and writes their app folders. Fails if a
/// build fails, or if a file cannot be written.
pub fn prepare() -> Result<Stage, Failure> {
    let folder = workspace::target().join("bench");
    let Image { apps, host, app } = unpack(&folder)?;
    let wayward = wayward(&apps)?;
    let ceiling = Program::ceiling(
        "ceiling",
        &native("native-ceiling", &[])?,
        &model(&app)?,
        &folder,
    );
    let altered =
        |name: &str, settings: &[Setting<'_>]| -> Result<Result<Program, ManifestError>, Failure> {
            let copy = altered(&app, &apps.join(name), settings)?;
            Ok(copy.map(|copy| Program::host(name, &host, &copy, &folder)))
        };
    let call = altered("call", &[("instances", "isolation", "call".into())])?;
    let mut instances = Vec::new();
    for count in INSTANCES {
        let number = toml::Value::Integer(count as i64);
        let settings = [
            ("limits", "instances", number.clone()),
            ("instances", "at_start", number),
        ];
        instances.push((count, altered(&format!("instances-{count}"), &settings)?));
    }
    Ok(Stage {
        warm: Program::host("warm", &host, &app, &folder),
        call,
        ceiling,
        instances,
        wayward: Program::host("wayward", &host, &wayward, &folder),
        app,
        folder,
    })
}

/// Builds a native reference program of the package `scorebox-bench`, and returns its path.
/// `program` is the name of the program, and `features` are the arguments of Cargo that select
/// features. Fails if the build fails.
///
/// The program is built alone, because in a common build Cargo would give it the features that
/// other packages ask for.
pub fn native(program: &str, features: &[&str]) -> Result<PathBuf, Failure> {
    eprintln!("building the native ceiling");
    let arguments = [
        "--profile",
        PROFILE,
        "-p",
        "scorebox-bench",
        "--bin",
        program,
    ];
    let built = workspace::build(&workspace::root(), &[&arguments, features].concat())?;
    let mut programs = built
        .into_iter()
        .filter(|artifact| artifact.name == program);
    programs
        .find_map(|artifact| artifact.executable)
        .ok_or_else(|| {
            Failure::toolchain(
                format!("cargo built no program `{program}`"),
                "see tests/bench/Cargo.toml",
            )
        })
}

/// Returns the path of the model file in the app folder `app`. The host and the native reference
/// program both read this file. Fails if the app has no `.safetensors` file.
fn model(app: &Path) -> Result<PathBuf, Failure> {
    let folder = app.join(app::MODEL_FOLDER);
    let entries =
        std::fs::read_dir(&folder).map_err(|error| Failure::file(&folder, "be listed", error))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let found = files.find(|file| file.extension() == Some("safetensors".as_ref()));
    found.ok_or_else(|| Failure::file(&folder, "be used", "it holds no .safetensors file"))
}

fn wayward(apps: &Path) -> Result<PathBuf, Failure> {
    eprintln!("building the scorer that loops");
    let arguments = [
        "--release",
        "--target",
        GUEST_TARGET,
        "-p",
        "scorebox-test-programs",
        "--example",
        "wayward",
    ];
    let built = workspace::build(&workspace::root(), &arguments)?;
    let mut files = built
        .into_iter()
        .filter(|artifact| artifact.name == "wayward")
        .flat_map(|artifact| artifact.files);
    let component = files
        .find(|file| file.extension() == Some("wasm".as_ref()))
        .ok_or_else(|| {
            Failure::toolchain(
                "cargo built no wayward.wasm",
                "see tests/programs/Cargo.toml",
            )
        })?;
    let mut scorer = toml::Table::new();
    scorer.insert("name".to_owned(), "wayward".into());
    scorer.insert(
        "component".to_owned(),
        component.display().to_string().into(),
    );
    // The scorer's `init` reads settings of the deployment, which do not exist yet when an image is
    // built.
    scorer.insert("snapshot".to_owned(), false.into());
    let mut limits = toml::Table::new();
    limits.insert("deadline".to_owned(), LOOP_DEADLINE.into());
    let mut manifest = toml::Table::new();
    manifest.insert("scorer".to_owned(), scorer.into());
    manifest.insert("limits".to_owned(), limits.into());
    let project = apps.join("wayward-project");
    std::fs::create_dir_all(&project).map_err(|error| Failure::file(&project, "be made", error))?;
    let file = project.join(MANIFEST_FILE);
    write(&file, &manifest)?;
    let dir = apps.join("wayward");
    let manifest = manifest_file::read(&file)?;
    let component = component::locate(&manifest)?;
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

/// Section, key and value of a setting in `scorebox.toml`.
pub(super) type Setting<'a> = (&'a str, &'a str, toml::Value);

/// Copies the app folder `app` to `copy`, changes some settings in the copy, and returns the path
/// of the copy. The inner error says which setting the host refuses. Fails if the folder cannot be
/// copied, or if the manifest in it cannot be changed.
pub(super) fn altered(
    app: &Path,
    copy: &Path,
    settings: &[Setting<'_>],
) -> Result<Result<PathBuf, ManifestError>, Failure> {
    copy_folder(app, copy)?;
    let file = copy.join(MANIFEST_FILE);
    set(&file, settings)?;
    Ok(Manifest::read(&file).map(|_| copy.to_path_buf()))
}

/// Changes some settings in the manifest `file`. Fails if the file cannot be read, parsed or
/// written.
pub(super) fn set(file: &Path, settings: &[Setting<'_>]) -> Result<(), Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::file(file, "be read", error))?;
    let mut manifest: toml::Table = text
        .parse()
        .map_err(|error| Failure::file(file, "be parsed", error))?;
    for (section, key, value) in settings {
        let section = manifest
            .entry(*section)
            .or_insert_with(|| toml::Table::new().into());
        if let Some(section) = section.as_table_mut() {
            section.insert((*key).to_owned(), value.clone());
        }
    }
    write(file, &manifest)
}

fn write(file: &Path, manifest: &toml::Table) -> Result<(), Failure> {
    std::fs::write(file, manifest.to_string())
        .map_err(|error| Failure::file(file, "be written", error))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::file(from, &format!("be copied to {}", to.display()), error)
    };
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_copy_are_changed_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("app");
        std::fs::create_dir_all(app.join("model")).unwrap();
        std::fs::write(app.join("model/m"), "m").unwrap();
        let text = "[scorer]\nname = \"x\"\ncomponent = \"c.wasm\"\n[limits]\nqueue = 3\n";
        std::fs::write(app.join(MANIFEST_FILE), text).unwrap();
        let copy = altered(
            &app,
            &dir.path().join("a"),
            &[("limits", "instances", 8.into())],
        )
        .unwrap()
        .unwrap();
        let manifest = Manifest::read(&copy).unwrap();
        assert_eq!(
            (manifest.limits.instances, manifest.limits.queue),
            (Some(8), 3)
        );
        assert_eq!(std::fs::read(copy.join("model/m")).unwrap(), b"m");
        let refused = altered(
            &app,
            &dir.path().join("b"),
            &[("limits", "unheard-of", 1.into())],
        )
        .unwrap()
        .unwrap_err();
        assert!(refused.problem.contains("unheard-of"), "{refused}");
    }
}
