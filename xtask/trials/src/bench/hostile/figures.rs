//! Figures of the attacks that `cargo xtask bench hostile` measures.
//!
//! Owns the arithmetic, and the types of the results, which are also the form of the JSON output.
//! Must not know how anything is measured or printed.

use serde::Serialize;

use super::attacker::Deeds;
use super::attacks::Attack;
use super::cage::CageError;
use super::guarded::{CONTAINER_MIB, Container, Memory};
use super::steady::{RATE, Steady};
use crate::bench::figures::Spread;

/// Measurements of one round of an attack: the attack, followed by a control that only burns CPU
/// time.
pub struct Round {
    /// Latencies and lost calls of the well-behaved client during the attack.
    pub attacked: Steady,
    /// Latencies and lost calls of the well-behaved client during the control, while a process
    /// burns as much CPU time as the attacker. `None` if the host ended before the control began.
    pub control: Option<Steady>,
    /// Counters of the attacker's connections and answers, and its CPU time.
    pub deeds: Deeds,
    /// Peak resident memory of the host from its start until after the attack of this round, in
    /// MiB.
    pub peak_mib: f64,
}

/// All results of a run of `cargo xtask bench hostile`.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Number of CPU cores that the benchmark may use.
    pub cores: usize,
    /// Number of rounds of each attack. A round is one attack and one control, which only burns CPU
    /// time.
    pub rounds: u32,
    /// Time for which the well-behaved client is measured during each attack, and again during each
    /// control, in seconds.
    pub round_seconds: f64,
    /// Number of calls that the well-behaved client makes per second.
    pub calls_per_second: u32,
    /// Memory limit of the host's container, in MiB. `None` if there was no container.
    pub container_mib: Option<u64>,
    /// Parts of the benchmark that were left out. Each text names a part and the reason, e.g.
    /// `container: …` if the host ran without a container.
    pub skipped: Vec<String>,
    /// Worst results over all attacks. The project has upper bounds for the two ratios of latencies
    /// and for the number of lost calls.
    pub ratios: Ratios,
    /// Results of each attack, in the order in which the attacks were run.
    pub attacks: Vec<AttackFigures>,
}

/// Worst results over all attacks: ratios of latencies, lost calls and peak memory.
#[derive(Debug, PartialEq, Serialize)]
pub struct Ratios {
    /// Median latency (p50) of the well-behaved client during an attack divided by its p50 during
    /// the control: the median over all rounds, of the attack for which it is largest. It is
    /// `f64::MAX` if the host ended before any control of an attack.
    pub worst_p50: f64,
    /// 99th percentile of the well-behaved client's latency (p99) during an attack divided by its
    /// p99 during the control: the median over all rounds, of the attack for which it is largest.
    /// It is `f64::MAX` if the host ended before any control of an attack.
    pub worst_p99: f64,
    /// Number of the well-behaved client's calls during all attacks that did not get the right
    /// answer.
    pub lost: u32,
    /// Peak resident memory of the host over all attacks, in MiB.
    pub peak_mib: f64,
}

