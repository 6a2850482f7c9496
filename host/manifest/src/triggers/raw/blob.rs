//! Checks of a trigger of kind `blob`.
//!
//! Owns the rule for the blobs to which answers may be written. Must not know other kinds of
//! triggers.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::{RawTarget, RawTrigger};
use crate::triggers::names::{blob_path, connection, container, names, watched_path};
use crate::triggers::{BlobSource, BlobTrigger};

impl RawTrigger {
    pub(super) fn into_blob(self) -> Result<BlobTrigger, Problem> {
        let path = self.path.ok_or_else(|| {
            Problem::new(
                "`trigger.path` is missing",
                "write container and name, e.g. `incoming/{name}`",
            )
        })?;
        watched_path("trigger.path", &path)?;
        let target = |key: &str, target: Option<RawTarget>| match target {
            None => Ok(None),
            Some(RawTarget {
                blob: Some(blob),
                queue: None,
                topic: None,
            }) => {
                blob_path(&format!("{key}.blob"), &blob)?;
                if container(&blob).eq_ignore_ascii_case(container(&path)) {
                    return Err(Problem::new(
                        format!(
                            "`{key}.blob` is in the container that the trigger watches: each \
                             answer would start a call"
                        ),
                        "name another container",
                    ));
                }
                let unknown = names(&blob).find(|name| {
                    let made_by_the_host = ["rand-guid", "datetime"];
                    !names(&path).any(|own| own.eq_ignore_ascii_case(name))
                        && !made_by_the_host.iter().any(|made| {
                            name.split(':')
                                .next()
                                .unwrap_or_default()
                                .eq_ignore_ascii_case(made)
                        })
                });
                match unknown {
                    Some(name) => Err(Problem::new(
                        format!(
                            "`{key}.blob`: `trigger.path` has no `{{{}}}`",
                            quoted(name, NAME_BYTES)
                        ),
                        "use the names in `trigger.path`, {rand-guid} or {DateTime}",
                    )),
                    None => Ok(Some(blob)),
                }
            }
            Some(_) => Err(Problem::new(
                format!("`{key}` of a blob trigger is not a blob"),
                format!(
                    "write `{} = {{ blob = \"CONTAINER/{{name}}\" }}`",
                    key.trim_start_matches("trigger.")
                ),
            )),
        };
        Ok(BlobTrigger {
            connection: connection(self.connection)?,
            source: self.source.unwrap_or(BlobSource::EventGrid),
            output: target("trigger.output", self.output)?,
            park: target("trigger.park", self.park)?,
            path,
        })
    }
}
