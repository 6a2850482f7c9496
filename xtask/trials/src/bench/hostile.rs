//! `cargo xtask bench hostile`: measures one well-behaved client while other clients attack the
//! same host.
//!
//! Owns the order of the attacks, and the rounds of each attack: the attack itself, followed by a
//! control that only burns CPU time. Must not know what an attack sends or how a latency becomes
//! a figure.

mod arguments;
mod attacker;
mod attacks;
mod cage;
mod figures;
mod guarded;
mod report;
mod stage;
mod steady;

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scorebox_packager::format::Format;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::toolchain;

pub use self::arguments::{AttackerArgs, HostileBenchArgs};

use self::attacker::Deeds;
use self::attacks::Attack;
use self::cage::Cage;
use self::figures::{AttackFigures, Figures, Round};
use self::guarded::{CONTAINER_MIB, Guarded, Setting};
use self::stage::Stage;
use self::steady::Steady;
use super::progress::Progress;
use super::report::write;

/// Time that an attack gets to open its connections before the well-behaved client is measured.
const SETTLE: Duration = Duration::from_millis(400);
/// Pause after an attack in each round. The pause is longer than the deadline of a call, which is 1
/// s, so that no call of the attack is left.
const RECOVERY: Duration = Duration::from_millis(1500);
/// Time that an attack gets to open its connections in a run with `--quick`.
const QUICK_SETTLE: Duration = Duration::from_millis(100);
/// Pause after an attack in a run with `--quick`. The pause is shorter than the deadline of a call,
/// so some calls of the attack may still run.
const QUICK_RECOVERY: Duration = Duration::from_millis(200);
/// Time for which the well-behaved client is measured in a run with `--quick`, in seconds: once
/// during the attack, and once during the control that follows it.
const QUICK_SECONDS: f64 = 0.5;
/// Divisor of the number of connections of each attack in a run with `--quick`.
const QUICK_DIVISOR: u16 = 8;
/// Maximum number of connections of an attack that fills memory, if no container limits the host's
/// memory.
const UNBOUNDED_CONNECTIONS: u16 = 48;

/// Runs `cargo xtask bench hostile`, and prints its figures. Fails if a program cannot be built or
/// started, or if an attack is unknown.
pub fn run(args: &HostileBenchArgs) -> Result<(), Failure> {
    let chosen = attacks::chosen(&args.attack)?;
    let redis = super::redis::find_server()?;
    toolchain::check(|line| eprintln!("{line}"))?;
    let stage = Stage::prepare(args.host.as_deref(), &redis)?;
    let skipped = Cage::make(CONTAINER_MIB << 20).err();
    let (rounds, seconds) = if args.quick {
        (1, QUICK_SECONDS)
    } else {
        (args.rounds, args.seconds)
    };
    let plan = Plan {
        rounds,
        time: Duration::from_secs_f64(seconds),
        settle: if args.quick { QUICK_SETTLE } else { SETTLE },
        recovery: if args.quick { QUICK_RECOVERY } else { RECOVERY },
        divisor: if args.quick { QUICK_DIVISOR } else { 1 },
        is_contained: skipped.is_none(),
        stage: &stage,
    };
    let mut progress = Progress::new(chosen.len() as u32 * rounds);
    let attacks = chosen
        .into_iter()
        .map(|attack| plan.measure(attack, &mut progress));
    let attacks = attacks.collect::<Result<Vec<_>, _>>()?;
    drop(progress);
    let figures = Figures::of(rounds, seconds, skipped, attacks);
    write(
        &figures,
        (args.output == Format::Text).then(|| report::table(&figures)),
    )
}

/// Runs `cargo xtask bench hostile-sender`: attacks a host, or only burns CPU time for comparison,
/// and prints the counters of the connections and answers as JSON. Fails if the attack is unknown
/// or cannot be started.
pub fn attack(args: &AttackerArgs) -> Result<(), Failure> {
    attacker::run(args)
}

/// Settings that are the same for every attack of a run.
struct Plan<'a> {
    rounds: u32,
    time: Duration,
    settle: Duration,
    recovery: Duration,
    divisor: u16,
    is_contained: bool,
    stage: &'a Stage,
}

