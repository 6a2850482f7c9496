//! The search for the wheels of a script's packages, which `resolve.py` does with pip.
//!
//! Owns the process that runs `resolve.py`, the form of its answer, and the failure for each
//! requirement that cannot be met. Must not know where wheels are kept.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::text::{NAME_BYTES, REASON_BYTES, quoted};
use scorebox_workspace::failure::{Failure, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::packages::Package;
use super::secret::redacted;

/// Python program `resolve.py`, which finds the wheels of a script's packages with pip.
pub const PROGRAM: &str = include_str!("resolve.py");

/// Packages that `resolve.py` found.
#[derive(Debug)]
pub struct Found {
    /// Packages that were found, each with its wheel, sorted by name.
    pub wheels: Vec<Wheel>,
    /// Requirements for packages that the engine pack has as libraries. The keys are the names of
    /// the libraries.
    pub satisfied: BTreeMap<String, Satisfied>,
}

/// A package with the path of its wheel.
#[derive(Debug, Deserialize)]
pub struct Wheel {
    /// Path of the wheel on this machine.
    pub file: PathBuf,
    /// Name, version, licence and digest of the package in the wheel.
    #[serde(flatten)]
    pub package: Package,
}

/// A requirement for a package that the engine pack has as a library. The library is used even if
/// the requirement asks for another version.
#[derive(Debug, Serialize, Deserialize)]
pub struct Satisfied {
    /// Version of the library in the engine pack.
    pub version: String,
    /// True if the requirement accepts the version in the engine pack.
    pub is_asked: bool,
    /// Versions that the requirement accepts, such as `<2`.
    pub asked: String,
    /// Place at which the requirement was read, such as `requirements.txt:3`.
    pub place: String,
}

/// Answer of `resolve.py`.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    wheels: Vec<Wheel>,
    #[serde(default)]
    satisfied: BTreeMap<String, Satisfied>,
    refused: Option<Refused>,
}

/// A requirement that cannot be met, as `resolve.py` describes it.
#[derive(Debug, Deserialize)]
struct Refused {
    text: String,
    place: String,
    kind: String,
    detail: String,
}

/// Finds the wheels of a script's packages with `resolve.py`. `job` is the input of this program,
/// and `folder` is the current folder of its process. Fails if Python or pip cannot be run, or if a
/// requirement cannot be met.
pub fn resolve(job: &Value, folder: &Path) -> Result<Found, Failure> {
    let fix = "install Python 3.9 or later with pip 22.2 or later, e.g. `apt-get install python3 python3-pip`";
    let failed = |error: std::io::Error| {
        Failure::toolchain(format!("`python3` cannot be run: {error}"), fix)
    };
    let mut child = Command::new("python3")
        // Modules of the current folder must not take the place of modules of pip.
        .env("PYTHONSAFEPATH", "1")
        .args(["-B", "-c", PROGRAM])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ends before it has read the job says why on its standard error.
        let _ = stdin.write_all(job.to_string().as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it printed nothing");
        let last = quoted(&redacted(last), REASON_BYTES);
        Failure::toolchain(format!("`python3` did not find the packages: {last}"), fix)
    })?;
    match answer.refused {
        Some(refused) => Err(refused.failure()),
        None => Ok(Found {
            wheels: answer.wheels,
            satisfied: answer.satisfied,
        }),
    }
}

