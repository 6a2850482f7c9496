//! Memory of servers that run alone.
//!
//! Owns the moments at which memory is read. Servers run alone, because two processes of one
//! program share its pages, and each would be charged for half of them. Must not know how the
//! kernel counts memory.

use std::time::Duration;

use scorebox_workspace::failure::Failure;

use super::answer::Question;
use super::figures::Pss;
use super::load::LoadGenerator;
use super::process::pss_bytes;
use super::progress::Progress;
use super::server::Program;
use super::stage::Stage;

/// Number of connections of the load that puts every instance to work before memory is read.
const CONNECTIONS: u16 = 64;
/// Length of the load that puts every instance to work before memory is read.
const LOADED: Duration = Duration::from_millis(500);

/// Number of steps that the memory measurement adds to the progress display: one for each server
/// that it tries to start.
pub const STEPS: u32 = 6;

/// Measures the memory of each server while no other server runs. A server whose settings the host
/// refuses has no figure. Fails if a server cannot be started or answers wrongly.
pub fn measure(
    stage: &Stage,
    question: &Question,
    load: &LoadGenerator,
    progress: &mut Progress,
) -> Result<Pss, Failure> {
    let mut idle = |name: &str, program: &Program| {
        progress.step(&format!("memory of {name} after its first answer"));
        after(program, question, None)
    };
    let warm_idle = Some(idle("warm", &stage.warm)?);
    let call_idle = stage
        .call
        .as_ref()
        .ok()
        .map(|call| idle("call", call))
        .transpose()?;
    let ceiling_idle = Some(idle("ceiling", &stage.ceiling)?);
    let mut with = [None; 3];
    for ((count, program), found) in stage.instances.iter().zip(&mut with) {
        progress.step(&format!("memory with instances: {count}"));
        *found = program
            .as_ref()
            .ok()
            .map(|program| after(program, question, Some(load)))
            .transpose()?;
    }
    let [instances_1, instances_8, instances_64] = with;
    let per_further_instance = instances_64
        .zip(instances_8)
        .map(|(most, some)| most.saturating_sub(some) / (64 - 8));
    Ok(Pss {
        warm_idle,
        call_idle,
        ceiling_idle,
        instances_1,
        instances_8,
        instances_64,
        per_further_instance,
    })
}

fn after(
    program: &Program,
    question: &Question,
    load: Option<&LoadGenerator>,
) -> Result<u64, Failure> {
    let mut server = program.start()?;
    let (answer, _) = server.first_answer(&question.bytes)?;
    question.check(&server, &answer)?;
    if let Some(load) = load {
        load.run(server.address, CONNECTIONS, LOADED)?;
    }
    pss_bytes(server.pid())
}
