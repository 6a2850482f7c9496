//! Flags for the credentials, the trusted hosts and the limits of requests to a registry.
//!
//! Owns the names and the help of these flags, and the text that says where credentials are looked
//! for. Must not know how a registry is queried.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;
use scorebox_workspace::failure::Failure;

use crate::registry::{Identity, TrustedRealm};
use crate::shell;

/// Help text that lists the places in which credentials are looked for, in the order of the search.
pub const CREDENTIALS: &str = "\
If the registry asks for credentials, they are looked for in this order:
  1. --username with --password-stdin
  2. SCOREBOX_REGISTRY_USERNAME and SCOREBOX_REGISTRY_PASSWORD
  3. files of docker and podman, in this order: $REGISTRY_AUTH_FILE; $DOCKER_CONFIG/config.json or ~/.docker/config.json;
     $XDG_RUNTIME_DIR/containers/auth.json or /run/containers/UID/auth.json; $XDG_CONFIG_HOME/containers/auth.json or
     ~/.config/containers/auth.json. In each: the registry's helper in credHelpers, then credsStore (docker only), then
     auths, where the entry with the longest path of the repository comes before the entry of the registry
  4. for *.azurecr.io: an Entra access token for https://containerregistry.azure.net, in SCOREBOX_ENTRA_TOKEN or from
     az account get-access-token
  5. none: anonymous login
1 and 2 are for the registry of the image; a base in another registry uses 3 to 5.
A registry may name a token service at another host. Credentials are sent there only if --trust-realm names that host, or
if it is the known one of Docker Hub, GitLab or DigitalOcean.";

/// Flags for the credentials, the trusted hosts and the limits of requests to a registry.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// The user, service principal or token that logs in to the registry. It is preferred to
    /// credentials from any other source.
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    pub username: Option<String>,
    /// Read the password of --username from standard input. A password in an argument would be
    /// visible to every process of the machine.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// A file with root certificates, in PEM, to trust in addition to the machine's. (If
    /// SSL_CERT_FILE names a file, that file is trusted instead of the machine's.)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Send credentials to a token service at this host if the registry names the service. Without
    /// this flag, credentials are sent only to the registry's own host, and for Docker Hub, GitLab
    /// and DigitalOcean to their token services. May be repeated.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub trust_realm: Vec<TrustedRealm>,
    /// Maximum size of all layers and attached files that are read from one repository, e.g. 4GiB.
    /// If a registry states more, the command fails before anything is written [default: 32GiB].
    #[arg(long, value_name = "SIZE")]
    pub max_download: Option<ByteSize>,
}

impl IdentityArgs {
    /// Returns the given flags for the credentials, the certificates and the trusted hosts of a
    /// registry as they are written on a command line, with a space in front of each. The password
    /// is left out, so that a person who runs the command has to give it again. The limit
    /// `--max-download` is left out, too.
    pub fn words(&self) -> String {
        let mut words = String::new();
        if let Some(username) = &self.username {
            // A name with a dash in front would be read as the next flag.
            let between = if username.starts_with('-') { '=' } else { ' ' };
            words.push_str(&format!(
                " --username{between}{} --password-stdin",
                shell::argument(username)
            ));
        }
        if let Some(file) = &self.ca_file {
            words.push_str(&format!(" --ca-file {}", shell::path(file)));
        }
        for realm in &self.trust_realm {
            words.push_str(&format!(
                " --trust-realm {}",
                shell::argument(&realm.to_string())
            ));
        }
        words
    }

    /// Reads the password from standard input and the certificates from their file, if the flags
    /// ask for them. Fails if one of them cannot be read.
    pub fn read(&self) -> Result<Identity, Failure> {
        let identity = Identity::read(
            self.username.as_deref(),
            self.password_stdin,
            self.ca_file.as_deref(),
        )?;
        Ok(identity
            .trusting(&self.trust_realm)
            .at_most(self.max_download.map(|size| size.as_u64())))
    }
}
