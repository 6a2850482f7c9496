//! Failed attempts to transfer a blob, and whether another attempt may succeed.
//!
//! Owns the rule that decides whether another attempt may succeed. Must not know how a blob is
//! transferred.

use reqwest::{Response, StatusCode};
use scorebox_workspace::failure::{Failure, Kind};

use super::answer;

/// A failed attempt to transfer a blob.
#[derive(Debug)]
pub struct Broken {
    /// Failure that the command ends with if there is no further attempt.
    pub failure: Failure,
    /// True if another attempt to transfer the blob may succeed.
    pub may_pass: bool,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        // A connection that was cut may work on another attempt. Refusals that are temporary were
        // retried where the request was sent.
        let may_pass = failure.kind == Kind::Network;
        Self { failure, may_pass }
    }
}

impl Broken {
    /// Builds a failed attempt from an unexpected response. `action` describes the request.
    pub async fn unexpected(action: &str, response: Response) -> Self {
        let may_pass = may_pass(response.status());
        Self {
            failure: answer::unexpected(action, response).await,
            may_pass,
        }
    }
}

/// Returns true if another attempt may succeed after a response with this status code.
///
/// 404 means that the registry lost the upload session. 416 means that chunks arrived in another
/// order than they were sent, which Azure Container Registry is known to report at times. 429 and
/// some of the 5xx status codes are left out, because the transport has retried them already.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 408 | 416 | 500)
}
