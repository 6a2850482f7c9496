//! Docker's configuration file: the credentials that `docker login` and `az acr login` stored.
//!
//! Owns the reading of config.json and the protocol of credential helpers. Must not know what the
//! credentials are used for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_workspace::failure::Failure;
use serde::Deserialize;

use super::credential::{Credential, Found};
use super::surroundings::Surroundings;

/// User name that a credential helper returns if the secret is a refresh token.
const TOKEN: &str = "<token>";

/// The parts of Docker's config.json that concern credentials. The type is not `Debug`, because it
/// holds secrets.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: HashMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    /// User name and password, as `user:password` in Base64. Empty if the entry has no user name
    /// and password.
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    /// Refresh token, which `az acr login` writes. If it is not empty, the password in `auth` is
    /// empty.
    #[serde(default)]
    identitytoken: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// Looks up the credential for a registry in Docker's configuration. Asks the registry's credential
/// helper or, if there is none, the credentials store. Then searches config.json itself. Returns
/// `None` if there is no credential. Fails if config.json is invalid, or if the credential helper
/// fails.
pub async fn find(registry: &str, surroundings: &Surroundings) -> Result<Option<Found>, Failure> {
    let Some(path) = path(surroundings) else {
        return Ok(None);
    };
    let Some(config) = read(&path)? else {
        return Ok(None);
    };
    // Docker stores credentials for Docker Hub under the address of its first API version.
    let server = if registry == "docker.io" {
        "https://index.docker.io/v1/"
    } else {
        registry
    };
    let helper = config.helpers.get(server).or(config.store.as_ref());
    if let Some(helper) = helper.filter(|helper| !helper.is_empty())
        && let Some(credential) = ask(helper, server, &path, surroundings).await?
    {
        return Ok(Some(Found {
            credential,
            origin: format!("docker-credential-{helper}"),
        }));
    }
    let entry = config
        .auths
        .iter()
        .find(|(key, _)| host(key) == host(server))
        .map(|(_, entry)| entry);
    let credential = entry
        .map(|entry| credential(entry, registry, &path))
        .transpose()?
        .flatten();
    Ok(credential.map(|credential| Found {
        credential,
        origin: path.display().to_string(),
    }))
}

fn path(surroundings: &Surroundings) -> Option<PathBuf> {
    let folder = match surroundings.variable("DOCKER_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(surroundings.variable("HOME")?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

fn read(path: &Path) -> Result<Option<Config>, Failure> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file(path, "be read", error)),
    };
    // The error message of the parser could quote a secret value of the file.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Failure::other(
            format!(
                "{}: not Docker's configuration, at line {} column {}",
                path.display(),
                error.line(),
                error.column()
            ),
            "fix or remove the file, or point DOCKER_CONFIG to the folder of another one",
        )
    })
}

/// Returns the registry's host in a key of `auths` in config.json. Older versions of Docker wrote
/// URLs as keys: `https://r.io/v1/` means `r.io`.
fn host(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    key.split('/').next().unwrap_or(key)
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
    let text = BASE64_STANDARD
        .decode(&entry.auth)
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
            format!("run `docker login {registry}` again"),
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
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Looks up the credential for `r.io:5000`. `config` is the content of config.json, and
    /// `helper` is the script of the credential helper. Returns the user name, or `<token>` for a
    /// refresh token, and the secret. Returns `None` if there is no credential. Fails if the helper
    /// or the configuration is refused.
    fn found(config: &str, helper: Option<&str>) -> Result<Option<(String, String)>, Failure> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        if let Some(script) = helper {
            let path = dir.path().join("docker-credential-test");
            super::super::surroundings::script(&path, &format!("read -r server || true\n{script}"));
        }
        let folder = dir.path().to_str().unwrap();
        let surroundings = Surroundings::of(&[("DOCKER_CONFIG", folder), ("PATH", folder)]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = runtime.block_on(find("r.io:5000", &surroundings))?;
        Ok(found.map(|found| match found.credential {
            Credential::Password { username, password } => {
                (username, password.expose_secret().to_owned())
            }
            Credential::Refresh(token) => (TOKEN.to_owned(), token.expose_secret().to_owned()),
            other => panic!("{other:?}"),
        }))
    }

    #[test]
    fn file_itself_is_read() {
        let pair = |name: &str, secret: &str| Ok(Some((name.to_owned(), secret.to_owned())));
        assert_eq!(found("{}", None), Ok(None));
        assert_eq!(
            found(r#"{"auths":{"other.io":{"auth":"bWU6cA=="}}}"#, None),
            Ok(None)
        );
        assert_eq!(
            found(r#"{"auths":{"r.io:5000":{"auth":"bWU6czpj"}}}"#, None),
            pair("me", "s:c")
        );
        assert_eq!(
            found(
                r#"{"auths":{"https://r.io:5000/v1/":{"auth":"bWU6czpj"}}}"#,
                None
            ),
            pair("me", "s:c")
        );
        let azure = r#"{"auths":{"r.io:5000":{"auth":"MDA6","identitytoken":"abc"}}}"#;
        assert_eq!(found(azure, None), pair(TOKEN, "abc"));
        let wrong = found(r#"{"auths":{"r.io:5000":{"auth":"c2VjcmV0"}}}"#, None).unwrap_err();
        assert!(wrong.problem.contains("user:password"), "{wrong}");
        let wrong = found(r#"{"auths":"s3cret"}"#, None).unwrap_err();
        assert!(
            !wrong.problem.contains("s3cret") && wrong.problem.contains("line 1"),
            "{wrong}"
        );
    }

    #[test]
    fn helpers_are_asked() {
        let pair = |name: &str, secret: &str| Ok(Some((name.to_owned(), secret.to_owned())));
        let own = r#"{"credsStore":"absent","credHelpers":{"r.io:5000":"test"}}"#;
        let echo =
            r#"echo "{\"ServerURL\":\"$server\",\"Username\":\"$1\",\"Secret\":\"$server\"}""#;
        assert_eq!(found(own, Some(echo)), pair("get", "r.io:5000"));
        let store = r#"{"credsStore":"test","auths":{"r.io:5000":{"auth":"bWU6czpj"}}}"#;
        let token = r#"echo '{"Username":"<token>","Secret":"abc"}'"#;
        assert_eq!(found(store, Some(token)), pair(TOKEN, "abc"));
        let absent = "echo credentials not found in native keychain; exit 1";
        assert_eq!(found(store, Some(absent)), pair("me", "s:c"));
        let locked = found(store, Some("echo the keychain is locked; exit 1")).unwrap_err();
        assert!(
            locked.problem.contains("is locked") && locked.exit_code() == 4,
            "{locked}"
        );
        let strange = found(store, Some("echo s3cret")).unwrap_err();
        assert!(!strange.problem.contains("s3cret"), "{strange}");
        assert!(
            found(store, None)
                .unwrap_err()
                .problem
                .contains("not on PATH")
        );
    }
}
