//! The body of an error response of a registry or a token service.
//!
//! Owns the limits on its size and on the wait for it. Must not know what the body says.

use std::time::Duration;

use reqwest::Response;

/// Maximum number of bytes that are read from the body of an error response. The rest is ignored.
const LARGEST_ERROR_BYTES: usize = 64 << 10;
/// Maximum time to wait for the body of an error response. The time is short because the body only
/// improves the error message.
const LONGEST_ERROR_WAIT: Duration = Duration::from_secs(5);

/// Reads the start of the body of an error response: the bytes that arrive within
/// `LONGEST_ERROR_WAIT`, at most `LARGEST_ERROR_BYTES`.
pub async fn beginning(mut response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = async {
        while let Ok(Some(part)) = response.chunk().await {
            let room = LARGEST_ERROR_BYTES.saturating_sub(bytes.len());
            bytes.extend_from_slice(part.get(..room).unwrap_or(&part));
            if room <= part.len() {
                break;
            }
        }
    };
    // If the body is not complete in time, only a part of the message is missing.
    let _ = tokio::time::timeout(LONGEST_ERROR_WAIT, read).await;
    bytes
}
