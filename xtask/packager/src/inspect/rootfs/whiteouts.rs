//! Whiteouts: entries of a layer that remove files and folders of lower layers.
//!
//! Owns what a whiteout removes, and how many nodes whiteouts may visit. Must not know how a path
//! leads to a folder.

use super::path::shown;
use super::refused::RefusedEntry;
use super::tree::{Applied, RootFs, What};

/// Name of an opaque whiteout, which removes the content that lower layers have in the whiteout's
/// folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Prefix of a whiteout's name. The rest of the name is the name of the file that the whiteout
/// removes.
pub(super) const WHITEOUT: &[u8] = b".wh.";

/// Maximum number of nodes that are examined to apply all whiteouts of an image. For each whiteout,
/// every node below the folder that it removes or empties is examined.
const MOST_LOOKS: usize = 20_000_000;

impl RootFs {
    /// Removes the file system objects that a whiteout names. `parent` is the index of the node of
    /// the whiteout's folder, and `path` has the names in the path of the folder. `mark` is the
    /// name of the whiteout, and `hidden` is the rest of `mark` after the prefix `.wh.`.
    ///
    /// Objects that the current layer wrote are kept. If the whiteout names such an object, or a
    /// folder with such an object, the result says that the entry is ambiguous. Fails if the
    /// whiteout names no file to remove, or if more than [`MOST_LOOKS`] nodes were examined for the
    /// image.
    pub(super) fn remove_marked(
        &mut self,
        parent: usize,
        mut path: Vec<Vec<u8>>,
        mark: &[u8],
        hidden: &[u8],
    ) -> Result<Applied, RefusedEntry> {
        if mark == OPAQUE {
            self.hide_lower(parent)?;
            return Ok(Applied {
                path: shown(&path),
                is_ambiguous: false,
            });
        }
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(RefusedEntry::EmptyWhiteout(mark.to_vec()));
        }
        path.push(hidden.to_vec());
        let Some(node) = self.child(parent, hidden) else {
            return Ok(Applied {
                path: shown(&path),
                is_ambiguous: false,
            });
        };
        // According to OCI a whiteout applies to lower layers only. Some runtimes also remove files
        // of the layer itself.
        let is_ambiguous = self.hide_lower(node)? || self.is_of_layer(node);
        if !is_ambiguous {
            self.unlink(parent, hidden);
        }
        Ok(Applied {
            path: shown(&path),
            is_ambiguous,
        })
    }

    /// Removes the content that lower layers have in a folder. `folder` is the index of the
    /// folder's node. Returns true if something remains in the folder because the current layer
    /// wrote it. Fails if more than [`MOST_LOOKS`] nodes were examined for the image.
    fn hide_lower(&mut self, folder: usize) -> Result<bool, RefusedEntry> {
        let mut order = Vec::new();
        let mut open = vec![folder];
        while let Some(node) = open.pop() {
            let Some(What::Folder(children)) = self.nodes.get(node).map(|node| &node.what) else {
                continue;
            };
            for (name, child) in children {
                order.push((*child, node, name.clone()));
                open.push(*child);
            }
        }
        self.looks += order.len();
        if self.looks > MOST_LOOKS {
            return Err(RefusedEntry::TooManyWhiteouts);
        }
        let mut stays = false;
        // Deeper nodes come later in the list. From its end, a folder is visited after everything
        // that has to be removed from it.
        for (node, parent, name) in order.into_iter().rev() {
            let is_empty = match self.nodes.get(node).map(|node| &node.what) {
                Some(What::Folder(children)) => children.is_empty(),
                _ => true,
            };
            if is_empty
                && self
                    .nodes
                    .get(node)
                    .is_some_and(|node| node.layer != self.layer)
            {
                self.unlink(parent, &name);
            } else {
                stays = true;
            }
        }
        Ok(stays)
    }
}
