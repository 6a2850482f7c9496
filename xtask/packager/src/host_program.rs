//! The host program, which is built or found in the installed tool, and checks of its file.
//!
//! Owns the call of Cargo that builds the program and the reading of its ELF header. Must not know
//! images.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_workspace::commands::SELECTION;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, shown};

use crate::installed;

/// Kind of build of the host program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A host for developers: it compiles components to machine code itself, and runs graphs.
    Developer,
    /// A host for an image: it has no compiler, does not run graphs, and is linked statically.
    Image,
    /// A host for an image with a graph: it is linked dynamically, because it loads a shared
    /// library.
    ImageWithGraphs,
    /// A host for an image with a script: it runs Python, and is linked statically.
    ImageWithPython,
    /// A host for an image with a script whose models run as graphs: it is linked dynamically.
    ImageWithPythonAndGraphs,
}

/// Name of the host program among the targets of Cargo.
const PROGRAM: &str = "scorebox-host";
/// File name of the copy of a built host program. The program also has this name in an image.
const NAME: &str = "scorebox";

impl Kind {
    /// All kinds of builds.
    pub const ALL: [Self; 5] = [
        Self::Developer,
        Self::Image,
        Self::ImageWithGraphs,
        Self::ImageWithPython,
        Self::ImageWithPythonAndGraphs,
    ];

    /// Returns the kind of host for an image. `with_python` is true if the scorer is a script, and
    /// `with_graphs` is true if the scorer runs ONNX graphs.
    pub fn of_image(with_python: bool, with_graphs: bool) -> Self {
        match (with_python, with_graphs) {
            (false, false) => Self::Image,
            (false, true) => Self::ImageWithGraphs,
            (true, false) => Self::ImageWithPython,
            (true, true) => Self::ImageWithPythonAndGraphs,
        }
    }

    /// Returns true if the host is linked statically, so that an image needs no C library for it.
    pub fn is_static(self) -> bool {
        matches!(self, Self::Image | Self::ImageWithPython)
    }

    /// Returns the arguments of Cargo that select the features of a host for an image. For a host
    /// for developers, the default features are selected.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Developer => &[],
            Self::Image => &["--no-default-features"],
            Self::ImageWithGraphs => &["--no-default-features", "--features", "graphs"],
            Self::ImageWithPython => &["--no-default-features", "--features", "python"],
            Self::ImageWithPythonAndGraphs => {
                &["--no-default-features", "--features", "graphs,python"]
            }
        }
    }

    /// Returns true if this is a host for images that runs scripts in Python.
    pub fn runs_scripts_in_images(self) -> bool {
        matches!(self, Self::ImageWithPython | Self::ImageWithPythonAndGraphs)
    }

    /// Returns the name of the folder that keeps a built host of this kind.
    fn name(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Image => "image",
            Self::ImageWithGraphs => "image-with-graphs",
            Self::ImageWithPython => "image-with-python",
            Self::ImageWithPythonAndGraphs => "image-with-python-and-graphs",
        }
    }

    /// Returns the file name of the host program in the folder of an installed tool's parts.
    pub fn installed(self) -> &'static str {
        match self {
            Self::Developer => installed::DEVELOPER_HOST,
            Self::Image => installed::IMAGE_HOST,
            Self::ImageWithGraphs => installed::GRAPHS_HOST,
            Self::ImageWithPython => installed::PYTHON_HOST,
            Self::ImageWithPythonAndGraphs => installed::PYTHON_GRAPHS_HOST,
        }
    }
}

const DEVELOPER: [&str; SELECTION.len() + 2] = {
    let [profile, a, packager, b, trials, c, host, d, guest] = SELECTION;
    [
        profile, a, packager, b, trials, c, host, d, guest, "--bin", PROGRAM,
    ]
};

const IMAGE: [&str; 6] = [
    "--profile",
    "image",
    "-p",
    "scorebox-host",
    "--bin",
    PROGRAM,
];

/// Builds the host program of the given kind, and returns the path of its file. An installed tool
/// brings its hosts, and builds none. Fails if the program cannot be built, does not start, or is
/// not the one that the tool was installed with.
pub fn build(kind: Kind) -> Result<PathBuf, Failure> {
    if let Some(list) = installed::list()? {
        if kind.runs_scripts_in_images() && !list.has_host(kind.installed()) {
            return Err(Failure::other(
                "this tool was made without the hosts that run scripts in images",
                "install a release that `cargo xtask dist` made without --without-python",
            ));
        }
        return list.file(kind.installed());
    }
    let name = kind.name();
    let arguments: Vec<&str> = match kind {
        // The packages are those of every build for developers, so that no large crate is compiled
        // twice.
        Kind::Developer => DEVELOPER.to_vec(),
        // A host for an image is built alone, since Cargo gives a program every feature that any
        // other package of the build asks for.
        _ => [&IMAGE, kind.features()].concat(),
    };
    eprintln!("building the host ({name})");
    let built = workspace::build(&workspace::root(), &arguments)?;
    let programs = built
        .into_iter()
        .filter(|artifact| artifact.name == PROGRAM);
    let Some(program) = programs
        .filter_map(|artifact| artifact.executable)
        .next_back()
    else {
        return Err(Failure::toolchain(
            format!("cargo built no program `{PROGRAM}`"),
            format!("see that host/Cargo.toml has a [[bin]] with the name `{PROGRAM}`"),
        ));
    };
    // All builds have the same file name in Cargo's folder, so each is copied to a folder of its
    // own.
    let dir = workspace::target().join("hosts").join(name);
    let place = dir.join(NAME);
    let fail = |error| Failure::file(&place, "be written", error);
    std::fs::create_dir_all(&dir).map_err(fail)?;
    let copy = tempfile::NamedTempFile::new_in(&dir).map_err(fail)?;
    std::fs::copy(&program, copy.path()).map_err(fail)?;
    copy.persist(&place).map_err(|error| fail(error.error))?;
    starts(&place)?;
    Ok(place)
}

