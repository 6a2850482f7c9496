//! Measures the servers with answers from every source, one after the other, round by round.
//!
//! Owns the order of the measurements, and the proof that the answers of each load came from the
//! right source: the counters of hits and misses in Redis. Must not know how figures are summed up.

use std::time::{Duration, Instant};

use scorebox_workspace::failure::Failure;

use super::figures::{Kind, Path, Sample, TURNS, Turn};
use super::questions::Questions;
use super::store::{Counts, Store};
use crate::bench::answer::Question;
use crate::bench::figures::{CPU_CONNECTIONS, Measured};
use crate::bench::load::LoadGenerator;
use crate::bench::progress::Progress;
use crate::bench::server::{Program, Server};
use crate::bench::stage::RedisStage;
use crate::bench::throughput::{WARM_UP, under_load};

/// Maximum time from the end of a load until the last answer of the load is stored in Redis.
const WRITING: Duration = Duration::from_secs(20);

/// Number of measurements in a round: one for each pair of a server and the source of its
/// answers.
pub const IN_A_ROUND: u32 = TURNS.len() as u32;

/// The servers that `bench redis` measures. All of them run from the start, and only one of them is
/// loaded at a time.
pub struct Servers {
    store: Server,
    memory: Server,
    ceiling: Server,
}

impl Servers {
    /// Starts the servers, and checks one answer of each server against scikit-learn's answer.
    /// Fails if a server cannot be started, or if an answer is wrong.
    pub fn start(stage: &RedisStage) -> Result<Self, Failure> {
        let question = Question::read()?;
        let start = |program: &Program| {
            let mut server = program.start()?;
            let (answer, _) = server.first_answer(&question.bytes)?;
            question.check(&server, &answer)?;
            Ok::<_, Failure>(server)
        };
        Ok(Self {
            store: start(&stage.store)?,
            memory: start(&stage.memory)?,
            ceiling: start(&stage.ceiling)?,
        })
    }

    fn of(&self, turn: Turn) -> &Server {
        match turn {
            (_, Kind::Ceiling) => &self.ceiling,
            (Path::HitInMemory, Kind::Scorebox) => &self.memory,
            (Path::Hit | Path::Miss, Kind::Scorebox) => &self.store,
        }
    }
}

/// Everything that is needed to measure the servers in turns. Each measurement loads one server
/// with answers from one source.
pub struct Turns<'a> {
    /// Servers that are measured.
    pub servers: &'a Servers,
    /// Redis server in which all servers store their answers.
    pub store: &'a Store,
    /// Requests that are sent to the servers.
    pub questions: &'a Questions,
    /// Time for which one server is loaded in each measurement.
    pub time: Duration,
}

impl Turns<'_> {
    /// Measures every server with every source of its answers in each of `rounds` rounds. Returns
    /// one sample for each measurement. Fails if the counters of Redis show that answers came from
    /// another source.
    pub fn measure(&self, rounds: u32, progress: &mut Progress) -> Result<Vec<Sample>, Failure> {
        for turn in TURNS {
            self.take(turn, WARM_UP)?;
        }
        let mut samples = Vec::new();
        for round in 0..rounds {
            let mut turns = TURNS;
            // To be the first in a round may be an advantage or a disadvantage, so every second
            // round is in the opposite order.
            if round % 2 == 1 {
                turns.reverse();
            }
            for turn in turns {
                progress.step(&format!(
                    "round {}, {}, {}",
                    round + 1,
                    turn.0.name(),
                    turn.1.name()
                ));
                samples.push(Sample {
                    turn,
                    round,
                    measured: self.take(turn, self.time)?,
                });
            }
        }
        Ok(samples)
    }

    fn take(&self, turn: Turn, time: Duration) -> Result<Measured<f64>, Failure> {
        let server = self.servers.of(turn);
        let unknown_load;
        let load: &LoadGenerator = match turn.0 {
            Path::Hit => {
                self.questions.teach(server)?;
                self.questions.known_load()
            }
            Path::HitInMemory => {
                // Entries that expire in memory meanwhile must be in Redis, under the keys that
                // both hosts use.
                self.questions.teach(&self.servers.store)?;
                self.questions.teach(server)?;
                self.questions.known_load()
            }
            Path::Miss => {
                // Entries that are never asked for again would only fill the memory of Redis.
                self.store.empty()?;
                unknown_load = self.questions.unknown_load(server)?;
                &unknown_load
            }
        };
        let before = self.store.settled()?;
        let (measured, answers) = under_load(server, load, CPU_CONNECTIONS, time)?;
        let ended = Instant::now();
        loop {
            let after = self.store.settled()?;
            let counted = Counts {
                hits: after.hits - before.hits,
                misses: after.misses - before.misses,
                keys: after.keys.saturating_sub(before.keys),
            };
            match refute(turn.0, counted, answers) {
                None => return Ok(measured),
                // Entries are written in the background. On a busy machine this continues, with
                // pauses, after the load has ended.
                Some(_) if ended.elapsed() < WRITING => {}
                Some(problem) => {
                    return Err(server.failure(&format!("{}: {problem}", turn.0.name())));
                }
            }
        }
    }
}

/// Returns an error message if the counters of Redis show that the answers of a load did not come
/// from the source `path`, and `None` otherwise. The counters are the increases during the load,
/// and `answers` is the number of answers to the load.
fn refute(path: Path, Counts { hits, misses, keys }: Counts, answers: u64) -> Option<String> {
    // A request that is under way at the end is counted by Redis alone.
    let of_answers = answers..=answers + u64::from(CPU_CONNECTIONS);
    // Each entry in memory expires once a minute and is fetched again. A small part of the entries
    // to be written may be given up.
    let (some, few) = (answers / 10, answers / 100);
    let is_so = match path {
        Path::Hit => of_answers.contains(&hits) && misses == 0,
        Path::HitInMemory => hits <= some && misses == 0,
        Path::Miss => of_answers.contains(&misses) && hits == 0 && keys + few >= answers,
    };
    (!is_so).then(|| {
        format!(
            "for {answers} answers Redis counted {hits} hits, {misses} misses and {keys} new keys"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_that_are_not_on_their_path_are_refuted() {
        #[track_caller]
        fn check(path: Path, [hits, misses, keys]: [u64; 3], is_so: bool) {
            assert_eq!(
                refute(path, Counts { hits, misses, keys }, 1000).is_none(),
                is_so
            );
        }
        check(Path::Hit, [1000, 0, 0], true);
        check(Path::Hit, [1008, 0, 0], true);
        check(Path::Hit, [1009, 0, 0], false);
        check(Path::Hit, [999, 0, 0], false);
        check(Path::Hit, [1000, 1, 1], false);
        check(Path::HitInMemory, [100, 0, 0], true);
        check(Path::HitInMemory, [100, 1, 1], false);
        check(Path::HitInMemory, [500, 0, 0], false);
        check(Path::Miss, [0, 1004, 1004], true);
        check(Path::Miss, [1, 1000, 1000], false);
        check(Path::Miss, [0, 1000, 900], false);
        check(Path::Miss, [0, 400, 400], false);
    }
}
