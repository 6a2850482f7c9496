//! The Scorebox host.

use std::path::Path;

pub mod manifest;

/// What a check found.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The scorer's name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// `scoring` or `tensor-scoring`.
    pub world: String,
    /// Version of the contract.
    pub wit_version: String,
    /// `sha256:…` of the component.
    pub component_digest: String,
    /// `sha256:…` of the model, if there is one.
    pub model_digest: Option<String>,
    /// What `describe` said.
    pub signature: serde_json::Value,
}

/// Why the host would not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartupError(String);

impl StartupError {
    /// The host's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        3
    }
}

/// Checks an app folder.
///
/// # Errors
/// The folder holds no app.
pub fn check(app: &Path) -> Result<CheckReport, StartupError> {
    let manifest = manifest::Manifest::read(app).map_err(|error| StartupError(error.to_string()))?;
    let digest = |path: &Path| {
        use sha2::Digest as _;
        let bytes = std::fs::read(path).map_err(|error| StartupError(format!("{}: {error}", path.display())))?;
        let hex: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok::<_, StartupError>(format!("sha256:{hex}"))
    };
    Ok(CheckReport {
        component_digest: digest(&app.join("component.wasm"))?,
        model_digest: manifest.scorer.model.as_ref().map(|_| digest(&app.join("scorebox.toml"))).transpose()?,
        name: manifest.scorer.name,
        version: manifest.scorer.version,
        world: "scoring".to_owned(),
        wit_version: "0.1.0".to_owned(),
        signature: serde_json::Value::Null,
    })
}
