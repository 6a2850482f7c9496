//! The paths in an image that only `package` writes to.
//!
//! Owns the list of these paths, and the check whether another path concerns one of them. Must not
//! know layers.

use crate::image::{APP_ROOT, ENGINE_FOLDER, HOST_PROGRAM, PACK_FOLDER};

/// Paths in an image that only layers of `package` may change: the app, the host, the engine pack,
/// and the folders in which the host looks for ONNX Runtime.
pub const OURS: [&str; 6] = [
    APP_ROOT,
    ENGINE_FOLDER,
    HOST_PROGRAM,
    PACK_FOLDER,
    "/usr/bin/lib/scorebox",
    "/usr/bin/engine",
];

/// Returns true if the path is, contains, or is inside a path that only layers of `package` may
/// change: the app, the host program, the engine pack or ONNX Runtime, as listed in [`OURS`].
/// `path` has no leading slash.
pub fn concerns_us(path: &str) -> bool {
    let is_within = |path: &str, place: &str| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    OURS.map(|place| place.trim_start_matches('/'))
        .into_iter()
        .any(|place| is_within(path, place) || is_within(place, path))
}
