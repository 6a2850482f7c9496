//! `cargo xtask deploy` with hostile values in every field that a user can fill.
//!
//! Owns the values, and two checks of the output: ShellCheck and a strict parser of Bicep. Must not
//! know Azure, nor which values are refused: a refusal says how to fix it, and any output runs
//! nothing.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use scorebox_tests::run::Finished;
use scorebox_tests::{place, require, run};
use tempfile::TempDir;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Flags with valid values.
const FLAGS: [(&str, &str); 9] = [
    ("IMAGE", "contoso.azurecr.io/scoring/risk"),
    ("--group", "scoring"),
    ("--location", "westeurope"),
    ("--name", "contoso-risk"),
    ("--storage-account", "contosorisk"),
    ("--plan", "contoso-plan"),
    ("--sku", "EP1"),
    ("--environment", "contoso-env"),
    ("--base", "functions"),
];

/// Placeholders in the manifest with valid values.
const FIELDS: [(&str, &str); 17] = [
    ("NAME", "risk"),
    ("VERSION", "1.0.0"),
    ("LABEL", "run"),
    ("CONFIG", "threshold"),
    ("ROUTE", "score"),
    ("FUNCTION", "watch"),
    ("CONTAINER", "incoming"),
    ("BLOB", "x"),
    ("OUTPUT", "scored"),
    ("CONNECTION", "Storage"),
    ("QUEUE", "applications"),
    ("PARK", "parked"),
    ("VARIABLE", "SCORING_REDIS_URL"),
    ("REGISTRY", "contoso.azurecr.io"),
    ("REPOSITORY", "scoring/risk"),
    ("TAG", "blue"),
    ("LICENSE", "MIT"),
];

const MANIFEST: &str = r#"
[scorer]
name = "NAME"
version = "VERSION"
component = "risk.wasm"
labels = { "LABEL" = "7" }
[config]
"CONFIG" = "0.5"
[[trigger]]
kind = "http"
route = "ROUTE"
[[trigger]]
kind = "blob"
function = "FUNCTION"
path = "CONTAINER/BLOB{name}.json"
source = "event-grid"
connection = "CONNECTION"
output = { blob = "OUTPUT/{name}.json" }
[[trigger]]
kind = "service-bus"
queue = "QUEUE"
connection = "Bus"
park = { queue = "PARK" }
[stores.default]
url = "env:VARIABLE"
[package]
base = "functions"
registry = "REGISTRY"
repository = "REPOSITORY"
tag = "TAG"
license = "LICENSE"
"#;

/// Values that have an effect if they are not quoted: they create the file `FILE`, or end a
/// literal, a line or a comment.
const HOSTILE: [&str; 28] = [
    "$(touch FILE)",
    "`touch FILE`",
    "x$(touch${IFS}FILE)",
    "X:-$(touch FILE)",
    "X}$(touch FILE)",
    "X:?`touch FILE`",
    "a;touch FILE",
    "a\ntouch FILE",
    "a\r\ntouch FILE\r\n",
    "a & touch FILE &",
    "a|touch FILE",
    "a' ; touch FILE ; '",
    "a\" ; touch FILE ; \"",
    "a\\' ; touch FILE #",
    "'''",
    "'''\nresource evil 'x' = {}\n'''",
    "a'\nparam evil string = 'x",
    "${evil()}",
    "\\${evil()}",
    "$HOME",
    "-x",
    "--output=$(touch FILE)",
    "a b",
    "*",
    "~root",
    "a\u{2028}touch FILE\u{2029}",
    "\u{202e}a\u{1b}[2J",
    "",
];

const TARGETS: [(&str, &str); 6] = [
    ("premium", "identity"),
    ("premium", "credentials"),
    ("dedicated", "identity"),
    ("dedicated", "credentials"),
    ("container-apps", "identity"),
    ("container-apps", "credentials"),
];

