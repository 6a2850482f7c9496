//! Paths within the file system of an image.
//!
//! Owns how a path is cleaned and how long it may be. Must not know what stands at a path.

/// Longest path in bytes: `PATH_MAX` of Linux.
const LONGEST_PATH_BYTES: usize = 4096;
/// Longest name in bytes: `NAME_MAX` of Linux.
const LONGEST_NAME_BYTES: usize = 255;
/// The root's place among the nodes.
pub const ROOT: usize = 0;

/// A folder by the nodes from the root on, and the names from the root on; where there are more names, those folders are
/// not there.
pub struct Place {
    /// The root first.
    pub nodes: Vec<usize>,
    /// Without one for the root.
    pub names: Vec<Vec<u8>>,
}

impl Place {
    /// The folder's node, if it is there.
    pub fn node(&self) -> Option<usize> {
        self.nodes.last().copied().filter(|_| self.nodes.len() == self.names.len() + 1)
    }

    /// Goes to the folder above.
    pub fn up(&mut self) {
        if self.nodes.len() > self.names.len() && self.nodes.len() > 1 {
            self.nodes.pop();
        }
        self.names.pop();
    }

    /// Goes to a folder below, which may not be there.
    pub fn down(&mut self, node: Option<usize>, name: Vec<u8>) {
        self.nodes.extend(node);
        self.names.push(name);
    }
}

/// The names on the way of a path, as Go's `filepath.Clean` leaves them: before any link is looked at.
pub fn cleaned(path: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            // Some runtimes stop at the root, others refuse the layer.
            b".." if names.pop().is_none() => {
                return Err(format!("`{}` leads out of the root", String::from_utf8_lossy(path)));
            }
            b".." => {}
            name => names.push(name.to_vec()),
        }
    }
    check_length(&names)?;
    Ok(names)
}

/// Refuses paths that no file system of Linux has.
pub fn check_length(names: &[Vec<u8>]) -> Result<(), String> {
    let total: usize = names.iter().map(|name| name.len() + 1).sum();
    let longest = names.iter().map(Vec::len).max().unwrap_or_default();
    if total > LONGEST_PATH_BYTES || longest > LONGEST_NAME_BYTES {
        return Err(format!("holds a path of {total} bytes with a name of {longest}, which Linux does not have"));
    }
    Ok(())
}

/// A path as text, without a leading slash.
pub fn shown(names: &[Vec<u8>]) -> String {
    names.iter().map(|name| String::from_utf8_lossy(name)).collect::<Vec<_>>().join("/")
}
