//! The section `[package]` of the manifest.
//!
//! Owns the names and licences that an app's container image gets. Must not know how an image is
//! made, or how a registry is queried.

use std::path::{Path, PathBuf};

use scorebox_text::{NAME_BYTES, Problem};
use serde::Deserialize;

use super::scorer::ScorerSection;
use super::settings::default_of;
use super::{azure_names, image_names, image_reference, names};

/// Section `[package]` of the manifest: the names, the base image and the licences of the app's
/// container image, and the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSection {
    /// Host and port of the registry for the app's container image, such as `contoso.azurecr.io`.
    /// `None` if the manifest does not name a registry.
    pub registry: Option<String>,
    /// Name of the repository of the app's container image in the registry.
    pub repository: String,
    /// Tag of the app's container image, which is pushed in addition to the image's digest. If the
    /// manifest does not set it, the tag is the scorer's version with `_` for a `+`, or `latest` if
    /// the scorer has no version.
    pub tag: String,
    /// Base image of the app's container image: `scratch`, `functions`, or the full name of an
    /// image with its registry.
    pub base: String,
    /// Licence of the scorer, as an SPDX expression. `None` if the manifest does not state it.
    pub license: Option<String>,
    /// Licence of the model, as an SPDX expression. `None` if the manifest does not state it.
    pub model_license: Option<String>,
    /// Path of the sample: a file with an input and its expected answer, with which the scorer is
    /// checked before it is packaged. `None` if the packager makes no such check.
    pub sample: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawPackage {
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    base: Option<String>,
    license: Option<String>,
    model_license: Option<String>,
    sample: Option<PathBuf>,
}

impl RawPackage {
    pub(super) fn into_section(
        self,
        scorer: &ScorerSection,
        dir: &Path,
    ) -> Result<PackageSection, Problem> {
        let base = self
            .base
            .unwrap_or_else(|| default_of("package.base").to_owned());
        if !["scratch", "functions"].contains(&base.as_str()) {
            image_reference::parse(
                "`package.base`:",
                &base,
                "write HOST[:PORT]/NAME[:TAG][@sha256:HEX] in full, `functions` for the usual image of Azure Functions, or \
                 `scratch`",
            )?;
        }
        if let Some(registry) = &self.registry {
            image_names::registry("`package.registry`:", registry)?;
            azure_names::check_registry("package.registry", registry)?;
        }
        if let Some(repository) = &self.repository {
            image_names::repository("`package.repository`:", repository)?;
        }
        if let Some(tag) = &self.tag {
            image_names::tag("`package.tag`:", tag)?;
        }
        for (key, license) in [
            ("package.license", &self.license),
            ("package.model_license", &self.model_license),
        ] {
            names::line(key, license.as_deref().unwrap_or_default(), NAME_BYTES)?;
        }
        let tag = match (self.tag, scorer.version.as_str()) {
            (Some(tag), _) => tag,
            (None, "") => default_of("package.tag").to_owned(),
            (None, version) => image_names::tag_of_version(version),
        };
        Ok(PackageSection {
            registry: self.registry,
            repository: self.repository.unwrap_or_else(|| scorer.name.clone()),
            tag,
            base,
            license: self.license,
            model_license: self.model_license,
            sample: self.sample.map(|sample| dir.join(sample)),
        })
    }
}
