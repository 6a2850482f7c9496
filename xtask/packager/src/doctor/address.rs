//! Check of a running deployment: its probes, its version, its clock and its latency.
//!
//! Owns the requests, none of which calls the scorer. Must not know how the deployment was made.

use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, Url};
use scorebox_host::manifest::{Manifest, Trigger};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::{Failure, Kind};

use super::arguments::DoctorArgs;
use super::noun::Noun;
use super::registry_rights::said_of_clock;
use super::report::{Report, TOOL_VERSION};
use crate::registry::{self, Identity, Skew};

/// Timeout of one request to a deployment. A platform may start a container for the first request.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Number of requests whose latency is measured, after the first one.
const MEASURED: usize = 5;
/// Latency from which the report says that an address is slow, in milliseconds.
const SLOW_MS: f64 = 500.0;
/// Maximum number of bytes that are read of the body of a response. A connection can be used for
/// another request only after the body was read.
const LONGEST_BODY_BYTES: usize = 16 << 10;
/// Name of the response header in which a Scorebox host states its version.
const VERSION_HEADER: &str = "x-ms-server-version";

/// Response of the deployment, without its body.
struct Answer {
    status: u16,
    headers: HeaderMap,
    /// Time from the start of the request to the end of the response's body, in milliseconds.
    took_ms: f64,
}

/// Checks the deployment at the address of `--url`: its probes, its version, its clock and its
/// latency. Adds the results to the report.
pub fn examine(
    args: &DoctorArgs,
    identity: &Identity,
    report: &mut Report,
    manifest: Option<&Manifest>,
) {
    let no_clock = |report: &mut Report| {
        if !report.has(Noun::Clock) {
            report.skipped(
                Noun::Clock,
                "there is no registry and no --url to compare with",
            );
        }
    };
    let Some(url) = &args.url else {
        report.skipped(Noun::Address, "none is given; name one with --url");
        return no_clock(report);
    };
    if args.offline {
        report.skipped(Noun::Address, "not asked, by --offline");
        return no_clock(report);
    }
    if let Err(failure) = asked(url, identity, report, manifest) {
        report.failed(Noun::Address, failure);
    }
    no_clock(report);
}

fn asked(
    text: &str,
    identity: &Identity,
    report: &mut Report,
    manifest: Option<&Manifest>,
) -> Result<(), Failure> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(url) = url else {
        // The part before an `@` may be a password.
        let named = match text.contains('@') {
            true => "the value of --url".to_owned(),
            false => format!("`{}`", quoted(text, NAME_BYTES)),
        };
        return Err(Failure::project(
            format!("{named} is not an address"),
            "write https://HOST[:PORT] after --url, without a user and a key",
        ));
    };
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    // The path and the query may have a key.
    let shown = quoted(&format!("{}://{host}", url.scheme()), NAME_BYTES);
    let client = registry::client(&identity.access(&host, url.scheme() == "http", false))?;
    let runtime = registry::runtime()?;
    let get = |path: &str| runtime.block_on(get(&client, &url, path));
    let first = get("/livez")?;
    // A host of an older version does not have this path. Its liveness probe is the root path.
    let live = if first.status == 404 {
        get("/")?
    } else {
        first
    };
    clock(report, &host, &live);
    if live.status != 200 {
        let text = format!("{shown}: the probe of liveness answers {}", live.status);
        report.problem(Noun::Address, text, of_status(live.status));
        return Ok(());
    }
    let ready = get("/readyz")?;
    if ready.status == 404 {
        report.warning(
            Noun::Address,
            format!(
                "{shown} answers, and has no /readyz: the Functions host, or a proxy, passes on \
                     only the routes of functions"
            ),
            "call a function to try the scorer; see the log of the app for the line `ready`",
        );
        return Ok(());
    }
    if ready.status != 200 {
        report.problem(
            Noun::Address,
            format!("{shown} is alive, and /readyz answers {}", ready.status),
            "see the log of the host: the scorer's `init` runs or has failed",
        );
        return Ok(());
    }
    let mut times = Vec::new();
    for _ in 0..MEASURED {
        times.push(get("/readyz")?.took_ms);
    }
    times.sort_by(f64::total_cmp);
    let usual_ms = times.get(MEASURED / 2).copied().unwrap_or_default();
    let text = format!(
        "{shown} is ready; the first answer took {:.1} ms, further ones {usual_ms:.1} ms",
        live.took_ms
    );
    if usual_ms >= SLOW_MS {
        let fix = "run this command near the deployment; if it is as slow there, see its CPU limit";
        report.warning(Noun::Address, text, fix);
    } else {
        report.ok(Noun::Address, text);
    }
    // A route of a scorer takes no GET unless its trigger says so; the refusal states the version.
    // Without a manifest, a GET of `/score` could be a call.
    let takes_get = manifest.is_none_or(|manifest| {
        let mut http = manifest.triggers.iter().filter_map(Trigger::http);
        http.any(|http| http.methods.iter().any(|method| method == "GET"))
    });
    let path = if takes_get { "/v2/models" } else { "/score" };
    version(report, &shown, &get(path)?);
    Ok(())
}

