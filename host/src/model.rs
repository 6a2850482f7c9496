//! The model: named tensors and files, mapped once per process.
//!
//! Owns finding, mapping, describing and slicing a model's tensors and files. Must not know
//! WebAssembly, or which code reads them.

mod dtype;
mod facts;
mod mapping;
mod safetensors;
mod slice;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

pub use self::dtype::Dtype;
pub use self::facts::FileFacts;
pub use self::safetensors::{SafetensorsError, TensorInfo};
pub use self::slice::{READ_LIMIT_BYTES, SliceError, file_part};

use self::mapping::Mapping;
use crate::error::StartupError;

/// Model whose files are mapped into memory.
pub struct Model {
    root: PathBuf,
    files: Vec<ModelFile>,
    /// Tensors by name, in byte order of the names.
    tensors: BTreeMap<String, TensorInfo>,
    digest: OnceLock<String>,
}

struct ModelFile {
    /// Name of the file, relative to the model's folder, with `/` between folders.
    name: String,
    mapping: Mapping,
}

impl Model {
    /// Returns a model without tensors and files, for a scorer that does not have a model.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            root: PathBuf::new(),
            files: Vec::new(),
            tensors: BTreeMap::new(),
            digest: OnceLock::new(),
        }
    }

    /// Opens the model at `path`, which is a folder or a single file. Maps its files into memory,
    /// and reads the headers of its safetensors files.
    ///
    /// # Errors
    /// Fails if the path is missing or has no files, if a file or folder below it cannot be read,
    /// if the name of a file is not UTF-8, or if an entry is neither a file nor a folder. Also
    /// fails if a safetensors file is damaged or has an element type that the host does not
    /// support, or if two tensors have the same name.
    pub fn open(path: &Path) -> Result<Self, StartupError> {
        let fail = |path: &Path, problem: String, fix: &str| StartupError::Model {
            path: path.to_path_buf(),
            problem,
            fix: fix.to_owned(),
        };
        let unreadable = |path: &Path, error: &std::io::Error| {
            fail(
                path,
                format!("cannot be read: {error}"),
                "check scorer.model in the manifest, and the file's mode",
            )
        };
        let mut names = Vec::new();
        let root = if path.is_file() {
            let name = path.file_name().and_then(|name| name.to_str());
            names.extend(name.map(str::to_owned));
            path.parent().unwrap_or(Path::new("")).to_path_buf()
        } else {
            find_files(path, "", &mut names).map_err(|error| unreadable(path, &error))?;
            path.to_path_buf()
        };
        if names.is_empty() {
            return Err(fail(
                path,
                "holds no file".to_owned(),
                "put the model's files there",
            ));
        }
        names.sort_unstable();
        let mut model = Self {
            root,
            ..Self::empty()
        };
        for name in names {
            let file = model.root.join(&name);
            let mapping = Mapping::open(&file).map_err(|error| unreadable(&file, &error))?;
            if name.ends_with(".safetensors") {
                let index = model.files.len();
                let tensors = safetensors::tensors(mapping.bytes(), index).map_err(|error| {
                    fail(
                        &file,
                        error.to_string(),
                        "save it again with safetensors; a truncated download fails in the same \
                         way",
                    )
                })?;
                for tensor in tensors {
                    if let Some(other) = model.tensors.insert(tensor.name.clone(), tensor) {
                        return Err(fail(
                            &file,
                            format!("holds a second tensor with the name `{}`", other.name),
                            "rename one of them: a scorer finds tensors by name, in whichever file \
                             they are",
                        ));
                    }
                }
            }
            model.files.push(ModelFile { name, mapping });
        }
        Ok(model)
    }

    /// Returns the digest over all files of the model: `sha256:` and 64 hex digits.
    ///
    /// The digest covers the names, sizes and bytes of all files, in byte order of their names. The
    /// first call reads every byte of the files, unless the digest was set before to one that was
    /// computed earlier.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            for file in &self.files {
                // The name and the lengths come first, so that no two lists of files become the
                // same bytes.
                hash.update((file.name.len() as u64).to_le_bytes());
                hash.update(&file.name);
                hash.update((file.mapping.bytes().len() as u64).to_le_bytes());
                file.mapping.pieces(|piece| hash.update(piece));
            }
            format!("sha256:{}", hex::encode(hash.finalize()))
        })
    }

    /// Returns all tensors of the model, in byte order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.values()
    }

    /// Returns the tensor with the given name, or `None` if the model does not have such a tensor.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// Returns the bytes of the elements of a tensor of this model.
    #[must_use]
    pub fn tensor_bytes(&self, tensor: &TensorInfo) -> &[u8] {
        self.files
            .get(tensor.file)
            .and_then(|file| file.mapping.bytes().get(tensor.range.clone()))
            .unwrap_or_default()
    }

    /// Returns the names of all files of the model, in byte order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// Returns the bytes of the file with the given name, or `None` if the model does not have such
    /// a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.mapping.bytes())
    }
}

/// Lists the tensors of a safetensors file, each with the range of its bytes in the file. `bytes`
/// is the content of the file.
///
/// [`Model::open`] reads the tensors of a model's files in the same way.
///
/// # Errors
/// Fails if the file is damaged, or if the host does not support the element type of a tensor.
pub fn safetensors_tensors(
    bytes: &[u8],
) -> Result<Vec<(TensorInfo, std::ops::Range<usize>)>, SafetensorsError> {
    let tensors = safetensors::tensors(bytes, 0)?;
    let with_range = |tensor: TensorInfo| {
        let range = tensor.range.clone();
        (tensor, range)
    };
    Ok(tensors.into_iter().map(with_range).collect())
}

/// Adds the names of all files in the folder `root` and its subfolders to `names`, relative to
/// `root` and with `/` between folders.
///
/// `prefix` is the subfolder of `root` to start from. It is empty or ends in `/`.
///
/// # Errors
/// Fails if a folder or one of its entries cannot be read, if a name is not UTF-8, or if an entry
/// is neither a file nor a folder.
fn find_files(root: &Path, prefix: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(prefix))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| {
            std::io::Error::other(format!("{} is not UTF-8", name.to_string_lossy()))
        })?;
        // Links are followed, because a mounted ConfigMap of Kubernetes consists of them.
        let kind = std::fs::metadata(entry.path())?.file_type();
        if kind.is_dir() {
            find_files(root, &format!("{prefix}{name}/"), names)?;
        } else if kind.is_file() {
            names.push(format!("{prefix}{name}"));
        } else {
            return Err(std::io::Error::other(format!(
                "{prefix}{name} is neither a file nor a folder"
            )));
        }
    }
    Ok(())
}
