//! Sentinels: the servers that know which server is the master.
//!
//! Owns the requests for the master's address to one sentinel after another. Must not know how a
//! connection to the master is used.

use super::{DialError, Dialed, Dialer, Progress, ask};
use crate::endpoint::Address;
use crate::identity::Login;

/// Sentinels of an endpoint, and the master that they watch.
pub(super) struct Sentinel {
    /// Name of the master, as the sentinels know it.
    pub(super) master: String,
    /// Addresses of the sentinels.
    pub(super) sentinels: Vec<Address>,
}

impl Dialer {
    /// Returns the address of the master, from the first sentinel that knows it.
    ///
    /// # Errors
    /// Fails with [`DialError::NoSentinel`] if there are no sentinels. Otherwise fails with the
    /// reason why the last sentinel did not name a master.
    pub(super) async fn master(
        &self,
        sentinel: &Sentinel,
        login: &Login,
    ) -> Result<Address, DialError> {
        let mut problem = DialError::NoSentinel;
        for address in &sentinel.sentinels {
            match self.ask_sentinel(address, &sentinel.master, login).await {
                Ok(master) => return Ok(master),
                Err(error) => problem = DialError::Sentinel(Box::new(error)),
            }
        }
        Err(problem)
    }

    async fn ask_sentinel(
        &self,
        address: &Address,
        master: &str,
        login: &Login,
    ) -> Result<Address, DialError> {
        // A sentinel that does not respond must leave time for the next sentinel.
        let asked = tokio::time::timeout(self.timeout() / 3, async {
            // Most sentinels have no password. Those that have one use the password of the servers.
            let logins = || self.credentials.logins();
            let dialed = match self
                .greet(address, &Login::ANYBODY, 0, logins(), &Progress::default())
                .await
            {
                Err(error) if error.is_about_credentials() => {
                    self.greet(address, login, 0, logins(), &Progress::default())
                        .await
                }
                dialed => dialed,
            };
            let Dialed {
                connection, abort, ..
            } = dialed?;
            let found: Result<Option<(String, u16)>, DialError> = ask(
                &connection,
                &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master],
            )
            .await;
            abort.abort();
            let (host, port) = found?.ok_or(DialError::UnknownMaster)?;
            Ok(Address { host, port })
        });
        asked.await.unwrap_or(Err(DialError::NoAnswer))
    }
}
