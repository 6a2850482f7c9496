//! Headers of a request that a scorer may see as attributes of its call.
//!
//! Owns which headers are credentials or repeat the URL, which are only transport, and which look
//! like facts of the platform. Must not know what any other header means.

/// Prefix of the headers that the Functions host adds to a request. These headers are not passed to
/// scorers. They hold the version of the Functions host, and the id of the invocation, which a
/// scorer gets as a separate field.
const FUNCTIONS_HEADERS: &str = "x-azure-functions-";

/// Words that mark a header as a credential. No scorer gets a header whose name contains one of
/// these words.
///
/// The list has words and not whole names, because platforms and gateways introduce new names.
const CREDENTIAL_WORDS: [&str; 13] = [
    "auth",
    "cookie",
    "-key",
    "apikey",
    "token",
    "secret",
    "passw",
    "credential",
    "signature",
    "jwt",
    "session",
    "principal",
    "assertion",
];

/// Headers that no scorer gets, because they describe the connection and the framing of the body.
///
/// Most of these headers belong to one connection and not to the message (RFC 9110, section 7.6.1).
/// Behind a platform, `host` is the worker's own address. The media type comes with the payload,
/// and the host decompresses the body and encodes the response.
const TRANSPORT_HEADERS: [&str; 14] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "connection",
    "accept-encoding",
    "transfer-encoding",
    "keep-alive",
    "expect",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "proxy-connection",
];

/// Headers in which a platform or a proxy repeats the URL of a request. No scorer gets them,
/// because the query may hold a key. A scorer gets the request line separately, without keys.
/// Headers of [`URL_ENDS`] are left out, too.
const URL_HEADERS: [&str; 2] = ["x-envoy-original-path", "referer"];

/// Ends of the names of headers that repeat the URL of a request, such as `x-original-url`,
/// `x-ms-original-url` and `x-forwarded-uri`. Each platform and each proxy has its own name.
const URL_ENDS: [&str; 2] = ["-url", "-uri"];

/// Starts of the names of attributes that the host gives to a call, up to the first dot. No scorer
/// gets a header with such a name, because a caller could forge a value of the platform with it.
const HOST_PREFIXES: [&str; 5] = ["input", "metadata", "path", "property", "route"];

/// Frequent headers that are known not to be credentials, so that their names need not be searched
/// for [`CREDENTIAL_WORDS`], which would take time.
const USUAL_HEADERS: [&str; 3] = ["accept", "user-agent", "x-request-id"];

/// Returns true if a scorer gets the header with the lower-case name `name` as an attribute.
pub(super) fn is_attribute(name: &str) -> bool {
    if TRANSPORT_HEADERS.contains(&name) || name.starts_with(FUNCTIONS_HEADERS) {
        return false;
    }
    // Checking a name for the words takes a microsecond.
    USUAL_HEADERS.contains(&name) || !(is_credential(name) || repeats_url(name) || is_of_host(name))
}

fn repeats_url(name: &str) -> bool {
    URL_HEADERS.contains(&name) || URL_ENDS.iter().any(|end| name.ends_with(end))
}

/// Returns true if `name` looks like the name of an attribute that the host gives to a call.
fn is_of_host(name: &str) -> bool {
    let start = name.split_once('.').map(|(start, _)| start);
    start.is_some_and(|start| HOST_PREFIXES.contains(&start))
}

/// Returns true if the lower-case name of a header or attribute contains a word that marks a
/// credential.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
}