/// Results of one attack over all its rounds: latencies and lost calls of the well-behaved client,
/// memory of the host, and counters of the attacker. In each round, the attack is followed by a
/// control that only burns CPU time.
#[derive(Debug, Serialize)]
pub struct AttackFigures {
    /// Name of the attack.
    pub name: &'static str,
    /// Description of the attack in one line.
    pub about: &'static str,
    /// Median latency (p50) of the well-behaved client during the attack divided by its p50 during
    /// the control: the median over all rounds. It is `f64::MAX` if the host ended before any
    /// control.
    pub p50: f64,
    /// 99th percentile of the well-behaved client's latency (p99) during the attack divided by its
    /// p99 during the control: the median over all rounds. It is `f64::MAX` if the host ended
    /// before any control.
    pub p99: f64,
    /// Median latency (p50) of the well-behaved client during the attack in each round, in
    /// milliseconds.
    pub p50_ms: Spread,
    /// 99th percentile of the well-behaved client's latency (p99) during the attack in each round,
    /// in milliseconds.
    pub p99_ms: Spread,
    /// Median latency (p50) of the well-behaved client during the control in each round, in
    /// milliseconds. `None` if the host ended before any control.
    pub control_p50_ms: Option<Spread>,
    /// 99th percentile of the well-behaved client's latency (p99) during the control in each round,
    /// in milliseconds. `None` if the host ended before any control.
    pub control_p99_ms: Option<Spread>,
    /// Number of the well-behaved client's calls during the attack, in all rounds.
    pub calls: usize,
    /// Number of the well-behaved client's calls during the attack that did not get the right
    /// answer, in all rounds.
    pub lost: u32,
    /// Number of the well-behaved client's calls during the control that did not get the right
    /// answer, in all rounds.
    pub control_lost: u32,
    /// Error of the well-behaved client's first failed call during the attack. A call with a wrong
    /// answer counts as failed. `None` if every call got the right answer.
    pub first_loss: Option<String>,
    /// Resident memory of the host before the attack, in MiB.
    pub idle_mib: f64,
    /// Peak resident memory of the host from its start until after the attack of the last round, in
    /// MiB. If the host has ended, the peak memory of its container counts as well.
    pub peak_mib: f64,
    /// Peak resident memory of the host divided by its resident memory before the attack.
    pub peak_over_idle: f64,
    /// Resident memory of the host after the attack of the last round and the pause that follows
    /// it, in MiB. It is zero if the host has ended.
    pub after_mib: f64,
    /// Counters of the kernel for the host's container. `None` if there was no container.
    pub container: Option<Container>,
    /// True if the host ended, or if the kernel killed a process of the container.
    pub killed: bool,
    /// Counters of the attacker in the last round.
    pub attacker: Deeds,
}

impl AttackFigures {
    /// Summarises the rounds of an attack. `idle` is the memory of the host before the attack, and
    /// `after` is its memory after the attack of the last round. `container` has the counters of
    /// the host's container, if there was one. `has_ended` is true if the host has ended.
    pub fn of(
        attack: &Attack,
        rounds: &[Round],
        idle: Memory,
        after: Memory,
        container: Option<Container>,
        has_ended: bool,
    ) -> Self {
        let nothing = Spread {
            median: f64::NAN,
            least: f64::NAN,
            most: f64::NAN,
        };
        let attacked = |share| {
            Spread::of(
                rounds
                    .iter()
                    .map(|round| round.attacked.percentile_ms(share)),
            )
        };
        let control = |share| {
            let rounds = rounds.iter().filter_map(|round| round.control.as_ref());
            Spread::of(rounds.map(|seen| seen.percentile_ms(share)))
        };
        let ratio = |share| {
            let ratios = rounds.iter().filter_map(|round| {
                let control = round.control.as_ref()?.percentile_ms(share);
                Some(round.attacked.percentile_ms(share) / control)
            });
            // Without a control the host has ended. There is nothing to compare, so the ratio is
            // the worst possible.
            Spread::of(ratios).map_or(f64::MAX, |ratios| ratios.median)
        };
        // The kernel forgets a process's memory with the process. The container's counter remains.
        let of_container = container
            .and_then(|container| container.peak_mib)
            .filter(|_| has_ended);
        let peaks = rounds
            .iter()
            .map(|round| round.peak_mib)
            .chain(of_container);
        let peak_mib = peaks.fold(idle.peak_mib, f64::max);
        Self {
            name: attack.name,
            about: attack.about,
            p50: ratio(0.5),
            p99: ratio(0.99),
            p50_ms: attacked(0.5).unwrap_or(nothing),
            p99_ms: attacked(0.99).unwrap_or(nothing),
            control_p50_ms: control(0.5),
            control_p99_ms: control(0.99),
            calls: rounds
                .iter()
                .map(|round| round.attacked.latencies_ms.len())
                .sum(),
            lost: rounds.iter().map(|round| round.attacked.lost).sum(),
            control_lost: rounds
                .iter()
                .filter_map(|round| Some(round.control.as_ref()?.lost))
                .sum(),
            first_loss: rounds
                .iter()
                .find_map(|round| round.attacked.first_loss.clone()),
            idle_mib: idle.now_mib,
            peak_mib,
            peak_over_idle: peak_mib / idle.now_mib,
            after_mib: after.now_mib,
            container,
            killed: has_ended
                || container
                    .and_then(|container| container.killed)
                    .is_some_and(|count| count > 0),
            attacker: rounds.last().map(|round| round.deeds).unwrap_or_default(),
        }
    }
}

