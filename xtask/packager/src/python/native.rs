//! Native answers of a script, in the environment of its author.
//!
//! Owns the run of the Python program in `xtask/python/record`. Must not know the form of a sample,
//! nor the sandbox: nothing else of the packager runs a script outside of the sandbox.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::manifest::Manifest;
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation::Sources;
use scorebox_workspace::workspace::shown;
use serde::Deserialize;
use serde_json::json;

/// Paths of the Python interpreter in the folder of a Python environment. The first that exists is
/// used.
const INTERPRETERS: [&str; 2] = ["bin/python", "bin/python3"];

/// A request to a script, with the name under which messages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the request, such as the path of its file.
    pub name: String,
    /// Body of the request, as JSON.
    pub body: String,
}

/// Outcome of a native run of a script, as the Python program in `xtask/python/record` writes it.
#[derive(Debug, Deserialize)]
struct Outcome {
    environment: String,
    answers: Vec<String>,
    problem: Option<String>,
}

/// Runs the script of a manifest natively, and returns its answers as JSON, one for each request.
/// `environment` is the folder of a Python environment, or the path or name of its interpreter.
/// Fails if the manifest names no script, if the script or the model is missing, if Python cannot
/// be run, or if the script does not answer a request with JSON.
pub fn answers(
    manifest: &Manifest,
    environment: &Path,
    requests: &[Request],
) -> Result<Vec<String>, Failure> {
    let Some(script) = &manifest.scorer.script else {
        return Err(Failure::project(
            format!(
                "{}: --python: the scorer is not a script",
                manifest.path.display()
            ),
            "leave --python out: `cargo xtask sample --app DIR` calls any other scorer",
        ));
    };
    let absolute = |path: &Path| {
        path.canonicalize().map_err(|error| {
            Failure::unreadable(
                path,
                error,
                "name a file that exists, relative to the manifest",
            )
        })
    };
    let mut variables = manifest.config.clone();
    if let Some(model) = &manifest.scorer.model {
        let model = absolute(model)?;
        // A model of one file is in a folder of its own in the app.
        let folder = if model.is_dir() {
            model.as_path()
        } else {
            model.parent().unwrap_or(&model)
        };
        let variable = variables.entry("AZUREML_MODEL_DIR".to_owned());
        variable.or_insert_with(|| folder.display().to_string());
    }
    let file = absolute(&script.file)?;
    let root = file.parent().unwrap_or(&file).display().to_string();
    variables.entry("AML_APP_ROOT".to_owned()).or_insert(root);
    let scratch = tempfile::tempdir().map_err(|error| {
        Failure::file(&std::env::temp_dir(), "create a temporary folder", error)
    })?;
    let outcome = scratch.path().join("outcome.json");
    let requests: Vec<_> = requests
        .iter()
        .map(|one| json!({ "name": one.name, "body": one.body }))
        .collect();
    let job = json!({
        "script": file.display().to_string(),
        "environment": variables,
        "requests": requests,
        "outcome": outcome.display().to_string(),
    });
    let python = interpreter(environment);
    let status = run(&python, &job.to_string())?;
    let outcome = std::fs::read(&outcome).ok();
    let outcome: Option<Outcome> = outcome.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(outcome) = outcome else {
        return Err(Failure::project(
            format!(
                "{}: ended before it recorded the answers of {} ({status})",
                shown(&python),
                shown(&script.file)
            ),
            "fix the error shown above; --python takes an environment with the packages of the script",
        ));
    };
    if let Some(problem) = outcome.problem {
        return Err(Failure::project(
            format!(
                "{}: {}",
                shown(&script.file),
                quoted(&problem, REASON_BYTES)
            ),
            "fix the script or the request; a module that is not found belongs into the environment of --python",
        ));
    }
    eprintln!("answers of {}", quoted(&outcome.environment, REASON_BYTES));
    Ok(outcome.answers)
}

/// Returns the path or the name of the Python interpreter that `environment` stands for: the folder
/// of a Python environment, or the interpreter itself.
fn interpreter(environment: &Path) -> PathBuf {
    let mut inside = INTERPRETERS.iter().map(|name| environment.join(name));
    let found = inside.find(|path| path.exists());
    let found = found.unwrap_or_else(|| environment.to_path_buf());
    // The process has another current folder, but a name without a slash is looked for on PATH.
    match found.components().count() {
        1 => found,
        // The path may be a link to another interpreter, which would not find the environment.
        _ => std::path::absolute(&found).unwrap_or(found),
    }
}

fn run(python: &Path, job: &str) -> Result<std::process::ExitStatus, Failure> {
    let failed = |error: std::io::Error| {
        Failure::toolchain(
            format!("{} cannot be run: {error}", shown(python)),
            "name the folder of a Python environment (`python3 -m venv ENV`), or its interpreter, with \
             --python",
        )
    };
    let mut child = Command::new(python)
        // Iteration over sets has one order, as in the sandbox.
        .env("PYTHONHASHSEED", "0")
        .arg("-B")
        .arg(Sources::Record.folder())
        .stdin(Stdio::piped())
        // Standard output is for the result of the command.
        .stdout(Stdio::from(std::io::stderr()))
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ends before it has read the job says why on its standard error.
        let _ = stdin.write_all(job.as_bytes());
    }
    child.wait().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(dir: &Path, script: &str) -> Manifest {
        let path = dir.join("scorebox.toml");
        std::fs::write(dir.join("score.py"), script).unwrap();
        std::fs::create_dir_all(dir.join("model")).unwrap();
        std::fs::write(dir.join("model/offset.txt"), "3").unwrap();
        let text = "[scorer]\nname = \"x\"\nscript = \"score.py\"\nmodel = \"model\"\n[config]\nby = \"2\"\n";
        std::fs::write(&path, text).unwrap();
        Manifest::read(&path).unwrap()
    }

    fn recorded(script: &str, body: &str) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let request = Request {
            name: "request.json".into(),
            body: body.into(),
        };
        answers(
            &manifest(dir.path(), script),
            Path::new("python3"),
            &[request],
        )
        .map_err(|failure| failure.problem)
    }

    #[test]
    fn a_script_gets_its_model_its_settings_and_the_body() {
        let script = "import json, os\n\
            def init():\n    global offset\n    offset = int(open(os.path.join(os.getenv('AZUREML_MODEL_DIR'), 'offset.txt')).read())\n\
            def run(data):\n    return [x * int(os.environ['by']) + offset for x in json.loads(data)]\n";
        assert_eq!(
            recorded(script, "[50000, 1.5]"),
            Ok(vec!["[100003, 6.0]".to_owned()])
        );
    }

    #[test]
    fn a_script_that_gives_no_answer_is_named_with_the_step() {
        #[track_caller]
        fn check(script: &str, part: &str) {
            let problem = recorded(script, "1").unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
        check("def init(): pass\n", "no function `run`");
        check("import no_such_module\n", "the import: the script failed");
        check(
            "def init(): 1 / 0\ndef run(data): pass\n",
            "`init`: the script failed",
        );
        check(
            "def init(): pass\ndef run(data): return float('nan')\n",
            "request.json: the answer cannot",
        );
        check(
            "def init(): pass\ndef run(data): return {1, 2}\n",
            "request.json: the answer cannot",
        );
        check(
            "def init(): pass\ndef run(): return 1\n",
            "takes no argument",
        );
        check(
            "import os\ndef init(): os._exit(3)\ndef run(data): pass\n",
            "ended before",
        );
    }
}
