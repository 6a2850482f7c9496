//! The packager: makes app folders and OCI images of scorers, pushes the images to registries, and
//! deploys them to Azure.
//!
//! Owns the list of its modules. The public modules are those that `main`, the demo and the
//! measurements in `xtask/trials` use. Must not know the checks of the repository itself, nor how a
//! host is measured.

// The macros of `scorebox_workspace` print without a panic, and replace those of the standard
// library.
#[macro_use]
extern crate scorebox_workspace;

pub mod app;
mod build;
pub mod command_line;
mod completions;
pub mod component;
mod convert;
mod deploy;
mod dist;
mod doctor;
pub mod engine_library;
mod folder;
pub mod format;
mod forward;
mod functions_app;
pub mod graph_trial;
pub mod host_program;
mod identity;
pub mod image;
mod inspect;
mod installed;
mod intact;
pub mod leash;
mod libraries;
mod login;
pub mod manifest_file;
mod materials;
mod mlflow;
mod model;
mod new;
mod outcome;
pub mod package;
mod part;
mod push;
pub mod python;
mod registry;
mod sample;
mod shell;
mod signing;
mod sigstore_bundle;
#[cfg(test)]
mod skipped;
mod staged;
mod toolchain;
mod version;

pub use self::convert::ArraySource;
pub use self::new::create as create_from_template;
pub use self::registry::{Challenge, install_cryptography};