fn version(report: &mut Report, shown: &str, answer: &Answer) {
    let value = answer.headers.get(VERSION_HEADER);
    let found = value.and_then(|value| value.to_str().ok());
    let expected = format!("scorebox/{TOOL_VERSION}");
    match found {
        Some(found) if found == expected => {
            report.ok(
                Noun::Address,
                format!("{shown} runs {expected}, as this tool"),
            );
        }
        Some(found) => report.warning(
            Noun::Address,
            format!(
                "{shown} runs `{}`, and this tool is {expected}",
                quoted(found, NAME_BYTES)
            ),
            "deploy the image that this tool packages, or use the tool of the version that runs",
        ),
        None => report.warning(
            Noun::Address,
            format!("{shown} states no version in the header {VERSION_HEADER}"),
            "see whether another server answers at this address, or a proxy removes headers",
        ),
    }
}

fn clock(report: &mut Report, host: &str, answer: &Answer) {
    // The clock of the registry was compared already.
    if report.has(Noun::Clock) && !report.has_skipped_only(Noun::Clock) {
        return;
    }
    let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        return;
    };
    let received = SystemTime::now();
    let took = Duration::try_from_secs_f64(answer.took_ms / 1000.0).unwrap_or_default();
    let sent = received.checked_sub(took).unwrap_or(received);
    said_of_clock(report, host, Skew::new(date, sent, received));
}

/// Returns the fix for a deployment whose liveness probe answers with the status code `status`.
fn of_status(status: u16) -> &'static str {
    match status {
        301 | 302 | 307 | 308 => "name the address that it redirects to, e.g. with https://",
        401 | 403 => {
            "let this machine through the access restrictions of the app, or ask from inside"
        }
        404 => "check the address; the root of a Scorebox host answers 200",
        502..=504 => {
            "see the log of the app: the container does not start, or listens on another port"
        }
        _ => "see the log of the app",
    }
}

async fn get(client: &Client, url: &Url, path: &str) -> Result<Answer, Failure> {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    let started = Instant::now();
    let failed = |error: &reqwest::Error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Failure::new(
            Kind::Network,
            quoted(&text, scorebox_host::text::REASON_BYTES),
            "check the host, the port and the scheme after --url, and that the app is running; give \
             a certificate authority of your own with --ca-file",
        )
    };
    let mut response = client
        .get(url)
        .timeout(LONGEST_WAIT)
        .send()
        .await
        .map_err(|error| failed(&error))?;
    let mut read = 0;
    while let Some(part) = response.chunk().await.map_err(|error| failed(&error))? {
        read += part.len();
        if read > LONGEST_BODY_BYTES {
            break;
        }
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        took_ms: started.elapsed().as_secs_f64() * 1000.0,
    })
}
