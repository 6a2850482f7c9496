//! The templates of `scorebox new`, each of them built, tried and packaged by the installed tool.
//!
//! Owns the programs that a template needs, and the bound on the CPU time of a first image. Must not
//! know the files of a template. A short run tries two templates and builds each of them twice, and
//! `cargo xtask test --long` tries all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use scorebox_tests::release::{Release, Tool};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{cpu_time, extent, place, require, skip};
use serde_json::Value;

/// Timeout for one command, which may fetch a toolchain.
const LIMIT: Duration = Duration::from_secs(1200);

/// Templates of a short run.
const SHORT: [&str; 2] = ["python", "sklearn"];

/// Templates whose first image has a bound on its CPU time.
const BOUNDED: [&str; 5] = ["python", "sklearn", "onnx", "javascript", "rust"];

/// Programs that a template needs, by the name of the template. Others need none.
const PROGRAMS: [(&str, &[&str]); 6] = [
    ("rust", &["cargo"]),
    ("rust-tensors", &["cargo"]),
    ("python", &["python3"]),
    ("javascript", &["node", "npm"]),
    ("c", &["make", "clang", "wasm-ld"]),
    ("sklearn", &["python3"]),
];

/// Templates whose builds need a compiler, which needs other programs.
const COMPILED: [&str; 3] = ["rust", "rust-tensors", "c"];

/// Commands that run the tests of a template, by the name of the template.
const TESTS: [(&str, &str); 7] = [
    ("rust", "cargo test"),
    ("rust-tensors", "cargo test"),
    ("python", "python3 -m unittest"),
    (
        "javascript",
        "npm install --offline --no-audit --no-fund && npm test",
    ),
    ("c", "make test test-host"),
    ("onnx", "python3 -m unittest"),
    ("sklearn", "python3 -m unittest"),
];

/// Largest CPU time from `new` to an image whose sample is answered, in seconds. Fetching the
/// toolchain is not counted.
pub const CPU_SECONDS: f64 = 60.0;

/// An installed tool with the programs that a template needs.
struct Desk<'a> {
    tool: &'a Tool,
    path: OsString,
}

impl<'a> Desk<'a> {
    /// Returns the tool with all programs of this machine if the template is compiled, and
    /// otherwise with no other programs than the template needs.
    fn of(tool: &'a Tool, template: &str) -> Self {
        let path = match COMPILED.contains(&template) {
            true => std::env::var_os("PATH").unwrap_or_default(),
            false => linked(
                &tool.work().join(format!("programs-of-{template}")),
                needed(template),
            ),
        };
        Self { tool, path }
    }

    /// Returns a command of the tool, with the toolchains and caches of this machine's user.
    fn command(&self, folder: &str, words: &[&str]) -> Command {
        let mut command = self.tool.command(folder, words);
        self.equip(&mut command);
        command
    }

    fn equip(&self, command: &mut Command) {
        command.env("PATH", &self.path);
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "XDG_CACHE_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
    }

    #[track_caller]
    fn run(&self, folder: &str, words: &[&str], input: &[u8]) -> Finished {
        run::finish_within(LIMIT, &mut self.command(folder, words), input).ended(0)
    }
}

/// Returns the programs that a template needs.
fn needed(template: &str) -> &'static [&'static str] {
    let row = PROGRAMS.iter().find(|(name, _)| *name == template);
    row.map_or(&[], |(_, programs)| programs)
}

/// Returns a program that a template needs and that is not on this machine, or `None` if there are
/// all.
fn missing(template: &str) -> Option<&'static str> {
    let mut programs = needed(template).iter().copied();
    programs.find(|program| place::tool(program).is_none())
}

/// Makes a folder with links to programs of this machine, and returns its path.
fn linked(folder: &Path, programs: &[&str]) -> OsString {
    std::fs::create_dir_all(folder).expect("a folder can be made");
    for program in programs {
        // The program on PATH may be a shim, which needs others.
        let real = match *program {
            "python3" => {
                let mut python = run::tool("python3");
                python.args(["-c", "import sys; print(sys.executable)"]);
                let said = run::finish(&mut python, b"").ended(0).stdout;
                PathBuf::from(said.trim_end())
            }
            other => place::tool(other).expect("the caller looked for it"),
        };
        let link = folder.join(program);
        if !link.exists() {
            std::os::unix::fs::symlink(&real, link).expect("a link can be made");
        }
    }
    folder.into()
}

#[test]
fn every_template_is_tried_and_its_first_image_takes_a_minute_of_cpu_time() {
    require!("openssl", "python3");
    let tool = Release::of_the_tests().installed();
    let list = tool.run(".", &["new", "--list"]).ended(0).stdout;
    let names: Vec<_> = list
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let short: Vec<_> = names
        .iter()
        .copied()
        .filter(|name| SHORT.contains(name))
        .collect();
    assert_eq!(short, SHORT, "{list}");
    for name in extent::of(short, names) {
        match missing(name) {
            Some(program) => skip::skip(&format!("{name}: there is no program `{program}`")),
            None => tries(&Desk::of(&tool, name), name),
        }
    }
}

