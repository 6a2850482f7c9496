//! The files `host.json` and `function.json`, as they are written.
//!
//! Owns the keys of these files and the form of a time span. Must not know which bindings Scorebox
//! serves.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::StartupError;
use crate::manifest::triggers::DEFAULT_MAX_DEQUEUE_COUNT;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HostFile {
    pub(super) function_timeout: Option<String>,
    pub(super) custom_handler: HandlerSection,
    pub(super) extensions: ExtensionsSection,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HandlerSection {
    pub(super) enable_forwarding_http_request: bool,
    pub(super) enable_proxying_http_request: bool,
    pub(super) http: HttpSection,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct HttpSection {
    pub(super) routes: Vec<RouteSection>,
}

#[derive(Deserialize)]
pub(super) struct RouteSection {
    pub(super) route: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ExtensionsSection {
    pub(super) http: ExtensionsHttpSection,
    queues: Value,
}

impl ExtensionsSection {
    /// Returns the number of deliveries after which the Functions host moves a message of a storage
    /// queue to the poison queue.
    pub(super) fn max_dequeue_count(&self) -> u32 {
        let count = self.queues.get("maxDequeueCount").and_then(Value::as_u64);
        let count = count.and_then(|count| u32::try_from(count).ok());
        count.unwrap_or(DEFAULT_MAX_DEQUEUE_COUNT)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ExtensionsHttpSection {
    pub(super) route_prefix: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct FunctionFile {
    pub(super) bindings: Vec<RawBinding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawBinding {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) direction: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) data_type: Option<String>,
    pub(super) cardinality: Option<String>,
    pub(super) path: Option<String>,
    pub(super) route: Option<String>,
    pub(super) methods: Option<Vec<String>>,
}

/// Reads the text of `host.json` or of a `function.json`.
///
/// # Errors
/// Fails if the file cannot be read or is not UTF-8.
pub(super) fn text(path: &Path) -> Result<String, StartupError> {
    std::fs::read_to_string(path).map_err(|error| failed(path, format!("cannot be read: {error}")))
}

/// Parses the text of `host.json` or of a `function.json`. `path` is the path of the file, which
/// the error names.
///
/// # Errors
/// Fails if the text is not JSON, if a required key is missing, or if a value has the wrong type.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, StartupError> {
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| failed(path, error.to_string()))
}

fn failed(path: &Path, problem: String) -> StartupError {
    StartupError::Functions {
        path: path.to_path_buf(),
        problem,
        fix: "correct the file; `scorebox build` writes it from scorebox.toml".to_owned(),
    }
}

/// Parses a .NET time span, `[d.]hh:mm:ss[.fraction]`. Returns `None` for an infinite time span,
/// and for a text that is not a time span.
pub(super) fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text.trim().rsplitn(3, ':');
    let (seconds, minutes, hours) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let number = |text: &str| text.parse::<u32>().ok().map(f64::from);
    let seconds = seconds.parse::<f64>().ok()?;
    let total =
        ((number(days)? * 24.0 + number(hours)?) * 60.0 + number(minutes)?) * 60.0 + seconds;
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_dot_nets() {
        assert_eq!(time_span("00:05:00"), Some(Duration::from_secs(300)));
        assert_eq!(
            time_span("1.00:00:01.5"),
            Some(Duration::from_millis(86_401_500))
        );
        assert_eq!(time_span("-1"), None);
        assert_eq!(time_span("-00:05:00"), None);
    }
}
