//! App folders that a test makes of a component, a manifest and files.
//!
//! Owns the folder and its removal. Must not know what is in the manifest beyond `[scorer]`.

use std::path::Path;

use tempfile::TempDir;

use crate::place;
use crate::programs::Program;

/// An app folder that is removed when this value is dropped.
pub struct App(TempDir);

impl App {
    /// Creates an app with the component of a test program. Its manifest has only the name of the
    /// scorer.
    #[must_use]
    pub fn of(program: Program) -> Self {
        Self::with(program, "")
    }

    /// Creates an app with the component of a test program. `manifest` has more lines of its
    /// manifest. Lines before the first table belong to `[scorer]`.
    #[must_use]
    pub fn with(program: Program, manifest: &str) -> Self {
        let component = std::fs::read(place::program(program)).expect("the component can be read");
        Self::made(&program.name().replace('_', "-"), &component, manifest)
    }

    /// Creates an app with the scorer's name `name`, and with any bytes as its component.
    /// `manifest` has more lines of its manifest.
    #[must_use]
    pub fn made(name: &str, component: &[u8], manifest: &str) -> Self {
        let app = Self(tempfile::tempdir().expect("a folder can be made"));
        app.write("component.wasm", component);
        let head = format!("[scorer]\nname = \"{name}\"\ncomponent = \"component.wasm\"\n");
        app.write("scorebox.toml", format!("{head}{manifest}").as_bytes());
        app
    }

    /// Creates an app without a component, whose model is the file `file` with the content `bytes`.
    /// `manifest` has more lines of its manifest. Lines before the first table belong to
    /// `[scorer]`.
    #[must_use]
    pub fn graph(file: &str, bytes: &[u8], manifest: &str) -> Self {
        let app = Self(tempfile::tempdir().expect("a folder can be made"));
        app.write(&format!("model/{file}"), bytes);
        let head = "[scorer]\nname = \"served\"\nmodel = \"model\"\n";
        app.write("scorebox.toml", format!("{head}{manifest}").as_bytes());
        app
    }

    /// Creates an app with a script in Python. `manifest` has more lines of its manifest. Lines
    /// before the first table belong to `[scorer]`.
    #[must_use]
    pub fn script(name: &str, script: &str, manifest: &str) -> Self {
        let app = Self(tempfile::tempdir().expect("a folder can be made"));
        app.write("score.py", script.as_bytes());
        let head = format!("[scorer]\nname = \"{name}\"\nscript = \"score.py\"\n");
        app.write("scorebox.toml", format!("{head}{manifest}").as_bytes());
        app
    }

    /// Creates a copy of the app folder of the example `name`, and appends the text `manifest` to
    /// its manifest.
    #[must_use]
    pub fn example(name: &str, manifest: &str) -> Self {
        let app = Self(tempfile::tempdir().expect("a folder can be made"));
        copy(&place::example(name), app.path());
        let text = std::fs::read_to_string(app.path().join("scorebox.toml"))
            .expect("an example has a manifest");
        app.write("scorebox.toml", format!("{text}\n{manifest}").as_bytes());
        app
    }

    /// Returns the path of the app folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes the file `name` into the app folder, and creates the folders that contain it.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let file = self.path().join(name);
        std::fs::create_dir_all(file.parent().expect("it lies in the app folder"))
            .expect("a folder can be made");
        std::fs::write(&file, bytes).expect("a file can be written");
    }

    /// Removes the file `name` from the app folder.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).expect("the file is there");
    }

    /// Writes the model of the example `digits` into the app folder, for test programs that read
    /// tensors.
    pub fn write_digits_model(&self) {
        copy(
            &place::workspace().join("guest/examples/digits/model"),
            &self.path().join("model"),
        );
    }
}

impl AsRef<Path> for App {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

impl std::ops::Deref for App {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.path()
    }
}

/// Copies a folder with all its contents.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from)
        .expect("the folder can be listed")
        .flatten()
    {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file can be copied");
        }
    }
}
