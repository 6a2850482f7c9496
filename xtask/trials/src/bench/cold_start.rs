//! The time from the start of a process to its first correct answer.
//!
//! Owns the order in which the host and the native reference program are started. Must not know how
//! a program is built or started.

use scorebox_workspace::failure::Failure;

use super::answer::Question;
use super::figures::{ColdStart, Spread};
use super::progress::Progress;
use super::server::Program;

/// Measures the cold start of the host (`warm`) and of the native reference program (`ceiling`).
/// Each program is started `spawns` times, and the two take turns at being started first. A cold
/// start ends when the program has answered the request `question`. Fails if an answer is wrong.
pub fn measure(
    warm: &Program,
    ceiling: &Program,
    question: &Question,
    spawns: u32,
    progress: &mut Progress,
) -> Result<ColdStart, Failure> {
    progress.step(&format!("{spawns} starts of each"));
    let (mut warm_ms, mut ceiling_ms) = (Vec::new(), Vec::new());
    for spawn in 0..spawns {
        if spawn.is_multiple_of(2) {
            warm_ms.push(once(warm, question)?);
            ceiling_ms.push(once(ceiling, question)?);
        } else {
            ceiling_ms.push(once(ceiling, question)?);
            warm_ms.push(once(warm, question)?);
        }
    }
    let ratios = warm_ms
        .iter()
        .zip(&ceiling_ms)
        .map(|(warm, ceiling)| warm / ceiling);
    let over_ceiling = Spread::of(ratios).map(|ratios| ratios.median);
    match (over_ceiling, Spread::of(warm_ms), Spread::of(ceiling_ms)) {
        (Some(over_ceiling), Some(warm_ms), Some(ceiling_ms)) => Ok(ColdStart {
            spawns,
            warm_ms,
            ceiling_ms,
            over_ceiling,
        }),
        _ => Err(Failure::other("no program was started", "report it")),
    }
}

fn once(program: &Program, question: &Question) -> Result<f64, Failure> {
    let mut server = program.start()?;
    let (answer, time) = server.first_answer(&question.bytes)?;
    question.check(&server, &answer)?;
    Ok(time.as_secs_f64() * 1e3)
}
