//! The templates of `scorebox new`: for each its name, its description and its files.
//!
//! Owns the table. The files are in `xtask/packager/templates`, one folder for each template, and
//! are compiled into the program. Must not know how a folder is written.
//!
//! To add a template, put its files into a new folder below `xtask/packager/templates` and add a
//! row to the table. A file or folder whose name starts with a dot has a name without the dot
//! there, because tools would take it for a file of this repository.

use std::fmt;

use scorebox_workspace::installation::Sources;

/// A template: the files of a new scorer's folder.
#[derive(Clone, Copy)]
pub struct Template {
    /// Name of the template on the command line.
    pub name: &'static str,
    /// Description of the template in one line, for `scorebox new --list`.
    pub about: &'static str,
    /// Programs that building the scorer needs, as text for people. `None` if this program is
    /// enough.
    pub needs: Option<&'static str>,
    /// Files that the template writes into the new folder.
    pub files: &'static [File],
    /// Folders of sources that are copied into the new folder, each with its path in the new
    /// folder.
    pub copies: &'static [(Sources, &'static str)],
}

/// A file of a template.
///
/// In its path and its text these words are replaced:
///
/// | word | replaced by |
/// |---|---|
/// | `@name@` | name of the scorer, e.g. `credit-risk` |
/// | `@identifier@` | name of the scorer as an identifier of Rust and Python, e.g. `credit_risk` |
/// | `@version@` | version of this program, which is that of the SDKs |
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Path of the file in the new folder.
    pub path: &'static str,
    /// Content of the file. If it is not UTF-8, it is copied unchanged.
    pub bytes: &'static [u8],
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Makes a [`File`] of a file below `xtask/packager/templates`. If the file has another name in the
/// new folder, this name follows after `=>`.
macro_rules! file {
    ($template:literal, $path:literal) => {
        file!($template, $path => $path)
    };
    ($template:literal, $source:literal => $path:literal) => {
        File {
            path: $path,
            bytes: include_bytes!(concat!("../../templates/", $template, "/", $source)),
        }
    };
}

