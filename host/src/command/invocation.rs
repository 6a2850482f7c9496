//! `scorebox invoke --trigger`: sends the requests that the Functions host would send, and prints
//! the responses.
//!
//! Owns the choice of the function, its samples and the exit code. Must not know the format of an
//! envelope.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::Request;
use http::header::CONTENT_TYPE;
use scorebox_host::app::App;
use scorebox_host::error::exit_code;
use scorebox_host::functions::FunctionApp;
use scorebox_host::functions::bindings::{Function, TriggerBinding};
use scorebox_host::functions::route::Route;
use scorebox_host::functions::sample::{Sample, SampleError, envelopes};
use scorebox_host::manifest::Manifest;
use scorebox_host::server::{self, Service};
use scorebox_host::telemetry::{self, Output};
use scorebox_host::{StartupError, deployment};

use super::invoke::{give, guess, read};
use super::{exit, serving_threads};
use crate::{Invoke, Trigger};

/// HTTP method of an invocation, and of a forwarded request whose trigger accepts this method.
const POST: &str = "POST";

pub fn run(invoke: &Invoke, trigger: Trigger) -> ExitCode {
    match sent(invoke, trigger) {
        Ok(code) => ExitCode::from(code),
        Err(error) => exit(&error),
    }
}

/// Request to the service, as the Functions host would send it: an envelope, or a request that the
/// Functions host forwards unchanged.
struct Sent {
    method: String,
    path: String,
    content_type: String,
    body: Vec<u8>,
}

fn sent(invoke: &Invoke, trigger: Trigger) -> Result<u8, StartupError> {
    telemetry::start(Output::Talk, &deployment::process)?;
    let manifest = Manifest::read(&invoke.app.app)?;
    let functions = FunctionApp::read(&manifest)?;
    let function = chosen(&functions, invoke, trigger)?;
    let samples = samples(invoke, manifest.limits.body_bytes)?;
    let requests = match &function.route {
        Some(route) => forwarded(&functions, route, samples)?,
        None => enveloped(function, &samples, invoke.attempt)?,
    };
    if invoke.print_envelope {
        for request in &requests {
            given(&request.body)?;
        }
        return Ok(exit_code::DONE);
    }
    let runtime = serving_threads(1)?;
    let handle = runtime.handle().clone();
    let service = Service::new(&manifest, functions, true);
    runtime.block_on(async move {
        let app = App::load(manifest, &deployment::process, handle).await?;
        app.scorer.warm_up().await?;
        service.set_ready(app);
        let mut code = exit_code::DONE;
        for request in requests {
            // The first failure determines the exit code. The requests after it are still answered.
            let ended = answered(&service, request).await?;
            code = if code == exit_code::DONE { ended } else { code };
        }
        Ok(code)
    })
}

