//! Checks of a trigger of kind `http`.
//!
//! Owns the form of its route and its methods. Must not know other kinds of triggers.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::RawTrigger;
use crate::settings::default_of;
use crate::triggers::{AuthLevel, HttpTrigger};

impl RawTrigger {
    pub(super) fn into_http(self) -> Result<HttpTrigger, Problem> {
        let route = self
            .route
            .unwrap_or_else(|| default_of("trigger.route").to_owned());
        let plain = |segment: &str| {
            !segment.is_empty()
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !route.split('/').all(plain) {
            return Err(Problem::new(
                format!(
                    "`trigger.route`: `{}` is not a path of letters, digits, `-`, `_` and `.`",
                    quoted(&route, NAME_BYTES)
                ),
                "write it without a leading slash and without parameters, e.g. `score`",
            ));
        }
        let methods = self.methods.unwrap_or_else(|| vec!["post".to_owned()]);
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let methods: Vec<String> = methods
            .iter()
            .map(|method| method.to_ascii_uppercase())
            .collect();
        if methods.is_empty()
            || methods
                .iter()
                .any(|method| !known.contains(&method.as_str()))
        {
            return Err(Problem::new(
                "`trigger.methods` is not a list of verbs",
                "write e.g. `methods = [\"post\"]`; get, post, put, patch and delete are known",
            ));
        }
        Ok(HttpTrigger {
            route,
            auth_level: self.auth_level.unwrap_or(AuthLevel::Function),
            methods,
            forwarding: self.forwarding.unwrap_or(true),
        })
    }
}
