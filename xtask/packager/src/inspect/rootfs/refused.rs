//! Reasons why an entry of a layer is refused, because of a container runtime or a limit.
//!
//! Owns the reasons and their texts. Must not know how a path leads to a folder.

/// Reason why an entry of a layer is refused: a container runtime would refuse it, or the image
/// exceeds a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedEntry {
    /// The path of the entry leads above the root. The bytes are the path as the entry has it.
    #[error("`{}` leads out of the root", String::from_utf8_lossy(.0))]
    OutOfRoot(Vec<u8>),
    /// The path is longer than the 4,096 bytes that Linux allows, or has a name of more than 255
    /// bytes.
    #[error("holds a path of {total} bytes with a name of {longest}, which is too long for Linux")]
    TooLong {
        /// Length of the path, in bytes.
        total: usize,
        /// Length of the longest name in the path, in bytes.
        longest: usize,
    },
    /// The path leads through more than 255 symbolic links, which may lead in a circle. The text is
    /// the path.
    #[error("`{0}` leads through too many links")]
    TooManyLinks(String),
    /// The path leads through a file system object that is not a folder. The text is the whole
    /// path.
    #[error("`{0}` leads through something that is not a folder")]
    NotAFolder(String),
    /// The target of a hard link does not exist. The text is the path of the target.
    #[error("holds a hard link to `{0}`, which is not there")]
    NoTarget(String),
    /// The target of a hard link is a folder. The text is the path of the target.
    #[error("holds a hard link to the folder `{0}`")]
    FolderAsTarget(String),
    /// A whiteout does not name a file to remove. The bytes are the name of the whiteout.
    #[error("holds `{}`, which removes no file", String::from_utf8_lossy(.0))]
    EmptyWhiteout(Vec<u8>),
    /// To apply all whiteouts of the image, more than 20 million files and folders would have to be
    /// examined.
    #[error("holds too many whiteouts")]
    TooManyWhiteouts,
    /// The image has too many files, folders and links, or their names and link targets have more
    /// than 128 MiB together.
    #[error("brings the image to more than {most} files, or their names to too many bytes")]
    TooManyFiles {
        /// Maximum number of files, folders and links.
        most: usize,
    },
}
