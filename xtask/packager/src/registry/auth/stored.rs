//! Credentials that `docker login`, `az acr login` and `podman login` stored.
//!
//! Owns the reading of their files, and the protocol of credential helpers. Must not know which
//! files there are, or what the credentials are used for.

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
    /// Credential helper for all registries. Podman does not know it.
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
    /// Refresh token, which `az acr login` writes. If it is not empty, the password in `auth` is
    /// empty.
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
    /// The credential, with the file or the helper that it is from.
    Found(Found),
    /// The file has no credential for the registry.
    NoEntry,
    /// There is no such file.
    NoFile,
}

/// Looks up the credential for a registry in one file that `place` names: asks the credential helper that the file
/// names, and then searches the file itself. `repository` is the repository that the credential is
/// for, if it is for one. Fails if the file is invalid, or if the credential helper fails.
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
    // A helper that is named for the registry comes before the one for all registries. Its name
    // may be empty, which switches the latter off.
    let named = choose(&config.helpers, registry, None, writer).map(|(_, helper)| helper);
    let store = config.store.as_ref().filter(|_| writer == Writer::Docker);
    if let Some(helper) = named.or(store).filter(|helper| !helper.is_empty())
        && let Some(credential) = ask(helper, own_key(registry, writer), path, surroundings).await?
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
            origin: if key == own_key(registry, writer) {
                path.display().to_string()
            } else {
                format!("{}, entry {}", path.display(), quoted(key, NAME_BYTES))
            },
        }),
    })
}

/// Reads `null` as if the key were missing, as Docker does.
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
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Looks up the credential for `r.io:5000`. `config` is the content of config.json, and
    /// `helper` is the script of the credential helper. Returns the user name, or `<token>` for a
    /// refresh token, and the secret. Returns `None` if there is no credential. Fails if the helper
    /// or the configuration is refused.
    fn found(config: &str, helper: Option<&str>) -> Result<Option<(String, String)>, Failure> {
        found_in(config.as_bytes(), helper, Writer::Docker)
    }

    fn found_in(
        config: &[u8],
        helper: Option<&str>,
        writer: Writer,
    ) -> Result<Option<(String, String)>, Failure> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        if let Some(script) = helper {
            let path = dir.path().join("docker-credential-test");
            super::super::surroundings::script(&path, &format!("read -r server || true\n{script}"));
        }
        let folder = dir.path().to_str().unwrap();
        let surroundings = Surroundings::of(&[("PATH", folder)]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let place = Place {
            path: dir.path().join("config.json"),
            writer,
        };
        let found = runtime.block_on(find(&place, "r.io:5000", Some("a/b"), &surroundings))?;
        let Search::Found(found) = found else {
            return Ok(None);
        };
        Ok(Some(match found.credential {
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

    #[test]
    fn bytes_before_the_text_are_known() {
        let text = r#"{"auths":{"r.io:5000":{"auth":"bWU6czpj"}},"credHelpers":null}"#;
        let marked = [BYTE_ORDER_MARK, text.as_bytes()].concat();
        let pair = Some(("me".to_owned(), "s:c".to_owned()));
        for writer in [Writer::Docker, Writer::Podman] {
            assert_eq!(found_in(&marked, None, writer), Ok(pair.clone()));
            assert_eq!(found_in(b" \n", None, writer), Ok(None));
            let wide: Vec<u8> = "\u{feff}{}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            let refused = found_in(&wide, None, writer).unwrap_err();
            assert!(refused.problem.contains("UTF-16"), "{refused}");
        }
    }

    #[test]
    fn each_program_has_its_own_helpers() {
        let echo = r#"echo "{\"Username\":\"me\",\"Secret\":\"$server\"}""#;
        let store = br#"{"credsStore":"test"}"#;
        let named = br#"{"credHelpers":{"https://r.io:5000/":"test"}}"#;
        let answer = Some(("me".to_owned(), "r.io:5000".to_owned()));
        assert_eq!(
            found_in(store, Some(echo), Writer::Docker),
            Ok(answer.clone())
        );
        assert_eq!(found_in(store, Some(echo), Writer::Podman), Ok(None));
        assert_eq!(found_in(named, Some(echo), Writer::Podman), Ok(answer));
        // An empty name switches the helper for all registries off.
        let off = br#"{"credsStore":"test","credHelpers":{"r.io:5000":""}}"#;
        assert_eq!(found_in(off, Some(echo), Writer::Docker), Ok(None));
    }

    #[test]
    fn origin_names_the_entry_if_it_is_for_a_path() {
        let config =
            r#"{"auths":{"r.io:5000":{"auth":"bWU6cA=="},"r.io:5000/a":{"auth":"eW91OnA="}}}"#;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.json");
        std::fs::write(&path, config).unwrap();
        let place = Place {
            path,
            writer: Writer::Podman,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let surroundings = Surroundings::of(&[]);
        let search = find(&place, "r.io:5000", Some("a/b"), &surroundings);
        let Ok(Search::Found(found)) = runtime.block_on(search) else {
            panic!("nothing found");
        };
        assert!(
            found.origin.ends_with("auth.json, entry r.io:5000/a"),
            "{}",
            found.origin
        );
    }
}
