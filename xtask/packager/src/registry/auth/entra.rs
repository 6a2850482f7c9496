//! Microsoft Entra ID access tokens for Azure Container Registry.
//!
//! Owns where a token comes from, and which registries may receive one. Must not know what the
//! registry returns for the token.

use std::io;

use scorebox_host::manifest::azure_names::AZURE_REGISTRIES;

use super::credential::{Credential, Found};
use super::surroundings::Surroundings;

/// Name of the environment variable that holds an Entra access token.
pub const VARIABLE: &str = "SCOREBOX_ENTRA_TOKEN";
/// Audience that an Entra access token must have. Azure Container Registry refuses tokens for any
/// other audience (Azure/acr, docs/AAD-OAuth.md).
pub const RESOURCE: &str = "https://containerregistry.azure.net";

/// Returns true if a registry is Azure Container Registry. `registry` is its host and port.
///
/// `service` is the name that the registry reports for itself. The name counts only for a registry
/// on this machine. If it counted for remote registries, any of them could obtain the user's Entra
/// access token by reporting a name in a domain of Azure.
pub fn is_azure(registry: &str, service: Option<&str>) -> bool {
    let is_local = ["127.0.0.1:", "localhost:", "[::1]:"]
        .iter()
        .any(|local| registry.starts_with(local));
    let name = match service {
        Some(service) if is_local => service,
        _ => registry,
    };
    AZURE_REGISTRIES.iter().any(|suffix| name.ends_with(suffix))
}

/// Reason why `az` gave no access token.
#[derive(Debug, thiserror::Error)]
pub enum AzError {
    /// The program `az` could not be run, or did not end within 60 s.
    #[error("az failed: {0}")]
    NotRun(#[source] io::Error),
    /// The program `az` failed. The text is the first line of its standard error.
    #[error("az: {0}")]
    Refused(String),
    /// The program `az` succeeded but wrote no token.
    #[error("az gave no token")]
    NoToken,
}

/// Looks for an Entra access token in the environment variable SCOREBOX_ENTRA_TOKEN, and then asks
/// `az` for a token. Returns `None` if the variable is not set and `az` is not installed.
///
/// # Errors
/// Fails if `az` cannot be run, does not end within 60 s, fails, or writes no token.
pub async fn find(surroundings: &Surroundings) -> Result<Option<Found>, AzError> {
    if let Some(token) = surroundings.variable(VARIABLE) {
        return Ok(Some(Found {
            credential: Credential::Entra(token.into()),
            origin: VARIABLE.to_owned(),
        }));
    }
    let Some(az) = surroundings.program("az") else {
        return Ok(None);
    };
    let arguments = [
        "account",
        "get-access-token",
        "--resource",
        RESOURCE,
        "--query",
        "accessToken",
        "--output",
        "tsv",
    ];
    let output = surroundings
        .ask(&az, &arguments, "")
        .await
        .map_err(AzError::NotRun)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("failed").trim();
        return Err(AzError::Refused(first.to_owned()));
    }
    match String::from_utf8_lossy(&output.stdout).trim() {
        "" => Err(AzError::NoToken),
        token => {
            let origin = "az account get-access-token".to_owned();
            Ok(Some(Found {
                credential: Credential::Entra(token.into()),
                origin,
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn only_azure_and_this_machine_may_see_a_token() {
        let check = |registry: &str, service: Option<&str>, fits: bool| {
            assert_eq!(is_azure(registry, service), fits, "{registry} {service:?}");
        };
        check("contoso.azurecr.io", None, true);
        check("contoso.azurecr.io", Some("anything"), true);
        check("127.0.0.1:5000", Some("contoso.azurecr.io"), true);
        check("127.0.0.1:5000", None, false);
        check("127.0.0.1.example:5000", Some("contoso.azurecr.io"), false);
        check("evil.example", Some("contoso.azurecr.io"), false);
        check("contoso.azurecr.io.example", None, false);
    }

    #[test]
    fn azures_command_line_is_asked() {
        let ask = |script: &str| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("az");
            super::super::surroundings::script(&path, script);
            let surroundings = Surroundings::of(&[("PATH", dir.path().to_str().unwrap())]);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let found = runtime
                .block_on(find(&surroundings))
                .map_err(|error| error.to_string())?;
            Ok(found.map(|found| match found.credential {
                Credential::Entra(token) => token.expose_secret().to_owned(),
                other => panic!("{other:?}"),
            }))
        };
        assert_eq!(
            ask("echo $1,$2,$4"),
            Ok(Some(format!("account,get-access-token,{RESOURCE}")))
        );
        let error: Result<Option<String>, String> =
            ask("echo \"Please run 'az login'\" >&2; exit 1");
        assert!(error.unwrap_err().contains("az login"));
        assert!(ask("true").is_err());
    }
}
