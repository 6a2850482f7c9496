//! Rules for the header `WWW-Authenticate` of registries.
//!
//! Owns the addresses to which a password may go. Must not know credentials.

use reqwest::Url;

use crate::errors;
use crate::readers::Challenge;

/// Checks the bytes as `WWW-Authenticate` headers of a response, one in each line.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    for registry in ["https://r.azurecr.io/v2/", "http://127.0.0.1:5000/v2/"] {
        let registry: Url = registry.parse().expect("it is an address");
        match Challenge::parse(&registry, text.lines()) {
            Err(failure) => errors::several_lines(&failure.to_string()),
            Ok(Some(Challenge::Bearer { realm, service })) => {
                let is_safe = realm.scheme() == "https" || registry.scheme() == "http";
                assert!(
                    is_safe && matches!(realm.scheme(), "http" | "https"),
                    "{realm}"
                );
                assert!(
                    realm.username().is_empty() && realm.password().is_none(),
                    "{realm}"
                );
                assert!(realm.host_str().is_some());
                // A text that was escaped is not longer than its header.
                assert!(service.is_none_or(|service| service.len() <= bytes.len()));
            }
            Ok(Some(Challenge::Basic)) => {
                assert!(text.to_ascii_lowercase().contains("basic"));
            }
            Ok(None) => {}
        }
    }
}
