//! Paths within the file system of an image.
//!
//! Owns the rules by which a path is cleaned, and the limits on its length. Must not know which
//! file is at a path.

use super::refused::RefusedEntry;

/// Maximum length of a path, in bytes: `PATH_MAX` of Linux.
const LONGEST_PATH_BYTES: usize = 4096;
/// Maximum length of a name in a path, in bytes: `NAME_MAX` of Linux.
const LONGEST_NAME_BYTES: usize = 255;
/// Index of the root folder's node among the nodes of the file system.
pub const ROOT: usize = 0;

/// Place of a folder in the file system of an image. It has the nodes and names of all folders from
/// the root to this folder. If there are fewer nodes than names, the remaining folders do not
/// exist.
pub struct Place {
    /// Indices of the nodes of the folders on the way from the root to this folder, as far as the
    /// folders exist. The first index is that of the root.
    pub nodes: Vec<usize>,
    /// Names of the folders on the way from the root to this folder. The last name is that of this
    /// folder, and the root itself has no name.
    pub names: Vec<Vec<u8>>,
}

impl Place {
    /// Returns the index of the node of the folder at this place, or `None` if the folder does not
    /// exist.
    pub fn node(&self) -> Option<usize> {
        self.nodes
            .last()
            .copied()
            .filter(|_| self.nodes.len() == self.names.len() + 1)
    }

    /// Moves from the folder at this place to its parent folder.
    pub fn up(&mut self) {
        if self.nodes.len() > self.names.len() && self.nodes.len() > 1 {
            self.nodes.pop();
        }
        self.names.pop();
    }

    /// Moves from the folder at this place to its subfolder `name`. `node` is the index of the
    /// subfolder's node, or `None` if the subfolder does not exist.
    pub fn down(&mut self, node: Option<usize>, name: Vec<u8>) {
        self.nodes.extend(node);
        self.names.push(name);
    }
}

/// Returns the names in a path, cleaned like Go's `filepath.Clean` does: without following links.
/// Fails if the path leads above the root, or if it is too long.
pub fn cleaned(path: &[u8]) -> Result<Vec<Vec<u8>>, RefusedEntry> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            // Some runtimes stop at the root, others refuse the layer.
            b".." if names.pop().is_none() => {
                return Err(RefusedEntry::OutOfRoot(path.to_vec()));
            }
            b".." => {}
            name => names.push(name.to_vec()),
        }
    }
    check_length(&names)?;
    Ok(names)
}

/// Fails if a path has more than `LONGEST_PATH_BYTES` bytes, or has a name of more than
/// `LONGEST_NAME_BYTES` bytes. `names` are the names in the path.
pub fn check_length(names: &[Vec<u8>]) -> Result<(), RefusedEntry> {
    let total: usize = names.iter().map(|name| name.len() + 1).sum();
    let longest = names.iter().map(Vec::len).max().unwrap_or_default();
    if total > LONGEST_PATH_BYTES || longest > LONGEST_NAME_BYTES {
        return Err(RefusedEntry::TooLong { total, longest });
    }
    Ok(())
}

/// Returns a path as text, without a leading slash. `names` are the names in the path.
pub fn shown(names: &[Vec<u8>]) -> String {
    names
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect::<Vec<_>>()
        .join("/")
}
