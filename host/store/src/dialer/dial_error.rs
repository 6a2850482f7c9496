//! Reasons why a server cannot be used, with the fix of each.
//!
//! Owns their texts, and how the answers of a server are read as reasons. No text holds an address
//! or a credential. Must not know when a connection is made.

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use scorebox_text::{NAME_BYTES, cut};

use crate::identity::LoginError;
use crate::reply_limit::{NOT_RESP, io_error};
use crate::tls::TlsFault;

/// Phase of connecting to a server. If the connection times out, the error names the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The name of the host is looked up.
    Lookup,
    /// The TCP connection is made.
    Tcp,
    /// The TLS handshake runs.
    Tls,
    /// The login is sent, and the server has to answer it.
    Login,
}

/// Reason why a server cannot be used. The text of a reason may be logged and shown to a scorer,
/// because it holds no address and no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The source of the endpoint's login did not return a login.
    #[error("{0}")]
    NoLogin(Arc<LoginError>),
    /// The server refused the login. The source of the login may have a newer login.
    #[error("the server refused the credentials: the user or the password is wrong")]
    WrongPassword,
    /// The server wants a login, and the host did not send one.
    #[error("the server refused the credentials: it wants a password, and none was given")]
    NoPassword,
    /// The name of the host does not exist.
    #[error("no connection: DNS does not know the name of the host")]
    UnknownName,
    /// The name of the host could not be looked up.
    #[error("no connection: DNS does not answer")]
    NoDns,
    /// The TCP connection was refused, usually because nothing listens on the port of the server.
    #[error("no connection: the connection was refused")]
    ConnectionRefused,
    /// The network of this machine does not lead to the server.
    #[error("no connection: there is no route to the host")]
    NoRoute,
    /// The TCP connection failed for a reason that has no variant of its own. The text gives the
    /// reason.
    #[error("no connection: {0}")]
    Connection(String),
    /// The server closed the connection before it answered.
    #[error("no connection: the server closed the connection before it answered")]
    Closed,
    /// The TLS handshake failed.
    #[error("no TLS: {0}")]
    Tls(TlsFault),
    /// The server speaks TLS, and the URL asks for a connection without TLS.
    #[error("the server speaks TLS on this port, and the URL does not ask for TLS")]
    SpeaksTls,
    /// The server's answer is not in the protocol of Redis.
    #[error("the server does not speak the protocol of Redis")]
    NotRedis,
    /// No connection was made within this time, which is the timeout. The phase is the one that did
    /// not end.
    #[error("no connection within {} ms{}", .0.as_millis(), in_phase(*.1))]
    Slow(Duration, Phase),
    /// The connection is not made yet, or it is being checked.
    #[error("no connection yet")]
    NotYet,
    /// The server did not answer a command within the timeout.
    #[error("no answer in time")]
    NoAnswer,
    /// The URL names a database that the server does not have.
    #[error("the server does not have the database that the URL names")]
    NoDatabase,
    /// The URL names a database other than 0, and the server is part of a cluster.
    #[error(
        "the server is part of a cluster, which has database 0 only, and the URL names another"
    )]
    DatabaseOnCluster,
    /// The server accepts only clients of its own machine.
    #[error("the server is in protected mode: it has no password, and refuses other machines")]
    ProtectedMode,
    /// The server has as many clients as it accepts.
    #[error("the server has as many clients as it accepts (maxclients)")]
    TooManyClients,
    /// The server is loading its data.
    #[error("the server is loading its data")]
    Loading,
    /// The access list of the server refuses a command to the user. The text is the name of the
    /// command, as access lists write it.
    #[error("the server refused: NOPERM this user may not run `{0}`")]
    NoPermission(String),
    /// The server does not know the protocol RESP3.
    #[error("the server is older than Redis 6")]
    Old,
    /// The server refused a command. The text is the first word of the server's message, or the
    /// category of the error if there is no such word.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The server's answer does not have the form of an answer to the command.
    #[error("the server returned an unexpected answer")]
    Unexpected,
    /// A sentinel was asked for the master, but did not name one. The field holds the reason.
    #[error("a sentinel does not name the master: {0}")]
    Sentinel(Box<DialError>),
    /// The server that was asked for the master is not a sentinel.
    #[error("it is not a sentinel")]
    NotSentinel,
    /// The server is a sentinel, and the URL does not say so.
    #[error("the server is a sentinel, and the URL does not name a master")]
    IsSentinel,
    /// The sentinel does not watch a master with the name that the URL states.
    #[error("it does not know the name in sentinel=...")]
    UnknownMaster,
    /// The URL does not name an address of a sentinel.
    #[error("there is no sentinel")]
    NoSentinel,
    /// The server that the sentinels name is not the master, because the sentinels are out of date.
    #[error("the sentinels name a server that is not the master yet")]
    NotMaster,
    /// No node of the cluster has the slot of the key.
    #[error("no node of the cluster has this key")]
    NoNode,
    /// A node is no longer part of the cluster.
    #[error("a node of the cluster is gone")]
    NodeGone,
    /// No server could be asked for the topology.
    #[error("no server")]
    NoServer,
}

