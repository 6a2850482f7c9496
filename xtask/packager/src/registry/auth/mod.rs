//! Authentication: credentials, and the tokens that a registry issues for them.
//!
//! Owns the order in which credentials are looked for, and the error for each refused credential.
//! Must not know what is requested from the registry.

mod auths;
mod challenge;
mod credential;
mod entra;
mod places;
mod realm;
mod stored;
mod surroundings;
mod token;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_workspace::failure::{Failure, Kind};
use secrecy::{ExposeSecret as _, SecretString};

pub use self::challenge::Challenge;
pub use self::credential::{Credential, Found};
use self::stored::Search;
pub use self::surroundings::Surroundings;
pub use self::token::{Token, TokenService};

use super::access::Access;

/// Name of the environment variable that holds the user name for a registry.
const USERNAME: &str = "SCOREBOX_REGISTRY_USERNAME";
/// Name of the environment variable that holds the password for a registry.
const PASSWORD: &str = "SCOREBOX_REGISTRY_PASSWORD";

/// Looks for the credential for a registry: in the flags, in environment variables, in the files of
/// Docker and podman and, for Azure Container Registry, at Entra ID, in this order. If no
/// credential is found, the access is anonymous, and its origin names all places. Fails if only one
/// of the two environment variables for user name and password is set, if one of the files is
/// invalid, or if a credential helper that a file names fails.
///
/// `service` is the name that the registry reports for itself, or `None` if it reports none.
pub async fn find(
    access: &Access,
    service: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Found, Failure> {
    if let Some((username, password)) = access.password.clone() {
        let origin = "--username and --password-stdin".to_owned();
        return Ok(Found {
            credential: Credential::Password { username, password },
            origin,
        });
    }
    if access.meant
        && let Some(found) = variables(surroundings)?
    {
        return Ok(found);
    }
    let mut looked_at = vec!["--username is not given".to_owned()];
    if access.meant {
        looked_at.push(format!("{USERNAME} is not set"));
    }
    let repository = access.repository.as_deref();
    for place in places::places(surroundings) {
        let path = place.path.display();
        match stored::find(&place, &access.registry, repository, surroundings).await? {
            Search::Found(found) => return Ok(found),
            Search::NoEntry => {
                looked_at.push(format!("{path} has no entry for {}", access.registry));
            }
            Search::NoFile => looked_at.push(format!("{path} does not exist")),
        }
    }
    if entra::is_azure(&access.registry, service) {
        match entra::find(surroundings).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => looked_at.push(format!(
                "{} is not set, and `az` is not installed",
                entra::VARIABLE
            )),
            Err(why) => looked_at.push(why.to_string()),
        }
    }
    Ok(Found {
        credential: Credential::Anonymous,
        origin: format!("none found: {}", looked_at.join("; ")),
    })
}

fn variables(surroundings: &Surroundings) -> Result<Option<Found>, Failure> {
    match (
        surroundings.variable(USERNAME),
        surroundings.variable(PASSWORD),
    ) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some(Found {
            credential: Credential::Password {
                username,
                password: password.into(),
            },
            origin: format!("{USERNAME} and {PASSWORD}"),
        })),
        (username, _) => {
            let (set, unset) = if username.is_some() {
                (USERNAME, PASSWORD)
            } else {
                (PASSWORD, USERNAME)
            };
            Err(Failure::other(
                format!("{set} is set, and {unset} is not"),
                "set both, or neither",
            ))
        }
    }
}

/// Returns the value of the `Authorization` header for Basic authentication with this user name and
/// password.
pub fn basic(username: &str, password: &SecretString) -> SecretString {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()))
    )
    .into()
}

/// Builds the failure for a credential that the registry or its token service does not accept.
/// `said` is the text of the refusal.
pub fn not_accepted(access: &Access, found: &Found, said: &str) -> Failure {
    let (registry, origin) = (&access.registry, &found.origin);
    let (problem, fix) = match &found.credential {
        Credential::Password { username, .. } => (
            format!("{registry}: wrong user name or password: `{username}` from {origin}: {said}"),
            format!("check both; `cargo xtask login --registry {registry}` tries them"),
        ),
        Credential::Refresh(_) => (
            format!(
                "{registry}: the token from {origin} is not accepted, it may have expired: {said}"
            ),
            again(registry),
        ),
        Credential::Entra(_) => (
            format!(
                "{registry}: the Entra token from {origin} is not accepted, it may have expired: {said}"
            ),
            format!(
                "run `az login`, or set {} to a new token for {}",
                entra::VARIABLE,
                entra::RESOURCE
            ),
        ),
        Credential::Anonymous => (
            format!("{registry}: wants a login. Credentials: {origin}. The registry said: {said}"),
            format!(
                "add --username NAME --password-stdin, set {USERNAME} and {PASSWORD}, or {}",
                again(registry).trim_start_matches("run ")
            ),
        ),
    };
    Failure::new(Kind::Registry, problem, fix)
}

