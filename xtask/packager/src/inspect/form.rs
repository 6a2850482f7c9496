//! Form of the layers that `package` writes: their order, and the entries that each may have.
//!
//! Owns the difference between a layer of `package` and one that only has the name of such a layer.
//! Must not know the content of files: it checks headers. Container runtimes accept many kinds of
//! entries that `package` never writes. Each such entry in a layer with the name of a layer of
//! `package` is reported.

use std::collections::BTreeSet;

use scorebox_host::text::{NAME_BYTES, quoted};

use super::ours::concerns_us;
use super::rootfs::Applied;
use crate::image::entries::{EntryKind, TarEntry};
use crate::image::plan::LAYERS;
use crate::image::{
    APP_ROOT, Compression, ENGINE_FOLDER, Entry, HOST_PROGRAM, PACK_FOLDER, system,
};

/// Maximum number of problems that are listed for one layer.
const MOST_TOLD: usize = 5;

/// The layers of an image, divided into those of the base image and those that `package` wrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// Index of the lowest layer that `package` wrote for this image. The layers below it belong to
    /// the base image, which may itself have layers of `package`.
    pub start: usize,
    /// Index of the first layer above the layers that `package` wrote.
    pub end: usize,
    /// Problems with the order of the layers, as texts for the report.
    pub problems: Vec<String>,
}

