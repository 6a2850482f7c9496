//! Tests of the module `error`. Two of them check the generated tables of failures and exit codes
//! in `host/docs/http.md` and `host/docs/settings.md`, or write them.

use super::*;

/// Checks the status, settlement, severity and code of each [`ScoreFailure`] against the values
/// that `host/docs/http.md` documents.
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
fn a_chosen_status_says_what_becomes_of_a_message() {
    #[track_caller]
    fn check(statuses: &[u16], expected: Option<(Settlement, Severity, bool)>) {
        for status in statuses {
            let found = of_status(*status);
            let found = found.map(|row| (row.settlement, row.severity, row.scorer_at_fault));
            assert_eq!(found, expected, "{status}");
        }
    }
    check(&[200, 201, 204, 299, 302, 304, 399], None);
    let rejected = (Settlement::Park, Severity::Info, false);
    check(&[400, 401, 404, 409, 418, 422, 499], Some(rejected));
    let unavailable = (Settlement::Redeliver, Severity::Warn, false);
    check(&[408, 425, 429], Some(unavailable));
    check(
        &[503, 504],
        Some((Settlement::Redeliver, Severity::Warn, true)),
    );
    let failed = (Settlement::Redeliver, Severity::Error, true);
    check(&[500, 501, 502, 599], Some(failed));
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

/// Returns the meaning of a failed call for the table of failures in `host/docs/http.md`.
fn meaning(failure: &ScoreFailure) -> &'static str {
    match failure {
        ScoreFailure::Rejected(problem) if problem.code == "graph-refused" => {
            "an operator of the graph refuses the input, and the graph has answered others"
        }
        ScoreFailure::Rejected(_) => "the scorer rejects the input",
        ScoreFailure::NotConforming { .. } => "the body does not fit the contract",
        ScoreFailure::TooLarge { .. } => "the body is over limits.body",
        ScoreFailure::Unsupported { .. } => "the content type is not accepted",
        ScoreFailure::Unavailable(_) => "the scorer says that later may work",
        ScoreFailure::Saturated => {
            "as many calls wait as may, or as can be answered in time; every connection in a call; \
             or other instances have the memory that this one needs"
        }
        ScoreFailure::TimedOut { .. } => "no answer within limits.deadline",
        ScoreFailure::Failed(problem) if problem.code == "graph-failed" => {
            "the engine cannot run the graph, or the graph has not answered any input yet"
        }
        ScoreFailure::Failed(problem) if problem.code == "store-command" => {
            "the store refused an operation, and would refuse it again"
        }
        ScoreFailure::Failed(problem) if problem.code == "store-denied" => {
            "the store does not allow an operation"
        }
        ScoreFailure::Failed(_) => "the scorer says that it failed",
        ScoreFailure::Trapped(_) => "the scorer trapped or panicked",
        ScoreFailure::OutOfMemory { .. } => {
            "the scorer needed more than limits.memory, or a graph gave more"
        }
        ScoreFailure::InvalidOutput(_) => "the answer does not fit the scorer's signature",
        ScoreFailure::HostFault(_) => "the host is at fault",
    }
}

/// Returns the meaning of a failed request for the table of failures in `host/docs/http.md`.
fn meaning_of_request(failure: &RequestFailure) -> &'static str {
    match failure {
        RequestFailure::Malformed(_) => "an invocation that does not fit its function's bindings",
        RequestFailure::BadHost => "HTTP/1.1 without a `Host`, two of them, or an invalid one",
        RequestFailure::CodingInEnvelope => {
            "a compressed body in an envelope of the Functions host"
        }
        RequestFailure::LengthRequired => {
            "an envelope of the Functions host, of a request with `Transfer-Encoding`, without the \
             body"
        }
        RequestFailure::DamagedBody { .. } => "the body cannot be unpacked",
        RequestFailure::Inflated { .. } => "the body unpacks to more than 250 times its size",
        RequestFailure::UnknownCoding { .. } => "the content encoding is not accepted",
        RequestFailure::TransferCoding => "a transfer coding other than `chunked`",
        RequestFailure::Unauthorized { .. } => "no key of the server, or a wrong one",
        RequestFailure::BinaryAnswer => {
            "a binary answer for an HTTP output with a name, or with a status or headers"
        }
        RequestFailure::RepeatedCookie => "several cookies in an enveloped answer",
        RequestFailure::BodyLost => "the body broke off",
        RequestFailure::BodyTooSlow => {
            "the body did not arrive in 60 s, or came slower than 32 KiB/s while others waited for \
             its memory"
        }
        RequestFailure::IdTooLong { .. } => "an id is longer than 100 characters",
        RequestFailure::MethodNotAllowed => "the path has another verb",
        RequestFailure::NotFound { .. } => "nothing at this path",
        RequestFailure::NoTensors => {
            "tensors for a payload scorer, at `/v2/…/infer`, `/v1/…:predict` or `/invocations`"
        }
        RequestFailure::NotReady => "the scorer was not ready in time",
        RequestFailure::BodiesFull => {
            "other requests' bodies take all of limits.bodies until the deadline"
        }
        RequestFailure::AnswersFull => {
            "answers that clients have not read take all of limits.bodies until the deadline, or \
             too many answers wait for it"
        }
    }
}

