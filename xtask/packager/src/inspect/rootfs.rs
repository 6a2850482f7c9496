//! File system of an image, as a container runtime builds it from the layers.
//!
//! Owns the rules of containerd and runc: how a path is cleaned, how links are followed, which
//! objects a whiteout removes, and which entries replace other objects. Must not know what the
//! files are for, nor where the layers come from. It holds names and digests, no bytes.

mod path;
mod refused;
mod tree;
mod whiteouts;

use std::collections::{BTreeMap, VecDeque};

use scorebox_workspace::digest::Digest;

use self::path::{Place, ROOT, check_length, cleaned, shown};
use self::refused::RefusedEntry;
use self::tree::What;
pub use self::tree::{Applied, RootFs};
use self::whiteouts::WHITEOUT;
use crate::image::entries::{EntryKind, TarEntry};

/// Maximum number of symbolic links that are followed to find one file. Container runtimes have
/// this limit, too.
const MOST_LINKS: usize = 255;

/// Type of an object in the file system of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder in the image.
    Folder,
    /// A file, with the digest of its content. `None` if the digest was not given.
    File(Option<Digest>),
    /// A symbolic link.
    Link,
    /// A device or a pipe.
    Special,
}

/// An object that was found in the file system of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Path of the file system object, without a leading slash.
    pub path: String,
    /// Type of the file system object.
    pub kind: Kind,
    /// Index of the layer that the file system object comes from, from the bottom up.
    pub layer: usize,
}

impl RootFs {
    /// Applies a tar entry of the current layer to the file system. `digest` is the digest of the
    /// content if the entry is a file. Fails if a container runtime would refuse the entry, or if
    /// the image exceeds a limit on files or whiteouts.
    pub fn apply(
        &mut self,
        entry: &TarEntry,
        digest: Option<Digest>,
    ) -> Result<Applied, RefusedEntry> {
        let parts = cleaned(&entry.name)?;
        // The root exists already.
        let Some((last, above)) = parts.split_last() else {
            return Ok(Applied {
                path: String::new(),
                is_ambiguous: entry.kind != EntryKind::Folder,
            });
        };
        let mut place = self.resolve(above)?;
        let parent = self.make(&mut place)?;
        let mut path = place.names;
        if let Some(hidden) = last.strip_prefix(WHITEOUT) {
            return self.remove_marked(parent, path, last, hidden);
        }
        path.push(last.clone());
        check_length(&path)?;
        let there = self.child(parent, last);
        // If a layer has two entries for one path, the later one wins, unless the runtime refuses
        // the layer.
        let is_double = there.is_some_and(|node| self.is_of_layer(node));
        let is_folder = entry.kind == EntryKind::Folder;
        let stays = is_folder && there.is_some_and(|node| self.is_folder(node));
        if !stays {
            self.unlink(parent, last);
        }
        let what = match &entry.kind {
            EntryKind::Folder => What::Folder(BTreeMap::new()),
            EntryKind::File => What::File(digest),
            EntryKind::SymbolicLink(target) => What::Link(target.as_slice().into()),
            EntryKind::HardLink(target) => self.linked(target)?,
            // Storage drivers interpret a device with these numbers as a whiteout.
            EntryKind::Device(0, 0) => {
                return Ok(Applied {
                    path: shown(&path),
                    is_ambiguous: true,
                });
            }
            EntryKind::Device(..) | EntryKind::Pipe => What::Special,
            // containerd removes the file that has the name of the header. Other runtimes ignore
            // the header.
            EntryKind::GlobalHeader => {
                return Ok(Applied {
                    path: shown(&path),
                    is_ambiguous: true,
                });
            }
        };
        match there.filter(|_| stays) {
            Some(node) => self.renew(node),
            None => drop(self.add(parent, last, what, true)?),
        }
        Ok(Applied {
            path: shown(&path),
            is_ambiguous: is_double && !stays,
        })
    }

    /// Returns the file system object at a path, without following links. Returns `None` if the
    /// path does not exist.
    pub fn at(&self, path: &str) -> Option<Found> {
        let mut node = ROOT;
        for name in path.split('/') {
            node = self.child(node, name.as_bytes())?;
        }
        self.found(path.to_owned(), node)
    }