struct Rig {
    dir: TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        // This `az` answers queries, and ignores every other call.
        let script = "printf '#!/bin/sh\\ncase \"$*\" in *--query*) echo answer;; esac\\n' > \"$1\" && chmod 755 \"$1\"";
        let made = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(bin.join("az"))
            .status()
            .expect("sh runs");
        assert!(made.success());
        Self { dir }
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.dir.path().join("bin").display())
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("made")
    }

    /// Writes a manifest with another value in one field, and returns its path.
    fn manifest(&self, field: &str, value: &str) -> std::path::PathBuf {
        let mut text = MANIFEST.to_owned();
        for (name, usual) in FIELDS.into_iter().filter(|(name, _)| *name != field) {
            text = text.replace(name, &escaped(usual));
        }
        // The field is filled last, because the value may contain another field's name.
        if !field.is_empty() {
            text = text.replace(field, &escaped(value));
        }
        let path = self.dir.path().join("scorebox.toml");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Runs a call with another value for one flag.
    fn deploy(
        &self,
        manifest: &Path,
        target: &str,
        pull: &str,
        flag: &str,
        value: &str,
    ) -> Finished {
        let mut deploy = Command::new(place::xtask());
        deploy
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path());
        deploy
            .args(["deploy", "--target", target, "--pull", pull, "--bicep"])
            .arg(self.dir.path().join("app.bicep"));
        deploy.arg("--manifest").arg(manifest);
        for (name, usual) in FLAGS {
            let value = if name == flag { value } else { usual };
            match name {
                "IMAGE" => deploy.arg(format!("{value}@{DIGEST}")),
                _ => deploy.arg(format!("{name}={value}")),
            };
        }
        run::finish(&mut deploy, b"")
    }

    /// Runs the script that was written, and checks it and the Bicep file.
    #[track_caller]
    fn is_harmless(&self, said: &Finished, what: &str) {
        assert!(
            !self.file().exists(),
            "{what}: a command ran while the script was written"
        );
        let mut sh = Command::new("sh");
        sh.arg("-s")
            .env_clear()
            .env("PATH", self.path())
            .current_dir(self.dir.path());
        for name in [
            "Storage",
            "Bus",
            "SCORING_REDIS_URL",
            "EVENT_STORAGE_ID",
            "BLOBS_KEY",
        ] {
            sh.env(name, "value");
        }
        sh.env("SCOREBOX_REGISTRY_USERNAME", "u")
            .env("SCOREBOX_REGISTRY_PASSWORD", "p");
        let ran = run::finish(&mut sh, said.stdout.as_bytes());
        assert!(
            !self.file().exists(),
            "{what}: the script ran a command\n{}",
            said.stdout
        );
        // If the value was accepted as a variable's name, that variable is not set. Then the script
        // stops with an error about the parameter.
        assert!(
            ran.stderr.contains("parameter") || ran.stderr.is_empty(),
            "{what}: {}\n{}",
            ran.stderr,
            said.stdout
        );
        checked(&said.stdout, what);
        let bicep =
            std::fs::read_to_string(self.dir.path().join("app.bicep")).expect("it was written");
        bicep::read(&bicep).unwrap_or_else(|problem| panic!("{what}: {problem}\n{bicep}"));
    }
}

/// Escapes a text for a TOML string in double quotes.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\';
    text.chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                format!("\\U{:08x}", u32::from(c))
            }
        })
        .collect()
}

/// Checks a script with ShellCheck, if it is installed.
#[track_caller]
fn checked(script: &str, what: &str) {
    if place::tool("shellcheck").is_none() {
        return;
    }
    let said = run::finish(
        run::tool("shellcheck").args(["--shell=sh", "--severity=style", "-"]),
        script.as_bytes(),
    );
    assert_eq!(said.stdout, "", "{what}: {script}");
}

/// Asserts that the outcome is a refusal of the project or the command line: few lines, with a fix,
/// and nothing unescaped.
#[track_caller]
fn is_a_refusal(said: &Finished, what: &str) {
    let is_usage = said.status.code() == Some(2);
    assert!(
        is_usage || (said.status.code() == Some(3) && said.stderr.contains("fix: ")),
        "{what}: {said:?}"
    );
    assert_eq!(said.stdout, "", "{what}");
    if !is_usage {
        assert_eq!(
            said.stderr.trim_end().lines().count(),
            2,
            "{what}: {}",
            said.stderr
        );
        let is_raw =
            |c: char| c != '\n' && (c.is_control() || "\u{2028}\u{2029}\u{202e}".contains(c));
        assert!(!said.stderr.contains(is_raw), "{what}: {:?}", said.stderr);
    }
}

#[test]
fn shellcheck_finds_nothing_in_any_script() {
    require!("shellcheck");
    let rig = Rig::new();
    let manifest = rig.manifest("", "");
    for (target, pull) in TARGETS {
        let said = rig.deploy(&manifest, target, pull, "", "").ended(0);
        checked(&said.stdout, &format!("{target} {pull}"));
    }
}

