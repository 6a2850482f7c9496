//! Folders that the interpreter sees in the sandbox.
//!
//! Owns the names of these folders in the sandbox, and their order. Must not know the paths of the
//! folders on the machine.
//!
//! The C library of the interpreter looks at the folders once, and remembers their file
//! descriptors. So every instance must have the same folders in the same order as the instance in
//! which the pack was made. If a script has no packages or no model, it sees the empty folder of
//! the pack, [`EMPTY_FOLDER`], in their place.

/// Folder in the sandbox with the archive from which Python imports its libraries.
pub(crate) const LIBRARY: &str = "/usr/local/lib";
/// Folder in the sandbox with the script.
pub(crate) const CODE: &str = "/app";
/// Folder in the sandbox with the packages of the script.
pub(crate) const PACKAGES: &str = "/packages";
/// Folder in the sandbox with the model of the script.
pub(crate) const MODEL: &str = "/model";

/// All folders that the interpreter sees, in their order.
pub(crate) const ALL: [&str; 4] = [LIBRARY, CODE, PACKAGES, MODEL];

/// Name of the empty folder in an engine pack. A container image needs this folder, too, although
/// it has no files.
pub const EMPTY_FOLDER: &str = "empty";
