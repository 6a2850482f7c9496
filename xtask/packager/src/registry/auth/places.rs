//! Files in which docker, az and podman store the credentials for registries.
//!
//! Owns which files these are, and the order in which they are searched. Must not know what is in
//! them.

use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;

/// Program whose rules apply to a file with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Docker, whose file is config.json.
    Docker,
    /// Podman, skopeo and buildah, whose file is auth.json.
    Podman,
}

/// A file that may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path of the file, which does not have to exist.
    pub path: PathBuf,
    /// Program whose rules apply to the file.
    pub writer: Writer,
}

/// Returns the files that may hold credentials, in the order in which they are searched.
///
/// The file that REGISTRY_AUTH_FILE names is first, because a user sets this variable for one
/// command. Docker's file comes before podman's own files, because `az acr login` writes to it.
/// Within podman's files, the one of the login session comes first, as in podman.
pub fn places(surroundings: &Surroundings) -> Vec<Place> {
    let podman = |path: PathBuf| Place {
        path,
        writer: Writer::Podman,
    };
    let home = surroundings.variable("HOME").map(PathBuf::from);
    let folder = |variable: &str, below_home: &str| {
        let folder = surroundings.variable(variable).map(PathBuf::from);
        folder.or_else(|| Some(home.as_deref()?.join(below_home)))
    };
    let mut places = Vec::new();
    if let Some(file) = surroundings.variable("REGISTRY_AUTH_FILE") {
        places.push(podman(file.into()));
    }
    if let Some(folder) = folder("DOCKER_CONFIG", ".docker") {
        places.push(Place {
            path: folder.join("config.json"),
            writer: Writer::Docker,
        });
    }
    let session = match surroundings.variable("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join("containers"),
        // Podman uses this folder for users without a login session, e.g. for root.
        None => Path::new("/run/containers").join(rustix::process::getuid().as_raw().to_string()),
    };
    places.push(podman(session.join("auth.json")));
    if let Some(folder) = folder("XDG_CONFIG_HOME", ".config") {
        places.push(podman(folder.join("containers/auth.json")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(variables: &[(&str, &str)]) -> Vec<String> {
        let places = places(&Surroundings::of(variables));
        let shown = |place: &Place| place.path.display().to_string();
        places.iter().map(shown).collect()
    }

    #[test]
    fn the_file_for_this_call_is_first_and_docker_is_before_podman() {
        let all = [
            ("REGISTRY_AUTH_FILE", "/a.json"),
            ("DOCKER_CONFIG", "/d"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("XDG_CONFIG_HOME", "/x"),
        ];
        assert_eq!(
            paths(&all),
            [
                "/a.json",
                "/d/config.json",
                "/run/user/7/containers/auth.json",
                "/x/containers/auth.json"
            ]
        );
        let uid = rustix::process::getuid().as_raw();
        let session = format!("/run/containers/{uid}/auth.json");
        assert_eq!(
            paths(&[("HOME", "/h")]),
            [
                "/h/.docker/config.json",
                &session,
                "/h/.config/containers/auth.json"
            ]
        );
        assert_eq!(paths(&[]), [session]);
    }
}
