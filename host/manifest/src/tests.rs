//! Tests of what the manifest accepts, and of the errors for everything else.

mod accepted;
mod contract;
mod inputs;
mod refused;
#[cfg(feature = "scripts")]
mod scripts;
mod server;
mod triggers;

use super::*;

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(Path::new("app/scorebox.toml"), text).map_err(|error| error.to_string())
}

fn minimal(rest: &str) -> String {
    format!("[scorer]\nname = \"digits\"\ncomponent = \"digits.wasm\"\n{rest}")
}
