//! Comparison of the clock of this machine with the clock of a registry.
//!
//! Owns the request that asks a registry for its date, and the reading of the header `Date`. Must
//! not know which difference is too large.

use std::time::{Duration, SystemTime};

use reqwest::header::DATE;
use scorebox_workspace::failure::Failure;

use super::access::Access;
use super::{answer, transport};

/// Timeout for the request that asks for the date. A registry that has no credentials to check
/// answers at once.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Difference between the clock of this machine and another clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Size of the difference between the clocks, in whole seconds.
    pub seconds: u64,
    /// True if the clock of this machine is ahead of the other clock.
    pub is_ahead: bool,
}

impl Skew {
    /// Computes the difference of the clocks from a date in a response. `sent` and `received` are
    /// the times on this machine before and after the request.
    ///
    /// The date has whole seconds, and the response took some time. A difference that these two can
    /// explain is ignored.
    pub fn new(date: SystemTime, sent: SystemTime, received: SystemTime) -> Self {
        let end = date + Duration::from_secs(1);
        let whole = |difference: Duration| difference.as_secs();
        match (sent.duration_since(end), date.duration_since(received)) {
            (Ok(ahead), _) => Self {
                seconds: whole(ahead),
                is_ahead: true,
            },
            (Err(_), Ok(behind)) => Self {
                seconds: whole(behind),
                is_ahead: false,
            },
            (Err(_), Err(_)) => Self {
                seconds: 0,
                is_ahead: false,
            },
        }
    }
}

/// Requests the root of a registry's API without credentials, and compares the date of the response
/// with the clock of this machine. The status of the response does not matter. Returns `None` if
/// the response has no valid date. Fails if no response arrives.
pub async fn compare(access: &Access) -> Result<Option<Skew>, Failure> {
    let action = format!("asking {} for the time", access.registry);
    let client = transport::client(&access.registry, &access.certificates)?;
    let sent = SystemTime::now();
    let response = client
        .get(access.root()?)
        .timeout(LONGEST_WAIT)
        .send()
        .await
        .map_err(|error| answer::unanswered(&action, &error))?;
    let received = SystemTime::now();
    let date = response.headers().get(DATE);
    let date = date
        .and_then(|date| date.to_str().ok())
        .and_then(|date| httpdate::parse_http_date(date).ok());
    Ok(date.map(|date| Skew::new(date, sent, received)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_and_waiting_explain_is_not_a_difference() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |milliseconds: i64| {
            let offset = Duration::from_millis(milliseconds.unsigned_abs());
            if milliseconds < 0 {
                date - offset
            } else {
                date + offset
            }
        };
        let check = |sent: i64, received: i64, seconds: u64, is_ahead: bool| {
            let skew = Skew::new(date, at(sent), at(received));
            assert_eq!((skew.seconds, skew.is_ahead), (seconds, is_ahead));
        };
        check(200, 300, 0, false);
        check(-2000, 500, 0, false);
        check(900, 4000, 0, false);
        check(601_500, 601_600, 600, true);
        check(-300_200, -300_100, 300, false);
    }
}
