//! Key-value stores: a scorer sees each of them as a bucket.
//!
//! Owns everything about Redis: which server an operator means, how the host logs in and stays
//! connected, what every store offers, and the table of the commands that a scorer may be allowed
//! to send. Must not know WebAssembly, a manifest's form, nor which scorer asks. No error text
//! for a scorer holds an address or a credential.
//!
//! # Features
//!
//! `client`, a default, adds everything that opens a connection or keeps a value. Without it the
//! crate is only the table of Redis commands in [`raw`], for the parser of the list of allowed
//! commands in a manifest.
//!
//! # Map
//!
//! | module | owns |
//! |---|---|
//! | `operations` | what every back end offers: the trait `Redis`, its limits and errors |
//! | `store` | a store as a scorer sees it: key prefix, default expiry |
//! | `memory` | the back end in memory |
//! | `server` | the back end on a Redis server: operations as commands |
//! | [`raw`] | Redis commands of scorers: which are allowed; keys, limits and replies |
//! | `router`, `slots`, `parcel` | the node that gets a command, and when it is sent again |
//! | `node` | the connection to one node, which is checked and kept alive |
//! | `dialer`, `tls`, `reply_limit` | opening a connection: login, sentinels, TLS, reply limits |
//! | `endpoint` | the URL of a store, or its connection string |
//! | `identity`, `entra` | logins that change: password files, tokens of Microsoft Entra ID |
//! | `watching` | notifications of changed keys |
//! | `reach` | the connectivity check for an operator |

/// Target of every log line of this crate, as a literal. The target begins with the name of the
/// host's library, so that a log filter such as `scorebox_host=debug` also applies to the log lines
/// of stores.
#[cfg(feature = "client")]
macro_rules! log_target {
    () => {
        "scorebox_host::redis"
    };
}

#[cfg(feature = "client")]
const LOG_TARGET: &str = log_target!();

#[cfg(feature = "client")]
mod dialer;
#[cfg(feature = "client")]
mod endpoint;
#[cfg(feature = "client")]
mod entra;
#[cfg(feature = "client")]
mod identity;
#[cfg(feature = "client")]
mod memory;
#[cfg(feature = "client")]
mod node;
#[cfg(feature = "client")]
mod operations;
#[cfg(feature = "client")]
mod parcel;
pub mod raw;
#[cfg(feature = "client")]
mod reach;
#[cfg(feature = "client")]
mod reply_limit;
#[cfg(feature = "client")]
mod router;
#[cfg(feature = "client")]
mod server;
#[cfg(feature = "client")]
mod slots;
#[cfg(feature = "client")]
mod store;
#[cfg(feature = "client")]
mod tls;
#[cfg(feature = "client")]
mod watching;

#[cfg(feature = "client")]
pub use self::endpoint::{Endpoint, FORM as URL_FORM, UrlError};
#[cfg(feature = "client")]
pub use self::entra::Platform;
#[cfg(feature = "client")]
pub use self::identity::{Clock, Credentials, Granted, Login, LoginError, TokenSource};
#[cfg(feature = "client")]
pub use self::memory::Memory;
#[cfg(feature = "client")]
pub use self::operations::{
    BATCH_BYTES, BATCH_KEYS, Condition, KEY_LIMIT_BYTES, Lifetime, Page, Redis, StoreError,
    VALUE_LIMIT_BYTES,
};
#[cfg(feature = "client")]
pub use self::reach::{REPLICA, Reached, Unreached};
#[cfg(feature = "client")]
pub use self::reply_limit::reply_bytes;
#[cfg(feature = "client")]
pub use self::server::Server;
#[cfg(feature = "client")]
pub use self::store::Store;
#[cfg(feature = "client")]
pub use self::tls::TlsError;
#[cfg(feature = "client")]
pub use self::watching::Told;
