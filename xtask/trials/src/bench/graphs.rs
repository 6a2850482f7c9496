//! `cargo xtask bench graphs`: compares the packaged host, which serves an ONNX graph without a
//! component, with native code that calls the same ONNX Runtime.
//!
//! Owns the order of the run and its figures: start both servers, check an answer of each, measure
//! both in turns, and measure what a second client adds. Must not know how anything is measured.

mod arguments;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scorebox_host::deployment::ENGINE_VARIABLE;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_host::packaging::Times;
use scorebox_host::precompiled::Cpu;
use scorebox_packager::format::Format;
use scorebox_packager::graph_trial::Trial;
use scorebox_packager::host_program::{self, Kind as HostKind};
use scorebox_packager::manifest_file;
use scorebox_packager::{app, engine_library};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{toolchain, workspace};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::arguments::GraphsBenchArgs;

use super::answer::Question;
use super::awake::Awake;
use super::figures::{self, CPU_CONNECTIONS, Kind, Row, Sample, Spread};
use super::load::{self, LoadGenerator};
use super::progress::Progress;
use super::round::QUICK_SECONDS;
use super::server::{Program, Server};
use super::{client, report, stage, throughput};
use crate::demo::sample::Trained;

/// Folder of the example whose graph is compared with native code, relative to the workspace's
/// root.
const EXAMPLE: &str = "host/examples/digits-mlp";

/// Numbers of connections with which servers are measured: one client, two clients, and the number
/// with which CPU time is always compared.
const CONNECTIONS: [u16; 3] = [1, 2, CPU_CONNECTIONS];

/// All results of a run of `cargo xtask bench graphs`.
#[derive(Debug, Serialize)]
struct Figures {
    cores: usize,
    rounds: u32,
    round_seconds: f64,
    ratios: Ratios,
    /// CPU time per request of the host divided by that of the native reference program, measured
    /// while idle cores may sleep. `None` if the ratio was not measured.
    cpu_ratio_cores_may_sleep: Option<f64>,
    load: Vec<Row>,
    load_cores_awake: Vec<Row>,
    /// Figures of the graph that the flag `--graph` names. `None` without the flag.
    graph: Option<OtherGraph>,
}

/// Ratios of `cargo xtask bench graphs` for which the project has bounds.
#[derive(Debug, Serialize)]
struct Ratios {
    /// CPU time per request of the host divided by that of the native reference program, with 8
    /// connections and all cores kept awake. `None` if the ratio was not measured.
    cpu: Option<f64>,
    /// Requests per second of the host with two clients divided by those with one client. `None` if
    /// the ratio was not measured.
    two_clients: Option<f64>,
    /// Requests per second with two clients divided by those with one client, for the graph that
    /// the flag `--graph` names. `None` without the flag.
    two_clients_of_graph: Option<f64>,
}

/// Figures of the graph that the flag `--graph` names. The right answers of this graph are not
/// known, so its answers are not checked.
#[derive(Debug, Serialize)]
struct OtherGraph {
    file: PathBuf,
    /// Requests per second with one client and with two clients, in this order.
    requests_per_second: [Option<Spread>; 2],
}

/// Runs `cargo xtask bench graphs`, and prints its figures. Fails if a program cannot be built or
/// started, or if an answer is wrong.
pub fn run(args: &GraphsBenchArgs) -> Result<(), Failure> {
    // The tools are looked for first, because the build takes minutes.
    let wrk = load::find_wrk()?;
    toolchain::check(|line| eprintln!("{line}"))?;
    let folder = workspace::target().join("bench-graphs");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "be made", error))?;
    let place = Place {
        library: engine_library::locate(args.engine_library.as_deref())?.file,
        host: host_program::build(HostKind::ImageWithGraphs)?,
        folder,
    };
    let (rounds, seconds) = if args.quick {
        (1, QUICK_SECONDS)
    } else {
        (args.rounds, args.seconds)
    };
    let time = Duration::from_secs_f64(seconds);
    let more = if args.graph.is_some() { 2 } else { 0 };
    let mut progress = Progress::new(rounds * (2 * (CONNECTIONS.len() as u32 + 1) + more));

    let question = Question::read()?;
    let load = LoadGenerator::new(&wrk, place.folder.join("digit.lua"), &question.json)?;
    let servers = place.servers(&question)?;
    let asleep = throughput::measure(&servers, &load, &CONNECTIONS, rounds, time, &mut progress)?;
    let awake = {
        let _awake = Awake::keep()?;
        throughput::measure(
            &servers,
            &load,
            &[CPU_CONNECTIONS],
            rounds,
            time,
            &mut progress,
        )?
    };
    drop(servers);
    let other = args
        .graph
        .as_deref()
        .map(|file| place.other(file, &wrk, rounds, time, &mut progress))
        .transpose()?;
    drop(progress);

    let (rows, rows_awake) = (figures::rows(&asleep), figures::rows(&awake));
    let figures = Figures {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        rounds,
        round_seconds: seconds,
        ratios: Ratios {
            cpu: cpu(&rows_awake),
            two_clients: two_clients(&asleep),
            two_clients_of_graph: other.as_deref().and_then(two_clients),
        },
        cpu_ratio_cores_may_sleep: cpu(&rows),
        load: rows,
        load_cores_awake: rows_awake,
        graph: args
            .graph
            .clone()
            .zip(other)
            .map(|(file, samples)| OtherGraph {
                file,
                requests_per_second: [1, 2]
                    .map(|clients| Spread::of(rates(&samples, clients).map(|(_, rate)| rate))),
            }),
    };
    report::write(
        &figures,
        (args.output == Format::Text).then(|| table(&figures)),
    )
}