#[test]
fn the_operators_page_has_the_table_of_failures() {
    let own = |code: &str| Problem {
        code: code.into(),
        message: String::new(),
        detail: None,
    };
    let text = String::new;
    let calls = [
        ScoreFailure::Rejected(own("")),
        ScoreFailure::Rejected(own("graph-refused")),
        ScoreFailure::NotConforming {
            message: text(),
            pointer: text(),
        },
        ScoreFailure::TooLarge { limit_bytes: 1 },
        ScoreFailure::Unsupported {
            content_type: text(),
            accepted: Vec::new(),
        },
        ScoreFailure::Unavailable(own("")),
        ScoreFailure::Saturated,
        ScoreFailure::TimedOut {
            deadline: Duration::ZERO,
        },
        ScoreFailure::Failed(own("")),
        ScoreFailure::Failed(own("graph-failed")),
        ScoreFailure::Failed(own("store-command")),
        ScoreFailure::Failed(own("store-denied")),
        ScoreFailure::Trapped(text()),
        ScoreFailure::OutOfMemory { limit_bytes: 1 },
        ScoreFailure::InvalidOutput(text()),
        ScoreFailure::HostFault(text()),
    ];
    let requests = [
        RequestFailure::Malformed(text()),
        RequestFailure::BinaryAnswer,
        RequestFailure::RepeatedCookie,
        RequestFailure::BadHost,
        RequestFailure::Unauthorized { is_sent: false },
        RequestFailure::TransferCoding,
        RequestFailure::UnknownCoding {
            sent: text(),
            read: "",
        },
        RequestFailure::CodingInEnvelope,
        RequestFailure::DamagedBody {
            coding: "",
            problem: "",
        },
        RequestFailure::Inflated {
            coding: "",
            ratio: 1,
        },
        RequestFailure::BodyLost,
        RequestFailure::LengthRequired,
        RequestFailure::BodyTooSlow,
        RequestFailure::IdTooLong {
            name: "",
            limit: 100,
        },
        RequestFailure::MethodNotAllowed,
        RequestFailure::NotFound {
            reason: String::new(),
            routes: Vec::new(),
        },
        RequestFailure::NoTensors,
        RequestFailure::NotReady,
        RequestFailure::BodiesFull,
        RequestFailure::AnswersFull,
    ];
    let calls = calls.map(|failure| (meaning(&failure), failure.disposition()));
    let requests = requests.map(|failure| (meaning_of_request(&failure), failure.disposition()));
    let rows = calls.into_iter().chain(requests).map(|(meaning, row)| {
        let code = match row.code.as_str() {
            "" => "the scorer's".to_owned(),
            code => format!("`{code}`"),
        };
        let settlement = match row.settlement {
            Settlement::Park => "park",
            Settlement::Redeliver => "redeliver",
        };
        let severity = match row.severity {
            Severity::Error => "error",
            Severity::Info => "info",
            Severity::Warn => "warn",
        };
        let blame = if row.scorer_at_fault { "yes" } else { "no" };
        let status = row.status;
        format!("| {meaning} | {status} | {code} | {settlement} | {severity} | {blame} |\n")
    });
    let head = "| failure | status | code | message | log level | scorer to blame |\n\
                |---|---|---|---|---|---|\n";
    let table: String = [head.to_owned()].into_iter().chain(rows).collect();
    scorebox_pages::check_part("host/docs/http.md", "failures", &table);
}

#[test]
fn the_operators_page_has_the_exit_codes() {
    let rows = exit_code::MEANINGS
        .iter()
        .map(|(code, meaning)| format!("| {code} | {meaning} |\n"));
    let head = "| exit code | meaning |\n|---|---|\n";
    let table: String = [head.to_owned()].into_iter().chain(rows).collect();
    scorebox_pages::check_part("host/docs/settings.md", "exit codes", &table);
}
