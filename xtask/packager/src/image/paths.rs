//! Paths in a scorer's image at which the host and its operators find the packaged files.
//!
//! Owns these paths. Must not know which files are packaged, or in which layer they are.

/// Path of the app folder in a scorer's image.
pub const APP_ROOT: &str = "/home/site/wwwroot";
/// Path of the host program in a scorer's image.
pub const HOST_PROGRAM: &str = "/usr/bin/scorebox";
/// Folder in a scorer's image that contains ONNX Runtime, the library that runs graphs, and its
/// licences. The host looks for the library in this folder.
pub const ENGINE_FOLDER: &str = "/usr/lib/scorebox";
/// Folder in a scorer's image that contains the engine pack, which runs scripts in Python. The host
/// looks for the pack in this folder.
pub const PACK_FOLDER: &str = "/pack";
