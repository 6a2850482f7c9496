//! Errors of a Redis URL.
//!
//! Owns their texts. Must not know how a URL is read. No text repeats a part of the URL, because it
//! may hold a password.

/// Reason why a text is not a Redis URL. The text of a reason continues a sentence about the URL.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Some URLs in the list ask for TLS, and some do not.
    #[error("some of its URLs are redis:// and some rediss://")]
    MixedSchemes,
    /// The URL has a fragment.
    #[error("it has a fragment (#...); a # in a value is written %23")]
    Fragment,
    /// The text holds a character that no URL holds, such as a line feed in the middle.
    #[error("it holds a control character, such as the end of a line")]
    Control,
    /// The text begins with a quotation mark.
    #[error("it begins with a quotation mark; write it without quotation marks")]
    Quoted,
    /// The text before the `@` begins with a user name that holds a character that must be escaped.
    #[error(
        "its user holds / ? # or @; a password alone has a colon before it, as in :PASSWORD@HOST"
    )]
    User,
    /// The host of the URL holds a character that no host has, or is not a valid IPv6 address.
    #[error("its host holds a character that no host has")]
    Host,
    /// A connection string of StackExchange.Redis has an unknown option.
    #[error(
        "it has the form of StackExchange.Redis, with an option that is not known; options that count are \
         password, user, ssl, sslHost, defaultDatabase and serviceName"
    )]
    UnknownOption,
    /// The option `ssl` of a connection string of StackExchange.Redis has an unknown value.
    #[error("it has the form of StackExchange.Redis, and its ssl is neither True nor False")]
    Ssl,
    /// The scheme of the URL is neither `redis` nor `rediss`.
    #[error("its scheme is neither redis nor rediss")]
    Scheme,
    /// The URL does not name a host.
    #[error("it has no host; a login ends with @, as in :PASSWORD@HOST")]
    NoHost,
    /// The port of the URL is not a number that a port can have.
    #[error("its port is not a number from 0 to 65535")]
    Port,
    /// The database in the path of the URL, or in a connection string of StackExchange.Redis, is
    /// not a number.
    #[error("its database is not a number")]
    Database,
    /// The URL names a file of certificates, but does not ask for TLS.
    #[error("it names certificates (ca=...), which only rediss:// uses")]
    UnusedCertificates,
    /// The URL has several sources of a password.
    #[error("it has more than one of a password, password_file=... and auth=...")]
    SeveralLogins,
    /// The URL asks for a token, but not for TLS.
    #[error("a token is never sent without TLS; write rediss://")]
    TokenWithoutTls,
    /// The parameter `auth` of the URL has an unknown value.
    #[error("auth=... can only be entra")]
    Auth,
    /// The URL names an identity with `client_id`, but does not ask for a token.
    #[error("client_id=... goes with auth=entra")]
    UnusedClientId,
    /// The URL has an unknown parameter. The text lists the known parameters.
    #[error("it has a parameter (?...) that is none of {0}")]
    UnknownParameter(String),
    /// A parameter of the URL does not have a value. The texts are the name of the parameter and a
    /// description of its value.
    #[error("its parameter {0} has no value; it is {1}")]
    NoValue(&'static str, &'static str),
    /// A part of the URL, with this name, is not UTF-8 after it is decoded.
    #[error(
        "its {0} is not UTF-8 once %XX is decoded; a % before two digits or letters a to f is written %25"
    )]
    NotUtf8(&'static str),
}