/// Paths of the host program, of the ONNX Runtime library, and of the folder for all files that the
/// benchmark writes.
struct Place {
    library: PathBuf,
    host: PathBuf,
    folder: PathBuf,
}

impl Place {
    fn servers(&self, question: &Question) -> Result<Vec<(Kind, Server)>, Failure> {
        let manifest = manifest_file::read(&workspace::root().join(EXAMPLE).join(MANIFEST_FILE))?;
        let host = self.program("graph", &manifest)?;
        let missing = || {
            Failure::project(
                format!("{EXAMPLE}: there is no model"),
                "see its scorebox.toml",
            )
        };
        let model = manifest
            .scorer
            .model
            .as_deref()
            .ok_or_else(missing)?
            .join("mlp.onnx");
        let library = self.library.display().to_string();
        let file = stage::native("native-graph", &["--features", "graphs"])?;
        let ceiling = Program::ceiling("ceiling", &file, &model, &self.folder)
            .with_argument("--library", &library);
        let mut servers = Vec::new();
        for (kind, program) in [(Kind::Warm, host), (Kind::Ceiling, ceiling)] {
            let mut server = program.start()?;
            let (answer, _) = server.first_answer(&question.bytes)?;
            question.check_as(Trained::Network, &server, &answer)?;
            servers.push((kind, server));
        }
        Ok(servers)
    }

    /// Writes the app folder of a project whose scorer is a graph without a component, and returns
    /// a program that serves the app with the host. `name` is the name of the app folder and of the
    /// program. Fails if the app folder cannot be written.
    fn program(&self, name: &str, manifest: &Manifest) -> Result<Program, Failure> {
        let app = self.folder.join(name);
        let trial = Trial {
            host: Some(&self.host),
            library: Some(&self.library),
            engine: None,
        };
        app::stage(manifest, None, &app, Cpu::Baseline, Times::AsWritten, trial)?;
        let library = self.library.display().to_string();
        Ok(Program::host(name, &self.host, &app, &self.folder)
            .with_variable(ENGINE_VARIABLE, &library))
    }

    /// Measures the throughput of the graph in the file `file` with one client and with two
    /// clients, in each of `rounds` rounds. Each load takes the time `time`, and each request sends
    /// zeros. Fails if the host refuses the graph or does not answer.
    fn other(
        &self,
        file: &Path,
        wrk: &Path,
        rounds: u32,
        time: Duration,
        progress: &mut Progress,
    ) -> Result<Vec<Sample>, Failure> {
        let file =
            std::path::absolute(file).map_err(|error| Failure::file(file, "be found", error))?;
        let project = self.folder.join("other-project");
        std::fs::create_dir_all(&project)
            .map_err(|error| Failure::file(&project, "be made", error))?;
        let manifest = json!({ "scorer": { "name": "other", "model": file } });
        let manifest = toml::to_string(&manifest).unwrap_or_default();
        let path = project.join(MANIFEST_FILE);
        std::fs::write(&path, manifest)
            .map_err(|error| Failure::file(&path, "be written", error))?;
        let program = self.program("other", &manifest_file::read(&path)?)?;
        let json = self.zeros(&file)?.to_string();
        let load = LoadGenerator::new(wrk, self.folder.join("other.lua"), &json)?;
        let mut server = program.start()?;
        let (answer, _) = server.first_answer(&client::request(&json))?;
        if answer.status != 200 {
            let words = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(server.failure(&format!(
                "zeros are answered with {} {words}",
                answer.status
            )));
        }
        throughput::measure(
            &[(Kind::Warm, server)],
            &load,
            &[1, 2],
            rounds,
            time,
            progress,
        )
    }