#[test]
fn no_value_of_the_manifest_runs_anything() {
    let rig = Rig::new();
    let marker = rig.file().display().to_string();
    for (field, _) in FIELDS {
        for value in HOSTILE.into_iter().chain(["a\0b"]) {
            let what = format!("{field} = {value:?}");
            let manifest = rig.manifest(field, &value.replace("FILE", &marker));
            let said = rig.deploy(&manifest, "premium", "identity", "", "");
            match said.status.code() {
                Some(0) => rig.is_harmless(&said, &what),
                _ => is_a_refusal(&said, &what),
            }
            // Names of variables, settings, functions and containers must be words.
            if ["VARIABLE", "CONNECTION", "FUNCTION", "CONTAINER"].contains(&field)
                && !value.is_empty()
            {
                assert_eq!(said.status.code(), Some(3), "{what}: {}", said.stdout);
            }
        }
    }
}

#[test]
fn no_flag_runs_anything() {
    let rig = Rig::new();
    let marker = rig.file().display().to_string();
    let manifest = rig.manifest("", "");
    for (flag, _) in FLAGS {
        for value in HOSTILE {
            let what = format!("{flag} {value:?}");
            let value = value.replace("FILE", &marker);
            for target in ["premium", "container-apps"] {
                let said = rig.deploy(&manifest, target, "credentials", flag, &value);
                match said.status.code() {
                    Some(0) => rig.is_harmless(&said, &what),
                    _ => is_a_refusal(&said, &what),
                }
            }
        }
    }
    // A value that is not valid text cannot be a name either.
    let mut deploy = Command::new(place::xtask());
    deploy
        .env_clear()
        .args(["deploy", "x", "--target", "premium", "--group"]);
    deploy.arg(std::ffi::OsStr::from_bytes(b"\xff$(id)")).args([
        "--location",
        "x",
        "--name",
        "x",
        "--manifest",
        "x",
    ]);
    run::finish(&mut deploy, b"").ended(2);
}

#[test]
fn a_variable_of_the_script_or_the_shell_is_no_setting() {
    let rig = Rig::new();
    let names = [
        "PATH",
        "IFS",
        "BASH_ENV",
        "LD_PRELOAD",
        "deploy_app",
        "BLOBS_KEY",
        "SCOREBOX_REGISTRY_PASSWORD",
    ];
    for name in names
        .into_iter()
        .chain(["EVENT_STORAGE_ID", "FUNCTIONS_WORKER_RUNTIME"])
    {
        let said = rig
            .deploy(
                &rig.manifest("VARIABLE", name),
                "premium",
                "identity",
                "",
                "",
            )
            .ended(3);
        said.said(&[&format!("`{name}`"), "another name", "fix: "]);
    }
}

#[test]
fn no_two_settings_share_a_secret_or_a_parameter() {
    let rig = Rig::new();
    // These names share their first 20 characters or their letters with another setting, or equal a
    // parameter's name.
    for name in [
        "SCORING_REDIS_URL_2",
        "ScoringRedisUrl",
        "NAME",
        "Image",
        "STORAGE",
        "storage",
    ] {
        for target in ["premium", "container-apps"] {
            let manifest = rig.manifest("VARIABLE", name);
            let text = std::fs::read_to_string(&manifest).expect("it is there");
            let text = format!(
                "{text}[stores.other]\nurl = \"env:SCORING_REDIS_URL_OTHER\"\n[stores.third]\n\
                                url = \"env:SCORING_REDIS_URL_THIRD\"\n"
            );
            std::fs::write(&manifest, text).expect("a file");
            rig.deploy(&manifest, target, "identity", "", "").ended(0);
            let bicep =
                std::fs::read_to_string(rig.dir.path().join("app.bicep")).expect("it was written");
            let declared =
                bicep::read(&bicep).unwrap_or_else(|problem| panic!("{name}: {problem}\n{bicep}"));
            assert!(declared.len() >= 8, "{declared:?}");
            if target == "container-apps" {
                let kept = bicep
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("secretRef: "));
                let mut kept: Vec<_> = kept.collect();
                let count = kept.len();
                kept.sort_unstable();
                kept.dedup();
                assert_eq!((kept.len(), count), (count, 6), "{bicep}");
            }
        }
    }
}

