//! The setting `scorer.component`: a file, or the source of a component.
//!
//! Owns the forms of the setting. Must not know how a component is built.

use std::path::{Path, PathBuf};

use scorebox_text::{NAME_BYTES, Problem, quoted};

/// Source of a component, or its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// Folder of a Cargo package that is compiled for `wasm32-wasip2`.
    Cargo(PathBuf),
    /// A program and its arguments that make a component in the manifest's folder.
    Command {
        /// The program, followed by its arguments. The list is never empty.
        command: Vec<String>,
        /// Path of the `.wasm` file that the program makes.
        output: PathBuf,
    },
    /// Path of a `.wasm` file that is already built.
    File(PathBuf),
    /// A script that is put into a component together with the engine that runs it.
    Script {
        /// Engine that runs the script.
        engine: ScriptEngine,
        /// Path of the script.
        entry: PathBuf,
    },
}

/// Engine that runs a script inside a component, and the tool that builds the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptEngine {
    /// The engine SpiderMonkey. The tool componentize-js builds the component.
    ComponentizeJs,
    /// The engine CPython. The tool componentize-py builds the component.
    ComponentizePy,
    /// The engine QuickJS. The tool componentize-qjs builds the component.
    QuickJs,
}

impl ScriptEngine {
    /// All engines, each with its key in `scorer.component`.
    const KEYS: [(&str, Self); 3] = [
        ("componentize-js", Self::ComponentizeJs),
        ("componentize-py", Self::ComponentizePy),
        ("quickjs", Self::QuickJs),
    ];

    /// Returns the key of the engine in `scorer.component`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::ComponentizeJs => "componentize-js",
            Self::ComponentizePy => "componentize-py",
            Self::QuickJs => "quickjs",
        }
    }
}

/// Reads the value of `scorer.component`. `dir` is the folder of the manifest. Fails if the value
/// is neither a text, which is the path of a `.wasm` file, nor a table with one source, such as `{
/// cargo = "FOLDER" }`.
pub(super) fn source(value: &toml::Value, dir: &Path) -> Result<ComponentSource, Problem> {
    let table = match value {
        toml::Value::String(file) => return Ok(ComponentSource::File(dir.join(file))),
        toml::Value::Table(table) => table,
        _ => {
            return Err(unreadable(
                "`scorer.component` is neither a file's name nor a source",
            ));
        }
    };
    let path = |key: &str| {
        let path = table.get(key).and_then(toml::Value::as_str);
        path.filter(|path| !path.is_empty())
            .map(|path| dir.join(path))
    };
    let mut keys = table.keys().map(String::as_str);
    match (keys.next(), keys.next(), keys.next()) {
        (Some("command"), Some("output"), None) | (Some("output"), Some("command"), None) => {
            match (words(table.get("command")), path("output")) {
                (Some(command), Some(output)) => Ok(ComponentSource::Command { command, output }),
                _ => Err(unreadable(
                    "`scorer.component` needs a list of words as `command`, and a path as `output`",
                )),
            }
        }
        (Some("command" | "output"), None, None) => Err(unreadable(
            "`scorer.component` has only one of `command` and `output`",
        )),
        (Some(key), None, None) => {
            let engine = ScriptEngine::KEYS.iter().find(|(name, _)| *name == key);
            match (key, engine, path(key)) {
                ("cargo", _, Some(folder)) => Ok(ComponentSource::Cargo(folder)),
                (_, Some((_, engine)), Some(entry)) => Ok(ComponentSource::Script {
                    engine: *engine,
                    entry,
                }),
                ("cargo", ..) | (_, Some(_), None) => Err(unreadable(&format!(
                    "`scorer.component.{key}` is not a path"
                ))),
                _ => Err(unreadable(&format!(
                    "`scorer.component` has no source `{}`",
                    quoted(key, NAME_BYTES)
                ))),
            }
        }
        _ => Err(unreadable("`scorer.component` is not one source")),
    }
}

/// Returns the words of a command. Returns `None` if the value is not a list of texts, if a text
/// has a NUL, or if the list or its first text, the program, is empty.
fn words(value: Option<&toml::Value>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for word in value?.as_array()? {
        // A NUL cannot be passed to a program.
        words.push(
            word.as_str()
                .filter(|word| !word.contains('\0'))?
                .to_owned(),
        );
    }
    words
        .first()
        .is_some_and(|program| !program.is_empty())
        .then_some(words)
}

fn unreadable(problem: &str) -> Problem {
    Problem::new(
        problem,
        "write `component = \"NAME.wasm\"`, or one source: `{ cargo = \"FOLDER\" }`, `{ \
         componentize-py = \"app.py\" }`, `{ componentize-js = \"app.js\" }`, `{ quickjs = \"app.js\" \
         }`, or `{ command = [\"make\"], output = \"NAME.wasm\" }`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ComponentSource, Problem> {
        let table: toml::Table = format!("component = {text}").parse().unwrap();
        source(&table["component"], Path::new("app"))
    }

    #[test]
    fn a_component_is_a_file_or_a_source() {
        let script = |engine, entry: &str| ComponentSource::Script {
            engine,
            entry: entry.into(),
        };
        for (text, expected) in [
            ("\"a.wasm\"", ComponentSource::File("app/a.wasm".into())),
            ("{ cargo = \".\" }", ComponentSource::Cargo("app/.".into())),
            (
                "{ componentize-py = \"app.py\" }",
                script(ScriptEngine::ComponentizePy, "app/app.py"),
            ),
            (
                "{ componentize-js = \"src/app.ts\" }",
                script(ScriptEngine::ComponentizeJs, "app/src/app.ts"),
            ),
            (
                "{ quickjs = \"app.js\" }",
                script(ScriptEngine::QuickJs, "app/app.js"),
            ),
            (
                "{ output = \"a.wasm\", command = [\"make\", \"all\"] }",
                ComponentSource::Command {
                    command: vec!["make".to_owned(), "all".to_owned()],
                    output: "app/a.wasm".into(),
                },
            ),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for (name, engine) in ScriptEngine::KEYS {
            assert_eq!(engine.key(), name);
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for (text, named) in [
            ("3", "neither"),
            ("{}", "not one source"),
            ("{ carg = \".\" }", "`carg`"),
            ("{ cargo = 3 }", "`scorer.component.cargo`"),
            ("{ cargo = \"\" }", "`scorer.component.cargo`"),
            ("{ quickjs = [\"a\"] }", "`scorer.component.quickjs`"),
            ("{ cargo = \".\", quickjs = \"a.js\" }", "not one source"),
            ("{ command = [\"make\"] }", "only one"),
            ("{ output = \"a.wasm\" }", "only one"),
            (
                "{ command = \"make\", output = \"a.wasm\" }",
                "list of words",
            ),
            ("{ command = [], output = \"a.wasm\" }", "list of words"),
            ("{ command = [\"\"], output = \"a.wasm\" }", "list of words"),
            (
                "{ command = [\"make\", 3], output = \"a.wasm\" }",
                "list of words",
            ),
            (
                "{ command = [\"make\"], output = \"a.wasm\", cwd = \"x\" }",
                "not one source",
            ),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.problem.contains(named), "{text}: {refused:?}");
            assert!(refused.fix.contains("componentize-py"), "{refused:?}");
        }
    }
}
