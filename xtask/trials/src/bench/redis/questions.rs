//! Requests for benchmarks of the prediction cache: known requests, which a server has answered
//! before, and new requests, which no server has ever received.
//!
//! Owns both kinds, as requests and as scripts of wrk. Known requests ask for the scores of the
//! digits in `tests/data/digits-sample.json`. New requests have the same digits with other pixels
//! in the first corner. The model gives those pixels no weight, so scikit-learn's answers hold for
//! both kinds. Must not know what is measured.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use scorebox_host::call::CacheStatus;
use scorebox_workspace::failure::Failure;

use crate::bench::answer::Question;
use crate::bench::client;
use crate::bench::load::{LoadGenerator, lua_text};
use crate::bench::server::Server;

/// Start of the JSON body for every digit in `tests/data/digits-sample.json`. The first five pixels
/// are white in every digit. They are changed to make requests that no server has ever received.
const CORNER: &str = r#"{"data":[[0.0,0.0,0.0,0.0,0.0,"#;

/// Maximum number of times that the known requests are sent to a server until it answers all of
/// them from its cache. Sending them once may not be enough, because answers are stored in the
/// background.
const TRIES: u32 = 20;

/// Requests for a server with a prediction cache, and the scripts of wrk that send them. The server
/// has answered known requests before, and no server has ever received a new request.
pub struct Questions {
    known: Vec<Question>,
    known_load: LoadGenerator,
    wrk: PathBuf,
    script: PathBuf,
    /// Number of series of new requests that were sent so far. Each series has its own number, so
    /// no request is ever repeated.
    series: Cell<u32>,
}

impl Questions {
    /// Reads the handwritten digits of `tests/data/digits-sample.json`, and writes a Lua script to
    /// `folder` with which wrk sends them as requests. `wrk` is the path of the program wrk. Fails
    /// if the digits cannot be read, or if the script cannot be written.
    pub fn read(wrk: &Path, folder: &Path) -> Result<Self, Failure> {
        let known = Question::all()?;
        let bodies: Vec<&str> = known
            .iter()
            .map(|question| question.json.as_str())
            .collect();
        let known_load =
            LoadGenerator::scripted(wrk, folder.join("known.lua"), &asking_in_turns(&bodies))?;
        let script = folder.join("unknown.lua");
        Ok(Self {
            known,
            known_load,
            wrk: wrk.to_path_buf(),
            script,
            series: Cell::new(0),
        })
    }

    /// Returns the number of known requests, which a server has answered before: one for each digit
    /// in `tests/data/digits-sample.json`.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Returns a load generator that sends all known requests, which a server has answered before,
    /// one after the other.
    pub fn known_load(&self) -> &LoadGenerator {
        &self.known_load
    }

    /// Sends all known requests to a server, up to `TRIES` times, until every answer comes from the
    /// server's cache. Fails if an answer differs from scikit-learn's, or if some of the last
    /// answers do not come from the cache.
    pub fn teach(&self, server: &Server) -> Result<(), Failure> {
        let mut hits = 0;
        for _ in 0..TRIES {
            let stream = client::connect(server.address)
                .map_err(|error| server.failure(&error.to_string()))?;
            hits = 0;
            for question in &self.known {
                let answer = client::ask(&stream, &question.bytes)
                    .map_err(|error| server.failure(&error.to_string()))?;
                question.check(server, &answer)?;
                hits += usize::from(answer.cache_status == CacheStatus::Hit.header());
            }
            if hits == self.known.len() {
                return Ok(());
            }
        }
        let of = self.known.len();
        Err(server.failure(&format!(
            "it keeps no answers: asked {of} digits for the {TRIES}th time, {hits} were hits"
        )))
    }

    /// Sends a server a request that no server has ever received. Fails unless the server computes
    /// the right answer.
    ///
    /// Returns a load generator that sends further requests that no server has ever received.
    pub fn unknown_load(&self, server: &Server) -> Result<LoadGenerator, Failure> {
        let series = self.series.get() + 1;
        self.series.set(series);
        let missing = || {
            Failure::other(
                "the sample's first digit has no white corner",
                "see tests/data/README.md",
            )
        };
        let question = self.known.first().ok_or_else(missing)?;
        let rest = question.json.strip_prefix(CORNER).ok_or_else(missing)?;
        let stream =
            client::connect(server.address).map_err(|error| server.failure(&error.to_string()))?;
        let request = client::request(&format!("{}{rest}", corner(series, "0.000,0.000,0.000")));
        let answer =
            client::ask(&stream, &request).map_err(|error| server.failure(&error.to_string()))?;
        question.check(server, &answer)?;
        if answer.cache_status != CacheStatus::Miss.header() {
            let status = &answer.cache_status;
            return Err(server.failure(&format!(
                "a digit that was never asked was answered with `{status}`"
            )));
        }
        LoadGenerator::scripted(&self.wrk, self.script.clone(), &asking_anew(series, rest))
    }
}

/// Returns the start of the JSON body of a request that no server has received, in place of
/// [`CORNER`]. Its first pixels are `series`, the number of the series of requests, and `pixels`,
/// three pixels that differ between the requests of a series.
fn corner(series: u32, pixels: &str) -> String {
    format!(
        r#"{{"data":[[0.{:03},0.{:03},{pixels},"#,
        series / 1000 % 1000,
        series % 1000
    )
}

/// Returns a Lua script for wrk that builds a request for each body once, and sends all requests
/// again and again.
fn asking_in_turns(bodies: &[&str]) -> String {
    let mut lua = "local bodies = {\n".to_owned();
    for body in bodies {
        // Writing to a string cannot fail.
        let _ = writeln!(lua, "{},", lua_text(body));
    }
    lua + "}
local requests, last = {}, 0
init = function()
  for i, body in ipairs(bodies) do requests[i] = wrk.format(nil, nil, nil, body) end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
"
}

/// Returns a Lua script for wrk whose requests are all new. They are numbered with a counter, and
/// all of them have the same length. `series` is the number of this series of requests. Each JSON
/// body has a start of its own, and ends with `rest`.
///
/// Only the first request is made with wrk's own function, which is slow.
fn asking_anew(series: u32, rest: &str) -> String {
    let begin = lua_text(&corner(series, "0.000,0.000,0.000"));
    format!(
        "local begin, rest = {begin}, {}
local pixels = '0.000,0.000,0.000,'
local head, count = nil, 0
init = function()
  local request = wrk.format(nil, nil, nil, begin .. rest)
  head = request:sub(1, #request - #rest - #pixels)
end
request = function()
  count = count + 1
  local a, b, c = math.floor(count / 1000000), math.floor(count / 1000) % 1000, count % 1000
  return head .. string.format('0.%03d,0.%03d,0.%03d,', a, b, c) .. rest
end
",
        lua_text(rest)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_different_series_differ_and_are_of_one_length() {
        let of = |series| corner(series, "0.000,0.000,0.001");
        assert_eq!(of(1), r#"{"data":[[0.000,0.001,0.000,0.000,0.001,"#);
        assert_eq!(of(12_345), r#"{"data":[[0.012,0.345,0.000,0.000,0.001,"#);
        assert_eq!(of(1).len(), of(999_999).len());
    }

    #[test]
    fn a_script_holds_every_body() {
        let lua = asking_in_turns(&["[1]", "[2]"]);
        assert!(lua.contains("[==[[1]]==],\n[==[[2]]==],\n}"), "{lua}");
        assert!(
            asking_anew(7, "1]]}")
                .contains(r#"[==[{"data":[[0.000,0.007,0.000,0.000,0.000,]==], [==[1]]}]==]"#)
        );
    }
}
