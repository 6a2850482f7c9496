//! `cargo xtask dist`: makes a release of the tool.
//!
//! Owns the flags, the order of the steps and the names of the files of a release. Must not know
//! the formats of the archive, the wheel and the SBOM.

mod archive;
mod bill;
mod contents;
mod sources;
mod wheel;

use std::path::{Path, PathBuf};

use clap::Args;
use scorebox_host::engine::VERSION;
use scorebox_workspace::commands::Program;
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, shown};
use scorebox_workspace::{installation, tools};

use self::contents::Contents;
use crate::folder::Replacement;
use crate::host_program::{self, Kind};
use crate::image::attestation::Revision;
use crate::installed::{self, List};
use crate::signing::Key;
use crate::{engine_library, materials};

/// Name of the file with the checksums of a release, in the form that `sha256sum --check` reads.
const CHECKSUMS: &str = "SHA256SUMS";

/// Flags of `cargo xtask dist`.
#[derive(Debug, Args)]
#[command(
    after_help = "Times in the files are SOURCE_DATE_EPOCH, or the time of the commit. The same commit gives the same \
                  bytes.\n\nVerify a release:\n  sha256sum --check SHA256SUMS\n  base64 -d SHA256SUMS.sig > signature\n  \
                  openssl dgst -sha256 -verify scorebox.pub -signature signature SHA256SUMS\n\nExamples:\n  \
                  cargo xtask dist\n  cargo xtask dist --sign-key scorebox.key"
)]
pub struct DistArgs {
    /// The folder for the files of the release. A release that is already there is replaced
    /// [default: target/dist].
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// A private key that signs the checksums: curve P-256, in PEM, without a password.
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// Take a tree that differs from its commit. The version that the tool prints says so.
    #[arg(long)]
    pub allow_changes: bool,
    /// Leave out the hosts for images with a script. The installed tool then packages no scripts.
    #[arg(long)]
    pub without_python: bool,
}

/// Runs `cargo xtask dist`: builds the programs, and writes the files of a release. Fails if this
/// program is an installed tool, if the signing key cannot be read, if files differ from the commit
/// and `--allow-changes` is not given, if a program cannot be built, or if a file cannot be
/// written.
pub fn run(args: &DistArgs) -> Result<(), Failure> {
    if installation::parts().is_some() {
        return Err(Failure::other(
            "an installed tool has no sources to make a release of",
            "run `cargo xtask dist` in a clone of the repository",
        ));
    }
    let key = args.sign_key.as_deref().map(Key::read).transpose()?;
    let root = workspace::root();
    let revision = revision(&root, args.allow_changes)?;
    let epoch = epoch(&root)?;
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| !args.without_python || !kind.runs_scripts_in_images());
    let contents = contents(&root, &revision, &kinds.collect::<Vec<_>>())?;
    let tag = wheel::platform(&contents)?;

    let goal = args
        .output
        .clone()
        .unwrap_or_else(|| workspace::target().join("dist"));
    let mut folder = Replacement::begin(&goal, CHECKSUMS)?;
    let version = env!("CARGO_PKG_VERSION");
    let names = [
        format!("scorebox-{version}-x86_64-unknown-linux-gnu.tar.gz"),
        format!("scorebox-{version}-py3-none-{tag}.whl"),
        format!("scorebox-{version}.cdx.json"),
    ];
    let [archive, wheel, bill] = &names;
    let path = |name: &str| folder.path().join(name);
    archive::write(&path(archive), &contents, epoch)?;
    wheel::write(&path(wheel), &contents, &tag, epoch)?;
    let crates = materials::tool_crates()?;
    let document = bill::document(&crates, &contents, epoch);
    folder.write(bill, document.as_bytes())?;

    let mut checksums = String::new();
    for name in &names {
        let file = folder.path().join(name);
        let read = |error| Failure::file(&file, "be read", error);
        let (digest, size) =
            Digest::of_reader(std::fs::File::open(&file).map_err(read)?).map_err(read)?;
        checksums.push_str(&format!("{}  {name}\n", digest.hex()));
        eprintln!("{size:>12} bytes  {name}");
    }
    folder.write(CHECKSUMS, checksums.as_bytes())?;
    match key {
        Some(key) => {
            let signature = format!("{}\n", key.sign_text(checksums.as_bytes()));
            folder.write(&format!("{CHECKSUMS}.sig"), signature.as_bytes())?;
        }
        None => eprintln!("not signed: --sign-key signs the checksums"),
    }
    folder.finish()?;
    println!("{}", shown(&goal));
    Ok(())
}

