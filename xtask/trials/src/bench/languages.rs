//! `cargo xtask bench languages`: compares one scorer that is written in several languages.
//!
//! Owns the order of the run: build the images, check the answers, measure the scorers in turns,
//! and report. Must not know how a scorer is created, nor how figures are summed up.

mod arguments;
mod figures;
mod questions;
mod scorers;

use std::path::Path;
use std::time::Duration;

use scorebox_packager::format::Format;
use scorebox_packager::host_program::{self, Kind as HostKind};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{toolchain, workspace};

pub use self::arguments::LanguagesBenchArgs;
use self::figures::{Figures, Memory, Row, Turns};
use self::questions::Question;
use self::scorers::{Language, Scorer};

use super::load::{self, LoadGenerator};
use super::process::pss_bytes;
use super::progress::Progress;
use super::report;
use super::round::QUICK_SECONDS;
use super::server::{Program, Server};
use super::throughput::{WARM_UP, under_load};

/// Number of times that each image is started to measure its cold start.
const SPAWNS: u32 = 20;
/// Number of times that each image is started in a run with `--quick`.
const QUICK_SPAWNS: u32 = 3;

/// Number of connections of the load that puts every instance to work before memory is read.
const MEMORY_CONNECTIONS: u16 = 64;
/// Length of the load that puts every instance to work before memory is read.
const MEMORY_LOAD: Duration = Duration::from_millis(500);

/// Runs `cargo xtask bench languages`, and prints its figures. Fails if a scorer cannot be built or
/// started, or if an answer is wrong.
pub fn run(args: &LanguagesBenchArgs) -> Result<(), Failure> {
    // wrk is looked for first, because the builds take minutes.
    let wrk = load::find_wrk()?;
    toolchain::check(|line| eprintln!("{line}"))?;
    let folder = workspace::target().join("bench-languages");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|error| Failure::file(&folder, "be removed", error))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "be made", error))?;
    // The build of the host is not a part of the time that an image takes.
    host_program::build(HostKind::Image)?;
    let (scorers, skipped) = made(&args.languages, &folder)?;

    let (rounds, seconds, spawns) = if args.quick {
        (1, QUICK_SECONDS, QUICK_SPAWNS)
    } else {
        (args.rounds, args.seconds, SPAWNS)
    };
    let time = Duration::from_secs_f64(seconds);
    let count = scorers.len() as u32;
    let mut progress = Progress::new(count * (2 + 2 * rounds) + 1);
    let questions = questions::all();
    let load = LoadGenerator::new(&wrk, folder.join("request.lua"), questions::SAMPLE)?;

    let memory = memory(&scorers, &questions, &load, &mut progress)?;
    let mut turns = vec![Turns::default(); scorers.len()];
    calls(
        &scorers,
        &questions,
        &load,
        rounds,
        time,
        &mut turns,
        &mut progress,
    )?;
    progress.step(&format!("{spawns} starts of each"));
    cold_starts(&scorers, &questions, spawns, &mut turns)?;
    drop(progress);

    let rust = turns.first().cloned().unwrap_or_default();
    let rows = scorers.iter().zip(&turns).zip(memory);
    let rows = rows.filter_map(|((scorer, turns), memory)| Row::of(scorer, turns, &rust, memory));
    let figures = Figures {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        rounds,
        round_seconds: seconds,
        languages: rows.collect(),
        skipped,
    };
    let text = (args.output == Format::Text).then(|| figures.table());
    report::write(&figures, text)
}

/// Creates and packages the scorer in Rust and those in `languages`, with their images in `folder`.
/// Returns them in the order of [`Language::ALL`]. Also returns a text for each language that is
/// left out because a program is not on this machine. Fails if a scorer cannot be built.
fn made(languages: &[Language], folder: &Path) -> Result<(Vec<Scorer>, Vec<String>), Failure> {
    // A Cargo package in the repository would be built with the settings of the repository.
    let projects = tempfile::tempdir().map_err(|error| {
        Failure::file(&std::env::temp_dir(), "create a temporary folder", error)
    })?;
    let (mut scorers, mut skipped) = (Vec::new(), Vec::new());
    let others = Language::ALL.into_iter().skip(1);
    let others = others.filter(|language| languages.contains(language));
    for language in std::iter::once(Language::Rust).chain(others) {
        let name = language.name();
        match language.missing_program() {
            Some(program) => skipped.push(format!("{name}: there is no program `{program}`")),
            None => scorers.push(scorers::make(language, projects.path(), folder)?),
        }
    }
    Ok((scorers, skipped))
}

