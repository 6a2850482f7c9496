//! Checks of the hosts of a deployment: the Scorebox host, the engine and the CPU level that the
//! machine code was compiled for, and the Functions host of the base image.
//!
//! Owns the choice of the differences that are problems, and the search for the version in a host
//! program. Must not know how an image is opened, nor its layers.

use std::io::{self, Read};

use scorebox_host::engine::ENGINE;
use scorebox_host::manifest::{Manifest, Trigger};
use scorebox_host::precompiled::Cpu;
use scorebox_host::text::{NAME_BYTES, quoted};

use super::image::ImageFound;
use super::noun::Noun;
use super::report::{Report, TOOL_VERSION};

/// Text before the version in every host program. The host sends the text and the version in a
/// header of its responses.
const MARK: &[u8] = b"scorebox/";
/// Maximum length, in bytes, of the version of Scorebox that is read from the file of a host
/// program.
const LONGEST_VERSION_BYTES: usize = 24;
/// Major version of the Functions host that calls custom handlers as Scorebox expects it.
const FUNCTIONS_MAJOR: &str = "4";

/// Checks the Scorebox host and the Functions host that will run the app. `project` is the manifest
/// that `--manifest` names, and `manifest` is that of the built app or of the project.
pub fn examine(
    report: &mut Report,
    project: Option<&Manifest>,
    manifest: Option<&Manifest>,
    image: Option<&ImageFound>,
) {
    if let Some(project) = project.filter(|project| project.packaged.is_none()) {
        base(report, project);
    }
    if let Some(image) = image {
        of_image(report, image);
    }
    if let Some(manifest) = manifest {
        code(report, manifest);
    }
    if !report.has(Noun::Host) {
        report.skipped(
            Noun::Host,
            "nothing is built; name the app with --app or the image with --image",
        );
    }
}

/// Checks that the project's base image has the Functions host if a trigger needs it.
fn base(report: &mut Report, project: &Manifest) {
    let by_events: Vec<_> = project
        .triggers
        .iter()
        .filter(|trigger: &&Trigger| trigger.http().is_none())
        .map(|trigger| format!("`{}`", trigger.function))
        .collect();
    if project.package.base == "scratch" && !by_events.is_empty() {
        report.problem(
            Noun::Host,
            format!(
                "`package.base` is `scratch`, which has no Functions host, so {} would never be \
                 called",
                quoted(&by_events.join(", "), NAME_BYTES)
            ),
            "write `base = \"functions\"` into [package] and package again, or remove the triggers \
             that are not HTTP",
        );
    }
}

fn of_image(report: &mut Report, image: &ImageFound) {
    match image.host_version.as_deref() {
        Some(TOOL_VERSION) => {
            report.ok(
                Noun::Host,
                format!("the image has Scorebox {TOOL_VERSION}, as this tool"),
            );
        }
        Some(version) => report.warning(
            Noun::Host,
            format!("the image has Scorebox {version}, and this tool is {TOOL_VERSION}"),
            format!("package again with this tool, or check the image with the tool of {version}"),
        ),
        None if image.app.is_some() => report.warning(
            Noun::Host,
            "the image has a host program that names no version of Scorebox",
            "package again without `--host`, or with a host of this release",
        ),
        None => {}
    }
    let base = image.base.as_deref().unwrap_or("the base");
    match image.functions_version.as_deref() {
        None => {}
        Some(version) if version.split('.').next() == Some(FUNCTIONS_MAJOR) => {
            report.ok(
                Noun::Host,
                format!("{base} has the Functions host {version}"),
            );
        }
        Some(version) => report.problem(
            Noun::Host,
            format!("{base} has the Functions host {version}, and Scorebox needs version 4"),
            "package again with `--base functions`, which names a base with a current host",
        ),
    }
}