/// Returns the commit of the git repository at `root`, and whether files differ from it. If
/// `is_allowed` is false, fails if files differ from the commit, or if `root` is not a git
/// repository.
fn revision(root: &Path, is_allowed: bool) -> Result<Revision, Failure> {
    let fix = "commit the changes, or remove them; --allow-changes makes a release that says that \
               it is changed";
    match materials::revision(root) {
        Some(revision) if !revision.is_changed || is_allowed => Ok(revision),
        Some(revision) => Err(Failure::other(
            format!(
                "{}: files differ from the commit {}",
                shown(root),
                revision.commit
            ),
            fix,
        )),
        None if is_allowed => Ok(Revision {
            commit: String::new(),
            is_changed: true,
        }),
        None => Err(Failure::other(
            format!("{}: is not a repository of git", shown(root)),
            fix,
        )),
    }
}

/// Returns the time for all files of the release, in seconds since 1970: `SOURCE_DATE_EPOCH`, or
/// else the time of the commit, or else 0. Fails if `SOURCE_DATE_EPOCH` is not a number.
fn epoch(root: &Path) -> Result<u64, Failure> {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let committed = || {
        let folder = root.display().to_string();
        tools::output("git", &["-C", &folder, "log", "-1", "--format=%ct"])
    };
    let Some(text) = given.filter(|text| !text.is_empty()).or_else(committed) else {
        return Ok(0);
    };
    text.parse().map_err(|_| {
        Failure::other(
            format!("SOURCE_DATE_EPOCH: `{text}` is not a number of seconds since 1970"),
            "unset it, or e.g. export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    })
}

/// Builds the programs of a release, with a host of each of the `kinds`, and collects all files of
/// the release. The file `manifest.json` is the list of the other files. Fails if a program cannot
/// be built or is not fit for a release, if ONNX Runtime cannot be fetched, or if a file cannot be
/// read.
fn contents(root: &Path, revision: &Revision, kinds: &[Kind]) -> Result<Contents, Failure> {
    let mut contents = Contents::default();
    contents.program(installed::PROGRAM, &Program::Packager.build()?);
    for kind in kinds.iter().copied() {
        let host = host_program::build(kind)?;
        if kind.is_static() {
            host_program::check(&host)?;
        }
        host_program::is_of_this_release(&host)?;
        contents.program(&part(kind.installed()), &host);
    }
    let engine = engine_library::locate(None)?;
    for file in std::iter::once(&engine.file).chain(&engine.texts) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        contents.file(&part(&format!("{}/{name}", engine_library::FOLDER)), file);
    }
    sources::add(&mut contents, root)?;
    let hosts = kinds.iter().copied();
    let hosts = hosts.filter(|kind| *kind != Kind::Developer);
    let hosts = hosts.map(|kind| Ok((kind.installed().to_owned(), materials::host_build(kind)?)));
    let list = List {
        version: VERSION.to_owned(),
        commit: revision.commit.clone(),
        is_changed: revision.is_changed,
        files: contents.parts()?,
        hosts: hosts.collect::<Result<_, Failure>>()?,
    };
    let mut text = serde_json::to_string_pretty(&list)
        .map_err(|error| Failure::file(Path::new(installation::LIST), "be written", error))?;
    text.push('\n');
    contents.bytes(&part(installation::LIST), text.into_bytes());
    Ok(contents)
}

/// Returns the path of a file of the installed tool, relative to the folder of the installation.
/// `name` is the path of the file relative to the folder `lib/scorebox` of the installation.
fn part(name: &str) -> String {
    format!("{}/{name}", installation::PARTS)
}
