//! The choice of the entry that applies to a registry or a repository, among the entries of a file
//! with credentials such as Docker's config.json.
//!
//! Owns the rules of Docker and podman for the keys of the object `auths` in these files. Must not
//! know what an entry holds.

use std::collections::BTreeMap;

use super::places::Writer;

/// Key under which Docker stores the credentials for Docker Hub: the address of its first API
/// version.
pub const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Host of Docker Hub in image references.
const DOCKER_HUB: &str = "docker.io";
/// Further hosts of Docker Hub, which stand for [`DOCKER_HUB`] in the keys of entries.
const DOCKER_HUB_HOSTS: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// A key of the object `auths` in a file with credentials, split into its parts.
struct Key<'a> {
    host: &'a str,
    /// Path that follows the host in the key, without slashes at its ends. Empty for the path of an
    /// API, `v1` or `v2`, in a URL.
    path: &'a str,
    /// True if the key is a URL, which older versions of Docker wrote.
    is_url: bool,
}

/// Returns the entry that applies to a repository in a registry, with its key. Returns `None` if no
/// entry applies.
///
/// An entry whose path is the repository or a folder above it comes before an entry for the whole
/// registry. The longest such path comes first. Of several entries for the whole registry, the one
/// with exactly the key that `writer` writes comes first. Among the others, a key without a scheme
/// comes before `https`, and `https` before `http`. Docker ignores the path of a key if it finds no
/// better one, and podman does so for URLs. `repository` is `None` if the credentials are not for
/// one repository.
pub fn choose<'a, T>(
    entries: &'a BTreeMap<String, T>,
    registry: &str,
    repository: Option<&str>,
    writer: Writer,
) -> Option<(&'a str, &'a T)> {
    let rank = |text: &str| rank(text, registry, repository, writer);
    let ranked = entries
        .iter()
        .filter_map(|(key, entry)| Some((rank(key)?, key, entry)));
    // Of entries with equal ranks, the first is kept. The map is sorted, so the result is always
    // the same.
    let best = ranked.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map(|(_, key, entry)| (key.as_str(), entry))
}

/// Returns how well a key fits a repository in a registry, or `None` if it does not fit. A higher
/// value is a better fit. Of two keys that fit equally, one without a scheme comes before a URL,
/// and `https` comes before `http`.
fn rank(
    text: &str,
    registry: &str,
    repository: Option<&str>,
    writer: Writer,
) -> Option<(usize, bool, bool)> {
    /// Rank of the key under which the program `writer` stores credentials for a whole registry.
    const EXACT: usize = 3;
    const REGISTRY: usize = 2;
    const ANY_PATH: usize = 1;
    let key = parts(text);
    if !is_same_host(key.host, registry) {
        return None;
    }
    let is_start = repository.is_some_and(|repository| {
        repository
            .strip_prefix(key.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let fit = if text == own_key(registry, writer) {
        EXACT
    } else if key.path.is_empty() {
        REGISTRY
    } else if is_start {
        EXACT + key.path.len()
    } else if key.is_url || writer == Writer::Docker {
        ANY_PATH
    } else {
        return None;
    };
    Some((fit, !key.is_url, text.starts_with("https:")))
}

/// Returns the key of the object `auths` under which the program `writer` stores the credentials
/// for a whole registry.
pub fn own_key(registry: &str, writer: Writer) -> &str {
    match writer {
        Writer::Docker if is_same_host(registry, DOCKER_HUB) => DOCKER_HUB_KEY,
        _ => registry,
    }
}

fn parts(text: &str) -> Key<'_> {
    let (is_url, rest) = match text.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, text),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_matches('/');
    Key {
        host,
        // The path of an API is not a repository: `https://r.io/v1/` means `r.io`.
        path: if is_url && matches!(path, "v1" | "v2") {
            ""
        } else {
            path
        },
        is_url,
    }
}

fn is_same_host(one: &str, other: &str) -> bool {
    let name = |host: &str| {
        let host = host.to_ascii_lowercase();
        if DOCKER_HUB_HOSTS.contains(&host.as_str()) {
            DOCKER_HUB.to_owned()
        } else {
            host
        }
    };
    name(one) == name(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &[&str], registry: &str, repository: &str, writer: Writer, expected: &str) {
        let entries: BTreeMap<_, _> = keys.iter().map(|key| ((*key).to_owned(), ())).collect();
        let repository = Some(repository).filter(|name| !name.is_empty());
        let found = choose(&entries, registry, repository, writer).map(|(key, ())| key);
        assert_eq!(
            found.unwrap_or("none"),
            expected,
            "{keys:?} {registry} {repository:?} {writer:?}"
        );
    }

    #[test]
    fn longest_path_comes_before_the_registry() {
        let keys = ["r.io", "r.io/a", "r.io/a/b", "r.io/ab", "https://r.io/v1/"];
        for writer in [Writer::Docker, Writer::Podman] {
            check(&keys, "r.io", "a/b", writer, "r.io/a/b");
            check(&keys, "r.io", "a/b/c", writer, "r.io/a/b");
            check(&keys, "r.io", "a/c", writer, "r.io/a");
            check(&keys, "r.io", "ab", writer, "r.io/ab");
            check(&keys, "r.io", "abc", writer, "r.io");
            check(&keys, "r.io", "", writer, "r.io");
            check(&keys, "r.io:5000", "a/b", writer, "none");
        }
    }

    #[test]
    fn urls_slashes_and_letters_of_hosts_do_not_matter() {
        for key in [
            "r.io/",
            "R.io",
            "https://r.io",
            "https://r.io/",
            "http://r.io/v1/",
            "https://r.io/v2",
        ] {
            check(&[key], "r.io", "a/b", Writer::Docker, key);
            check(&[key], "r.io", "a/b", Writer::Podman, key);
        }
        check(
            &["https://r.io/a/", "https://r.io/b/"],
            "r.io",
            "b/c",
            Writer::Docker,
            "https://r.io/b/",
        );
        // `https` comes before `http`, whatever the order of the keys.
        check(
            &["https://r.io", "http://r.io"],
            "r.io",
            "a",
            Writer::Docker,
            "https://r.io",
        );
    }

    #[test]
    fn an_entry_for_another_path_is_the_last_resort_of_docker() {
        check(&["r.io/a"], "r.io", "b", Writer::Docker, "r.io/a");
        check(&["r.io/a", "r.io"], "r.io", "b", Writer::Docker, "r.io");
        check(&["r.io/a"], "r.io", "b", Writer::Podman, "none");
        check(
            &["https://r.io/a"],
            "r.io",
            "b",
            Writer::Podman,
            "https://r.io/a",
        );
    }

    #[test]
    fn docker_hub_has_many_names() {
        let keys = [DOCKER_HUB_KEY, "docker.io", "docker.io/contoso"];
        check(
            &keys,
            "docker.io",
            "library/x",
            Writer::Docker,
            DOCKER_HUB_KEY,
        );
        check(&keys, "docker.io", "library/x", Writer::Podman, "docker.io");
        check(
            &keys,
            "docker.io",
            "contoso/x",
            Writer::Docker,
            "docker.io/contoso",
        );
        for key in [
            DOCKER_HUB_KEY,
            "index.docker.io",
            "registry-1.docker.io/v2/",
        ] {
            check(&[key], "docker.io", "contoso/x", Writer::Docker, key);
        }
        check(
            &[DOCKER_HUB_KEY],
            "r.io",
            "contoso/x",
            Writer::Docker,
            "none",
        );
    }
}