/// Checks that the machine code of an app runs in this tool's host and on this machine.
fn code(report: &mut Report, manifest: &Manifest) {
    let Some(precompiled) = &manifest.precompiled else {
        return;
    };
    let engine = quoted(&precompiled.engine, NAME_BYTES);
    if precompiled.engine != ENGINE {
        report.problem(
            Noun::Host,
            format!(
                "the code was compiled for the engine `{engine}`, and the host of this tool \
                 has `{ENGINE}`"
            ),
            "build and package again, and keep the host and this tool from one release",
        );
        return;
    }
    let native = Cpu::native();
    match precompiled.cpu.parse::<Cpu>() {
        Ok(level) if level <= native => {
            report.ok(
                Noun::Host,
                format!("the code is for {engine} and {level}; this machine is {native}"),
            );
        }
        Ok(level) => report.problem(
            Noun::Host,
            format!("the code was compiled for {level}, and this machine is {native}"),
            "build and package again with `--cpu x86-64`, which every machine runs; or run it on a \
             newer machine",
        ),
        Err(unknown) => report.problem(
            Noun::Host,
            format!(
                "`precompiled.cpu`: {}",
                quoted(&unknown.to_string(), NAME_BYTES)
            ),
            "build and package again with this tool",
        ),
    }
}

/// Search for the version of a host in the bytes of its program.
#[derive(Debug, Default)]
pub struct Marker {
    found: Option<String>,
}

impl Marker {
    /// Searches the bytes of a host program for the version of the host. Fails if the program
    /// cannot be read.
    pub fn search(&mut self, mut program: impl Read) -> io::Result<()> {
        const PIECE_BYTES: usize = 64 << 10;
        // The end of each piece is kept, because the text may lie across two pieces.
        let keep = MARK.len() + LONGEST_VERSION_BYTES;
        let mut seen = Vec::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = program.read(&mut piece)?;
            seen.extend_from_slice(piece.get(..count).unwrap_or_default());
            let is_end = count == 0;
            let most = if is_end {
                seen.len()
            } else {
                seen.len().saturating_sub(keep)
            };
            self.look(&seen, most);
            if is_end {
                return Ok(());
            }
            seen.drain(..most);
        }
    }

    /// Looks for the version of the host at each position before `most` in `seen`, a part of the
    /// host program's bytes.
    fn look(&mut self, seen: &[u8], most: usize) {
        for start in 0..most {
            let rest = seen.get(start..).unwrap_or_default();
            let Some(rest) = rest.strip_prefix(MARK) else {
                continue;
            };
            // The bytes after the version in the program can begin with a digit, too, so the
            // version of this tool is tried first.
            let version = match rest.starts_with(TOOL_VERSION.as_bytes()) {
                true => Some(TOOL_VERSION.to_owned()),
                false => version(rest),
            };
            if self.found.is_none() || version.as_deref() == Some(TOOL_VERSION) {
                self.found = version.or(self.found.take());
            }
        }
    }

    /// Returns the version of the host that was found, or `None` if none was found in the host
    /// program.
    pub fn version(self) -> Option<String> {
        self.found
    }
}

/// Returns the version at the start of `bytes`: three numbers with dots between them. Returns
/// `None` if there is no version.
fn version(bytes: &[u8]) -> Option<String> {
    let is_of_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let length = bytes
        .iter()
        .take(LONGEST_VERSION_BYTES)
        .take_while(|byte| is_of_version(byte))
        .count();
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let numbers: Vec<_> = text.split('.').take(3).collect();
    let is_whole = numbers.len() == 3 && numbers.iter().all(|number| !number.is_empty());
    is_whole.then(|| numbers.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_wherever_it_lies() {
        let find = |bytes: &[u8]| {
            let mut marker = Marker::default();
            marker.search(bytes).unwrap();
            marker.version()
        };
        let with = |before: usize, text: &str| {
            let mut bytes = vec![0; before];
            bytes.extend(text.bytes());
            bytes.extend(vec![b'x'; 200]);
            find(&bytes)
        };
        for before in [0, 1, (64 << 10) - 5, (64 << 10) - 12, 200_000] {
            assert_eq!(
                with(before, "scorebox/7.8.9"),
                Some("7.8.9".to_owned()),
                "{before}"
            );
            let own = format!("scorebox/{TOOL_VERSION}9.html");
            assert_eq!(
                with(before, &own),
                Some(TOOL_VERSION.to_owned()),
                "{before}"
            );
        }
        assert_eq!(find(b"scorebox/7.8.9"), Some("7.8.9".to_owned()));
        assert_eq!(find(b"host/scorebox/src scorebox/1 scorebox/"), None);
        assert_eq!(
            find(format!("scorebox/7.8.9 scorebox/{TOOL_VERSION}").as_bytes()),
            Some(TOOL_VERSION.to_owned())
        );
    }
}
