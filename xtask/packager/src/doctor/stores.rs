//! Check of the key-value stores: each one that has a URL is connected to and pinged.
//!
//! Owns the report's lines about stores, and the latency from which a line is a warning. Must not
//! know Redis: the host library connects, as the command `check --connect` of the host does.

use std::time::Instant;

use scorebox_host::deployment;
use scorebox_host::manifest::Manifest;
use scorebox_host::stores::{self, StoreReport};
use scorebox_host::text::{NAME_BYTES, quoted};

use super::app::{AppPlace, of_start};
use super::arguments::DoctorArgs;
use super::noun::Noun;
use super::report::Report;
use super::settings::Settings;

/// Round-trip time from which the report says that a store is far away, in microseconds. A scorer
/// asks a store at least once per call, and calls take a few milliseconds.
const FAR_US: u64 = 50_000;

/// Connects to each store of the manifest that has a usable URL, pings the store, and adds a line
/// about the result to the report. With `--offline`, connects to no store. A store that is not
/// connected to is reported as skipped.
pub fn examine(
    args: &DoctorArgs,
    report: &mut Report,
    manifest: Option<&Manifest>,
    place: &AppPlace,
    settings: Option<&Settings>,
) {
    let (Some(manifest), Some(settings)) = (manifest, settings) else {
        return report.skipped(
            Noun::Store,
            "there is no manifest that names any, or no settings",
        );
    };
    if manifest.stores.is_empty() {
        return report.skipped(Noun::Store, "the manifest names none");
    }
    let app = place.path.as_deref().unwrap_or(&manifest.path);
    for (name, section) in &manifest.stores {
        let shown = quoted(name, NAME_BYTES);
        let own = section.url_variable.as_str();
        let line = format!("`{shown}` by {own}");
        if settings.usable(own).is_none() {
            let why = match settings.value(own) {
                Some(_) => "its URL is a secret that only the platform can read",
                None => "the variable is not set",
            };
            report.skipped(Noun::Store, format!("{line}: {why}"));
            continue;
        }
        if args.offline {
            report.skipped(
                Noun::Store,
                format!("{line}: not connected to, by --offline"),
            );
            continue;
        }
        // The other stores are left out, so that each store has its own time and its own error.
        let environment = |variable: &str| {
            let mut variables = manifest.stores.values().map(|store| &store.url_variable);
            if variable == own {
                settings.usable(variable)
            } else if variables.any(|of_store| of_store == variable) {
                None
            } else {
                deployment::process(variable)
            }
        };
        let started = Instant::now();
        let reported = stores::report(app, &environment, true);
        let whole_ms = started.elapsed().as_secs_f64() * 1000.0;
        match reported {
            Ok(all) => {
                let own = all.into_iter().find(|store| store.name == *name);
                own.into_iter()
                    .for_each(|store| said(report, &line, &store, whole_ms));
            }
            Err(error) => {
                let (_, failure) = of_start(&error);
                report.problem(
                    Noun::Store,
                    format!("{line}: {}", failure.problem),
                    failure.fix,
                );
            }
        }
    }
}

/// Adds the line about a key-value store to the report, after the attempt to connect to the store.
/// `line` is the start of the line, which names the store. `whole_ms` is the time for the
/// connection, the login and the pings together, in milliseconds.
fn said(report: &mut Report, line: &str, store: &StoreReport, whole_ms: f64) {
    let StoreReport {
        place,
        reached,
        problem,
        variable,
        ..
    } = store;
    if let Some(problem) = problem {
        let (problem, fix) = match problem.split_once("\n  fix: ") {
            Some((problem, fix)) => (problem, fix.to_owned()),
            None => (
                problem.as_str(),
                format!(
                    "correct the address, the port and the password in `{variable}`, and let this \
                     machine through the firewall of the store; --offline leaves stores out"
                ),
            ),
        };
        return report.problem(Noun::Store, format!("{line}: {place}: {problem}"), fix);
    }
    let Some(reached) = reached else {
        return report.skipped(Noun::Store, format!("{line}: {place}"));
    };
    let round_trip_ms = micros(reached.round_trip_us);
    let text = format!(
        "{line}: {place}: Redis {}, {}; connected and asked in {whole_ms:.1} ms, one ping takes \
         {round_trip_ms:.1} ms",
        reached.version, reached.mode
    );
    if reached.round_trip_us >= FAR_US {
        return report.warning(
            Noun::Store,
            text,
            "run this command where the scorer runs; if the ping is as slow there, put the store \
             and the scorer into one region and one network",
        );
    }
    report.ok(Noun::Store, text);
}

fn micros(microseconds: u64) -> f64 {
    std::time::Duration::from_micros(microseconds).as_secs_f64() * 1000.0
}