impl Refused {
    fn failure(&self) -> Failure {
        let Self {
            text,
            place,
            kind,
            detail,
        } = self;
        let name = quoted(&redacted(text), NAME_BYTES);
        let detail = quoted(&redacted(detail), REASON_BYTES);
        let problem = |what: &str| format!("{place}: `{name}` {what}");
        let detailed = |what: &str| problem(&format!("{what}: {detail}"));
        match kind.as_str() {
            "native" => Failure::project(
                problem(&format!(
                    "has native code ({detail}), which cannot run in the sandbox"
                )),
                native_fix(text),
            ),
            "invalid" => Failure::project(
                detailed("is not a requirement"),
                "write the name of a package, with a version if it matters, e.g. `redis==5.0.8`",
            ),
            "source" => Failure::project(
                detailed("is not fetched as a wheel"),
                "use a version of the package that is published as a wheel; a build would run its code outside of \
                 the sandbox",
            ),
            "conflict" => Failure::project(
                detailed("does not fit the version that was taken"),
                "name a version of this package that fits all that ask for it",
            ),
            "missing" => Failure::project(
                detailed("has no pure-Python wheel"),
                "correct the name or the version; if the package exists only as source code, build a wheel of \
                 it (`pip wheel --no-deps`), and name the wheel's path; remove it if the script does not \
                 import it",
            ),
            "python" => Failure::project(
                detailed("has no version for the Python of the engine"),
                "name a newer version of the package, or remove it if the script does not import it",
            ),
            "unhashed" => Failure::project(
                problem("has no exact version or no digest, and the requirements have digests"),
                "write e.g. `redis==5.0.8 --hash=sha256:…` with what `pip hash` prints for the wheel; or remove \
                 `--hash` and `--require-hashes` everywhere",
            ),
            "hash" => Failure::new(
                Kind::Verification,
                detailed("has another digest than the requirements name"),
                "do not trust a package index or a proxy that sends other bytes; use another index",
            ),
            "damaged" => Failure::project(
                detailed("is not a wheel that can be used"),
                "use another version of the package, or another index",
            ),
            "many" => Failure::project(
                detailed("is one package too many"),
                "name only the packages that the script imports",
            ),
            _ => Failure::new(
                Kind::Network,
                detailed("was not found, because pip failed"),
                "check that pip can reach its package index (`pip config list` shows which one it uses), and \
                 run the command again",
            ),
        }
    }
}

/// Returns the instruction in the error message for a package with native code. `text` is the
/// requirement for the package.
fn native_fix(text: &str) -> &'static str {
    let name = text.to_ascii_lowercase();
    match ["xgboost", "lightgbm"]
        .iter()
        .any(|library| name.starts_with(library))
    {
        true => {
            "remove it here, and its import from the script; its models run without it: convert the model with `cargo \
             xtask convert model/FILE --accelerate`, and write `accelerate = true` under [scorer]"
        }
        false => {
            "remove it if the script does not import it; otherwise use a package without native code, or one \
             that the engine has, in its place"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_package_says_what_to_do() {
        #[track_caller]
        fn check(kind: &str, exit: u8, parts: [&str; 2]) {
            let refused = Refused {
                text: "xgboost @ https://me:hush@h.example/x.whl".into(),
                place: "requirements.txt:4".into(),
                kind: kind.into(),
                detail: "see http://me:hush@h.example?quiet".into(),
            };
            let failure = refused.failure();
            assert_eq!(failure.exit_code(), exit, "{failure}");
            let text = failure.to_string();
            for part in parts
                .iter()
                .chain(&["requirements.txt:4: `xgboost @ ", "fix: "])
            {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("hush") && !text.contains("quiet"), "{text}");
        }
        check("native", 3, ["has native code", "cargo xtask convert"]);
        check("missing", 3, ["no pure-Python wheel", "pip wheel"]);
        check("conflict", 3, ["does not fit", "name a version"]);
        check("source", 3, ["not fetched as a wheel", "published"]);
        check("python", 3, ["Python of the engine", "newer version"]);
        check("unhashed", 3, ["no digest", "pip hash"]);
        check("damaged", 3, ["not a wheel", "another version"]);
        check("many", 3, ["too many", "imports"]);
        check("invalid", 3, ["not a requirement", "redis=="]);
        check("hash", 7, ["another digest", "do not trust"]);
        check("pip", 6, ["pip failed", "package index"]);
        assert!(!native_fix("torch==2").contains("convert"));
    }
}
