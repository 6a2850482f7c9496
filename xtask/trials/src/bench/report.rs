//! Figures of `cargo xtask bench` as a table for people, or as JSON for programs.
//!
//! Owns the table and the choice of units in it. Must not know how a figure was measured.

use std::fmt::Write as _;

use scorebox_workspace::failure::Failure;
use serde::Serialize;

use super::figures::{Figures, Measured, OverCeiling, Pss, Row, Spread};

/// Writes the figures of `cargo xtask bench` to standard output, as JSON if `json` is true, or else
/// as a table. Fails if they cannot be written as JSON.
pub fn print(figures: &Figures, json: bool) -> Result<(), Failure> {
    write(figures, (!json).then(|| table(figures)))
}

/// Writes figures to standard output: as `text` if it is given, or else as JSON. Fails if they
/// cannot be written as JSON.
pub fn write(figures: &impl Serialize, text: Option<String>) -> Result<(), Failure> {
    let text = match text {
        Some(text) => text,
        None => {
            let text = serde_json::to_string(figures);
            text.map_err(|error| Failure::other(format!("figures as JSON: {error}"), "report it"))?
                + "\n"
        }
    };
    print!("{text}");
    Ok(())
}

fn table(figures: &Figures) -> String {
    let mut text = String::new();
    let Figures {
        cores,
        rounds,
        round_seconds,
        ratios,
        cold_start,
        pss_bytes,
        fairness,
        ..
    } = figures;
    let rounds_text = if *rounds == 1 {
        "1 round".to_owned()
    } else {
        format!("{rounds} rounds")
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "one digit in a call; {rounds_text} of {round_seconds} s; {cores} cores, shared with wrk; medians, least–most in \
         brackets; × is the median of the rounds' ratios to the ceiling"
    );
    let _ = writeln!(text);
    let _ = writeln!(text, "{:>5} {:<8} {}", "conns", "server", heading());
    for row in &figures.load {
        let _ = writeln!(text, "{}", load_line(row));
    }
    let _ = writeln!(text, "\nthe same with all cores kept awake");
    for row in &figures.load_cores_awake {
        let _ = writeln!(text, "{}", load_line(row));
    }
    let _ = writeln!(text);
    let _ = writeln!(
        text,
        "start to first correct answer, {} starts of each: host {} ms, ceiling {} ms, ×{:.2}",
        cold_start.spawns,
        spread(&cold_start.warm_ms, 2),
        spread(&cold_start.ceiling_ms, 2),
        cold_start.over_ceiling
    );
    let _ = writeln!(text, "{}", memory_line(pss_bytes));
    let _ = writeln!(
        text,
        "short calls next to one endless caller: p50 {} µs, alone {} µs, ×{:.2}",
        spread(&fairness.beside_loop_p50_us, 0),
        spread(&fairness.alone_p50_us, 0),
        fairness.rise
    );
    let _ = writeln!(text);
    let drowsy = |value: Option<f64>| format!("({} where cores may sleep)", ratio(value));
    let asleep = &figures.cpu_ratios_cores_may_sleep;
    let (warm, call) = (drowsy(asleep.cpu_warm), drowsy(asleep.cpu_call));
    let _ = writeln!(
        text,
        "ratios     CPU warm, 8 connections      {} {warm}",
        ratio(ratios.cpu.cpu_warm)
    );
    let _ = writeln!(
        text,
        "           CPU call, 8 connections      {} {call}",
        ratio(ratios.cpu.cpu_call)
    );
    let _ = writeln!(
        text,
        "           cold start                   {}",
        ratio(Some(ratios.cold_start))
    );
    let _ = writeln!(
        text,
        "           p99 over p50, 64 connections {}",
        ratio(ratios.p99_over_p50_c64)
    );
    for skipped in &figures.skipped {
        let _ = writeln!(text, "not measured: {skipped}");
    }
    text
}

/// Returns the row of the table with the figures of one server under one load.
pub fn load_line(row: &Row) -> String {
    format!(
        "{:>5} {:<8} {}",
        row.connections,
        row.server.name(),
        columns(&row.measured, &row.over_ceiling)
    )
}

/// Returns the heading for the columns that [`columns`] returns.
pub fn heading() -> String {
    format!(
        "{:>28} {:>24} {:>24} {:>26}",
        "requests/s", "p50 µs", "p99 µs", "CPU µs/request"
    )
}

/// Formats the figures of a server as columns. `over` has the ratio of each figure to that of the
/// native reference program, which is shown after the figure.
pub fn columns(own: &Measured<Spread>, over: &OverCeiling) -> String {
    let cell = |value: &Spread, ratio: f64, digits: usize| {
        format!("{} ×{ratio:.2}", spread(value, digits))
    };
    format!(
        "{:>28} {:>24} {:>24} {:>26}",
        cell(&own.requests_per_second, over.throughput, 0),
        cell(&own.p50_us, over.p50, 0),
        cell(&own.p99_us, over.p99, 0),
        cell(&own.cpu_us_per_request, over.cpu, 1)
    )
}

fn memory_line(pss: &Pss) -> String {
    let mebibytes = |bytes: Option<u64>| {
        bytes.map_or_else(
            || "–".to_owned(),
            |bytes| format!("{:.2}", bytes as f64 / f64::from(1 << 20)),
        )
    };
    format!(
        "memory (PSS) in MiB: idle warm {}, call {}, ceiling {}; with 1, 8, 64 instances {}, {}, {}; each further one {}",
        mebibytes(pss.warm_idle),
        mebibytes(pss.call_idle),
        mebibytes(pss.ceiling_idle),
        mebibytes(pss.instances_1),
        mebibytes(pss.instances_8),
        mebibytes(pss.instances_64),
        mebibytes(pss.per_further_instance)
    )
}

fn spread(value: &Spread, digits: usize) -> String {
    let Spread {
        median,
        least,
        most,
    } = value;
    format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
}

/// Formats a ratio for people. `None` is shown as "not measured".
pub fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.2}"))
}
