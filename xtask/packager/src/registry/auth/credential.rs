//! Credentials for a registry, with the places where they were found.
//!
//! Owns the kinds of credentials. Must not know how a credential is looked for, or how it is sent.

use secrecy::SecretString;

/// A credential that is sent to a registry or its token service.
#[derive(Debug, Clone)]
pub enum Credential {
    /// User name and password, or a token that is used like a password.
    Password {
        /// Name of the user, service principal or token.
        username: String,
        /// Password of the user, or a token that is used like a password.
        password: SecretString,
    },
    /// Refresh token that `docker login`, `az acr login` or a credential helper stored. The token
    /// service exchanges it for access tokens.
    Refresh(SecretString),
    /// Access token of Microsoft Entra ID. Azure Container Registry exchanges it for a refresh
    /// token.
    Entra(SecretString),
    /// Anonymous access, without a user name or a password.
    Anonymous,
}

/// A credential, with the place where it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The credential that was found, or anonymous access.
    pub credential: Credential,
    /// Origin of the credential, as error messages name it, e.g. "--username and --password-stdin".
    pub origin: String,
}
