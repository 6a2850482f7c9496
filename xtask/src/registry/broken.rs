//! Attempts that broke off, and whether another one may do better.
//!
//! Owns that judgement. Must not know what was attempted.

use reqwest::{Response, StatusCode};

use super::answer;
use crate::failure::{Failure, Kind};

/// An attempt that broke off.
#[derive(Debug)]
pub struct Broken {
    /// What is said when no other attempt is made.
    pub failure: Failure,
    /// Whether another one may do better.
    pub may_pass: bool,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        // A cut connection. Of refusals, those that pass were waited out where the request was sent.
        let may_pass = failure.kind == Kind::Network;
        Self { failure, may_pass }
    }
}

impl Broken {
    /// An answer that was not hoped for.
    pub async fn unexpected(action: &str, response: Response) -> Self {
        let may_pass = may_pass(response.status());
        Self { failure: answer::unexpected(action, response).await, may_pass }
    }
}

/// 404: a session that the registry lost. 416: chunks arrived in another order than they were sent, which Azure's registry
/// is known to say at times. 429 and some of 5xx were waited out already.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 408 | 416 | 500)
}
