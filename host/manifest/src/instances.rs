//! The sections `[instances]`, `[batching]` and `[precompiled]` of the manifest.
//!
//! They set the number, lifetime and isolation of instances, which calls are joined, and which
//! machine code is loaded. Owns these three sections and their checks. Must not know how instances
//! are created.

use std::path::{Path, PathBuf};
use std::time::Duration;

use scorebox_text::Problem;
use serde::Deserialize;

use super::settings::default_of;
use super::{LIMIT_MOST, duration};

/// Section `[instances]` of the manifest: the number, lifetime and isolation of instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    /// Isolation between the calls of a scorer: the state that a call may see of earlier calls.
    pub isolation: Isolation,
    /// Number of calls after which an instance is replaced. `None` if the number of calls is not
    /// limited.
    pub max_invocations: Option<u64>,
    /// Age at which an instance is replaced. `None` if the age is not limited.
    pub max_age: Option<Duration>,
    /// Number of instances that are created before the host is ready, if instances are reused. If
    /// each call has an instance of its own, one is created, to check `init`.
    pub at_start: usize,
}

/// Isolation between the calls of a scorer: the state that a call may see of earlier calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Calls share no state: every call has an instance of its own, which is created for the call
    /// and dropped after it.
    Call,
    /// Calls share the state in globals: instances are reused, and a call sees what earlier calls
    /// left.
    Warm,
}

/// Section `[batching]` of the manifest: limits on joining concurrent calls of a batchable tensor
/// scorer along axis 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Maximum number of rows of one batch of joined calls.
    pub max_rows: u64,
    /// Maximum time for which the first call of a batch waits for other calls to join the batch.
    pub max_wait: Duration,
}

/// Section `[precompiled]` of the manifest: the component's machine code, written by `scorebox
/// build` and `scorebox package`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precompiled {
    /// Path of the file with the machine code.
    pub file: PathBuf,
    /// Digest of the file's bytes: `sha256:` and 64 hex digits.
    pub digest: String,
    /// Name and settings of the WebAssembly engine that the code was compiled for.
    pub engine: String,
    /// CPU level that the code needs, such as `x86-64-v3`.
    pub cpu: String,
    /// Digest of the component that the code was compiled from: `sha256:` and 64 hex digits.
    pub component: String,
    /// Digest of the model that `init` could read: `sha256:` and 64 hex digits. `None` if the
    /// scorer does not have a model.
    pub model: Option<String>,
    /// True if the code is a snapshot of the state after `init`, so that `init` is not run again
    /// when the host starts.
    pub snapshot: bool,
}

#[derive(Default, Deserialize)]
pub(super) struct RawInstances {
    isolation: Option<Isolation>,
    max_invocations: Option<u64>,
    max_age: Option<String>,
    at_start: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct RawBatching {
    max_rows: Option<u64>,
    max_wait: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawPrecompiled {
    file: String,
    digest: String,
    engine: String,
    cpu: String,
    component: String,
    model: Option<String>,
    snapshot: bool,
}

impl RawInstances {
    pub(super) fn into_section(self) -> Result<Instances, Problem> {
        if self.max_invocations == Some(0) {
            return Err(Problem::new(
                "`instances.max_invocations` is 0",
                "write `isolation = \"call\"` for an instance that serves one call, or leave the key out",
            ));
        }
        let at_start = self
            .at_start
            .unwrap_or_else(|| default_of("instances.at_start").parse().unwrap_or(1));
        if !(1..=1024).contains(&at_start) {
            return Err(Problem::new(
                "`instances.at_start` is not between 1 and 1024",
                "write a number from 1 to 1024; the first instance is always made at the start, \
                 because it proves that `init` works",
            ));
        }
        Ok(Instances {
            isolation: self.isolation.unwrap_or(Isolation::Warm),
            max_invocations: self.max_invocations,
            max_age: self
                .max_age
                .map(|age| duration("instances.max_age", &age, LIMIT_MOST))
                .transpose()?,
            at_start,
        })
    }
}

impl RawBatching {
    pub(super) fn into_section(self) -> Result<Batching, Problem> {
        let Some(max_rows) = self.max_rows.filter(|rows| (2..=1 << 20).contains(rows)) else {
            return Err(Problem::new(
                "`batching.max_rows` is not a number from 2 to 1048576",
                "say how many rows one call may have at most, or remove [batching]: without it calls are not joined",
            ));
        };
        let max_wait = self
            .max_wait
            .unwrap_or_else(|| default_of("batching.max_wait").to_owned());
        Ok(Batching {
            max_rows,
            max_wait: duration("batching.max_wait", &max_wait, Duration::from_secs(1))?,
        })
    }
}

impl RawPrecompiled {
    pub(super) fn into_section(self, dir: &Path) -> Result<Precompiled, Problem> {
        let Self {
            file,
            digest,
            engine,
            cpu,
            component,
            model,
            snapshot,
        } = self;
        let digests = [
            ("digest", Some(&digest)),
            ("component", Some(&component)),
            ("model", model.as_ref()),
        ];
        for (key, value) in digests
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
        {
            let hex = value.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64
                || !hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            {
                return Err(Problem::new(
                    format!("`precompiled.{key}` is not `sha256:` and 64 hex digits"),
                    "leave [precompiled] to `scorebox build`, which writes it",
                ));
            }
        }
        Ok(Precompiled {
            file: dir.join(file),
            digest,
            engine,
            cpu,
            component,
            model,
            snapshot,
        })
    }
}
