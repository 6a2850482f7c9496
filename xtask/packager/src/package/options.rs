//! Options for building an image.
//!
//! Owns their meaning, and the defaults. Must not know flags, or what the options are used for.

use std::path::Path;

use scorebox_host::precompiled::Cpu;

use super::graph_parts::GraphParts;
use crate::image::Compression;
use crate::image::base::Base;
use crate::signing::Key;

/// Options for building an image, in addition to the manifest of the scorer.
pub struct Making<'a> {
    /// CPU that the component is compiled for.
    pub cpu: Cpu,
    /// Host program to put into the image. `None` builds one.
    pub host: Option<&'a Path>,
    /// Parts for a scorer that is an ONNX graph or calls graphs. `None` for all other scorers.
    pub parts: Option<&'a GraphParts>,
    /// Folder of the OCI layout. `None` means `images/NAME` in the target folder.
    pub output: Option<&'a Path>,
    /// Tag of the image in the layout.
    pub tag: &'a str,
    /// Compression of all layers except the model's layer, which is compressed only if it shrinks
    /// well.
    pub compression: Compression,
    /// Base image below Scorebox's own layers. `None` builds an image without a base (`scratch`).
    pub base: Option<Base>,
    /// Folder with the layers of the base image. `None` if the layout will not contain them.
    pub base_blobs: Option<&'a Path>,
    /// Repository name recorded in the attestations. `None` disables attestations.
    pub attestation: Option<&'a str>,
    /// Registry that the image is built for. `None` if no registry is known.
    pub registry: Option<&'a str>,
    /// Private key that signs the image and the provenance statement. `None` disables signatures.
    pub key: Option<&'a Key>,
}

impl<'a> Making<'a> {
    /// Returns the default options: no base image, gzip layers, no attestations.
    pub fn of(output: &'a Path, tag: &'a str) -> Self {
        Self {
            cpu: Cpu::Baseline,
            host: None,
            parts: None,
            output: Some(output),
            tag,
            compression: Compression::Gzip,
            base: None,
            base_blobs: None,
            attestation: None,
            registry: None,
            key: None,
        }
    }
}
