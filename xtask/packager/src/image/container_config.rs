//! Settings with which a container of a scorer's image starts.
//!
//! Owns the form of these settings in the image's config, and the user and the port that do not
//! depend on the scorer. Must not know bases or layers.

use std::collections::BTreeMap;

use serde::Serialize;

/// User id and group id that a container of a scorer's image runs as, unless its base contains the
/// Functions host. They are those of `nonroot` in common static base images.
pub const USER: &str = "65532:65532";
/// Port that the host listens on in a container, unless the Functions host sets another port.
pub const PORT: u16 = 8080;

/// The object `config` in an image's config, which says how a container starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// User id and group id that the container runs as.
    pub user: String,
    /// Ports that the container listens on, e.g. `8080/tcp`. The value of each port is an empty
    /// object, as OCI requires.
    pub exposed_ports: BTreeMap<String, BTreeMap<String, String>>,
    /// Environment variables of the container, each as `NAME=value`.
    pub env: Vec<String>,
    /// Program that the container starts, followed by its arguments.
    pub entrypoint: Vec<String>,
    /// Working directory of the program that the container starts.
    pub working_dir: String,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
}
