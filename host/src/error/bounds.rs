//! Limits on the length of a failure's texts.
//!
//! Owns the maximum length of each text of a [`Disposition`]. Responses, log lines, lines of an
//! invocation and records of failed messages are all made from these texts. Many texts come from
//! callers and scorers. Without limits, a text of 5 MB would appear in each response, line and
//! record. Must not know where a text came from.

use super::Disposition;
use crate::text::{NAME_BYTES, REASON_BYTES, bounded};

/// Maximum length of a JSON pointer in a [`Disposition`], in bytes.
const POINTER_BYTES: usize = 1024;

/// Maximum length of the detail in a [`Disposition`], in bytes. It is enough for a backtrace of
/// usual depth.
const DETAIL_BYTES: usize = 8 << 10;

impl Disposition {
    /// Truncates every text of this disposition to the maximum length of its field.
    pub(super) fn bounded(self) -> Self {
        Self {
            code: bounded(self.code, NAME_BYTES),
            message: bounded(self.message, REASON_BYTES),
            pointer: self.pointer.map(|pointer| bounded(pointer, POINTER_BYTES)),
            detail: self.detail.map(|detail| bounded(detail, DETAIL_BYTES)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, RequestFailure, ScoreFailure};

    #[test]
    fn no_failure_says_more_than_a_page() {
        let long = || "x".repeat(5 << 20);
        let problem = || Problem {
            code: long(),
            message: long(),
            detail: Some(long()),
        };
        let scores = [
            ScoreFailure::Failed(problem()),
            ScoreFailure::HostFault(long()),
            ScoreFailure::InvalidOutput(long()),
            ScoreFailure::NotConforming {
                message: long(),
                pointer: long(),
            },
            ScoreFailure::Rejected(problem()),
            ScoreFailure::Trapped(long()),
            ScoreFailure::Unavailable(problem()),
            ScoreFailure::Unsupported {
                content_type: long(),
                accepted: vec![long()],
            },
        ];
        let requests = [
            RequestFailure::Malformed(long()),
            RequestFailure::NotFound {
                reason: long(),
                routes: vec![long()],
            },
        ];
        let rows = scores.map(ScoreFailure::disposition).into_iter();
        for row in rows.chain(requests.map(RequestFailure::disposition)) {
            let texts = [Some(row.code), Some(row.message), row.pointer, row.detail];
            let bytes: usize = texts.iter().flatten().map(String::len).sum();
            assert!(
                bytes < 12 << 10 && texts.iter().flatten().any(|text| text.ends_with('…')),
                "{bytes}"
            );
        }
    }
}
