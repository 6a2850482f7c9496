//! The *world* of a script: the Python files of Scorebox that import the script in the sandbox,
//! call it, and exchange messages with the host.
//!
//! Owns the list of these files. Must not know what they do, nor how they get into a pack.

use sha2::{Digest, Sha256};

/// Pairs each name of a file of the folder `world` with the text of the file.
macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../world/", $name)))),*]
    };
}

/// Names and texts of the Python files of Scorebox that import and call a script in the sandbox. An
/// engine pack has them in the archive from which CPython imports.
pub(crate) const FILES: &[(&str, &str)] = files![
    "scorebox_accelerate.py",
    "scorebox_azureml.py",
    "scorebox_door.py",
    "scorebox_guest.py",
    "scorebox_guest_cache.py",
    "scorebox_guest_errors.py",
    "scorebox_guest_facts.py",
    "scorebox_guest_graphs.py",
    "scorebox_guest_model.py",
    "scorebox_guest_redis.py",
    "scorebox_headers.py",
    "scorebox_hints.py",
    "scorebox_hooks.py",
    "scorebox_integers.py",
    "scorebox_json.py",
    "scorebox_logs.py",
    "scorebox_redis.py",
    "scorebox_request.py",
    "scorebox_response.py",
    "scorebox_schema.py",
    "scorebox_script.py",
    "scorebox_views.py",
    "scorebox_world.py",
];

/// Returns the SHA-256 digest of the Python files in [`FILES`] and of their names, in hexadecimal.
pub(crate) fn digest() -> String {
    let mut digest = Sha256::new();
    for (name, text) in FILES {
        // No name and no text has the byte that ends it here.
        for part in [name, text] {
            digest.update(part);
            digest.update([0xff]);
        }
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_all_files_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/world");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut found: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py"))
            .collect();
        found.sort();
        let listed: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed);
    }
}
