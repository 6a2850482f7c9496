//! Bodies of requests, read within bounds.
//!
//! Owns how many bytes are taken and how long that may last. Must not know what a body means, or who sends it.

use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};
use http_body_util::BodyExt;

use crate::error::{Disposition, RequestFailure, ScoreFailure};
use crate::timer;

/// Time for the body of a request. A client that takes longer is lost or hostile.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a body that is too large is read and dropped, so that a client that is still sending gets the answer
/// rather than a reset connection.
const DISCARD_BYTES: u64 = 64 << 20;

/// Most that is reserved for a body before any of it has come.
const RESERVE_BYTES: u64 = 1 << 20;

/// Reads a body within its bounds; `usual_bytes` is what is reserved for a large one whose length is not announced.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limit_bytes: u64,
    usual_bytes: u64,
) -> Result<Vec<u8>, Disposition> {
    let too_large = || ScoreFailure::TooLarge { limit_bytes }.disposition();
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // A client that asks first has sent nothing yet, and need not.
    if announced.is_some_and(|length| length > limit_bytes) && headers.contains_key(EXPECT) {
        return Err(too_large());
    }
    let reserve = |bytes: &mut Vec<u8>, wanted: u64| {
        let wanted = usize::try_from(wanted.min(limit_bytes)).unwrap_or(usize::MAX);
        // Where it cannot be had at once, it is asked for step by step.
        let _ = bytes.try_reserve_exact(wanted.saturating_sub(bytes.len()));
    };
    let mut bytes = Vec::new();
    let mut total: u64 = 0;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| RequestFailure::BodyLost.disposition())?.into_data() else { continue };
            total += data.len() as u64;
            if bytes.is_empty() && total <= limit_bytes {
                // Most bodies come in one piece, which need not be copied as a rule.
                if announced == Some(total) {
                    return Ok(data.into());
                }
                // What a client announces is a hint: it may announce much and send nothing.
                reserve(&mut bytes, announced.unwrap_or(0).min(RESERVE_BYTES));
            } else if bytes.len() + data.len() > bytes.capacity() && total > RESERVE_BYTES {
                // Growing by doubling would hold twice as much, and copy it.
                reserve(&mut bytes, announced.unwrap_or(usual_bytes));
            }
            if total <= limit_bytes {
                bytes.extend_from_slice(&data);
            } else if total > limit_bytes.saturating_add(DISCARD_BYTES) {
                break;
            }
        }
        if total > limit_bytes { Err(too_large()) } else { Ok(bytes) }
    };
    timer::within(BODY_TIMEOUT, reading).await.unwrap_or_else(|| Err(RequestFailure::BodyTooSlow.disposition()))
}
