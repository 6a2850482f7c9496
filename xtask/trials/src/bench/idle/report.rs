//! Figures of first calls on idle connections to Redis, as lines for people or as JSON for
//! programs.
//!
//! Owns the figures. Must not know how a call was made.

use std::fmt::Write as _;
use std::time::Duration;

use scorebox_workspace::failure::Failure;
use serde::Serialize;

use crate::bench::report::write;

/// Times of the first calls on one kind of connection, e.g. on those that a proxy of the benchmark
/// has forgotten.
#[derive(Default)]
pub(super) struct Times {
    /// Times of the calls with right answers, in microseconds, in the order of the calls.
    right_us: Vec<f64>,
    wrong: usize,
}

/// Number of wrong answers, and median and maximum time, of the first calls on one kind of
/// connection, e.g. on those that a proxy of the benchmark has forgotten.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Number of first calls that failed or got a wrong answer.
    wrong: usize,
    /// Median time of the first calls with right answers, in microseconds.
    p50_us: f64,
    /// Longest time of a first call with a right answer, in microseconds.
    max_us: f64,
}

/// Ratios of the times on connections that a proxy of the benchmark has forgotten to the times on
/// idle connections that it still forwards.
#[derive(Debug, Serialize)]
pub(super) struct Ratios {
    /// Longest time of a first call on a connection that a proxy of the benchmark has forgotten,
    /// less the median time to connect, divided by the median time of first calls on idle
    /// connections that a proxy still forwards.
    slowest_over_living: f64,
    /// Median time of first calls on connections that a proxy of the benchmark has forgotten, less
    /// the median time to connect, divided by the median time of first calls on idle connections
    /// that a proxy still forwards.
    median_over_living: f64,
}

/// All results of a run of `cargo xtask bench idle`.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Time for which the connections were idle, in minutes.
    idle_minutes: f64,
    /// Number of connections that a proxy of the benchmark has forgotten.
    pub(super) connections: usize,
    /// Number of first calls, on connections of all three kinds.
    pub(super) calls: usize,
    /// Number of first calls that failed or got a wrong answer, on connections of all three kinds.
    pub(super) wrong: usize,
    /// Times of first calls on connections that were idle and that a proxy of the benchmark still
    /// forwards.
    living: Row,
    /// Times of first calls on connections that were idle and that a proxy of the benchmark has
    /// forgotten.
    forgotten: Row,
    /// Times of calls for which a new connection had to be opened.
    fresh: Row,
    /// Median time to connect to Redis, in microseconds: the median time of calls on new
    /// connections less the median time of calls on idle connections that a proxy of the benchmark
    /// still forwards. It includes the login, and the command that asks if the server is part of a
    /// cluster.
    connect_us: f64,
    ratios: Ratios,
}

impl Times {
    /// Adds the time of one call. `time` is `None` if the call failed or its answer was wrong.
    pub(super) fn add(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => self.right_us.push(time.as_secs_f64() * 1e6),
            None => self.wrong += 1,
        }
    }

    fn calls(&self) -> usize {
        self.right_us.len() + self.wrong
    }

    fn row(&self) -> Row {
        let mut sorted = self.right_us.clone();
        sorted.sort_by(f64::total_cmp);
        Row {
            wrong: self.wrong,
            p50_us: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            max_us: sorted.last().copied().unwrap_or_default(),
        }
    }
}

impl Figures {
    /// Computes all figures from the times of the first calls on three kinds of connections.
    /// `living` connections were idle, and a proxy of the benchmark still forwards them.
    /// `forgotten` connections were idle, and a proxy has forgotten them. `fresh` connections had
    /// to be opened.
    pub(super) fn of(idle_minutes: f64, living: &Times, forgotten: &Times, fresh: &Times) -> Self {
        let kinds = [living, forgotten, fresh];
        let calls = kinds.map(Times::calls).iter().sum();
        let wrong = kinds.map(|times| times.wrong).iter().sum();
        let connections = forgotten.calls();
        let (living, forgotten, fresh) = (living.row(), forgotten.row(), fresh.row());
        let connect_us = (fresh.p50_us - living.p50_us).max(0.0);
        let over = |time_us: f64| (time_us - connect_us) / living.p50_us;
        Self {
            idle_minutes,
            connections,
            calls,
            wrong,
            connect_us,
            ratios: Ratios {
                slowest_over_living: over(forgotten.max_us),
                median_over_living: over(forgotten.p50_us),
            },
            living,
            forgotten,
            fresh,
        }
    }
}

/// Writes the figures of `cargo xtask bench idle` to standard output, as JSON if `json` is true, or
/// else as lines. Fails if they cannot be written as JSON.
pub(super) fn print(figures: &Figures, json: bool) -> Result<(), Failure> {
    write(figures, (!json).then(|| lines(figures)))
}

fn lines(figures: &Figures) -> String {
    let Figures {
        idle_minutes,
        connections,
        calls,
        wrong,
        living,
        forgotten,
        fresh,
        connect_us,
        ratios,
    } = figures;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "first calls on {connections} connections of each kind, after {idle_minutes} min: {} right, {wrong} wrong\n",
        calls - wrong
    );
    let _ = writeln!(
        text,
        "{:<11} {:>9} {:>9} {:>6}",
        "connection", "p50 us", "max us", "wrong"
    );
    for (name, row) in [("living", living), ("forgotten", forgotten), ("new", fresh)] {
        let Row {
            wrong,
            p50_us,
            max_us,
        } = row;
        let _ = writeln!(text, "{name:<11} {p50_us:>9.0} {max_us:>9.0} {wrong:>6}");
    }
    let _ = writeln!(text, "\nto connect takes {connect_us:.0} us");
    let _ = writeln!(
        text,
        "forgotten over living, without connecting: median {:.2}×, slowest {:.2}× (bound: 5×)",
        ratios.median_over_living, ratios.slowest_over_living
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(us: &[u64]) -> Times {
        let mut times = Times::default();
        for us in us {
            times.add(Some(Duration::from_micros(*us)));
        }
        times
    }

    #[test]
    fn ratios_leave_out_the_time_to_connect() {
        let mut forgotten = times(&[600, 700, 1500]);
        forgotten.add(None);
        let figures = Figures::of(1.0, &times(&[100, 200, 300]), &forgotten, &times(&[700]));
        assert_eq!((figures.connections, figures.wrong), (4, 1));
        assert_eq!(figures.calls, 8);
        assert!((figures.connect_us - 500.0).abs() < 1e-6);
        assert!((figures.ratios.slowest_over_living - 5.0).abs() < 1e-6);
        assert!((figures.ratios.median_over_living - 1.0).abs() < 1e-6);
        let text = lines(&figures);
        assert!(text.contains("7 right, 1 wrong"), "{text}");
    }

    #[test]
    fn a_wrong_answer_counts_on_each_kind_of_connection() {
        let one_wrong = || {
            let mut times = times(&[100]);
            times.add(None);
            times
        };
        let right = || times(&[100, 100]);
        for (living, forgotten, fresh) in [
            (one_wrong(), right(), right()),
            (right(), one_wrong(), right()),
            (right(), right(), one_wrong()),
        ] {
            let figures = Figures::of(1.0, &living, &forgotten, &fresh);
            assert_eq!((figures.calls, figures.wrong), (6, 1));
            let text = lines(&figures);
            assert!(text.contains("5 right, 1 wrong"), "{text}");
        }
    }
}
