//! Folders that are replaced as a whole.
//!
//! Owns the steps after which a folder is either the old one or the new one, without stale files.
//! Must not know the contents of the folders.

use std::io;
use std::path::{Path, PathBuf};

use scorebox_workspace::failure::Failure;

/// Maximum number of attempts to replace a folder while other processes replace the same folder.
const SWAPS: u32 = 5;

/// A folder that is being built to replace another folder. If the `Replacement` is dropped without
/// a call of [`Replacement::finish`], the new folder is removed.
#[derive(Debug)]
pub struct Replacement {
    staging: tempfile::TempDir,
    goal: PathBuf,
    /// True if `goal` is an empty folder that is filled and not replaced, because it may be the
    /// current folder of the user's shell.
    fills: bool,
}

impl Replacement {
    /// Creates an empty folder that will replace the folder `goal`. Fails if `goal` contains files,
    /// but no file `mark`: a folder without this file was not written by this program, and is not
    /// replaced. Also fails if the empty folder cannot be created.
    pub fn begin(goal: &Path, mark: &str) -> Result<Self, Failure> {
        if goal.exists() && !goal.join(mark).exists() {
            let mut entries =
                std::fs::read_dir(goal).map_err(|error| Failure::file(goal, "be listed", error))?;
            if entries.next().is_some() {
                return Err(Failure::other(
                    format!(
                        "{}: holds files, and no {mark}; it would be replaced as a whole",
                        goal.display()
                    ),
                    "name another folder, or empty this one",
                ));
            }
        }
        Self::staged(goal, false)
    }

    /// Creates an empty folder whose content will be moved to the folder `goal`. Fails if `goal`
    /// exists and is not an empty folder, or if the new folder cannot be created.
    pub fn of_nothing(goal: &Path) -> Result<Self, Failure> {
        let is_empty = std::fs::read_dir(goal).map(|mut entries| entries.next().is_none());
        let fills = match is_empty {
            Ok(true) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            _ => {
                return Err(Failure::other(
                    format!("{}: is there already, and is not empty", goal.display()),
                    "name another folder, or empty this one",
                ));
            }
        };
        Self::staged(goal, fills)
    }

    fn staged(goal: &Path, fills: bool) -> Result<Self, Failure> {
        // The temporary folder is next to the goal or in it, so that the last step is a rename
        // within one file system.
        let goal =
            std::path::absolute(goal).map_err(|error| Failure::file(goal, "be resolved", error))?;
        let parent = match fills {
            true => goal.as_path(),
            false => goal.parent().unwrap_or(&goal),
        };
        std::fs::create_dir_all(parent).map_err(|error| Failure::file(parent, "be made", error))?;
        let staging = tempfile::Builder::new()
            .prefix(".staging-")
            .tempdir_in(parent)
            .map_err(|error| Failure::file(parent, "create a temporary folder", error))?;
        Ok(Self {
            staging,
            goal,
            fills,
        })
    }

    /// Returns the path of the new folder while it is being built.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Writes a file into the new folder, and creates the folders that contain the file. `name` is
    /// the path of the file relative to the new folder. Fails if the file cannot be written.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.place(name)?;
        std::fs::write(&path, bytes).map_err(|error| Failure::file(&path, "be written", error))
    }

    /// Copies the bytes of the file `from` into the new folder, and creates the folders that
    /// contain the copy. `name` is the path of the copy relative to the new folder. Fails if the
    /// file cannot be read, or the copy cannot be written.
    pub fn copy(&mut self, name: &str, from: &Path) -> Result<(), Failure> {
        let path = self.place(name)?;
        let copied = std::fs::File::open(from)
            .and_then(|mut from| std::io::copy(&mut from, &mut std::fs::File::create(&path)?));
        copied.map(drop).map_err(|error| {
            Failure::file(from, &format!("be copied to {}", path.display()), error)
        })
    }

    fn place(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path().join(name);
        let parent = path.parent().unwrap_or(self.path());
        std::fs::create_dir_all(parent).map_err(|error| Failure::file(parent, "be made", error))?;
        Ok(path)
    }

    /// Moves the new folder to the path of the folder that it replaces, and removes the replaced
    /// folder. An empty folder of [`Replacement::of_nothing`] stays, and is filled. Fails if the
    /// folders cannot be moved.
    pub fn finish(self) -> Result<(), Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        if self.fills {
            let filled = self.fill();
            return filled.map_err(|error| Failure::file(&self.goal, "be filled", error));
        }
        // Temporary folders are private, but this one is a result that others read.
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o755))
            .map_err(|error| Failure::file(self.path(), "change its mode", error))?;
        let mut attempt = 1;
        while let Err(error) = self.swap() {
            // Another process may have put its own folder there between the two renames.
            if attempt == SWAPS {
                return Err(Failure::file(&self.goal, "be put in place", error));
            }
            attempt += 1;
        }
        // The temporary folder's name no longer exists, so there is nothing left to remove.
        let _ = self.staging.keep();
        Ok(())
    }

    /// Moves everything in the new folder to the folder `goal`.
    fn fill(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.path())? {
            let entry = entry?;
            std::fs::rename(entry.path(), self.goal.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn swap(&self) -> io::Result<()> {
        let old = tempfile::Builder::new()
            .prefix(".old-")
            .tempdir_in(self.goal.parent().unwrap_or(&self.goal))?;
        match std::fs::rename(&self.goal, old.path().join("old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::rename(self.path(), &self.goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_is_filled_and_stays_the_same_folder() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        let inode = || std::fs::metadata(dir.path()).unwrap().ino();
        let before = inode();
        let mut folder = Replacement::of_nothing(dir.path()).unwrap();
        folder.write("sub/file", b"1").unwrap();
        folder.finish().unwrap();
        assert_eq!(inode(), before);
        assert!(dir.path().join("sub/file").is_file());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(Replacement::of_nothing(dir.path()).is_err());
    }

    #[test]
    fn stale_files_go_and_strange_folders_stay() {
        let dir = tempfile::tempdir().unwrap();
        let goal = dir.path().join("deep/goal");
        for name in ["mark", "mark"] {
            let mut folder = Replacement::begin(&goal, "mark").unwrap();
            folder.write(name, b"1").unwrap();
            folder.write("sub/file", b"2").unwrap();
            folder.finish().unwrap();
            assert!(goal.join("sub/file").is_file());
            assert!(!goal.join("stale").exists());
            std::fs::write(goal.join("stale"), "3").unwrap();
        }
        std::fs::remove_file(goal.join("mark")).unwrap();
        assert!(
            Replacement::begin(&goal, "mark")
                .unwrap_err()
                .problem
                .contains("no mark")
        );
        assert_eq!(
            std::fs::read_dir(dir.path().join("deep")).unwrap().count(),
            1
        );
    }
}
