//! The tools that put a script and its engine into a component: one pinned version of each, fetched
//! once by the package manager of its language.
//!
//! Owns the versions, the digests and the folders of the tools. Must not know components.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;

/// A tool that makes a component of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// componentize-js, which puts a JavaScript file and the engine SpiderMonkey into a component.
    ComponentizeJs,
    /// componentize-py, which puts Python files and the interpreter CPython into a component.
    ComponentizePy,
    /// componentize-qjs, which puts a JavaScript file and the engine QuickJS into a component.
    QuickJs,
}

/// A toolchain that was found or fetched on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Path of the program that runs the toolchain: Python or Node.js.
    pub program: PathBuf,
    /// Folder of the toolchain's files.
    pub folder: PathBuf,
}

impl Toolchain {
    /// All toolchains. This list is for the tests.
    #[cfg(test)]
    const ALL: [Self; 3] = [Self::ComponentizeJs, Self::ComponentizePy, Self::QuickJs];

    /// Returns the name and the version of the tool, e.g. `componentize-py-0.25.1`. The folder with
    /// the files of the tool has this name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ComponentizeJs => "componentize-js-0.23.0",
            Self::ComponentizePy => "componentize-py-0.25.1",
            Self::QuickJs => "componentize-qjs-0.4.5",
        }
    }

    /// Returns the files that pin the versions and digests of the toolchain's packages. Each is a
    /// pair of the file name and the content.
    fn pins(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ComponentizeJs => &[
                (
                    "package.json",
                    include_str!("../toolchains/componentize-js/package.json"),
                ),
                (
                    "package-lock.json",
                    include_str!("../toolchains/componentize-js/package-lock.json"),
                ),
            ],
            Self::ComponentizePy => &[(
                "requirements.txt",
                include_str!("../toolchains/componentize-py/requirements.txt"),
            )],
            Self::QuickJs => &[
                (
                    "package.json",
                    include_str!("../toolchains/quickjs/package.json"),
                ),
                (
                    "package-lock.json",
                    include_str!("../toolchains/quickjs/package-lock.json"),
                ),
            ],
        }
    }

    /// Returns the sizes of the download and of the installed toolchain as text for people, e.g.
    /// `17 MB, 47 MB on disk`.
    fn size(self) -> &'static str {
        match self {
            Self::ComponentizeJs => "about 60 MB, 200 MB on disk",
            Self::ComponentizePy => "17 MB, 47 MB on disk",
            Self::QuickJs => "about 15 MB, 50 MB on disk",
        }
    }

    /// Returns the package manager that fetches the toolchain.
    fn manager(self) -> Manager {
        match self {
            Self::ComponentizePy => Manager::Pip,
            Self::ComponentizeJs | Self::QuickJs => Manager::Npm,
        }
    }

    /// Returns the oldest version of Python or Node.js that the toolchain works with, as its major
    /// and minor number.
    fn oldest(self) -> (u32, u32) {
        match self {
            // npm leaves out the native part of its parser for older versions.
            Self::ComponentizeJs => (20, 0),
            Self::ComponentizePy => (3, 9),
            Self::QuickJs => (18, 19),
        }
    }

    /// Returns the instruction that installs Python with pip, or Node.js with npm, whichever the
    /// toolchain needs.
    fn fix(self) -> &'static str {
        match self {
            Self::ComponentizeJs => {
                "install Node.js 20 or later with npm, e.g. from https://nodejs.org; QuickJS needs only \
                 Node.js 18.19: write `quickjs` in place of `componentize-js`"
            }
            Self::ComponentizePy => {
                "install Python 3.9 or later with pip, e.g. `apt-get install python3 python3-pip`"
            }
            Self::QuickJs => {
                "install Node.js 18.19 or later with npm, e.g. `apt-get install nodejs npm`"
            }
        }
    }

    /// Returns the path of the Python or Node.js program that runs the toolchain. The program on
    /// PATH may be a shim, so it is run and prints the path of the real program. Fails if the
    /// program cannot be run or is too old.
    fn locate_runtime(self) -> Result<PathBuf, Failure> {
        let manager = self.manager();
        let runtime = manager.runtime();
        let output = Command::new(runtime)
            .args(manager.question())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Failure::toolchain(format!("`{runtime}` cannot be run: {error}"), self.fix())
            })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut lines = said.lines();
        let (Some(version), Some(program), true) =
            (lines.next(), lines.next(), output.status.success())
        else {
            return Err(Failure::toolchain(
                format!("`{runtime}` ended with {}", output.status),
                self.fix(),
            ));
        };
        if parsed(version).is_none_or(|found| found < self.oldest()) {
            return Err(Failure::toolchain(
                format!("`{runtime}` has the version {version}, which is too old"),
                self.fix(),
            ));
        }
        Ok(PathBuf::from(program))
    }
}

