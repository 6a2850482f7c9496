//! The tree of files and folders of an image, and the limits on its size.
//!
//! Owns the nodes of the tree: how a node is added, replaced and removed. Must not know how a path
//! leads to a node, or what a whiteout removes.

use std::collections::BTreeMap;

use scorebox_workspace::digest::Digest;

use super::refused::RefusedEntry;

/// Maximum number of files, folders and links of an image, including those that a higher layer
/// replaces or removes. The largest public images have about 400,000.
pub(super) const MOST_NODES: usize = 1_000_000;
/// Maximum size of all names and link targets of an image together, in bytes.
const MOST_NAME_BYTES: usize = 128 << 20;

/// The file system that the layers of an image form, as far as they have been applied.
#[derive(Debug)]
pub struct RootFs {
    pub(super) nodes: Vec<Node>,
    pub(super) name_bytes: usize,
    pub(super) layer: usize,
    /// Number of nodes that were examined to apply the whiteouts so far.
    pub(super) looks: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) what: What,
    /// Index of the layer that the node comes from, from the bottom up.
    pub(super) layer: usize,
    /// False for a folder that was created only because an entry lies below it, and that has no
    /// entry of its own in any layer yet.
    pub(super) is_explicit: bool,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Folder(BTreeMap<Box<[u8]>, usize>),
    File(Option<Digest>),
    Link(Box<[u8]>),
    Special,
}

/// Result of applying a tar entry to the file system of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Path that the entry was written to, or that it removed. The path has no leading slash, and
    /// the path of the root folder is empty.
    pub path: String,
    /// True if container runtimes interpret the entry in different ways.
    pub is_ambiguous: bool,
}

impl RootFs {
    /// Creates a file system that only has an empty root folder.
    pub fn new() -> Self {
        let root = Node {
            what: What::Folder(BTreeMap::new()),
            layer: 0,
            is_explicit: true,
        };
        Self {
            nodes: vec![root],
            name_bytes: 0,
            layer: 0,
            looks: 0,
        }
    }

    /// Starts the layer with the index `layer`, counted from the bottom up. Entries that are
    /// applied next belong to this layer.
    pub fn begin(&mut self, layer: usize) {
        self.layer = layer;
    }

    pub(super) fn add(
        &mut self,
        parent: usize,
        name: &[u8],
        what: What,
        is_explicit: bool,
    ) -> Result<usize, RefusedEntry> {
        let target = if let What::Link(target) = &what {
            target.len()
        } else {
            0
        };
        self.name_bytes += name.len() + target;
        if self.nodes.len() >= MOST_NODES || self.name_bytes > MOST_NAME_BYTES {
            return Err(RefusedEntry::TooManyFiles { most: MOST_NODES });
        }
        let node = self.nodes.len();
        self.nodes.push(Node {
            what,
            layer: self.layer,
            is_explicit,
        });
        if let Some(What::Folder(children)) = self.nodes.get_mut(parent).map(|node| &mut node.what)
        {
            children.insert(name.into(), node);
        }
        Ok(node)
    }

    /// Removes the name `name` from the folder whose node has the index `parent`. The node of the
    /// name and the nodes below it stay in the list of nodes, but cannot be reached any more.
    pub(super) fn unlink(&mut self, parent: usize, name: &[u8]) {
        if let Some(What::Folder(children)) = self.nodes.get_mut(parent).map(|node| &mut node.what)
        {
            children.remove(name);
        }
    }

    pub(super) fn renew(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.layer = self.layer;
            node.is_explicit = true;
        }
    }

    pub(super) fn child(&self, parent: usize, name: &[u8]) -> Option<usize> {
        match &self.nodes.get(parent)?.what {
            What::Folder(children) => children.get(name).copied(),
            _ => None,
        }
    }

    pub(super) fn is_folder(&self, node: usize) -> bool {
        matches!(
            self.nodes.get(node).map(|node| &node.what),
            Some(What::Folder(_))
        )
    }

    pub(super) fn is_of_layer(&self, node: usize) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.is_explicit && node.layer == self.layer)
    }
}