/// Creates a scorer from a template, builds, checks, calls and packages it, and bounds the CPU time
/// of a first image. A whole run also runs the tests that the template has.
#[track_caller]
fn tries(desk: &Desk<'_>, template: &str) {
    let folder = format!("my-{template}");
    desk.run(".", &["new", &folder, "--template", template], b"");
    let project = desk.tool.work().join(&folder);
    if template == "sklearn" && extent::is_whole() {
        trains(desk, &folder, &project);
    }
    desk.run(&folder, &["build"], b"");
    desk.run(&folder, &["check"], b"");
    let sample = std::fs::read(project.join("sample.json")).expect("every template has a sample");
    let sample: Value = serde_json::from_slice(&sample).expect("a sample is JSON");
    let body = sample["inputs"].to_string();
    desk.run(&folder, &["invoke"], body.as_bytes());
    let is_bounded = BOUNDED.contains(&template);
    // The toolchain was fetched by the build above, so the time to fetch it is not measured.
    if is_bounded {
        is_fast(desk, template);
    }
    // In a short run the first image, of another project of the template, is the only one.
    if extent::is_whole() || !is_bounded {
        desk.run(&folder, &["package"], b"");
        let layout = project.join("target/images").join(&folder);
        assert!(layout.join("index.json").is_file(), "{template}");
    }
    if extent::is_whole() {
        passes_its_tests(desk, template, &project);
    }
}

/// Runs the tests of a project with the tool and all programs of this machine on `PATH`.
#[track_caller]
fn passes_its_tests(desk: &Desk<'_>, template: &str, project: &Path) {
    let mut scripts = TESTS.iter();
    let script = scripts.find(|(name, _)| *name == template);
    let (_, script) = script.expect("every template has tests");
    let tool = desk.command(".", &[]);
    let folder = Path::new(tool.get_program()).parent();
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let path = folder
        .map(Path::to_path_buf)
        .into_iter()
        .chain(std::env::split_paths(&machine));
    let path = std::env::join_paths(path).expect("folders of PATH");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).current_dir(project).env_clear();
    desk.equip(&mut shell);
    shell.env("PATH", path);
    run::finish_within(LIMIT, &mut shell, b"").ended(0);
}

/// Trains the model of the template `sklearn`, and converts its pickle.
#[track_caller]
fn trains(desk: &Desk<'_>, folder: &str, project: &Path) {
    // The libraries of the repository are those that an installed tool would fetch, too.
    let mut part = Command::new(place::xtask());
    part.args(["part", "convert-libraries"]);
    let libraries = run::finish_within(LIMIT, &mut part, b"").ended(0).stdout;
    let libraries = place::workspace().join(libraries.trim_end());
    let mut python = run::tool("python3");
    python
        .arg("train.py")
        .current_dir(project)
        .env("PYTHONPATH", &libraries);
    run::finish_within(LIMIT, &mut python, b"").ended(0);
    let environment = libraries.parent().expect("a folder").display().to_string();
    let words = [
        "convert",
        "model.pkl",
        "--output",
        "converted",
        "--name",
        "model",
        "--sample",
        "rows.json",
        "--force",
        "--environment",
        &environment,
    ];
    desk.run(folder, &words, b"");
}

/// Creates a scorer from a template and packages it, and measures the CPU time of both. The
/// toolchain is there already.
#[track_caller]
fn is_fast(desk: &Desk<'_>, template: &str) {
    let started = Instant::now();
    let folder = format!("fast-{template}");
    let mut shell = Command::new("/bin/sh");
    let script =
        "\"$0\" new \"$1\" --template \"$2\" >&2 && cd \"$1\" && \"$0\" package >&2 && times";
    shell
        .args(["-c", script])
        .arg(desk.command(".", &[]).get_program())
        .args([folder.as_str(), template])
        .current_dir(desk.tool.work())
        .env_clear();
    desk.equip(&mut shell);
    let finished = run::finish_within(LIMIT, &mut shell, b"").ended(0);
    let seconds = cpu_time::of_children(&finished.stdout);
    let wall = started.elapsed().as_secs_f64();
    eprintln!("{template}: {seconds:.1} s of CPU time, {wall:.1} s of wall time");
    assert!(
        seconds > 0.0 && seconds < CPU_SECONDS,
        "{template}: {seconds} s"
    );
    let layout = format!("{folder}/target/images/{folder}/index.json");
    assert!(desk.tool.work().join(layout).is_file());
}
