//! Pickled models that are converted, packaged and served: the library's own answers, or a refusal
//! with a reason.
//!
//! Owns the trained models, which are trained once for all parts, and the way from a file to an
//! answer over HTTP. Must not know converters.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use scorebox_tests::models::Models;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::shared::Shared;
use scorebox_tests::{place, skip};
use tempfile::TempDir;

static MODELS: Shared<Result<Models, String>> = Shared::new();

/// Timeout of a conversion. It imports large libraries, and several conversions run at a time.
const LIMIT: Duration = Duration::from_secs(180);

/// Returns the trained models. `None` if they cannot be trained; then the test is reported as
/// skipped.
fn models() -> Option<Arc<Result<Models, String>>> {
    let models = MODELS.get(Models::train);
    if let Err(reason) = models.as_ref() {
        skip::skip(reason);
        return None;
    }
    Some(models)
}

/// Declares a variable that refers to the trained models. Returns from the test if they cannot be
/// trained.
macro_rules! models {
    ($models:ident) => {
        scorebox_tests::require!("python3", "pip3");
        let Some(models) = $crate::convert::models() else {
            return;
        };
        let Ok($models) = models.as_ref() else { return };
    };
}

mod agreement;
mod answers;
mod fixes;
mod folders;
mod forms;
mod gaps;
mod options;
mod pipelines;
mod refusals;

/// Returns a command that runs `cargo xtask convert`, with a secret in its environment.
fn convert(model: &Path, output: &Path) -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SECRET", "b3c1");
    command.env("HOME", std::env::var_os("HOME").unwrap_or_default());
    command
        .arg("convert")
        .arg(model)
        .arg("--output")
        .arg(output);
    command
}

fn finish(command: &mut Command) -> Finished {
    run::finish_within(LIMIT, command, b"")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}
