//! Checks of a trigger of kind `http`.
//!
//! Owns the form of its route and its methods. Must not know other kinds of triggers.

use super::RawTrigger;
use crate::manifest::Misfit;
use crate::manifest::settings::default_of;
use crate::manifest::triggers::{AuthLevel, HttpTrigger};
use crate::text::{NAME_BYTES, quoted};

impl RawTrigger {
    pub(super) fn into_http(self) -> Result<HttpTrigger, Misfit> {
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
            return Err((
                format!(
                    "`trigger.route`: `{}` is not a path of letters, digits, `-`, `_` and `.`",
                    quoted(&route, NAME_BYTES)
                ),
                "write it without a leading slash and without parameters, e.g. `score`".to_owned(),
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
            return Err((
                "`trigger.methods` is not a list of verbs".to_owned(),
                "write e.g. `methods = [\"post\"]`; get, post, put, patch and delete are known"
                    .to_owned(),
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