fn in_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Lookup => ": DNS did not answer",
        Phase::Tcp => "",
        Phase::Tls => ": the TLS handshake did not end",
        Phase::Login => ": the server did not answer the login",
    }
}

impl DialError {
    /// Returns true if the server refused the login, so that the source of the login should be
    /// asked for a newer one.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(self, Self::WrongPassword | Self::NoPassword)
    }

    /// Returns an instruction for the operator that makes the server usable. The text is empty if
    /// no fix is known, e.g. because the problem ends by itself.
    #[must_use]
    pub fn fix(&self) -> String {
        let fix = match self {
            Self::NoLogin(_) => {
                "with password_file, name a file that this user may read; with auth=entra, give the app an \
                 identity, and name it with client_id if it has several"
            }
            Self::WrongPassword => {
                "write USER:PASSWORD@ before the host, with % as %25, or renew password_file; with auth=entra, add \
                 the identity to the users of the cache"
            }
            Self::NoPassword => {
                "write :PASSWORD@ or USER:PASSWORD@ before the host, or add ?password_file=PATH or ?auth=entra"
            }
            Self::UnknownName => {
                "correct the host in the URL; for a private endpoint, link its private DNS zone to the network of \
                 this machine"
            }
            Self::NoDns | Self::Slow(_, Phase::Lookup) => {
                "give this machine a DNS server that it can reach (/etc/resolv.conf), or write an IP address"
            }
            Self::ConnectionRefused => {
                "start the server, correct the port (6379; on Azure 6380 or 10000 with rediss://), or let the server \
                 listen on this address (`bind`)"
            }
            Self::NoRoute | Self::Connection(_) | Self::Slow(_, Phase::Tcp) => {
                "correct host and port, and allow the connection in firewalls, in network security groups and in the \
                 rules of the cache"
            }
            Self::Closed => {
                "raise `maxclients` if the server has too many clients; if a proxy is in between, see its log"
            }
            Self::Tls(fault) => fault.fix(),
            Self::SpeaksTls => "write rediss:// in place of redis:// (ssl=True)",
            Self::NotRedis => "correct host and port: another service listens there",
            Self::Slow(_, Phase::Tls) => {
                "write the port on which the server speaks TLS; if it is slow, raise stores.<name>.timeout"
            }
            Self::Slow(_, Phase::Login) | Self::NotYet | Self::NoAnswer => {
                "see why the server does not answer, such as a long command; if it is slow, raise \
                 stores.<name>.timeout"
            }
            Self::NoDatabase => {
                "write a lower database after the host, such as /0, or raise `databases` on the server"
            }
            Self::DatabaseOnCluster => "write no database after the host",
            Self::ProtectedMode => {
                "set a password on the server (`requirepass`) and write it into the URL, or set `protected-mode no`"
            }
            Self::TooManyClients => "raise `maxclients` on the server, or run fewer instances",
            Self::NoPermission(command) => return allow(command),
            Self::Old => "use Redis 6 or newer",
            Self::Sentinel(why) => return why.fix(),
            Self::NotSentinel => {
                "write host and port of a sentinel (26379), or leave sentinel=... out of the URL"
            }
            Self::IsSentinel => {
                "add ?sentinel=NAME, with the name that `sentinel monitor NAME` has"
            }
            Self::UnknownMaster => {
                "write the name that `sentinel monitor NAME` has in the sentinels' configuration"
            }
            Self::NoNode => "give every slot to a node (`redis-cli --cluster fix`)",
            Self::Loading
            | Self::Refused(_)
            | Self::Unexpected
            | Self::NoSentinel
            | Self::NotMaster
            | Self::NodeGone
            | Self::NoServer => "",
        };
        fix.to_owned()
    }
}

/// Returns the instruction that lets the access list of a server allow a command. `command` is its
/// name, as access lists write it.
pub(crate) fn allow(command: &str) -> String {
    let command = cut(command, NAME_BYTES);
    format!("allow the user the command on the server: ACL SETUSER NAME +{command}")
}

/// Returns the name of the command that an access list refused, as access lists write it. `detail`
/// is the message of the server. Returns `None` if the message is about something else.
pub(crate) fn refused_command(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("no permissions to run the '")?;
    let (command, _) = rest.split_once('\'')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '|' | '.' | '-' | '_');
    (!command.is_empty() && command.len() <= NAME_BYTES && command.chars().all(is_name))
        .then_some(command)
}

