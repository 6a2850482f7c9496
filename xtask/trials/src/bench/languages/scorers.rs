//! The scorers that `bench languages` compares: each is created from a template of `cargo xtask
//! new`, packaged and unpacked.
//!
//! Owns the languages, the programs that their builds need, and the sizes and times of the builds.
//! Must not know how servers are measured.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_packager::image::{APP_ROOT, HOST_PROGRAM, unpack};
use scorebox_packager::package::build;
use scorebox_packager::package::options::Making;
use scorebox_packager::{component, create_from_template, manifest_file};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{tools, workspace};

use crate::bench::server::Program;
use crate::bench::stage::{Setting, altered, set};

/// Language of a scorer, with the engine that runs it if there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with which the others are compared.
    Rust,
    /// C, compiled by clang.
    C,
    /// JavaScript, run by QuickJS.
    #[value(name = "quickjs")]
    QuickJs,
    /// JavaScript, run by SpiderMonkey.
    ComponentizeJs,
    /// Python, run by CPython.
    ComponentizePy,
}

impl Language {
    /// All languages. Rust is the first.
    pub const ALL: [Self; 5] = [
        Self::Rust,
        Self::C,
        Self::QuickJs,
        Self::ComponentizeJs,
        Self::ComponentizePy,
    ];

    /// Returns the name of the language on the command line and in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::QuickJs => "quickjs",
            Self::ComponentizeJs => "componentize-js",
            Self::ComponentizePy => "componentize-py",
        }
    }

    /// Returns a program that is not on this machine, but that the build of a scorer in this
    /// language needs. Returns `None` if nothing is missing.
    pub fn missing_program(self) -> Option<&'static str> {
        let needed: &[&str] = match self {
            Self::Rust => &["cargo"],
            Self::C => &["make", "clang", "wasm-ld"],
            Self::QuickJs | Self::ComponentizeJs => &["node", "npm"],
            Self::ComponentizePy => &["python3"],
        };
        let mut missing = needed
            .iter()
            .filter(|program| tools::find(program).is_none());
        missing.next().copied()
    }

    fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::QuickJs | Self::ComponentizeJs => "javascript",
            Self::ComponentizePy => "python",
        }
    }

    /// Returns the settings of `scorebox.toml` in which the scorer of this language differs from
    /// its template.
    fn settings(self) -> Vec<Setting<'static>> {
        if self != Self::ComponentizeJs {
            return Vec::new();
        }
        let source = toml::Table::from_iter([("componentize-js".to_owned(), "app.js".into())]);
        vec![
            ("scorer", "component", source.into()),
            ("scorer", "snapshot", true.into()),
            ("limits", "memory", "256MiB".into()),
        ]
    }

    /// Returns true if the first build of a scorer in this language also downloads the tools for
    /// the language. The time of this build is not measured.
    fn fetches_toolchain(self) -> bool {
        matches!(
            self,
            Self::QuickJs | Self::ComponentizeJs | Self::ComponentizePy
        )
    }
}

/// A scorer that is packaged, with the programs that serve it.
pub struct Scorer {
    /// Language of the scorer.
    pub language: Language,
    /// Size of the component, in bytes.
    pub component_bytes: u64,
    /// Size of the image with its manifest, in bytes. Layers are compressed.
    pub image_bytes: u64,
    /// Time to build the component from the source, without downloads.
    pub build: Duration,
    /// Time to build the image from the component: checks, compilation to machine code, and
    /// compression.
    pub package: Duration,
    /// The host of the scorer's image with the settings of the image.
    pub warm: Program,
    /// The host of the scorer's image with a new instance for each call.
    pub call: Program,
    /// The host of the scorer's image with one instance.
    pub one_instance: Program,
    /// The host of the scorer's image with eight instances.
    pub eight_instances: Program,
}

/// Creates and packages the scorer of a language. Its project is written below the folder
/// `projects`, and its image and its app folders below the folder `folder`. Fails if the scorer
/// cannot be built or packaged.
pub fn make(language: Language, projects: &Path, folder: &Path) -> Result<Scorer, Failure> {
    let name = language.name();
    eprintln!("making the scorer of {name}");
    let manifest = project(language, &projects.join(name))?;
    if language.fetches_toolchain() {
        component::locate(&manifest)?;
    }
    let started = Instant::now();
    let component = component::locate(&manifest)?;
    let build = started.elapsed();
    let file = component.as_ref().map(|component| component.file.clone());
    let file = file.unwrap_or_default();
    let component_bytes = std::fs::metadata(&file)
        .map_err(|error| Failure::file(&file, "be read", error))?
        .len();

    let own = folder.join(name);
    let layout = own.join("image");
    std::fs::create_dir_all(&own).map_err(|error| Failure::file(&own, "be made", error))?;
    let started = Instant::now();
    let image = build::image(&manifest, component.as_ref(), &Making::of(&layout, "bench"))?;
    let package = started.elapsed();
    let blobs = image.blobs.iter().map(|blob| blob.size);
    let image_bytes = blobs.sum::<u64>() + image.manifest.len() as u64;

    let root = own.join("root");
    unpack::unpack(&image.dir, &root)?;
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let (host, app) = (inside(HOST_PROGRAM), inside(APP_ROOT));
    let program = |kind: &str, settings: &[Setting<'_>]| -> Result<Program, Failure> {
        let copy = altered(&app, &own.join(kind), settings)?.map_err(|error| {
            let problem = format!("the host refuses {name} {kind}: {}", error.problem);
            Failure::other(problem, "report it")
        })?;
        Ok(Program::host(
            &format!("{name}-{kind}"),
            &host,
            &copy,
            folder,
        ))
    };
    let instances = |count: i64| {
        let number = toml::Value::Integer(count);
        let settings = [
            ("limits", "instances", number.clone()),
            ("instances", "at_start", number),
        ];
        program(&format!("instances-{count}"), &settings)
    };
    Ok(Scorer {
        language,
        component_bytes,
        image_bytes,
        build,
        package,
        warm: Program::host(&format!("{name}-warm"), &host, &app, folder),
        call: program("call", &[("instances", "isolation", "call".into())])?,
        one_instance: instances(1)?,
        eight_instances: instances(8)?,
    })
}

/// Creates the project of the scorer of a language in the folder `project`, and returns its
/// manifest. Fails if a file cannot be written, or if the manifest is invalid.
fn project(language: Language, project: &Path) -> Result<Manifest, Failure> {
    create_from_template(language.template(), project)?;
    if language == Language::Rust {
        // Cargo has already downloaded the versions in the repository's Cargo.lock.
        let (lock, copy) = (
            workspace::root().join("Cargo.lock"),
            project.join("Cargo.lock"),
        );
        std::fs::copy(&lock, &copy).map_err(|error| Failure::file(&copy, "be written", error))?;
    }
    let file = project.join(MANIFEST_FILE);
    set(&file, &language.settings())?;
    manifest_file::read(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for language in Language::ALL {
            let value = language.to_possible_value().unwrap();
            assert_eq!(value.get_name(), language.name());
        }
    }

    #[test]
    fn every_language_has_a_project() {
        let dir = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            let manifest = project(language, &dir.path().join(language.name())).unwrap();
            assert_eq!(manifest.scorer.name, language.name());
            assert!(manifest.scorer.component.is_some());
            let is_stored = !matches!(language, Language::QuickJs | Language::ComponentizePy);
            assert_eq!(manifest.scorer.snapshot, is_stored, "{language:?}");
        }
    }
}
