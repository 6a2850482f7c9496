//! The things that `cargo xtask doctor` checks, each with its name.
//!
//! Owns the names, which scripts rely on, and the text about each thing for the page
//! `xtask/docs/doctor.md`. Must not know a check.

use std::fmt;

/// A thing that a deployment needs, which each line of the report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// The image of a deployment.
    Image,
    /// The manifest `scorebox.toml`.
    Manifest,
    /// The component of the scorer.
    Component,
    /// The files of the model.
    Model,
    /// The files `host.json` and `function.json`.
    HostJson,
    /// The environment variables that the manifest names.
    Settings,
    /// The key-value stores that the manifest names.
    Store,
    /// The login to the registry.
    Login,
    /// The right to read from the repository of the image.
    Pull,
    /// The right to write to the repository of the image.
    Push,
    /// The names of the registry, the repository, the tag and the functions, and the arguments of
    /// `deploy`.
    Names,
    /// The clock of this machine.
    Clock,
    /// The memory limit of the container.
    Memory,
    /// The CPU limit of the container.
    Cpu,
    /// The Scorebox host and the Functions host of the image.
    Host,
    /// The address of a running deployment, which `--url` names.
    Address,
}

/// All things that are checked, in the order of the report, each with the text for the page
/// `xtask/docs/doctor.md`.
pub const ALL: &[(Noun, &str)] = &[
    (
        Noun::Image,
        "`--image`: the reference or layout has the layers of `package`, and each blob has its \
         digest; the reference names a digest",
    ),
    (
        Noun::Manifest,
        "`--manifest`, `--app` or `--image`: `scorebox.toml` is valid; the app was built from \
         this version of the project",
    ),
    (
        Noun::Component,
        "the component loads, fits the contract, and its `init` succeeds, with stores in \
         memory; it answers `package.sample`",
    ),
    (
        Noun::Model,
        "the model's files are there, are not pickles, are not cut off, and are those that were \
         packaged",
    ),
    (
        Noun::HostJson,
        "`host.json` starts the host and lets a call take `limits.deadline`; each \
         `function.json` is as the manifest says",
    ),
    (
        Noun::Settings,
        "each environment variable that the manifest names is set, and has the form of its \
         service; values are never shown",
    ),
    (
        Noun::Store,
        "each store that has a URL is connected to and pinged; the line has the times",
    ),
    (
        Noun::Login,
        "the registry accepts the credentials; the line says where they came from",
    ),
    (Noun::Pull, "the repository may be read"),
    (
        Noun::Push,
        "the repository may be written: an upload is begun and canceled",
    ),
    (
        Noun::Names,
        "registry, repository, tag and functions follow the rules; the arguments after `--` are \
         accepted by `cargo xtask deploy`",
    ),
    (
        Noun::Clock,
        "the clock of this machine is that of the registry, or of `--url`",
    ),
    (
        Noun::Memory,
        "the limits of the manifest and the model fit into the container's memory: `--memory`, \
         or else the limit of this cgroup",
    ),
    (
        Noun::Cpu,
        "the container has enough CPU time for `limits.instances`: `--cpus`, or else the quota \
         of this cgroup",
    ),
    (
        Noun::Host,
        "the host of the image has this tool's version; the code was compiled for this engine \
         and a CPU level that this machine has; a base with the Functions host has version 4",
    ),
    (
        Noun::Address,
        "`--url`: the probes answer, the version is this tool's; the line has the latency",
    ),
];

impl Noun {
    /// Returns the name of the thing, as both formats of the report show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Manifest => "manifest",
            Self::Component => "component",
            Self::Model => "model",
            Self::HostJson => "host.json",
            Self::Settings => "settings",
            Self::Store => "store",
            Self::Login => "registry login",
            Self::Pull => "pull right",
            Self::Push => "push right",
            Self::Names => "names",
            Self::Clock => "clock",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Host => "host",
            Self::Address => "address",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_checks() {
        let rows = ALL
            .iter()
            .map(|(noun, about)| format!("| `{noun}` | {about} |\n"));
        let head = "| line | what is checked |\n|---|---|\n";
        let table: String = [head.to_owned()].into_iter().chain(rows).collect();
        scorebox_pages::check_part("xtask/docs/doctor.md", "checks of doctor", &table);
    }
}
