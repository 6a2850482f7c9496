//! The tools that the tests use, and their installation on this machine.
//!
//! Owns the table of tools, and how apt-get is run. Must not know how a test uses a tool, apart
//! from the purpose that the table states in one line.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// A tool that the tests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// File name of the tool's program.
    pub program: &'static str,
    /// Name of the Debian package that contains the program. The packages of libraries that the
    /// program needs for the tests follow after spaces.
    pub package: &'static str,
    /// Purpose of the program in the tests, as text for people.
    pub purpose: &'static str,
}

/// All tools that the tests start or call.
pub const TEST_TOOLS: &[Tool] = &[
    tool(
        "redis-server",
        "redis-server",
        "the stores' tests start their own",
    ),
    tool(
        "docker-registry",
        "docker-registry",
        "the push's tests start their own",
    ),
    tool(
        "skopeo",
        "skopeo",
        "reads pushed images with another program than ours",
    ),
    tool(
        "umoci",
        "umoci",
        "unpacks layouts with another program than ours",
    ),
    tool("podman", "podman", "runs images"),
    tool("runc", "runc", "runs images for podman"),
    tool("openssl", "openssl", "makes certificates for TLS tests"),
    tool(
        "shellcheck",
        "shellcheck",
        "reads the scripts that `deploy` writes",
    ),
    tool(
        "qemu-x86_64-static",
        "qemu-user-static",
        "runs the host on an older CPU",
    ),
    tool(
        "wrk",
        "wrk",
        "loads the servers that the benchmark measures",
    ),
    tool("curl", "curl", "calls the host over HTTP/2"),
    tool("c++", "g++", "compiles libFuzzer"),
    tool(
        "python3",
        "python3",
        "plays the other side in tests of wire formats",
    ),
    tool(
        "pip3",
        "python3-pip",
        "fetches the library that runs graphs, those that convert models, and other clients",
    ),
    tool(
        "node",
        "nodejs",
        "runs Sigstore's verifier of signatures, and builds scorers in JavaScript",
    ),
    tool(
        "npm",
        "npm",
        "fetches Sigstore's verifier of signatures, and tools for scorers in JavaScript",
    ),
    tool(
        "debootstrap",
        "debootstrap",
        "makes a root file system without a compiler, for the installed tool",
    ),
    tool("make", "make", "builds scorers in C"),
    tool(
        "clang",
        "clang wasi-libc libclang-rt-dev-wasm32",
        "compiles scorers in C",
    ),
    tool("wasm-ld", "lld", "links scorers in C"),
];

const fn tool(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool {
        program,
        package,
        purpose,
    }
}

/// Returns the path of the program with the name `program`. The program is looked for on `PATH`,
/// and in the folders for the administrator's programs. Returns `None` if the program is not found.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Returns the tools that the tests use and that are not installed.
pub fn missing() -> Vec<Tool> {
    TEST_TOOLS
        .iter()
        .filter(|tool| find(tool.program).is_none())
        .copied()
        .collect()
}

/// Returns the command line that installs the given Debian packages.
pub fn apt_line(packages: &[&str]) -> String {
    format!(
        "apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Installs Debian packages with apt-get. Fails if this process is not root on a Debian system, or
/// if apt-get fails. The failure states the command that installs the packages.
pub fn install(packages: &[&str]) -> Result<(), Failure> {
    let line = apt_line(packages);
    let by_hand = || {
        Failure::toolchain(
            format!("missing: {}", packages.join(", ")),
            format!("as root: {line}"),
        )
    };
    if find("apt-get").is_none() || !rustix::process::geteuid().is_root() {
        return Err(by_hand());
    }
    eprintln!("installing: {}", packages.join(", "));
    for words in ["apt-get update", &line] {
        let mut words = words.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(by_hand());
        }
    }
    Ok(())
}

/// Runs a program and returns its standard output, without white space at the ends. Returns `None`
/// if the program cannot be run or fails.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
