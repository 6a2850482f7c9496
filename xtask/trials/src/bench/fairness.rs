//! The effect of one caller, whose calls never end by themselves, on the latency of all other
//! callers.
//!
//! Owns the caller with endless calls. Must not know how a host keeps callers apart.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use scorebox_workspace::failure::Failure;

use super::client;
use super::figures::{Fairness, Spread};
use super::load::LoadGenerator;
use super::progress::Progress;
use super::server::Server;
use super::stage::Stage;

/// Request body that makes the test scorer `wayward` answer at once.
const SHORT: &str = r#"{"do":"count"}"#;
/// Request body that makes the test scorer `wayward` loop until the call's deadline.
const ENDLESS: &str = r#"{"do":"loop"}"#;

/// Status code with which the host answers a call that did not end before its deadline.
const TIMED_OUT: u16 = 504;

/// Number of parallel connections that send short calls.
const CONNECTIONS: u16 = 8;

/// Time from the start of the endless calls to the start of the load of short calls. After this
/// time, an endless call is in its loop.
const SETTLED: Duration = Duration::from_millis(100);

/// Measures how much one caller with endless calls slows down the short calls of other callers. In
/// each of `rounds` rounds, the host is loaded with short calls twice, without and with endless
/// calls. Each load takes the time `time`. The order alternates from round to round. Fails if a
/// call gets an unexpected status code.
pub fn measure(
    stage: &Stage,
    wrk: &Path,
    rounds: u32,
    time: Duration,
    progress: &mut Progress,
) -> Result<Fairness, Failure> {
    let load = LoadGenerator::new(wrk, stage.folder.join("wayward.lua"), SHORT)?;
    let mut server = stage.wayward.start()?;
    let (answer, _) = server.first_answer(&client::request(SHORT))?;
    if answer.status != 200 {
        return Err(server.failure(&format!("a short call was answered {}", answer.status)));
    }
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        progress.step(&format!(
            "round {}, short calls alone and next to endless ones",
            round + 1
        ));
        let undisturbed = || load.run(server.address, CONNECTIONS, time);
        if round.is_multiple_of(2) {
            alone.push(undisturbed()?.p50_us);
            beside.push(disturbed(&server, &load, time)?);
        } else {
            beside.push(disturbed(&server, &load, time)?);
            alone.push(undisturbed()?.p50_us);
        }
    }
    let rise = Spread::of(
        beside
            .iter()
            .zip(&alone)
            .map(|(beside, alone)| beside / alone),
    );
    match (Spread::of(alone), Spread::of(beside), rise) {
        (Some(alone_p50_us), Some(beside_loop_p50_us), Some(rise)) => Ok(Fairness {
            alone_p50_us,
            beside_loop_p50_us,
            rise: rise.median,
        }),
        _ => Err(Failure::other("no round was measured", "report it")),
    }
}

/// Returns the median latency (p50) of short calls in microseconds, under a load for the time
/// `time`, while another client sends endless calls one after the other. Fails if a call gets an
/// unexpected status code.
fn disturbed(server: &Server, load: &LoadGenerator, time: Duration) -> Result<f64, Failure> {
    let stop = AtomicBool::new(false);
    let address = server.address;
    thread::scope(|scope| {
        let caller = scope.spawn(|| call_endlessly(address, &stop));
        thread::sleep(SETTLED);
        let load = load.run(address, CONNECTIONS, time);
        stop.store(true, Ordering::Relaxed);
        let called = caller
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the caller panicked")));
        called.map_err(|error| server.failure(&format!("the endless caller: {error}")))?;
        load.map(|load| load.p50_us)
    })
}

fn call_endlessly(address: SocketAddr, stop: &AtomicBool) -> io::Result<()> {
    let stream = client::connect(address)?;
    let request = client::request(ENDLESS);
    while !stop.load(Ordering::Relaxed) {
        let answer = client::ask(&stream, &request)?;
        if answer.status != TIMED_OUT {
            return Err(io::Error::other(format!(
                "a call that never ends was answered {}",
                answer.status
            )));
        }
    }
    Ok(())
}
