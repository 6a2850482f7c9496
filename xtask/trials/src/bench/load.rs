//! The load generator wrk, which loads a server with requests.
//!
//! Owns the script that says what wrk sends and reports, and how wrk is run. Must not know which
//! server is loaded.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::tools;
use scorebox_workspace::workspace::shown;
use serde::Deserialize;

/// Number of seconds by which the duration in the arguments of wrk exceeds the time of the load.
///
/// wrk accepts only whole seconds. Its duration is therefore longer than the load, and wrk is
/// stopped when the time of the load is over.
const SPARE_SECONDS: u64 = 5;

/// Lua script that prints the results of wrk as JSON, because wrk's own report rounds to three
/// digits.
const REPORT: &str = r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"duration_us":%d,"refused":%d,"broken":%d,"p50_us":%.1f,"p99_us":%.1f}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// The load generator wrk, with the path of a script that sends requests of one kind.
pub struct LoadGenerator {
    wrk: PathBuf,
    script: PathBuf,
}

/// Results of a load, as the Lua script of wrk reports them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Load {
    /// Number of answers that wrk received.
    pub requests: u64,
    duration_us: u64,
    /// Number of responses with a status code of 400 or more.
    refused: u64,
    /// Number of failed connections, reads and writes, and of timeouts.
    broken: u64,
    /// Median latency, in microseconds: half of the answers came within this time.
    pub p50_us: f64,
    /// 99th percentile of the latency, in microseconds: 99 of 100 answers came within this time.
    pub p99_us: f64,
}

impl Load {
    /// Returns the number of answers per second of the load.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 * 1e6 / self.duration_us as f64
    }
}

/// Returns the path of the load generator wrk. If wrk is missing and this process is root on a
/// Debian system, wrk is installed. Fails if wrk is missing and cannot be installed.
pub fn find_wrk() -> Result<PathBuf, Failure> {
    if tools::find("wrk").is_none() {
        tools::install(&["wrk"])?;
    }
    tools::find("wrk").ok_or_else(|| {
        Failure::toolchain(
            "the load generator wrk is missing",
            tools::apt_line(&["wrk"]),
        )
    })
}

impl LoadGenerator {
    /// Returns a load generator that sends the JSON body `json` in every request. `wrk` is the path
    /// of wrk. The Lua script of wrk is written to the path `script`. Fails if the script cannot be
    /// written.
    pub fn new(wrk: &Path, script: PathBuf, json: &str) -> Result<Self, Failure> {
        Self::scripted(wrk, script, &format!("wrk.body = {}\n", lua_text(json)))
    }

    /// Returns a load generator that sends requests to be scored. `wrk` is the path of wrk, and
    /// `lua` is Lua code that makes the JSON bodies. The Lua script of wrk is written to the path
    /// `script`. Fails if the script cannot be written.
    pub fn scripted(wrk: &Path, script: PathBuf, lua: &str) -> Result<Self, Failure> {
        let text = format!(
            "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\n{lua}{REPORT}"
        );
        std::fs::write(&script, text)
            .map_err(|error| Failure::file(&script, "be written", error))?;
        Ok(Self {
            wrk: wrk.to_path_buf(),
            script,
        })
    }

    /// Keeps the given number of connections to a server busy for the given time, and returns the
    /// results. Fails unless wrk received an answer, every answer has a status code below 400, and
    /// no connection failed or timed out.
    pub fn run(
        &self,
        address: SocketAddr,
        connections: u16,
        time: Duration,
    ) -> Result<Load, Failure> {
        let broken = |problem: String| {
            Failure::other(
                format!("wrk: {problem}"),
                "run `wrk --version`, then the command again",
            )
        };
        let child = Command::new(&self.wrk)
            .args([
                "-t1",
                &format!("-c{connections}"),
                &format!("-d{}s", time.as_secs() + SPARE_SECONDS),
                "--latency",
                "-s",
            ])
            .arg(&self.script)
            .arg(format!("http://{address}/score"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| broken(format!("cannot be started: {error}")))?;
        std::thread::sleep(time);
        // At this signal wrk reports what it has, as at the end of its time. If wrk ended by
        // itself, its output says why below.
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
        let output = child
            .wait_with_output()
            .map_err(|error| broken(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(load) = report(&text) else {
            return Err(broken(format!(
                "no report in: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            )));
        };
        if load.requests == 0 || load.refused > 0 || load.broken > 0 {
            return Err(Failure::other(
                format!(
                    "{address} over {connections} connections: {} answers, {} of them failures, and {} broken connections",
                    load.requests, load.refused, load.broken
                ),
                format!(
                    "a figure counts only if every answer is a success and comes within 2 s; see \
                     the server's log next to {}",
                    shown(&self.script)
                ),
            ));
        }
        Ok(load)
    }
}

/// Returns JSON text as a Lua string in long brackets.
///
/// Long brackets have no escapes, and JSON of numbers and words does not contain the closing long
/// bracket.
pub fn lua_text(json: &str) -> String {
    format!("[==[{json}]==]")
}

fn report(output: &str) -> Option<Load> {
    output
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_found_in_wrks_text() {
        let line = r#"{"requests":3,"duration_us":1500000,"refused":0,"broken":1,"p50_us":80.0,"p99_us":91.5}"#;
        let load = report(&format!("Running 1h test\n  50%  80.00us\n\n{line}\n")).unwrap();
        assert_eq!(
            (
                load.requests,
                load.broken,
                load.p99_us,
                load.requests_per_second()
            ),
            (3, 1, 91.5, 2.0)
        );
        assert_eq!(report("unable to connect"), None);
    }
}
