//! `scorebox serve`: starts the server, and stops it in order.
//!
//! Owns the order of start and stop: listen first, load in the background, stop on SIGTERM or
//! SIGINT, and stop at once on a second signal. Must not know routes or guests.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use scorebox_host::access::Keys;
use scorebox_host::app::App;
use scorebox_host::error::exit_code;
use scorebox_host::functions::FunctionApp;
use scorebox_host::manifest::Manifest;
use scorebox_host::server::{self, Service};
use scorebox_host::telemetry::{self, Output};
use scorebox_host::text::Problem;
use scorebox_host::{StartupError, deployment, machine, panics, sizing};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{exit, scoring_threads, serving_threads};
use crate::Serve;

/// Target of this module's log lines. Operators filter by the name of the program in a container
/// image, which is not that of its crate.
const LOG_TARGET: &str = "scorebox::command::serve";

/// Default port of the server. Containers that serve HTTP without root use port 8080, because a
/// port below 1024 would need a capability.
const DEFAULT_PORT: u16 = 8080;

/// Number of threads that start after the runtimes: the one that advances the engine's epoch, and
/// those that a runtime starts when it first reads a file or resolves a host name.
const LATER_THREADS: usize = 3;

pub fn run(serve: Serve) -> ExitCode {
    if let Err(error) = telemetry::start(Output::Server, &deployment::process) {
        return not_started(&error);
    }
    panics::log();
    let outcome = machine::check().and_then(|()| {
        // There are as many threads of each kind as cores, because either kind alone must be able
        // to use the machine.
        let scoring = scoring_threads(sizing::cores())?;
        let serving = serving_threads(sizing::cores())?;
        machine::check_threads(LATER_THREADS)?;
        let manifest = Manifest::read(&serve.app.app)?;
        let functions = FunctionApp::read(&manifest)?;
        let given = deployment::port(&deployment::process)?;
        let keys = keys(&manifest)?;
        let port = serve.port.or(given).unwrap_or(DEFAULT_PORT);
        let service = Service::new(&manifest, functions, given.is_some());
        let lame_duck = manifest.limits.lame_duck(given.is_some());
        let address = (serve.address, port).into();
        let outcome = serving.block_on(start(
            address,
            service,
            keys,
            manifest,
            scoring.handle().clone(),
            lame_duck,
        ));
        // A guest that still runs is not waited for, because the drain is over.
        serving.shutdown_background();
        scoring.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => exit_code::of_stop(deployment::is_started_by_functions_host(
            &deployment::process,
        ))
        .into(),
        Err(error) => {
            let code = exit_code::of_start(&error);
            tracing::error!(target: LOG_TARGET, exit_code = code, "{error}");
            let is_read = deployment::is_read_by_functions_host(&deployment::process);
            if is_read && tracing::enabled!(target: LOG_TARGET, tracing::Level::ERROR) {
                // The line that was logged above is on standard error, which the Functions host
                // reads.
                return code.into();
            }
            not_started(&error)
        }
    }
}

/// Prints the error that keeps the server from starting to standard error, and returns the exit
/// code that belongs to the error. For the Functions host the error is one line, because that host
/// logs each line as a separate message.
fn not_started(error: &StartupError) -> ExitCode {
    if !deployment::is_read_by_functions_host(&deployment::process) {
        return exit(error);
    }
    eprint!("{}", telemetry::error_line(error, &deployment::process));
    exit_code::of_start(error).into()
}

/// Returns the keys of the server.
///
/// # Errors
/// Fails if the manifest names keys and none of them is set, or if one of their values cannot be a
/// key. Also fails if the manifest names keys and the Functions host started this process, because
/// that host checks keys of its own and does not send the server's keys.
fn keys(manifest: &Manifest) -> Result<Keys, StartupError> {
    let variables = &manifest.server.key_variables;
    if !variables.is_empty() && deployment::is_started_by_functions_host(&deployment::process) {
        let problem = Problem::new(
            "`server.keys`: the Functions host calls its handler without these keys, and checks its own",
            "remove `server.keys`, and say with `trigger.auth_level` which key a caller needs",
        );
        return Err(manifest.misfit(problem).into());
    }
    deployment::keys(variables, &deployment::process)
}

async fn start(
    wanted: SocketAddr,
    service: Arc<Service>,
    keys: Keys,
    manifest: Manifest,
    scoring: Handle,
    lame_duck: Duration,
) -> Result<(), StartupError> {
    let failed = |error: std::io::Error| StartupError::Listen {
        address: wanted.to_string(),
        problem: error.to_string(),
    };
    // The signal handlers come first: in the first process of a container, SIGTERM is ignored
    // without one.
    let no_signal = |error| StartupError::Host(format!("signals cannot be handled: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signal)?;
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(target: LOG_TARGET, %address, "listening");

    // Loading has a task of its own on the serving threads: compiling takes a while, and `GET /` is
    // answered meanwhile.
    let loading = tokio::spawn(load(Arc::clone(&service), manifest, scoring));
    let (ended, end) = tokio::sync::oneshot::channel();
    let served = Arc::clone(&service);
    let mut serving = tokio::spawn(async move {
        // If the sender was dropped, the process is about to end.
        let stop_serving = async { end.await.unwrap_or_default() };
        server::serve(listener, served, keys, stop_serving).await
    });
    let loaded = async {
        match loading.await {
            Ok(Ok(())) => std::future::pending().await,
            Ok(Err(error)) => error,
            Err(error) => StartupError::Host(format!("loading ended: {error}")),
        }
    };
    let stopped = tokio::select! {
        stopped = stop(&mut terminate, &mut interrupt) => stopped,
        // The server ends by itself only because of a fault in the host. A process that does not
        // listen must not stay.
        outcome = &mut serving => return joined(outcome),
        // Without a scorer there is nothing to drain: waiting callers get a closed connection, and
        // the platform gets an exit code.
        error = loaded => return Err(error),
    };
    // If the host was never ready, no platform sends calls to it, so the lame-duck phase is not
    // needed.
    let lame_duck = if stopped == Stop::AtTerminal || !service.is_ready() {
        Duration::ZERO
    } else {
        lame_duck
    };
    // If the server has ended, the message is not needed.
    let _ = ended.send(lame_duck);
    tokio::select! {
        outcome = &mut serving => joined(outcome),
        _ = stop(&mut terminate, &mut interrupt) => {
            tracing::warn!(
                target: LOG_TARGET,
                "stopped at once by a second signal: calls in flight were cut off"
            );
            Ok(())
        }
    }
}

/// Way in which a signal stops the server.
#[derive(PartialEq, Eq)]
enum Stop {
    /// A platform stops the server, so there is a lame-duck phase before calls in flight are
    /// drained.
    Orderly,
    /// A person at a terminal stops the server and waits for its end, so there is no lame-duck
    /// phase.
    AtTerminal,
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) -> Stop {
    tokio::select! {
        _ = terminate.recv() => Stop::Orderly,
        _ = interrupt.recv() => if std::io::stdin().is_terminal() { Stop::AtTerminal } else { Stop::Orderly },
    }
}

fn joined(
    outcome: Result<Result<(), StartupError>, tokio::task::JoinError>,
) -> Result<(), StartupError> {
    outcome.map_err(|error| StartupError::Host(format!("serving ended: {error}")))?
}

async fn load(
    service: Arc<Service>,
    manifest: Manifest,
    scoring: Handle,
) -> Result<(), StartupError> {
    let started = std::time::Instant::now();
    // The app is loaded on a scoring thread, because compiling a component and reading a model for
    // its digest occupy a core.
    let handle = scoring.clone();
    let loaded = scoring.spawn(async move {
        let app = App::load(manifest, &deployment::process, handle).await?;
        app.scorer.warm_up().await?;
        let report = app.report();
        Ok::<_, StartupError>((app, report))
    });
    let (app, report) = loaded
        .await
        .map_err(|error| StartupError::Host(format!("loading ended: {error}")))??;
    // The host becomes ready before the line is logged, so that anyone who waits for the line can
    // send calls.
    service.set_ready(app);
    tracing::info!(
        target: LOG_TARGET,
        scorer = report.name,
        version = report.version,
        world = report.world,
        component = report.component_digest,
        model = report.model_digest,
        load_ms = started.elapsed().as_secs_f64() * 1e3,
        "ready"
    );
    Ok(())
}
