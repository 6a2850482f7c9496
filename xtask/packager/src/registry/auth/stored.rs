//! Credentials that `docker login`, `az acr login` and `podman login` stored.
//!
//! Owns the reading of the files of these programs, and the protocol of credential helpers. Must
//! not know which files there are, or what the credentials are used for.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use serde::{Deserialize, Deserializer};

use super::auths::{choose, own_key};
use super::credential::{Credential, Found};
use super::places::{Place, Writer};
use super::surroundings::Surroundings;

/// User name that a credential helper returns if the secret is a refresh token.
const TOKEN: &str = "<token>";
/// Mark that some editors of Windows write at the start of a file in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The parts of a config.json or an auth.json that concern credentials. The type is not `Debug`,
/// because it holds secrets.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default, deserialize_with = "or_default")]
    auths: BTreeMap<String, Entry>,
    /// Name of the credential helper for all registries. `None` if the file does not name one.
    /// Podman ignores this setting.
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers", deserialize_with = "or_default")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    /// User name and password, as `user:password` in Base64. Empty if the entry has no user name
    /// and password.
    #[serde(default, deserialize_with = "or_default")]
    auth: String,
    #[serde(default, deserialize_with = "or_default")]
    username: String,
    #[serde(default, deserialize_with = "or_default")]
    password: String,
    /// Refresh token, which `az acr login` writes. If it is not empty, it is used instead of
    /// `auth`.
    #[serde(default, deserialize_with = "or_default")]
    identitytoken: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// Result of the search for a credential in one file.
pub enum Search {
    /// The file, or a credential helper that it names, has a credential for the registry.
    Found(Found),
    /// The file has no credential for the registry.
    NoEntry,
    /// The file with the stored credentials does not exist.
    NoFile,
}

/// Looks up the credential for a registry in the file that `place` names: asks the credential
/// helper that the file names, and then searches the file itself. `repository` is the repository
/// that the credential is for, or `None` if it is not for one repository. Fails if the file cannot
/// be read or is invalid, or if the credential helper fails.
pub async fn find(
    place: &Place,
    registry: &str,
    repository: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Search, Failure> {
    let Some(config) = read(place)? else {
        return Ok(Search::NoFile);
    };
    let (path, writer) = (&place.path, place.writer);
    // A helper that is named for the registry comes before the helper for all registries. An empty
    // name switches the helper for all registries off. Unlike in `auths`, Docker and podman look
    // for exactly the host.
    let own = own_key(registry, writer);
    let named = config
        .helpers
        .get(own)
        .or_else(|| config.helpers.get(registry));
    let store = config.store.as_ref().filter(|_| writer == Writer::Docker);
    if let Some(helper) = named.or(store).filter(|helper| !helper.is_empty())
        && let Some(credential) = ask(helper, own, path, surroundings).await?
    {
        return Ok(Search::Found(Found {
            credential,
            origin: format!("docker-credential-{helper}"),
        }));
    }
    let Some((key, entry)) = choose(&config.auths, registry, repository, writer) else {
        return Ok(Search::NoEntry);
    };
    Ok(match credential(entry, registry, path)? {
        None => Search::NoEntry,
        Some(credential) => Search::Found(Found {
            credential,
            origin: if key == own {
                path.display().to_string()
            } else {
                format!("{}, entry {}", path.display(), quoted(key, NAME_BYTES))
            },
        }),
    })
}

/// Deserializes a value in a file with credentials. `null` gives the default value, as if the key
/// were missing, because Docker reads `null` in this way. Fails if the value has another type.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

fn read(place: &Place) -> Result<Option<Config>, Failure> {
    let path = &place.path;
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Failure::file(path, "be read", error)),
    };
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    if text.trim_ascii().is_empty() {
        return Ok(Some(Config::default()));
    }
    let (whose, variable) = match place.writer {
        Writer::Docker => (
            "Docker's configuration",
            "DOCKER_CONFIG to the folder of another one",
        ),
        Writer::Podman => (
            "a file of podman's logins",
            "REGISTRY_AUTH_FILE to another one",
        ),
    };
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(Failure::other(
            format!("{}: is in UTF-16, but {whose} is in UTF-8", path.display()),
            "save the file as UTF-8; PowerShell does so with `Set-Content -Encoding utf8`",
        ));
    }
    // The error message of the parser could quote a secret value of the file.
    serde_json::from_slice(text).map(Some).map_err(|error| {
        Failure::other(
            format!(
                "{}: not {whose}, at line {} column {}",
                path.display(),
                error.line(),
                error.column()
            ),
            format!("fix or remove the file, or point {variable}"),
        )
    })
}

fn credential(entry: &Entry, registry: &str, path: &Path) -> Result<Option<Credential>, Failure> {
    if !entry.identitytoken.is_empty() {
        return Ok(Some(Credential::Refresh(
            entry.identitytoken.clone().into(),
        )));
    }
    if entry.auth.is_empty() {
        // Docker writes `auth` only, but also reads `username` and `password`.
        let is_there = !entry.username.is_empty() && !entry.password.is_empty();
        return Ok(is_there.then(|| Credential::Password {
            username: entry.username.clone(),
            password: entry.password.clone().into(),
        }));
    }
    // Docker ignores line feeds, which `base64` puts into long texts.
    let text = BASE64_STANDARD
        .decode(entry.auth.replace(['\r', '\n'], ""))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    // Some versions of Docker left zero bytes at the end.
    match text
        .as_deref()
        .map(|text| text.trim_end_matches('\0'))
        .and_then(|text| text.split_once(':'))
    {
        Some((username, password)) => Ok(Some(Credential::Password {
            username: username.to_owned(),
            password: password.into(),
        })),
        None => Err(Failure::other(
            format!(
                "{}: `auth` of {registry} is not user:password in base64",
                path.display()
            ),
            format!("run `docker login {registry}` or `podman login {registry}` again"),
        )),
    }
}

async fn ask(
    helper: &str,
    server: &str,
    path: &Path,
    surroundings: &Surroundings,
) -> Result<Option<Credential>, Failure> {
    let name = format!("docker-credential-{helper}");
    let failure = |problem: String| {
        Failure::toolchain(
            format!("{name}, which {} names, {problem}", path.display()),
            "fix or install it, take it out of the file, or give --username and --password-stdin",
        )
    };
    let program = surroundings
        .program(&name)
        .ok_or_else(|| failure("is not on PATH".to_owned()))?;
    let output = surroundings.ask(&program, &["get"], server).await;
    let output = output.map_err(|error| failure(format!("failed: {error}")))?;
    if !output.status.success() {
        // Helpers write their errors to standard output. Errors before a helper starts go to
        // standard error.
        let said = [&output.stdout, &output.stderr]
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let said = said
            .iter()
            .find_map(|text| text.lines().find(|line| !line.trim().is_empty()))
            .unwrap_or_default();
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failure(format!("failed: {} `{said}`", output.status)));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failure("did not return credentials".to_owned()))?;
    Ok(match (answer.username, answer.secret) {
        (_, secret) if secret.is_empty() => None,
        (username, secret) if username == TOKEN => Some(Credential::Refresh(secret.into())),
        (username, secret) => Some(Credential::Password {
            username,
            password: secret.into(),
        }),
    })
}

#[cfg(test)]
mod tests;
