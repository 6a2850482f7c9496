//! Scripts in Python for tests: the engine pack, app folders, and the answers of native Python.
//!
//! Owns how a pack is found or made, the scripts of `tests/data/scripts`, and the comparison of
//! answers. Must not know what a script does.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;
use crate::host::{Host, scorebox};
use crate::libraries::Libraries;
use crate::place;
use crate::run::{self, Finished};

/// Environment variable with the path of the engine pack, for the host and the packager.
pub const PACK_VARIABLE: &str = "SCOREBOX_PYTHON_PACK";

/// Timeout of making a pack, which compiles for minutes, and more on a busy machine.
const MAKING: Duration = Duration::from_secs(40 * 60);

/// Timeout of a build of a project with a script, which may fetch packages.
const BUILDING: Duration = Duration::from_secs(10 * 60);

/// Exit codes of the packager that say that this machine lacks something: a tool, or the network.
const LACKING: [i32; 2] = [4, 6];

/// Variables of this machine that the packager needs for Cargo and for its caches.
const KEPT: [&str; 8] = [
    "PATH",
    "HOME",
    "XDG_CACHE_HOME",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
];

/// Path of the engine pack, or the reason why there is none.
static PACK: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    if let Some(pack) = std::env::var_os(PACK_VARIABLE) {
        return Ok(pack.into());
    }
    if place::tool("python3").is_none() {
        return Err("there is no program `python3`, which fetches the engine of Python".to_owned());
    }
    let mut part = run::tool(&place::xtask().to_string_lossy());
    let made = run::finish_within(MAKING, part.args(["part", "python-pack"]), b"");
    if made.status.success() {
        return Ok(made.stdout.trim_end().into());
    }
    let reason = format!("the engine pack cannot be made: {}", made.stderr);
    assert!(
        made.status
            .code()
            .is_some_and(|code| LACKING.contains(&code)),
        "{reason}"
    );
    Err(reason)
});

/// Libraries with which scripts run natively, as `tests/data/scripts/requirements.txt` pins them.
pub static LIBRARIES: LazyLock<Result<Libraries, String>> =
    LazyLock::new(|| Libraries::of("scripts"));

/// Returns the path of the engine pack, which is made if this machine has none.
///
/// # Errors
/// Fails with the reason as text if there is no pack and this machine cannot make one, because it
/// has no network, or no Python with pip.
///
/// # Panics
/// Panics if making the pack fails for another reason.
pub fn pack() -> Result<&'static Path, String> {
    PACK.as_deref().map_err(Clone::clone)
}

/// Expands to the path of the engine pack. If there is none, the test is reported as skipped, and
/// the macro returns from it.
#[macro_export]
macro_rules! pack {
    () => {
        match $crate::scripts::pack() {
            Ok(pack) => pack,
            Err(reason) => return $crate::skip::skip(&reason),
        }
    };
}