/// A strict parser of the parts of Bicep that `deploy` uses.
mod bicep {
    use std::collections::BTreeSet;

    /// Checks literals, comments, brackets and names. Returns the names that are declared.
    pub fn read(text: &str) -> Result<BTreeSet<String>, String> {
        if let Some(c) = text
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || "\u{2028}\u{2029}\u{feff}".contains(*c))
        {
            return Err(format!("{c:?} is in the file"));
        }
        let code = code(text)?;
        let mut declared = BTreeSet::new();
        for line in code.lines() {
            let mut words = line.split_whitespace();
            let Some(keyword @ ("param" | "resource" | "var" | "output")) = words.next() else {
                continue;
            };
            let name = words.next().unwrap_or_default();
            let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric());
            if !fits || (keyword != "output" && !declared.insert(name.to_owned())) || name == "evil"
            {
                return Err(format!("`{name}` is declared twice, or is no name: {line}"));
            }
        }
        Ok(declared)
    }

    /// Returns the text without comments, and with `''` for every literal. Expressions within
    /// literals are checked, too.
    fn code(text: &str) -> Result<String, String> {
        let mut code = String::new();
        let mut open = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '/' if rest.peek() == Some(&'/') => while rest.next_if(|c| *c != '\n').is_some() {},
                '\'' if rest.peek() == Some(&'\'') => {
                    rest.next();
                    if rest.peek() == Some(&'\'') {
                        return Err("a literal of several lines".to_owned());
                    }
                    code.push_str("''");
                }
                '\'' => {
                    literal(&mut rest)?;
                    code.push_str("''");
                }
                '{' | '[' | '(' => {
                    open.push(c);
                    code.push(c);
                }
                '}' | ']' | ')' => {
                    if !matches!(
                        (open.pop(), c),
                        (Some('{'), '}') | (Some('['), ']') | (Some('('), ')')
                    ) {
                        return Err(format!("`{c}` closes nothing"));
                    }
                    code.push(c);
                }
                c if c.is_ascii_alphanumeric() || " \n.,:=@_-?".contains(c) => code.push(c),
                c => return Err(format!("{c:?} stands outside of literals")),
            }
        }
        if open.is_empty() {
            Ok(code)
        } else {
            Err(format!("{open:?} is not closed"))
        }
    }

    /// Reads the rest of a literal whose opening quote was read.
    fn literal(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), String> {
        loop {
            match rest.next() {
                None | Some('\n') => return Err("a literal does not end on its line".to_owned()),
                Some('\'') => return Ok(()),
                Some('\\') => match rest.next() {
                    Some('\\' | '\'' | 'n' | 'r' | 't' | '$') => {}
                    Some('u') => {
                        let digits: String =
                            std::iter::from_fn(|| rest.next_if(|c| *c != '}' && *c != '\''))
                                .collect();
                        let hex = digits
                            .strip_prefix('{')
                            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        if rest.next() != Some('}') || hex.and_then(char::from_u32).is_none() {
                            return Err(format!("`\\u{digits}` is no escape"));
                        }
                    }
                    other => return Err(format!("`\\{other:?}` is no escape")),
                },
                Some('$') if rest.peek() == Some(&'{') => {
                    rest.next();
                    let expression: String =
                        std::iter::from_fn(|| rest.next_if(|c| *c != '}' && *c != '\'')).collect();
                    let known = [
                        "name",
                        "image",
                        "puller.id",
                        "storage.name",
                        "app.properties.",
                        "storage.listKeys()",
                        "environment()",
                    ];
                    if rest.next() != Some('}')
                        || !known.iter().any(|start| expression.starts_with(start))
                    {
                        return Err(format!("`${{{expression}}}` is no expression of ours"));
                    }
                }
                Some(_) => {}
            }
        }
    }

    #[test]
    fn the_reader_is_strict() {
        for text in [
            "param a string = 'x'\n",
            "// 'x\nvar b = '${name}\\'\\u{2028}\\${x}'\n",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
        let wrong = [
            "param a string = 'x\n",
            "param a string = 'x' evil() '\n'",
            "param a string = '${evil()}'\n",
            "param a string\nparam a string\n",
            "param 2 string\n",
            "var a = '''x'''\n",
            "var a = '\\q'\n",
            "var a = {\n",
            "var a = 'x'; \n",
            "// x\u{2028}param evil string\n",
        ];
        for text in wrong {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