    /// Returns a request body of zeros for the graph in the file `file`. Each dimension without a
    /// fixed size gets the size 1. Fails if the host refuses the graph.
    fn zeros(&self, file: &Path) -> Result<Value, Failure> {
        let output = Command::new(&self.host)
            .arg("graph")
            .arg(file)
            .env(ENGINE_VARIABLE, &self.library)
            .output();
        let output = output.map_err(|error| Failure::file(&self.host, "be run", error))?;
        let ports: Ports = serde_json::from_slice(&output.stdout).map_err(|_| {
            Failure::other(
                String::from_utf8_lossy(&output.stderr).into_owned(),
                "name another file",
            )
        })?;
        Ok(ports
            .inputs
            .iter()
            .map(|port| (port.name.clone(), port.zeros(&port.shape)))
            .collect())
    }
}

/// The inputs of a graph, as the command `scorebox graph` prints them in JSON.
#[derive(Deserialize)]
struct Ports {
    inputs: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    name: String,
    dtype: String,
    shape: Vec<Option<u64>>,
}

impl Port {
    fn zeros(&self, shape: &[Option<u64>]) -> Value {
        match (shape.split_first(), self.dtype.as_str()) {
            (Some((first, rest)), _) => (0..first.unwrap_or(1)).map(|_| self.zeros(rest)).collect(),
            (None, "bool") => Value::Bool(false),
            (None, "text") => Value::String(String::new()),
            (None, _) => json!(0),
        }
    }
}

fn cpu(rows: &[Row]) -> Option<f64> {
    let row = rows
        .iter()
        .find(|row| row.server == Kind::Warm && row.connections == CPU_CONNECTIONS);
    row.map(|row| row.over_ceiling.cpu)
}

/// Returns the host's number of requests per second in each round with `clients` clients. Each item
/// is a pair of the number of the round and the number of requests per second.
fn rates(samples: &[Sample], clients: u16) -> impl Iterator<Item = (u32, f64)> {
    let of = samples
        .iter()
        .filter(move |sample| sample.server == Kind::Warm && sample.connections == clients);
    of.map(|sample| (sample.round, sample.measured.requests_per_second))
}

/// Returns the throughput with two clients divided by that with one client: the median over all
/// rounds. Returns `None` if no round can be compared.
fn two_clients(samples: &[Sample]) -> Option<f64> {
    let ratios = rates(samples, 2).filter_map(|(round, two)| {
        let (_, one) = rates(samples, 1).find(|(other, _)| *other == round)?;
        Some(two / one)
    });
    Some(Spread::of(ratios)?.median)
}

fn table(figures: &Figures) -> String {
    let mut text = String::new();
    let Figures {
        cores,
        rounds,
        round_seconds,
        ratios,
        ..
    } = figures;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "one digit in a call; {rounds} rounds of {round_seconds} s; {cores} cores, shared with wrk; medians, least–most in \
         brackets; × is the median of the rounds' ratios to the ceiling\n"
    );
    let _ = writeln!(text, "{:>5} {:<8} {}", "conns", "server", report::heading());
    lines(&mut text, &figures.load);
    let _ = writeln!(text, "\nthe same with all cores kept awake");
    lines(&mut text, &figures.load_cores_awake);
    let asleep = report::ratio(figures.cpu_ratio_cores_may_sleep);
    let _ = writeln!(
        text,
        "\nratios     CPU, 8 connections        {} ({asleep} where cores may sleep)",
        report::ratio(ratios.cpu)
    );
    let _ = writeln!(
        text,
        "           two clients over one      {}",
        report::ratio(ratios.two_clients)
    );
    if let Some(graph) = &figures.graph {
        let of = report::ratio(ratios.two_clients_of_graph);
        let _ = writeln!(
            text,
            "           the same of {}  {of}",
            graph.file.display()
        );
    }
    text
}

fn lines(text: &mut String, rows: &[Row]) {
    for row in rows {
        let _ = writeln!(text, "{}", report::load_line(row));
    }
}

#[cfg(test)]
mod tests;