/// Returns the text of the script `NAME.py` in `tests/data/scripts`.
///
/// # Panics
/// Panics if there is no such script.
#[must_use]
pub fn text(name: &str) -> String {
    let file = place::workspace().join(format!("tests/data/scripts/{name}.py"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Creates an app with the script `NAME.py` of `tests/data/scripts`. `manifest` has more lines of its
/// manifest. Lines before the first table belong to `[scorer]`.
#[must_use]
pub fn app(name: &str, manifest: &str) -> App {
    App::script(name, &text(name), manifest)
}

/// Serves the app of a script and waits until it is ready.
#[track_caller]
#[must_use]
pub fn start(pack: &Path, app: &Path) -> Host {
    start_with(pack, app, &[])
}

/// Serves the app of a script with the environment variables `variables`, and waits until it is
/// ready.
#[track_caller]
#[must_use]
pub fn start_with(pack: &Path, app: &Path, variables: &[(&str, &str)]) -> Host {
    let pack = pack.to_string_lossy();
    let mut all = vec![(PACK_VARIABLE, &*pack)];
    all.extend(variables);
    Host::start_with(app, &all)
}

/// Runs `scorebox check` on the app of a script.
#[track_caller]
pub fn check(pack: &Path, app: &Path) -> Finished {
    let mut command = scorebox("check", app);
    run::finish(command.env(PACK_VARIABLE, pack), b"")
}

/// Runs a command of the packager on a project with a script. The environment has the pack, and what
/// pip needs.
#[track_caller]
pub fn packager(pack: &Path, project: &Path, words: &[&str]) -> Finished {
    let mut command = packager_command(pack);
    let Some((name, flags)) = words.split_first() else {
        panic!("no command is given");
    };
    command.arg(name).arg("--manifest");
    command.arg(project.join("scorebox.toml")).args(flags);
    run::finish_within(BUILDING, &mut command, b"")
}

/// Returns the packager's command without arguments, with the pack and with what pip needs in its
/// environment.
#[must_use]
pub fn packager_command(pack: &Path) -> Command {
    let mut command = Command::new(place::xtask());
    command.env_clear().env(PACK_VARIABLE, pack);
    let kept = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        let is_of_pip = name.starts_with("PIP_") || name.to_lowercase().ends_with("_proxy");
        is_of_pip || KEPT.contains(&&*name)
    });
    command.envs(kept);
    command
}

/// Builds a project with a script, and returns the folder with its app folder.
///
/// # Panics
/// Panics if the build fails.
#[track_caller]
#[must_use]
pub fn built(pack: &Path, project: &Path) -> TempDir {
    let app = tempfile::tempdir().expect("a folder can be made");
    build(pack, project, app.path(), &[]).ended(0);
    app
}

/// Builds a project with a script into the app folder `app`. `more` has more arguments.
#[track_caller]
pub fn build(pack: &Path, project: &Path, app: &Path, more: &[&OsStr]) -> Finished {
    let mut command = packager_command(pack);
    command.arg("build").arg("--manifest");
    command.arg(project.join("scorebox.toml"));
    command.arg("--app").arg(app).args(more);
    run::finish_within(BUILDING, &mut command, b"")
}

/// Runs the script of a project in native Python with each of the bodies, and returns one object for
/// each: `{"answer": …}`, or `{"raised": …}` with the type and text of the exception. `redis` is the
/// port of the Redis server that the script uses, whatever address it names.
///
/// # Panics
/// Panics if Python does not end in time, or ends with an error.
#[track_caller]
#[must_use]
pub fn native(
    libraries: &Libraries,
    project: &Path,
    bodies: &[String],
    redis: Option<u16>,
) -> Vec<Value> {
    let script = place::workspace().join("tests/data/scripts/native.py");
    let mut python = libraries.python();
    python.arg(script).arg(project);
    python.envs(redis.map(|port| ("NATIVE_REDIS", port.to_string())));
    let finished = run::finish(&mut python, json!(bodies).to_string().as_bytes()).ended(0);
    serde_json::from_value(finished.json()).expect("a list")
}

/// Asserts that `found` is `expected`: whole numbers, texts and the form are equal, and other numbers
/// differ by at most `tolerance`, which is relative above 1. `what` says what is compared.
#[track_caller]
pub fn assert_close(what: &str, found: &Value, expected: &Value, tolerance: f64) {
    if let Some(difference) = difference(found, expected, tolerance, String::new()) {
        panic!("{what}: {difference}");
    }
}

fn difference(found: &Value, expected: &Value, tolerance: f64, path: String) -> Option<String> {
    match (found, expected) {
        (Value::Array(own), Value::Array(other)) if own.len() == other.len() => {
            let mut pairs = own.iter().zip(other).enumerate();
            pairs.find_map(|(index, (own, other))| {
                difference(own, other, tolerance, format!("{path}/{index}"))
            })
        }
        (Value::Object(own), Value::Object(other)) if own.len() == other.len() => {
            other.iter().find_map(|(key, other)| {
                let own = own.get(key).unwrap_or(&Value::Null);
                difference(own, other, tolerance, format!("{path}/{key}"))
            })
        }
        (Value::Number(own), Value::Number(other)) if own.is_f64() && other.is_f64() => {
            let (own, other) = (own.as_f64()?, other.as_f64()?);
            let is_far = (own - other).abs() > tolerance * other.abs().max(1.0);
            is_far.then(|| format!("{path} is {own}, and natively {other}"))
        }
        _ => (found != expected).then(|| format!("{path} is {found}, and natively {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_at_their_place() {
        let check = |own: Value, other: Value, expected: Option<&str>| {
            let found = difference(&own, &other, 1e-9, String::new());
            assert_eq!(found.as_deref(), expected);
        };
        check(json!({"a": [1, 0.5]}), json!({"a": [1, 0.5 + 1e-12]}), None);
        check(json!([1e6]), json!([1e6 + 1e-5]), None);
        let at_b = Some("/b/1 is 2, and natively 3");
        check(json!({"b": [1, 2]}), json!({"b": [1, 3]}), at_b);
        check(
            json!([0.5]),
            json!([0.6]),
            Some("/0 is 0.5, and natively 0.6"),
        );
        check(json!([1]), json!([1.0]), Some("/0 is 1, and natively 1.0"));
        check(
            json!([1]),
            json!([1, 2]),
            Some(" is [1], and natively [1,2]"),
        );
    }
}
