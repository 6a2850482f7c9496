//! Parts of an image that only a scorer with a graph needs.
//!
//! Owns the choice of a host program, an ONNX Runtime library and shared libraries that fit
//! together. Must not know manifests, or where the parts are in an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use crate::engine_library::{self, EngineLibrary};
use crate::host_program::{self, Kind};
use crate::image::Content;
use crate::libraries;

/// Additional parts of an image whose scorer uses a graph: a host that runs graphs, the ONNX
/// Runtime library, and the shared libraries that both of them need.
pub struct GraphParts {
    pub(super) host: PathBuf,
    pub(super) library: EngineLibrary,
    /// Shared libraries that the host and ONNX Runtime need. The keys are the paths in the image,
    /// and the values are the paths on this machine. Empty if there is a base image, because the
    /// base has the libraries.
    pub(super) libraries: BTreeMap<String, PathBuf>,
}

impl GraphParts {
    /// Collects the host program at the path `host`, which is of the kind `kind`, the ONNX Runtime
    /// library at the path `library` and, if `on_nothing` is true because the image has no base,
    /// their shared libraries. If a path is `None`, the host is built or the library is fetched.
    /// Fails if a part cannot be found, built or fetched, or if the host is linked statically,
    /// because such a program cannot load ONNX Runtime.
    pub(super) fn new(
        kind: Kind,
        host: Option<&Path>,
        library: Option<&Path>,
        on_nothing: bool,
    ) -> Result<Self, Failure> {
        let library = engine_library::locate(library)?;
        let host = host.map_or_else(|| host_program::build(kind), |host| Ok(host.to_path_buf()))?;
        let Some(needs) = libraries::needs(&host)? else {
            return Err(Failure::toolchain(
                format!(
                    "{}: is linked statically, and such a program cannot load the library that runs graphs",
                    shown(&host)
                ),
                "leave --host out, or build one with `--features graphs`",
            ));
        };
        let programs = [host.as_path(), library.file.as_path()];
        let libraries = if on_nothing {
            libraries::bundle(&needs, &programs)?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            host,
            library,
            libraries,
        })
    }

    /// Returns the files of the ONNX Runtime library and its licences. The keys are the file names.
    pub(super) fn engine(&self) -> BTreeMap<String, Content> {
        let files = std::iter::once(&self.library.file).chain(&self.library.texts);
        files
            .filter_map(|file| {
                Some((
                    file.file_name()?.to_str()?.to_owned(),
                    Content::File(file.clone()),
                ))
            })
            .collect()
    }
}