fn chosen<'a>(
    app: &'a FunctionApp,
    invoke: &Invoke,
    trigger: Trigger,
) -> Result<&'a Function, StartupError> {
    let fits = |function: &&Function| {
        matches!(
            (trigger, &function.trigger),
            (Trigger::Blob, TriggerBinding::Blob { .. })
                | (Trigger::Http, TriggerBinding::Http)
                | (Trigger::Queue, TriggerBinding::Queue { .. })
                | (Trigger::ServiceBus, TriggerBinding::ServiceBus { .. })
        )
    };
    let is_meant = |function: &&Function| {
        invoke
            .function
            .as_ref()
            .is_none_or(|name| *name == function.name)
    };
    let found: Vec<_> = app.functions.iter().filter(fits).filter(is_meant).collect();
    let names = |functions: &[&Function]| {
        functions
            .iter()
            .map(|function| function.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let refused = |problem: String, fix: String| StartupError::Functions {
        path: invoke.app.app.clone(),
        problem,
        fix,
    };
    match found.as_slice() {
        [function] => Ok(function),
        [] => Err(refused(
            "no function has this trigger and name".to_owned(),
            format!(
                "the functions here are: {}",
                names(&app.functions.iter().collect::<Vec<_>>())
            ),
        )),
        several => Err(refused(
            "several functions have this trigger".to_owned(),
            format!("name one with --function: {}", names(several)),
        )),
    }
}

fn samples(invoke: &Invoke, limit_bytes: u64) -> Result<Vec<Sample>, StartupError> {
    let stdin = [PathBuf::from("-")];
    let files = if invoke.files.is_empty() {
        stdin.as_slice()
    } else {
        &invoke.files
    };
    let sample = |file: &PathBuf| {
        let body = read(Some(file), limit_bytes)?;
        let content_type = invoke
            .content_type
            .clone()
            .unwrap_or_else(|| guess(Some(file), &body).to_owned());
        Ok(Sample {
            name: file.display().to_string(),
            content_type,
            body,
        })
    };
    files.iter().map(sample).collect()
}

fn enveloped(
    function: &Function,
    samples: &[Sample],
    attempt: u32,
) -> Result<Vec<Sent>, StartupError> {
    let fix = "change the input to what the Functions host would send".to_owned();
    let input = |error: SampleError| StartupError::Input {
        name: function.name.clone(),
        problem: error.to_string(),
        fix,
    };
    let sent = |envelope: String| Sent {
        method: POST.to_owned(),
        path: format!("/{}", function.name),
        content_type: "application/json; charset=utf-8".to_owned(),
        body: envelope.into_bytes(),
    };
    Ok(envelopes(function, samples, attempt)
        .map_err(input)?
        .into_iter()
        .map(sent)
        .collect())
}

/// Returns one request for each sample to a function with the HTTP route `route`. The Functions
/// host forwards such requests without an envelope.
///
/// # Errors
/// Fails if the route has parameters, because a sample does not have values for them.
fn forwarded(
    app: &FunctionApp,
    route: &Route,
    samples: Vec<Sample>,
) -> Result<Vec<Sent>, StartupError> {
    let path = route.template();
    if path.contains('{') {
        return Err(StartupError::Input {
            name: path.to_owned(),
            problem: "`invoke` cannot call a route with parameters".to_owned(),
            fix: "start `scorebox serve`, and send the request with curl".to_owned(),
        });
    }
    let methods = app.routes.iter().find(|(other, _)| other == route);
    let methods = methods.map(|(_, methods)| methods.as_slice());
    let methods = methods.unwrap_or_default();
    let is_post = |method: &&String| method.as_str() == POST;
    let method = methods.iter().find(is_post).or(methods.first());
    let method = method.map_or(POST, String::as_str);
    let sent = |sample: Sample| Sent {
        method: method.to_owned(),
        path: path.to_owned(),
        content_type: sample.content_type,
        body: sample.body,
    };
    Ok(samples.into_iter().map(sent).collect())
}

fn given(result: &[u8]) -> Result<(), StartupError> {
    let line = [result, b"\n"].concat();
    give(&line)
        .map_err(|error| StartupError::Host(format!("the answer cannot be written: {error}")))
}

async fn answered(service: &Arc<Service>, sent: Sent) -> Result<u8, StartupError> {
    let fault = |problem: String| StartupError::Host(problem);
    let request = Request::builder()
        .method(sent.method.as_str())
        .uri(&sent.path)
        .header(
            "x-azure-functions-invocationid",
            uuid::Uuid::new_v4().to_string(),
        )
        .header(CONTENT_TYPE, sent.content_type)
        .body(Body::from(sent.body))
        .map_err(|error| fault(error.to_string()))?;
    let response = server::answer(service, request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX)
        .await
        .map_err(|error| fault(error.to_string()))?;
    given(&body)?;
    let code = exit_code::of_invocation(status.as_u16());
    if code != exit_code::DONE {
        eprintln!("error: {status}: the platform would count this invocation as failed");
    }
    Ok(code)
}