/// Converts an error of a server to the reason why it refused a login or a command. At most one
/// word of the server's message is used, because the rest may name users.
pub(super) fn refusal(error: &RedisError) -> DialError {
    if let Some(fault) = io_error(error).and_then(TlsFault::after_handshake) {
        return DialError::Tls(fault);
    }
    let detail = error.detail().unwrap_or_default();
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => DialError::WrongPassword,
        (_, Some("NOAUTH")) => DialError::NoPassword,
        (ErrorKind::RESP3NotSupported, _) | (_, Some("NOPROTO")) => DialError::Old,
        (ErrorKind::Io, _) if io_error(error).is_some_and(|error| error.kind() == NOT_RESP) => {
            DialError::NotRedis
        }
        (ErrorKind::Io, _) => DialError::Closed,
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => DialError::Loading,
        (_, Some(code)) => of_message(code, detail)
            .unwrap_or_else(|| DialError::Refused(cut(code, NAME_BYTES).into_owned())),
        (_, None) => DialError::Refused(error.category().to_owned()),
    }
}

/// Returns the reason that a server gives in the message of an error. `code` is the first word of
/// the message, and `detail` the rest. Returns `None` if the reason is not a known one.
pub(super) fn of_message(code: &str, detail: &str) -> Option<DialError> {
    if let Some(command) = refused_command(detail) {
        return Some(DialError::NoPermission(command.to_owned()));
    }
    let is = |words: &str| detail.contains(words);
    Some(match code {
        "DENIED" => DialError::ProtectedMode,
        "ERR" if is("max number of clients") => DialError::TooManyClients,
        "ERR" if is("DB index") => DialError::NoDatabase,
        "ERR" if is("SELECT is not allowed in cluster mode") => DialError::DatabaseOnCluster,
        "ERR" if is("unknown command") && is("SENTINEL") => DialError::NotSentinel,
        "ERR" if is("unknown command") && is("HELLO") => DialError::Old,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(message: &str, expected: &DialError) {
        let answer = redis::parse_redis_value(format!("-{message}\r\n").as_bytes()).unwrap();
        assert_eq!(
            refusal(&answer.extract_error().unwrap_err()),
            *expected,
            "{message}"
        );
    }

    #[test]
    fn messages_of_servers_are_read_as_reasons() {
        reads(
            "WRONGPASS invalid username-password pair or user is disabled.",
            &DialError::WrongPassword,
        );
        reads(
            "NOAUTH HELLO must be called with the client already authenticated",
            &DialError::NoPassword,
        );
        reads(
            "ERR max number of clients reached",
            &DialError::TooManyClients,
        );
        reads(
            "ERR max number of clients + cluster connections reached",
            &DialError::TooManyClients,
        );
        reads("ERR DB index is out of range", &DialError::NoDatabase);
        reads(
            "ERR SELECT is not allowed in cluster mode",
            &DialError::DatabaseOnCluster,
        );
        reads(
            "DENIED Redis is running in protected mode because",
            &DialError::ProtectedMode,
        );
        reads(
            "LOADING Redis is loading the dataset in memory",
            &DialError::Loading,
        );
        reads("NOPROTO unsupported protocol version", &DialError::Old);
        reads(
            "ERR unknown command 'SENTINEL', with args beginning with:",
            &DialError::NotSentinel,
        );
        let select = DialError::NoPermission("select".to_owned());
        for user in ["this user has", "User ada has"] {
            reads(
                &format!("NOPERM {user} no permissions to run the 'select' command"),
                &select,
            );
        }
        reads(
            "NOPERM this user has no permissions to run the 'x y\u{1b}[2J' command",
            &DialError::Refused("NOPERM".to_owned()),
        );
        reads("ODD hunter2", &DialError::Refused("ODD".to_owned()));
    }

    #[test]
    fn a_reason_names_no_address_and_has_a_fix() {
        let slow = |phase| DialError::Slow(Duration::from_secs(1), phase);
        for reason in [
            DialError::WrongPassword,
            DialError::NoPassword,
            DialError::UnknownName,
            DialError::NoDns,
            DialError::ConnectionRefused,
            DialError::NoRoute,
            DialError::Closed,
            DialError::Tls(TlsFault::Expired),
            DialError::SpeaksTls,
            DialError::NotRedis,
            slow(Phase::Lookup),
            slow(Phase::Tcp),
            slow(Phase::Tls),
            slow(Phase::Login),
            DialError::NoDatabase,
            DialError::DatabaseOnCluster,
            DialError::ProtectedMode,
            DialError::TooManyClients,
            DialError::NoPermission("select".to_owned()),
            DialError::Old,
            DialError::Sentinel(Box::new(DialError::UnknownMaster)),
        ] {
            assert!(!reason.fix().is_empty(), "{reason}");
        }
    }
}