/// Splits the layers of an image into those of the base image and those of `package`. `names` has
/// the name of each layer in the history, or `None` for a layer that `package` did not write. A
/// base image may itself be a Scorebox image, so the topmost group of named layers is used.
pub fn divide(names: &[Option<&'static str>]) -> Division {
    let rank = |index: usize| {
        names
            .get(index)
            .copied()
            .flatten()
            .and_then(|name| LAYERS.iter().position(|one| *one == name))
    };
    let end = (0..names.len())
        .rev()
        .find(|index| rank(*index).is_some())
        .map_or(0, |index| index + 1);
    let mut start = end;
    let mut lowest = LAYERS.len();
    while let Some(below) = start
        .checked_sub(1)
        .and_then(rank)
        .filter(|below| *below < lowest)
    {
        lowest = below;
        start -= 1;
    }
    let has = |name: &str| {
        names
            .get(start..end)
            .is_some_and(|ours| ours.contains(&Some(name)))
    };
    let mut problems = Vec::new();
    for name in ["host", "app"].into_iter().filter(|name| !has(name)) {
        problems.push(format!("no layer of `package` holds the {name}"));
    }
    for name in ["system", "libraries"]
        .into_iter()
        .filter(|name| start > 0 && has(name))
    {
        problems.push(format!(
            "a layer `{name}` is on top of others, but `package` writes it only as the lowest one"
        ));
    }
    if start == 0 && end > 0 && !has("system") {
        problems.push("there is no layer `system`, and no base".to_owned());
    }
    Division {
        start,
        end,
        problems,
    }
}

/// Check of the tar headers of one layer that `package` wrote.
#[derive(Debug)]
pub struct Form {
    layer: &'static str,
    last: Vec<u8>,
    folders: BTreeSet<Vec<u8>>,
    problems: Vec<String>,
    count: usize,
}

impl Form {
    /// Starts the check of the layer with the name `layer`.
    pub fn new(layer: &'static str) -> Self {
        Self {
            layer,
            last: Vec::new(),
            folders: BTreeSet::new(),
            problems: Vec::new(),
            count: 0,
        }
    }

    /// Checks a tar entry. `landed` has the path that a container runtime writes the entry to.
    pub fn look(&mut self, entry: &TarEntry, landed: &Applied) {
        let shown = quoted(&String::from_utf8_lossy(&entry.name), NAME_BYTES);
        let is_folder = entry.kind == EntryKind::Folder;
        let path = if is_folder {
            entry.name.strip_suffix(b"/").unwrap_or_default()
        } else {
            &entry.name
        };
        let problem = if !matches!(entry.kind, EntryKind::File | EntryKind::Folder) {
            Some("is not a file or a folder")
        } else if !entry.is_plain {
            Some("has an extension header")
        } else if path
            .split(|byte| *byte == b'/')
            .any(|name| name.starts_with(b".wh."))
        {
            Some("removes files of the layers below")
        } else if path != landed.path.as_bytes() {
            Some("has another path than it seems")
        } else if path <= self.last.as_slice() {
            Some("is out of order, or occurs twice")
        } else if !self.has_folders(path) {
            Some("is in a folder that the layer does not hold")
        } else if entry.owner != (0, 0) {
            Some("belongs to another user than root")
        } else {
            self.misplaced(&landed.path, is_folder, entry.mode)
        };
        if let Some(problem) = problem {
            self.problem(format!("`{shown}` {problem}"));
        }
        self.last = path.to_vec();
        if is_folder {
            self.folders.insert(path.to_vec());
        }
    }

    /// Adds a problem of the layer. Only the texts of the first problems are kept, and the others
    /// are counted.
    pub fn problem(&mut self, problem: String) {
        self.count += 1;
        if self.problems.len() < MOST_TOLD {
            self.problems.push(problem);
        }
    }

    /// Returns the problems of the layer as one text, or `None` if the layer does not differ from
    /// the layers that `package` writes.
    pub fn finish(self) -> Option<String> {
        let more = self.count.saturating_sub(self.problems.len());
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        (self.count > 0).then(|| format!("{}{more}", self.problems.join(", ")))
    }

    fn has_folders(&self, path: &[u8]) -> bool {
        let parent = path
            .iter()
            .rposition(|byte| *byte == b'/')
            .and_then(|slash| path.get(..slash));
        parent.is_none_or(|parent| self.folders.contains(parent))
    }

    /// Returns a problem if the layer must not have an entry with this path, this type and these
    /// permission bits (`mode`). Returns `None` if the entry is allowed.
    fn misplaced(&self, path: &str, is_folder: bool, mode: u64) -> Option<&'static str> {
        let relative = |root: &'static str| root.trim_start_matches('/');
        let app = path
            .strip_prefix(relative(APP_ROOT))
            .and_then(|rest| rest.strip_prefix('/'));
        let engine = path
            .strip_prefix(relative(ENGINE_FOLDER))
            .and_then(|rest| rest.strip_prefix('/'));
        let is_program = path == relative(HOST_PROGRAM);
        if self.layer == "system" {
            return self.misplaced_in_system(path, is_folder, mode);
        }
        let (folder_mode, file_mode) = match self.layer {
            "host" | "libraries" => (0o755, 0o755),
            "python" => (0o555, 0o444),
            _ => (0o755, 0o644),
        };
        if mode != if is_folder { folder_mode } else { file_mode } {
            return Some("does not have the permissions that `package` gives");
        }
        if is_folder {
            return None;
        }
        let is_in_place = match self.layer {
            "host" => is_program,
            "libraries" => !concerns_us(path) && path.contains(".so"),
            "engine" => engine.is_some_and(|name| !name.contains('/')),
            "python" => path
                .strip_prefix(relative(PACK_FOLDER))
                .is_some_and(|rest| rest.starts_with('/')),
            "model" => app.is_some_and(|name| name.starts_with("model/")),
            "app" => app.is_some_and(|name| !name.starts_with("model/")),
            _ => false,
        };
        (!is_in_place).then_some("does not belong in this layer")
    }

    fn misplaced_in_system(&self, path: &str, is_folder: bool, mode: u64) -> Option<&'static str> {
        let planned = system::layer(Compression::Stored).entries;
        let is_planned = match planned.get(path) {
            Some(Entry::Folder { mode: planned }) => is_folder && mode == u64::from(*planned),
            Some(Entry::File { mode: planned, .. }) => !is_folder && mode == u64::from(*planned),
            None => false,
        };
        (!is_planned).then_some("does not belong in this layer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(names: &[&'static str]) -> Division {
        let names: Vec<_> = names
            .iter()
            .map(|name| LAYERS.into_iter().find(|one| one == name))
            .collect();
        divide(&names)
    }

    #[test]
    fn highest_layers_of_ours_count_and_what_is_above_is_found() {
        let ours = |start, end| Division {
            start,
            end,
            problems: Vec::new(),
        };
        assert_eq!(divided(&["system", "host", "model", "app"]), ours(0, 4));
        assert_eq!(divided(&["", "", "host", "app"]), ours(2, 4));
        assert_eq!(
            divided(&["system", "host", "model", "app", "host", "app"]),
            ours(4, 6)
        );
        assert_eq!(divided(&["system", "host", "app", ""]), ours(0, 3));
        for names in [
            ["system", "host", "app", "app"].as_slice(),
            &["system", "host", "", "app"],
            &["host", "app"],
            &["", "system", "host", "app"],
            &["", ""],
            &[],
        ] {
            assert!(!divided(names).problems.is_empty(), "{names:?}");
        }
    }
}