/// Fails unless the program at this path is a statically linked program for x86-64, which can start
/// in an image without a C library.
pub fn check(path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::toolchain(
            format!("{}: cannot be read: {error}", shown(path)),
            "give --host a program for x86_64 Linux",
        )
    })?;
    examine(&bytes).map_err(|error| {
        Failure::toolchain(
            format!("{}: {error}", shown(path)),
            "build it for x86_64 Linux with `-C target-feature=+crt-static`, as .cargo/config.toml says; RUSTFLAGS in \
             the environment overrides that file",
        )
    })
}

/// Fails unless the program at this path is a host of the version and with the engine of this tool,
/// because another host refuses the machine code that this tool compiles.
pub fn is_of_this_release(path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::toolchain(
            format!("{}: cannot be read: {error}", shown(path)),
            "give --host a program for x86_64 Linux",
        )
    })?;
    installed::is_of_this_release(&bytes).map_err(|problem| {
        Failure::toolchain(
            format!("{}: {problem}", shown(path)),
            "give --host a host of the release of this tool, or leave --host out",
        )
    })
}

/// Starts the program at this path with `--version`, and fails if the program fails. A host program
/// that was linked with a static C library older than glibc 2.36 may crash at its start.
fn starts(path: &Path) -> Result<(), Failure> {
    let ended = Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .output();
    match ended {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Failure::toolchain(
            format!("{}: does not start here: {}", shown(path), output.status),
            "build it with a static C library of glibc 2.36 or newer, as in Debian 12 and Ubuntu 24.04",
        )),
        Err(error) => Err(Failure::file(path, "be run", error)),
    }
}

const ELF64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
const MACHINE_X86_64: u64 = 62;
const SEGMENT_INTERPRETER: u64 = 3;

/// Reason why a program cannot be the host program of an image that has no C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum UnfitProgram {
    /// The file does not start like a 64-bit ELF program.
    #[error("not a 64-bit ELF program")]
    OtherFormat,
    /// The program is for a processor other than x86-64.
    #[error("not a program for x86_64")]
    OtherMachine,
    /// The file ends within its ELF header.
    #[error("its ELF header is cut off")]
    CutHeader,
    /// The file ends within its program headers, which state the parts of the file to load into
    /// memory.
    #[error("its ELF program headers are cut off")]
    CutProgramHeaders,
    /// The program is linked dynamically: a loader starts it and loads its libraries.
    #[error("linked dynamically: it asks for a loader that the image lacks")]
    Dynamic,
}

/// Fails unless the bytes `elf` are a statically linked program for x86-64.
fn examine(elf: &[u8]) -> Result<(), UnfitProgram> {
    if !elf.starts_with(ELF64_LITTLE_ENDIAN) {
        return Err(UnfitProgram::OtherFormat);
    }
    match number(elf, 18, 2) {
        Some(MACHINE_X86_64) => {}
        Some(_) => return Err(UnfitProgram::OtherMachine),
        None => return Err(UnfitProgram::CutHeader),
    }
    let (Some(table), Some(size), Some(count)) =
        (number(elf, 32, 8), number(elf, 54, 2), number(elf, 56, 2))
    else {
        return Err(UnfitProgram::CutHeader);
    };
    for index in 0..count {
        let offset = table
            .checked_add(index * size)
            .and_then(|offset| usize::try_from(offset).ok());
        match offset.and_then(|offset| number(elf, offset, 4)) {
            Some(SEGMENT_INTERPRETER) => return Err(UnfitProgram::Dynamic),
            Some(_) => {}
            None => return Err(UnfitProgram::CutProgramHeaders),
        }
    }
    Ok(())
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8, segments: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(ELF64_LITTLE_ENDIAN);
        (bytes[18], bytes[32], bytes[54], bytes[56]) = (machine, 64, 56, segments.len() as u8);
        for segment in segments {
            bytes.extend([*segment].into_iter().chain([0; 55]));
        }
        bytes
    }

    #[test]
    fn only_static_programs_pass() {
        let check = |bytes: &[u8], part: Option<&str>| match (examine(bytes), part) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
            other => panic!("{other:?}"),
        };
        check(&elf(62, &[1, 1, 2]), None);
        check(&elf(62, &[6, 3, 1]), Some("dynamically"));
        check(&elf(183, &[1]), Some("x86_64"));
        check(b"#!/bin/sh", Some("not a 64-bit ELF"));
        for bytes in [6, 19, 20, 57] {
            check(&elf(62, &[1])[..bytes], Some("header is cut off"));
        }
        check(&elf(62, &[1])[..100], None);
        check(&elf(62, &[1, 1])[..100], Some("cut off"));
        let own = std::fs::read("/proc/self/exe").unwrap();
        check(&own, None);
    }
}
