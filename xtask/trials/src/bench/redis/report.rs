//! Figures of the prediction cache as a table for people, or as JSON for programs.
//!
//! Owns the table. Must not know how a figure was measured.

use std::fmt::Write as _;

use scorebox_workspace::failure::Failure;

use super::figures::{Figures, Row};
use crate::bench::report::{columns, heading, ratio, write};

/// Writes the figures of `cargo xtask bench redis` to standard output, as JSON if `json` is true,
/// or else as a table. Fails if they cannot be written as JSON.
pub fn print(figures: &Figures, json: bool) -> Result<(), Failure> {
    write(figures, (!json).then(|| table(figures)))
}

fn table(figures: &Figures) -> String {
    let mut text = String::new();
    let Figures {
        cores,
        connections,
        known_questions,
        rounds,
        round_seconds,
        ratios,
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
        "one digit in a call, of {known_questions} known ones or an unknown one, over {connections} connections; {rounds_text} \
         of {round_seconds} s; {cores} cores, shared with wrk and Redis; medians, least–most in brackets; × is the median of \
         the rounds' ratios to the ceiling"
    );
    let _ = writeln!(text, "\n{:<13} {:<8} {}", "path", "server", heading());
    lines(&mut text, &figures.load);
    let _ = writeln!(text, "\nthe same with all cores kept awake");
    lines(&mut text, &figures.load_cores_awake);
    let (asleep, p50) = (
        &figures.cpu_ratios_cores_may_sleep,
        &figures.p50_over_ceiling,
    );
    let line = |name: &str, cpu: String, p50: Option<f64>| {
        format!("{name:<14} CPU {cpu:<36} p50 {}", ratio(p50))
    };
    let cpu = |awake, asleep| format!("{} ({} where cores may sleep)", ratio(awake), ratio(asleep));
    let _ = writeln!(text, "\nratios to the ceiling");
    let _ = writeln!(
        text,
        "{}",
        line("hit", cpu(ratios.cpu_hit, asleep.cpu_hit), p50.hit)
    );
    let _ = writeln!(
        text,
        "{}",
        line("miss", cpu(ratios.cpu_miss, asleep.cpu_miss), p50.miss)
    );
    text
}

fn lines(text: &mut String, rows: &[Row]) {
    for Row {
        path,
        kind,
        measured,
        over_ceiling,
    } in rows
    {
        let _ = writeln!(
            text,
            "{:<13} {:<8} {}",
            path.name(),
            kind.name(),
            columns(measured, over_ceiling)
        );
    }
}