/// A package manager that fetches toolchains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Npm,
    Pip,
}

impl Manager {
    fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pip => "pip",
        }
    }

    /// Returns the name of the program that runs the toolchain: `node` or `python3`.
    fn runtime(self) -> &'static str {
        match self {
            Self::Npm => "node",
            Self::Pip => "python3",
        }
    }

    /// Returns the arguments with which `node` or `python3` prints its version and its path, each
    /// on a line.
    fn question(self) -> [&'static str; 2] {
        match self {
            Self::Npm => [
                "-e",
                "console.log(process.versions.node + '\\n' + process.execPath)",
            ],
            Self::Pip => [
                "-c",
                "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)",
            ],
        }
    }

    /// Returns the command that installs packages into `folder`. `program` is the path of Python,
    /// and is not used for npm. The versions of the packages are pinned by files in this folder.
    fn install(self, program: &Path, folder: &Path) -> Command {
        match self {
            Self::Pip => {
                let mut pip = Command::new(program);
                pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]);
                pip.arg("--disable-pip-version-check");
                // A pip before 22.1 refuses the flag of this name, and ignores the variable.
                pip.env("PIP_ROOT_USER_ACTION", "ignore");
                pip.args(["--require-hashes", "--only-binary=:all:", "--target"]);
                pip.arg(folder);
                pip.arg("--requirement")
                    .arg(folder.join("requirements.txt"));
                // The user's configuration may ask for an installation into the home folder, which
                // pip refuses together with --target.
                pip.env("PIP_USER", "0");
                pip
            }
            Self::Npm => {
                let mut npm = Command::new("npm");
                // Scripts of packages are not needed, and could do anything.
                npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
                npm.args(["--loglevel=error", "--no-update-notifier"]);
                npm.current_dir(folder);
                npm
            }
        }
    }
}

/// Parses the first two numbers of a version, e.g. 3 and 12 of `3.12.1`. Returns `None` if the text
/// does not start with two numbers.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns a toolchain on this machine, which is fetched if it is missing. Fails if Python or
/// Node.js is missing or too old, if the package manager is missing, or if the toolchain cannot be
/// fetched.
pub fn locate(toolchain: Toolchain) -> Result<Installed, Failure> {
    let program = toolchain.locate_runtime()?;
    let root = installation::cache().join("toolchains");
    let folder = root.join(toolchain.name());
    if !folder.is_dir() {
        fetch(toolchain, &program, &root, &folder)?;
    }
    Ok(Installed { program, folder })
}

