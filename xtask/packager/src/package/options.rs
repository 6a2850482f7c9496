//! Options for building an image.
//!
//! Owns their meaning, and the defaults. Must not know flags, or what the options are used for.

use std::path::Path;

use scorebox_host::precompiled::Cpu;

use super::graph_parts::GraphParts;
use crate::host_program::Kind;
use crate::image::Compression;
use crate::image::base::Base;
use crate::python::engine::Engine;
use crate::signing::Key;

/// Options for building an image that are not in the manifest of the scorer.
pub struct Making<'a> {
    /// CPU that the scorer's component is compiled for.
    pub cpu: Cpu,
    /// Path of the host program to put into the image. If `None`, a host program is built, or taken
    /// from the installed tool.
    pub host: Option<&'a Path>,
    /// Kind of host program that is built.
    pub kind: Kind,
    /// Engine pack of a script. `None` for all other scorers.
    pub engine: Option<&'a Engine>,
    /// Additional parts for a scorer that is an ONNX graph or calls graphs. `None` for all other
    /// scorers, and for most scripts.
    pub parts: Option<&'a GraphParts>,
    /// Path of the folder for the OCI image layout. `None` means `images/NAME` in the target
    /// folder.
    pub output: Option<&'a Path>,
    /// Tag that the image gets in the layout.
    pub tag: &'a str,
    /// Compression of all layers except the model's layer, which is compressed only if it shrinks
    /// well.
    pub compression: Compression,
    /// Base image below Scorebox's own layers. If `None`, the image has no base (`scratch`).
    pub base: Option<Base>,
    /// Path of the folder with the layers of the base image. `None` if the layout will not contain
    /// the layers.
    pub base_blobs: Option<&'a Path>,
    /// Repository name recorded in the attestations. `None` disables attestations.
    pub attestation: Option<&'a str>,
    /// Host and port of the registry that the image is built for. `None` if no registry is known.
    pub registry: Option<&'a str>,
    /// Private key that signs the image and the provenance statement. `None` disables signatures.
    pub key: Option<&'a Key>,
}

impl<'a> Making<'a> {
    /// Returns the default options: no base image, gzip layers, no attestations. `output` is the
    /// path of the folder for the OCI image layout, and `tag` is the tag of the image.
    pub fn of(output: &'a Path, tag: &'a str) -> Self {
        Self {
            cpu: Cpu::Baseline,
            host: None,
            kind: Kind::Image,
            engine: None,
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
