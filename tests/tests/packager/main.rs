//! Tests of the area `packager`: from a project to an image, to a registry and to the commands for
//! Azure.
//!
//! Owns the list of its modules: what `cargo xtask` builds, converts, packages, pushes, inspects
//! and deploys.

mod authentication;
mod bare_debian;
mod base;
mod container;
mod convert;
mod deploy;
mod deploy_catch_up;
mod deploy_guarded;
mod deploy_hostile;
mod deploy_names;
mod deploy_plain;
mod deploy_plain_refusals;
mod doctor;
mod forged_bases;
mod forged_documents;
mod forged_layers;
mod inspect;
mod installed;
mod languages;
mod long_names;
mod next_steps;
mod package;
mod polyglot;
mod precompiled;
mod push_faults;
mod quiet_output;
mod references;
mod registry_bounds;
mod rust_projects;
mod sample;
mod scripts;
mod snapshots;
mod templates;
mod texts;
mod tls_registry;
mod trusted_realm;