/// Fetches a toolchain into a temporary folder below `root`, and renames the folder to `goal` when
/// it is complete. `program` is the Python or Node.js program that runs the toolchain. Fails if a
/// folder or file cannot be written, or if the package manager fails.
fn fetch(toolchain: Toolchain, program: &Path, root: &Path, goal: &Path) -> Result<(), Failure> {
    let manager = toolchain.manager();
    let taken = std::fs::create_dir_all(root).and_then(|()| {
        tempfile::Builder::new()
            .prefix(".install-")
            .tempdir_in(root)
    });
    let temporary =
        taken.map_err(|error| Failure::file(root, "create a temporary folder", error))?;
    let folder = temporary.path().join("toolchain");
    std::fs::create_dir(&folder).map_err(|error| Failure::file(&folder, "be created", error))?;
    for (name, text) in toolchain.pins() {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(|error| Failure::file(&file, "be written", error))?;
    }
    eprintln!(
        "fetching {} with {}, once: {}; it is kept in {}",
        toolchain.name(),
        manager.name(),
        toolchain.size(),
        shown(goal)
    );
    let output = manager
        .install(program, &folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::toolchain(
                format!("`{}` cannot be run: {error}", manager.name()),
                toolchain.fix(),
            )
        })?;
    if !output.status.success() {
        return Err(refused(toolchain, &output));
    }
    match std::fs::rename(&folder, goal) {
        Err(error) if !goal.is_dir() => Err(Failure::file(goal, "be put in place", error)),
        // Another process may have been faster. Both folders have the same content.
        _ => Ok(()),
    }
}

/// Returns the failure for a package manager that did not install a toolchain. `output` is the
/// output of the package manager, which determines the kind of the failure.
fn refused(toolchain: Toolchain, output: &Output) -> Failure {
    let manager = toolchain.manager();
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let problem = format!(
        "{} cannot fetch {}: it ended with {}: {said}",
        manager.name(),
        toolchain.name(),
        output.status
    );
    if said.contains("DO NOT MATCH THE HASHES") || said.contains("EINTEGRITY") {
        let fix =
            "do not trust a package index or a proxy that sends other bytes; use another index";
        return Failure::new(Kind::Verification, problem, fix);
    }
    if said.contains("No module named pip") {
        return Failure::toolchain(problem, toolchain.fix());
    }
    let fix = match manager {
        Manager::Npm => {
            "check that npm can reach its registry (`npm config get registry` shows which one it \
             uses), and run the command again"
        }
        Manager::Pip => {
            "check that pip is 20.3 or later (`python3 -m pip --version`) and can reach its \
             package index (`pip config list` shows which one it uses), and run the command again"
        }
    };
    Failure::new(Kind::Network, problem, fix)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn every_package_has_a_version_and_a_digest() {
        for toolchain in Toolchain::ALL {
            for (name, text) in toolchain.pins() {
                // The name of the folder has the version of the tool.
                let version = toolchain.name().rsplit_once('-').unwrap().1;
                assert!(text.contains(version), "{name}");
                match *name {
                    "package-lock.json" => {
                        let lock: serde_json::Value = serde_json::from_str(text).unwrap();
                        let packages = lock["packages"].as_object().unwrap();
                        for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty())
                        {
                            assert!(package["integrity"].is_string(), "{path}");
                            // The registry is for the user's settings to choose.
                            assert!(package["resolved"].is_null(), "{path}");
                        }
                    }
                    "requirements.txt" => assert!(text.contains("--hash=sha256:")),
                    _ => assert!(!text.contains('^')),
                }
            }
        }
    }

    #[test]
    fn text_of_the_package_manager_decides_who_can_fix_it() {
        let check = |toolchain, said: &str, kind: Kind| {
            let output = Output {
                status: std::process::ExitStatus::from_raw(256),
                stdout: Vec::new(),
                stderr: said.as_bytes().to_vec(),
            };
            assert_eq!(refused(toolchain, &output).kind, kind, "{said}");
        };
        let (python, node) = (Toolchain::ComponentizePy, Toolchain::QuickJs);
        check(
            python,
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES",
            Kind::Verification,
        );
        check(
            python,
            "/usr/bin/python3: No module named pip",
            Kind::Toolchain,
        );
        check(node, "npm error code EINTEGRITY", Kind::Verification);
        check(node, "npm error code ENOTFOUND", Kind::Network);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parsed("20.20.2"), Some((20, 20)));
        assert!(parsed("18.9.0") < parsed("18.19.1"));
        assert!(parsed("18.19.1").unwrap() >= Toolchain::QuickJs.oldest());
        assert!(parsed("18.19.1").unwrap() < Toolchain::ComponentizeJs.oldest());
        assert_eq!(parsed("x"), None);
    }
}