impl Plan<'_> {
    /// Measures the well-behaved client during one attack, and then during a control that only
    /// burns CPU time, once in each round. Each attack gets a newly started host. Returns the
    /// figures of the attack. Fails if the host cannot be started, or if the process of the attack
    /// fails.
    fn measure(
        &self,
        attack: &'static Attack,
        progress: &mut Progress,
    ) -> Result<AttackFigures, Failure> {
        let setting = Setting {
            unread_log: attack.leaves_log_unread,
            cached: attack.is_about_cache,
        };
        let mut host = Guarded::start(self.stage, setting, self.is_contained)?;
        // The first calls make instances and touch memory. They belong neither to the attack nor to
        // the control.
        steady::measure(host.address, self.time.min(Duration::from_millis(500)));
        let idle = host.memory();
        let (mut rounds, mut after) = (Vec::new(), idle);
        for round in 0..self.rounds {
            progress.step(&format!("{}, round {}", attack.name, round + 1));
            let (attacked, deeds) = self.beside(&host, &self.attackers(attack, &host))?;
            thread::sleep(self.recovery);
            after = host.memory();
            let peak = host.memory().peak_mib;
            if host.has_ended() {
                rounds.push(Round {
                    attacked,
                    control: None,
                    deeds,
                    peak_mib: peak,
                });
                break;
            }
            let burner = vec!["--burn".to_owned(), format!("{:.3}", deeds.cores)];
            let (control, _) = self.beside(&host, &burner)?;
            rounds.push(Round {
                attacked,
                control: Some(control),
                deeds,
                peak_mib: peak,
            });
        }
        let ended = host.has_ended();
        Ok(AttackFigures::of(
            attack,
            &rounds,
            idle,
            after,
            host.container(),
            ended,
        ))
    }

    fn attackers(&self, attack: &Attack, host: &Guarded) -> Vec<String> {
        let most = if attack.fills_memory && !self.is_contained {
            UNBOUNDED_CONNECTIONS
        } else {
            u16::MAX
        };
        let connections = (attack.connections / self.divisor).clamp(1, most);
        let (address, connections) = (host.address.to_string(), connections.to_string());
        [
            "--attack",
            attack.name,
            "--address",
            &address,
            "--connections",
            &connections,
        ]
        .map(str::to_owned)
        .into()
    }

    /// Measures the well-behaved client while a second process of this program attacks the host or
    /// burns CPU time. `words` are the arguments of that process. Returns the latencies and lost
    /// calls of the client, and the counters of the process. Fails if the process cannot be
    /// started, or fails.
    fn beside(&self, host: &Guarded, words: &[String]) -> Result<(Steady, Deeds), Failure> {
        let time = self.settle + self.time;
        let mut process = Sender::start(words, time)?;
        thread::sleep(self.settle);
        let steady = steady::measure(host.address, self.time);
        Ok((steady, process.finish(time)?))
    }
}

/// A process of this program that attacks a host or burns CPU time.
///
/// The process ends by itself. If this value is dropped before the process ends, the process is
/// killed.
struct Sender(Child);

impl Sender {
    fn start(words: &[String], time: Duration) -> Result<Self, Failure> {
        let program = own_program()?;
        let child = Command::new(&program)
            .args([
                "bench",
                "hostile-sender",
                "--seconds",
                &time.as_secs_f64().to_string(),
            ])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        child
            .map(Self)
            .map_err(|error| Failure::file(&program, "be started", error))
    }

    fn finish(&mut self, time: Duration) -> Result<Deeds, Failure> {
        let failed = |problem: String| {
            Failure::other(
                format!("the sender of an attack: {problem}"),
                "see its message",
            )
        };
        let deadline = Instant::now() + time + Duration::from_secs(10);
        while self
            .0
            .try_wait()
            .map_err(|error| failed(error.to_string()))?
            .is_none()
        {
            if Instant::now() > deadline {
                return Err(failed("it did not end in time".to_owned()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        let mut text = String::new();
        let pipe = self
            .0
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no pipe"));
        pipe.and_then(|mut pipe| pipe.read_to_string(&mut text))
            .map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(format!("{error} in `{}`", text.trim())))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // A process that has ended cannot be killed, and does not need to be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::other(format!("the path of this program: {error}"), "report it"))
}