/// All templates, in the order of `scorebox new --list`.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "rust",
        about: "A scorer in Rust that takes and returns JSON",
        needs: Some("Rust with the target wasm32-wasip2"),
        files: &[
            file!("rust", "scorebox.toml"),
            file!("rust", "package.toml" => "Cargo.toml"),
            file!("rust", "src/lib.rs"),
            file!("rust", "src/tests.rs"),
            file!("rust", "tests/host.rs"),
            file!("rust", "model/risk.safetensors"),
            file!("rust", "sample.json"),
            file!("rust", "rust-toolchain.toml"),
            file!("rust", "rustfmt.toml"),
            file!("rust", "cargo/config.toml" => ".cargo/config.toml"),
            file!("rust", "gitignore" => ".gitignore"),
            file!("rust", "github/image.yml" => ".github/workflows/image.yml"),
            file!("rust", "README.md"),
        ],
        copies: &[(Sources::Rust, "scorebox-guest")],
    },
    Template {
        name: "rust-tensors",
        about: "A scorer in Rust that takes and returns tensors",
        needs: Some("Rust with the target wasm32-wasip2"),
        files: &[
            file!("rust-tensors", "scorebox.toml"),
            file!("rust-tensors", "package.toml" => "Cargo.toml"),
            file!("rust-tensors", "src/lib.rs"),
            file!("rust-tensors", "src/tests.rs"),
            file!("rust-tensors", "tests/host.rs"),
            file!("rust-tensors", "model/risk.safetensors"),
            file!("rust-tensors", "sample.json"),
            file!("rust-tensors", "rust-toolchain.toml"),
            file!("rust-tensors", "rustfmt.toml"),
            file!("rust-tensors", "cargo/config.toml" => ".cargo/config.toml"),
            file!("rust-tensors", "gitignore" => ".gitignore"),
            file!("rust-tensors", "github/image.yml" => ".github/workflows/image.yml"),
            file!("rust-tensors", "README.md"),
        ],
        copies: &[(Sources::Rust, "scorebox-guest")],
    },
    Template {
        name: "python",
        about: "A scorer in Python, with weights that it reads itself",
        needs: Some("Python and pip"),
        files: &[
            file!("python", "scorebox.toml"),
            file!("python", "app.py"),
            file!("python", "model/risk.safetensors"),
            file!("python", "sample.json"),
            file!("python", "tests/__init__.py"),
            file!("python", "tests/test_app.py"),
            file!("python", "tests/test_host.py"),
            file!("python", "gitignore" => ".gitignore"),
            file!("python", "github/image.yml" => ".github/workflows/image.yml"),
            file!("python", "README.md"),
        ],
        copies: &[(Sources::Python, "scorebox_guest")],
    },
    Template {
        name: "javascript",
        about: "A scorer in JavaScript, with weights that it reads itself",
        needs: Some("Node.js and npm"),
        files: &[
            file!("javascript", "scorebox.toml"),
            file!("javascript", "app.js"),
            file!("javascript", "package.json"),
            file!("javascript", "model/risk.safetensors"),
            file!("javascript", "sample.json"),
            file!("javascript", "tests/app.test.mjs"),
            file!("javascript", "tests/host.test.mjs"),
            file!("javascript", "gitignore" => ".gitignore"),
            file!("javascript", "github/image.yml" => ".github/workflows/image.yml"),
            file!("javascript", "README.md"),
        ],
        copies: &[(Sources::JavaScript, "guest")],
    },
    Template {
        name: "c",
        about: "A scorer in C, with the bindings of wit-bindgen",
        needs: Some("make, and clang with wasi-libc"),
        files: &[
            file!("c", "scorebox.toml"),
            file!("c", "Makefile"),
            file!("c", "risk.c"),
            file!("c", "scorebox.c"),
            file!("c", "scorebox.h"),
            file!("c", "bindings/scorer_bytes.c"),
            file!("c", "bindings/scorer_bytes.h"),
            file!("c", "bindings/scorer_bytes_component_type.o"),
            file!("c", "model/risk.safetensors"),
            file!("c", "sample.json"),
            file!("c", "tests/test_risk.c"),
            file!("c", "tests/host.sh"),
            file!("c", "gitignore" => ".gitignore"),
            file!("c", "github/image.yml" => ".github/workflows/image.yml"),
            file!("c", "README.md"),
        ],
        copies: &[(Sources::Wit, "wit")],
    },
    Template {
        name: "onnx",
        about: "An ONNX file that the host serves itself, without code",
        needs: None,
        files: &[
            file!("onnx", "scorebox.toml"),
            file!("onnx", "model/risk.onnx"),
            file!("onnx", "sample.json"),
            file!("onnx", "tests/__init__.py"),
            file!("onnx", "tests/test_model.py"),
            file!("onnx", "tests/test_host.py"),
            file!("onnx", "gitignore" => ".gitignore"),
            file!("onnx", "github/image.yml" => ".github/workflows/image.yml"),
            file!("onnx", "README.md"),
        ],
        copies: &[],
    },
    Template {
        name: "sklearn",
        about: "A model of scikit-learn, converted to a graph that the host serves",
        needs: None,
        files: &[
            file!("sklearn", "scorebox.toml"),
            file!("sklearn", "train.py"),
            file!("sklearn", "requirements.txt"),
            file!("sklearn", "converted/scorebox.toml"),
            file!("sklearn", "converted/report.json"),
            file!("sklearn", "converted/model/model.onnx"),
            file!("sklearn", "sample.json"),
            file!("sklearn", "tests/__init__.py"),
            file!("sklearn", "tests/test_model.py"),
            file!("sklearn", "tests/test_host.py"),
            file!("sklearn", "gitignore" => ".gitignore"),
            file!("sklearn", "github/image.yml" => ".github/workflows/image.yml"),
            file!("sklearn", "README.md"),
        ],
        copies: &[],
    },
];

/// Returns the names of all templates, separated by commas.
pub fn names() -> String {
    let names: Vec<_> = TEMPLATES.iter().map(|template| template.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use scorebox_workspace::workspace;

    use super::*;

    /// Returns the number of files below a folder.
    fn files(dir: &Path) -> usize {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| match entry.file_type().unwrap().is_dir() {
                true => files(&entry.path()),
                false => 1,
            })
            .sum()
    }

    #[test]
    fn every_file_of_the_templates_is_in_the_table() {
        let root = workspace::root().join("xtask/packager/templates");
        let listed: usize = TEMPLATES.iter().map(|template| template.files.len()).sum();
        assert_eq!(files(&root), listed);
        for template in TEMPLATES {
            let has = |path: &str| template.files.iter().any(|file| file.path == path);
            assert!(has("scorebox.toml") && has("README.md") && has(".gitignore"));
            assert!(template.about.len() < 80, "{template:?}");
        }
    }

    #[test]
    fn a_scorer_has_twenty_to_forty_lines_of_code() {
        let scorers = [
            ("rust", "src/lib.rs"),
            ("rust-tensors", "src/lib.rs"),
            ("python", "app.py"),
            ("javascript", "app.js"),
            ("c", "risk.c"),
        ];
        for (name, path) in scorers {
            let mut templates = TEMPLATES.iter();
            let template = templates.find(|template| template.name == name).unwrap();
            let file = template.files.iter().find(|file| file.path == path);
            let text = std::str::from_utf8(file.unwrap().bytes).unwrap();
            let lines = text.lines().map(str::trim_start);
            let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
            let count = code.count();
            assert!((20..=40).contains(&count), "{name}: {count} lines");
        }
    }
}
