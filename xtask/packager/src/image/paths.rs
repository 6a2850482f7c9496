//! Paths in the image at which the host and its operators find the packaged files.
//!
//! Owns these paths. Must not know which files are packaged, or in which layer they are.

/// Path of the app folder in the image.
pub const APP_ROOT: &str = "/home/site/wwwroot";
/// Path of the host program in the image.
pub const HOST_PROGRAM: &str = "/usr/bin/scorebox";
/// Folder in the image that contains ONNX Runtime, the library that runs graphs, and its licences.
/// The host looks for the library in this folder.
pub const ENGINE_FOLDER: &str = "/usr/lib/scorebox";