    /// Returns all file system objects below a path, without following links. Each folder is
    /// followed by its contents, in the order of their names. An empty path stands for the root
    /// folder.
    pub fn below(&self, path: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let mut node = Some(ROOT);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            node = node.and_then(|node| self.child(node, name.as_bytes()));
        }
        let mut open: Vec<_> = node
            .map(|node| (path.to_owned(), node))
            .into_iter()
            .collect();
        while let Some((path, node)) = open.pop() {
            if let Some(What::Folder(children)) = self.nodes.get(node).map(|node| &node.what) {
                let slash = if path.is_empty() { "" } else { "/" };
                let path = |name: &[u8]| format!("{path}{slash}{}", String::from_utf8_lossy(name));
                open.extend(
                    children
                        .iter()
                        .rev()
                        .map(|(name, child)| (path(name), *child)),
                );
            }
            found.extend(self.found(path, node));
        }
        // The path itself is not below the path.
        found.into_iter().skip(1).collect()
    }

    fn found(&self, path: String, node: usize) -> Option<Found> {
        let node = self.nodes.get(node)?;
        let kind = match &node.what {
            What::Folder(_) => Kind::Folder,
            What::File(digest) => Kind::File(digest.clone()),
            What::Link(_) => Kind::Link,
            What::Special => Kind::Special,
        };
        Some(Found {
            path,
            kind,
            layer: node.layer,
        })
    }

    /// Finds the place of the folder at the path `parts`, following links. The folder does not have
    /// to exist. Fails if the path is too long, or if it leads through too many links or through an
    /// object that is not a folder.
    fn resolve(&self, parts: &[Vec<u8>]) -> Result<Place, RefusedEntry> {
        let mut place = Place {
            nodes: vec![ROOT],
            names: Vec::new(),
        };
        let mut open: VecDeque<Vec<u8>> = parts.iter().cloned().collect();
        let mut links = 0;
        while let Some(name) = open.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    place.up();
                    continue;
                }
                _ => {}
            }
            let parent = place.node();
            match parent.and_then(|parent| self.child(parent, &name)) {
                Some(child) => match self.nodes.get(child).map(|node| &node.what) {
                    Some(What::Link(target)) => {
                        links += 1;
                        if links > MOST_LINKS {
                            return Err(RefusedEntry::TooManyLinks(shown(parts)));
                        }
                        if target.first() == Some(&b'/') {
                            place = Place {
                                nodes: vec![ROOT],
                                names: Vec::new(),
                            };
                        }
                        for part in target.split(|byte| *byte == b'/').rev() {
                            open.push_front(part.to_vec());
                        }
                    }
                    Some(What::Folder(_)) => place.down(Some(child), name),
                    _ => return Err(RefusedEntry::NotAFolder(shown(parts))),
                },
                None => place.down(None, name),
            }
            check_length(&place.names)?;
        }
        Ok(place)
    }

    /// Creates the folders of a place that do not exist yet, and returns the index of the last
    /// folder's node. Fails if the image has too many files and folders.
    fn make(&mut self, place: &mut Place) -> Result<usize, RefusedEntry> {
        let mut node = place.nodes.last().copied().unwrap_or(ROOT);
        let there = place.nodes.len().saturating_sub(1);
        for name in place.names.get(there..).unwrap_or_default() {
            node = self.add(node, name, What::Folder(BTreeMap::new()), false)?;
            place.nodes.push(node);
        }
        Ok(node)
    }

    /// Returns the content that a hard link to the path `target` shares with its target. Symbolic
    /// links on the way to the target are followed. A target that is itself a symbolic link is not
    /// followed. Fails if the path to the target cannot be followed, or if the target does not
    /// exist or is a folder.
    fn linked(&self, target: &[u8]) -> Result<What, RefusedEntry> {
        let parts = cleaned(target)?;
        let missing = || RefusedEntry::NoTarget(shown(&parts));
        let (last, above) = parts.split_last().ok_or_else(missing)?;
        let parent = self.resolve(above)?.node().ok_or_else(missing)?;
        let node = self
            .child(parent, last)
            .and_then(|node| self.nodes.get(node))
            .ok_or_else(missing)?;
        match &node.what {
            What::Folder(_) => Err(RefusedEntry::FolderAsTarget(shown(&parts))),
            what => Ok(what.clone()),
        }
    }
}

#[cfg(test)]
mod runtime_tests;
#[cfg(test)]
mod tests;
