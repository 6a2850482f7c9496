//! The component of a scorer, built by a program that the manifest names, such as `make`.
//!
//! Owns the run of the program. Must not know what the program does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::manifest::Manifest;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

/// Runs a command in the folder of the manifest, and returns `output`, the path of the `.wasm` file
/// that the command makes. `command` is the program and its arguments. Fails if `command` is empty,
/// if the program cannot be run or fails, or if the file does not exist afterwards.
pub fn build(manifest: &Manifest, command: &[String], output: &Path) -> Result<PathBuf, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::project(
            format!(
                "{}: `scorer.component.command` is empty",
                manifest.path.display()
            ),
            "name the program that makes the component",
        ));
    };
    let words = quoted(&command.join(" "), NAME_BYTES);
    let dir = manifest.dir();
    eprintln!("building the component: `{words}` in {}", shown(dir));
    let status = Command::new(found(dir, program))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        // Standard output is for the result of the command.
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|error| {
            Failure::toolchain(
                format!("`{words}` cannot be run: {error}"),
                "install the program, or correct `scorer.component.command`",
            )
        })?;
    if !status.success() {
        return Err(Failure::project(
            format!("`{words}` in {} ended with {status}", shown(dir)),
            "fix the error above",
        ));
    }
    if output.is_file() {
        return Ok(output.to_path_buf());
    }
    Err(Failure::project(
        format!("`{words}` in {} made no {}", shown(dir), output.display()),
        "name the file that it makes in `scorer.component.output`, relative to the manifest",
    ))
}

/// Returns the path of the program to run. A relative path with a folder in it is relative to
/// `dir`, the folder of the manifest. An absolute path is returned as it is. So is a name without a
/// folder, which the system looks for in `PATH`.
fn found(dir: &Path, program: &str) -> PathBuf {
    let path = Path::new(program);
    if path.components().count() < 2 || path.is_absolute() {
        return path.to_path_buf();
    }
    let joined = dir.join(path);
    // The system looks for a relative path in the folder that the program starts in.
    std::path::absolute(&joined).unwrap_or(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_makes_the_file_in_the_manifests_folder() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n";
        let manifest = Manifest::parse(&dir.path().join("scorebox.toml"), text).unwrap();
        let output = dir.path().join("x.wasm");
        let run = |words: &[&str]| {
            let command: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
            build(&manifest, &command, &output)
        };
        let kind = |words: &[&str]| run(words).unwrap_err().exit_code();
        assert_eq!(kind(&["no-such-program-of-a-scorer"]), 4);
        assert_eq!(kind(&["sh", "-c", "exit 3"]), 3);
        assert_eq!(kind(&["true"]), 3);
        assert_eq!(run(&["sh", "-c", "echo made > x.wasm"]).unwrap(), output);
        // Another process writes the script, because a child of another test could keep a file of
        // this process open.
        let script = "printf '#!/bin/sh\\necho again > x.wasm\\n' > make.sh && chmod +x make.sh";
        run(&["sh", "-c", script]).unwrap();
        run(&["./make.sh"]).unwrap();
        assert_eq!(std::fs::read_to_string(&output).unwrap(), "again\n");
    }
}
