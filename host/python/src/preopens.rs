//! Folders that the interpreter sees.
//!
//! Owns their names in the sandbox and their order. Must not know which folders of the machine they
//! are.
//!
//! The C library of the interpreter looks at the folders once, and remembers their numbers. So
//! every instance must have the same folders in the same order as the instance in which the pack
//! was made. Where a script has no packages or no model, it sees the pack's folder
//! [`EMPTY_FOLDER`].

/// Folder of the archive that Python imports its libraries from.
pub(crate) const LIBRARY: &str = "/usr/local/lib";
/// Folder of the script.
pub(crate) const CODE: &str = "/app";
/// Folder of the script's packages.
pub(crate) const PACKAGES: &str = "/packages";
/// Folder of the script's model.
pub(crate) const MODEL: &str = "/model";

/// All folders that the interpreter sees, in their order.
pub(crate) const ALL: [&str; 4] = [LIBRARY, CODE, PACKAGES, MODEL];

/// Name of the empty folder in a pack. An image needs it too, although no file is in it.
pub const EMPTY_FOLDER: &str = "empty";
