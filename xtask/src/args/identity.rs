//! Flags that say who asks a registry, whom to trust and how much to read.
//!
//! Owns their names and help. Must not know how a registry is asked.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use crate::failure::Failure;
use crate::registry::{Identity, TrustedRealm};

/// Who asks a registry, whom to trust, and how much to read.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// The user, service principal or token that asks the registry; wins over every other place for credentials.
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    pub username: Option<String>,
    /// Read the password of --username from standard input: as an argument every process of the machine could see it.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// A file with root certificates, in PEM, to trust beside the machine's. (A file named by SSL_CERT_FILE is trusted
    /// instead of the machine's.)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Send credentials to a token service at this host if the registry asks for it. Without this flag they go to the
    /// registry's own host only, and from Docker Hub, GitLab and DigitalOcean to their token services. May be repeated.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub trust_realm: Vec<TrustedRealm>,
    /// Most bytes of layers and attached files to read from one repository. A registry that states more is refused before
    /// anything is written [default: 32GiB].
    #[arg(long, value_name = "SIZE")]
    pub max_download: Option<ByteSize>,
}

impl IdentityArgs {
    /// Reads what the flags name.
    pub fn read(&self) -> Result<Identity, Failure> {
        let identity = Identity::read(self.username.as_deref(), self.password_stdin, self.ca_file.as_deref())?;
        Ok(identity.trusting(&self.trust_realm).at_most(self.max_download.map(|size| size.as_u64())))
    }
}
