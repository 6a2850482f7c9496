//! Rules for the file `scorebox.toml`.
//!
//! Owns the limits that an accepted manifest keeps. Must not know single settings' forms.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::errors;
use crate::readers::{Manifest, is_deceptive};

/// Maximum value of a time limit.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Checks the bytes as the text of a manifest.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let path = Path::new("app/scorebox.toml");
    match Manifest::parse(path, text) {
        Err(error) => {
            assert_eq!(error.path, path);
            errors::several_lines(&error.to_string());
        }
        Ok(manifest) => {
            limits(&manifest);
            names(&manifest);
            // Another writer of TOML changes the text, and not the settings.
            let table: toml::Table = text.parse().expect("a manifest is TOML");
            let again = Manifest::parse(path, &table.to_string()).expect("it is read again");
            assert_eq!(format!("{again:?}"), format!("{manifest:?}"));
        }
    }
}

fn limits(manifest: &Manifest) {
    let limits = &manifest.limits;
    for time in [
        limits.deadline,
        limits.init_deadline,
        limits.drain,
        limits.keep_alive,
    ] {
        assert!((Duration::from_millis(1)..=DAY).contains(&time), "{time:?}");
    }
    assert!(limits.memory_bytes >= 1 << 20 && limits.body_bytes > 0);
    assert!(limits.body_bytes <= 1 << 30, "{}", limits.body_bytes);
    assert!(
        limits
            .instances
            .is_none_or(|count| (1..=1024).contains(&count))
    );
    assert!((1..=65_536).contains(&limits.connections));
    if let Some(cache) = &manifest.prediction_cache {
        assert!(manifest.stores.contains_key(&cache.store));
        assert!(cache.ttl >= Duration::from_millis(1));
    }
}

fn names(manifest: &Manifest) {
    let is_name = |name: &str| {
        (1..=63).contains(&name.len())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    assert!(is_name(&manifest.scorer.name), "{}", manifest.scorer.name);
    assert!(manifest.stores.keys().all(|name| is_name(name)));
    assert!(!manifest.config.keys().any(|key| key.contains(is_deceptive)));
    let functions: BTreeSet<_> = manifest
        .triggers
        .iter()
        .map(|trigger| trigger.function.to_ascii_lowercase())
        .collect();
    assert!(!functions.is_empty() && functions.len() == manifest.triggers.len());
    // A function's name is the name of a folder.
    assert!(
        !functions
            .iter()
            .any(|name| name.contains(['/', '\\', '.', '\0'])),
        "{functions:?}"
    );
}
