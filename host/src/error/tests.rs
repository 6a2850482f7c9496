//! Tests of `error`.

use super::*;

/// Checks the status, settlement, severity and code of each failure, as the table in the README
/// lists them.
#[test]
fn each_failure_has_its_row() {
    #[track_caller]
    fn check(
        failure: ScoreFailure,
        status: u16,
        settlement: Settlement,
        severity: Severity,
        code: &str,
    ) {
        let row = failure.disposition();
        assert_eq!(
            (row.status, row.settlement, row.severity, row.code.as_str()),
            (status, settlement, severity, code)
        );
    }
    use Settlement::{Park, Redeliver};
    use Severity::{Error, Info, Warn};
    let problem = || Problem {
        code: "its-code".into(),
        message: "m".into(),
        detail: Some("d".into()),
    };
    check(
        ScoreFailure::Rejected(problem()),
        422,
        Park,
        Info,
        "its-code",
    );
    let misfit = ScoreFailure::NotConforming {
        message: "m".into(),
        pointer: "/data".into(),
    };
    check(misfit, 400, Park, Info, "not-conforming");
    check(
        ScoreFailure::TooLarge { limit_bytes: 1 },
        413,
        Park,
        Info,
        "too-large",
    );
    let unsupported = ScoreFailure::Unsupported {
        content_type: "a/b".into(),
        accepted: vec!["c/d".into()],
    };
    check(unsupported, 415, Park, Info, "unsupported-media-type");
    check(
        ScoreFailure::Unavailable(problem()),
        503,
        Redeliver,
        Warn,
        "its-code",
    );
    check(ScoreFailure::Saturated, 503, Redeliver, Warn, "saturated");
    check(
        ScoreFailure::TimedOut {
            deadline: Duration::from_secs(5),
        },
        504,
        Redeliver,
        Warn,
        "timed-out",
    );
    check(
        ScoreFailure::Failed(problem()),
        500,
        Redeliver,
        Error,
        "its-code",
    );
    check(
        ScoreFailure::Trapped("t".into()),
        500,
        Redeliver,
        Error,
        "trapped",
    );
    check(
        ScoreFailure::OutOfMemory { limit_bytes: 1 },
        500,
        Redeliver,
        Error,
        "out-of-memory",
    );
    check(
        ScoreFailure::InvalidOutput("o".into()),
        500,
        Redeliver,
        Error,
        "invalid-output",
    );
    check(
        ScoreFailure::HostFault("h".into()),
        500,
        Redeliver,
        Error,
        "host-fault",
    );
}

#[test]
fn what_is_for_the_log_never_reaches_the_client() {
    let secret = "10.0.0.7:6380";
    for failure in [
        ScoreFailure::Trapped(secret.into()),
        ScoreFailure::HostFault(secret.into()),
        ScoreFailure::InvalidOutput(secret.into()),
        ScoreFailure::Failed(Problem {
            code: "c".into(),
            message: "m".into(),
            detail: Some(secret.into()),
        }),
    ] {
        let row = failure.disposition();
        assert!(!row.message.contains(secret));
        assert_eq!(row.detail.as_deref(), Some(secret));
    }
}