impl Figures {
    /// Summarises the figures of all attacks, and finds the worst figures. `rounds` is the number
    /// of rounds of each attack, and `round_seconds` is the time of each measurement in seconds.
    /// `uncontained` is the reason why the host ran without a container, or `None` if it ran in
    /// one.
    pub fn of(
        rounds: u32,
        round_seconds: f64,
        uncontained: Option<CageError>,
        attacks: Vec<AttackFigures>,
    ) -> Self {
        let worst = |of: fn(&AttackFigures) -> f64| attacks.iter().map(of).fold(0.0, f64::max);
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            rounds,
            round_seconds,
            calls_per_second: RATE,
            container_mib: uncontained.is_none().then_some(CONTAINER_MIB),
            skipped: uncontained
                .map(|why| format!("container: {why}"))
                .into_iter()
                .collect(),
            ratios: Ratios {
                worst_p50: worst(|attack| attack.p50),
                worst_p99: worst(|attack| attack.p99),
                lost: attacks.iter().map(|attack| attack.lost).sum(),
                peak_mib: worst(|attack| attack.peak_mib),
            },
            attacks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::hostile::attacks::ATTACKS;

    fn seen(ms: f64, lost: u32) -> Steady {
        Steady {
            latencies_ms: vec![ms; 10],
            lost,
            first_loss: (lost > 0).then(|| "reset".to_owned()),
        }
    }

    fn round(attacked: Steady, control: Option<Steady>) -> Round {
        Round {
            attacked,
            control,
            deeds: Deeds::default(),
            peak_mib: 30.0,
        }
    }

    fn memory(mib: f64) -> Memory {
        Memory {
            now_mib: mib,
            peak_mib: mib,
        }
    }

    #[test]
    fn ratios_are_medians_of_rounds_and_the_worst_attack_counts() {
        let rounds = [
            round(seen(2.0, 0), Some(seen(1.0, 0))),
            round(seen(9.0, 1), Some(seen(1.0, 0))),
            round(seen(6.0, 0), Some(seen(2.0, 0))),
        ];
        let first = AttackFigures::of(
            &ATTACKS[0],
            &rounds,
            memory(10.0),
            memory(12.0),
            None,
            false,
        );
        assert_eq!(
            (first.p50, first.lost, first.calls, first.peak_over_idle),
            (3.0, 1, 30, 3.0)
        );
        let mild = [round(seen(1.0, 0), Some(seen(1.0, 0)))];
        let second = AttackFigures::of(&ATTACKS[1], &mild, memory(40.0), memory(40.0), None, false);
        let ratios = Figures::of(3, 2.0, None, vec![first, second]).ratios;
        assert_eq!(
            ratios,
            Ratios {
                worst_p50: 3.0,
                worst_p99: 3.0,
                lost: 1,
                peak_mib: 40.0
            }
        );
    }

    #[test]
    fn a_host_that_ended_is_never_good() {
        let rounds = [round(seen(5000.0, 10), None)];
        let container = Container {
            peak_mib: Some(512.0),
            killed: Some(1),
        };
        let figures = AttackFigures::of(
            &ATTACKS[0],
            &rounds,
            memory(10.0),
            memory(0.0),
            Some(container),
            true,
        );
        assert!(figures.killed && figures.p50 > 1e9 && figures.control_p50_ms.is_none());
    }
}