/// Starts a program as a server, and checks its answers to all requests in `questions`. Fails if an
/// answer is wrong.
fn checked(program: &Program, questions: &[Question]) -> Result<Server, Failure> {
    let mut server = program.start()?;
    for question in questions {
        let (answer, _) = server.first_answer(&question.bytes)?;
        question.check(&server, &answer)?;
    }
    Ok(server)
}

/// Measures the memory of the host for each scorer, in the order of `scorers`. No other server runs
/// meanwhile, because two processes of one program share its pages. Fails if an answer is wrong.
fn memory(
    scorers: &[Scorer],
    questions: &[Question],
    load: &LoadGenerator,
    progress: &mut Progress,
) -> Result<Vec<Memory>, Failure> {
    let mut found = Vec::new();
    for scorer in scorers {
        let mut after_load = |instances: &str, program: &Program| {
            let name = scorer.language.name();
            progress.step(&format!("memory of {name} with instances: {instances}"));
            let server = checked(program, questions)?;
            load.run(server.address, MEMORY_CONNECTIONS, MEMORY_LOAD)?;
            pss_bytes(server.pid())
        };
        found.push(Memory {
            instances_1: after_load("1", &scorer.one_instance)?,
            instances_8: after_load("8", &scorer.eight_instances)?,
        });
    }
    Ok(found)
}

/// Measures the latency of calls over one connection, with instances that serve many calls and with
/// a new instance for each call. Adds the results of each of `rounds` rounds to `turns`, which has
/// one item for each scorer. Each load takes the time `time`. Fails if an answer is wrong.
fn calls(
    scorers: &[Scorer],
    questions: &[Question],
    load: &LoadGenerator,
    rounds: u32,
    time: Duration,
    turns: &mut [Turns],
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut servers = Vec::new();
    for scorer in scorers {
        let pair = [&scorer.warm, &scorer.call].map(|program| checked(program, questions));
        let [warm, call] = pair;
        servers.push((scorer.language, warm?, call?));
    }
    for (_, warm, call) in &servers {
        load.run(warm.address, 1, WARM_UP)?;
        load.run(call.address, 1, WARM_UP)?;
    }
    for round in 0..rounds as usize {
        // To be the first in a round may be an advantage or a disadvantage, so the servers take
        // turns.
        for place in rotated(round, servers.len()) {
            let (Some((language, warm, call)), Some(turns)) =
                (servers.get(place), turns.get_mut(place))
            else {
                continue;
            };
            let mut p50_us = |kind: &str, server: &Server| {
                progress.step(&format!("round {}, {} {kind}", round + 1, language.name()));
                under_load(server, load, 1, time).map(|(measured, _)| measured.p50_us)
            };
            turns.warm_p50_us.push(p50_us("warm", warm)?);
            turns.call_p50_us.push(p50_us("call", call)?);
        }
    }
    Ok(())
}

/// Measures the time from the start of the host to its first correct answer, `spawns` times for
/// each scorer. Adds the results to `turns`, which has one item for each scorer. Fails if an answer
/// is wrong.
fn cold_starts(
    scorers: &[Scorer],
    questions: &[Question],
    spawns: u32,
    turns: &mut [Turns],
) -> Result<(), Failure> {
    let Some(question) = questions.first() else {
        return Ok(());
    };
    for spawn in 0..spawns as usize {
        for place in rotated(spawn, scorers.len()) {
            let (Some(scorer), Some(turns)) = (scorers.get(place), turns.get_mut(place)) else {
                continue;
            };
            let mut server = scorer.warm.start()?;
            let (answer, time) = server.first_answer(&question.bytes)?;
            question.check(&server, &answer)?;
            turns.cold_start_ms.push(time.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

/// Returns the numbers from 0 to `count - 1`, beginning with `turn` modulo `count`, so that another
/// number is the first in each turn.
fn rotated(turn: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| (index + turn) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_first_once() {
        let turns = [0, 1, 2].map(|turn| rotated(turn, 3).collect::<Vec<_>>());
        assert_eq!(turns, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
        assert_eq!(rotated(7, 0).count(), 0);
    }
}