/// Builds the failure for a credential that is accepted but does not grant the rights in `scopes`,
/// each in the notation of token services, e.g. `repository:scoring/digits:pull`. `said` is the
/// text of the response. For anonymous access, the failure is that a login is needed.
pub fn denied(access: &Access, found: &Found, scopes: &[String], said: &str) -> Failure {
    let registry = &access.registry;
    if matches!(found.credential, Credential::Anonymous) {
        return not_accepted(access, found, said);
    }
    Failure::new(
        Kind::Registry,
        format!(
            "{registry}: `{}` is denied to the credentials from {}: {said}",
            scopes.join(" "),
            found.origin
        ),
        "ask for the right to pull and push (AcrPush at Azure), or use other credentials; \
         `cargo xtask login` shows what is granted",
    )
}

fn again(registry: &str) -> String {
    match registry.split_once('.') {
        Some((name, rest)) if rest.starts_with("azurecr.") => {
            format!("run `az acr login --name {name}` or `docker login {registry}`")
        }
        _ => format!("run `docker login {registry}` or `podman login {registry}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::Identity;
    use super::*;

    fn access(meant: bool) -> Access {
        Identity::default().access("r.azurecr.io", false, meant)
    }

    fn found(access: &Access, variables: &[(&str, &str)]) -> Result<Found, Failure> {
        let surroundings = Surroundings::of(variables);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(find(access, None, &surroundings))
    }

    #[test]
    fn credentials_are_looked_for_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let config = r#"{"auths":{"r.azurecr.io":{"auth":"bWU6cA=="}}}"#;
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        let docker = ("DOCKER_CONFIG", dir.path().to_str().unwrap());
        let entra = ("SCOREBOX_ENTRA_TOKEN", "e");
        let both = [(USERNAME, "u"), (PASSWORD, "p"), docker, entra];
        let origin =
            |access: &Access, variables: &[(&str, &str)]| found(access, variables).unwrap().origin;

        let mut flags = access(true);
        flags.password = Some(("u".to_owned(), "p".into()));
        assert!(origin(&flags, &both).contains("--password-stdin"));
        assert!(origin(&access(true), &both).contains(USERNAME));
        // The variables are meant for another registry, so they are skipped.
        assert!(origin(&access(false), &both).contains("config.json"));
        assert!(origin(&access(true), &[docker, entra]).contains("config.json"));
        assert!(origin(&access(true), &[entra]).contains("SCOREBOX_ENTRA_TOKEN"));
        let nothing = origin(&access(true), &[("HOME", "/nowhere")]);
        for part in [
            "none found: --username is not given; ",
            USERNAME,
            "/nowhere/.docker/config.json does not exist; ",
            "/auth.json does not exist; ",
            "/nowhere/.config/containers/auth.json does not exist; ",
            "SCOREBOX_ENTRA_TOKEN is not set",
        ] {
            assert!(nothing.contains(part), "{nothing}");
        }
        let mut other = access(true);
        other.registry = "r.io".to_owned();
        let none = origin(&other, &[docker, entra]);
        assert!(
            none.contains("config.json has no entry for r.io; "),
            "{none}"
        );
        assert!(!none.contains("ENTRA"), "{none}");
        assert!(
            found(&access(true), &[(USERNAME, "u")])
                .unwrap_err()
                .problem
                .contains(PASSWORD)
        );
    }

    #[test]
    fn refusals_say_what_to_do_and_no_secret() {
        let check = |credential: Credential, parts: &[&str]| {
            let found = Found {
                credential,
                origin: "somewhere".to_owned(),
            };
            let failure = not_accepted(&access(true), &found, "UNAUTHORIZED");
            let text = format!("{failure} {found:?}");
            for part in parts {
                assert!(text.contains(part), "{text}");
            }
            assert!(
                !text.contains("s3cret") && failure.exit_code() == 5,
                "{text}"
            );
        };
        let password = Credential::Password {
            username: "me".to_owned(),
            password: "s3cret".into(),
        };
        check(
            password,
            &["wrong user name or password", "`me`", "somewhere"],
        );
        check(
            Credential::Refresh("s3cret".into()),
            &["expired", "az acr login --name r"],
        );
        check(Credential::Entra("s3cret".into()), &["Entra", "az login"]);
        check(
            Credential::Anonymous,
            &[
                "wants a login",
                "--password-stdin",
                "docker login r.azurecr.io",
            ],
        );
    }
}
