//! The files of a model, and the refusal of files that an image must not contain.
//!
//! Owns the walk through the model folder and the search for pickles. Must not know tensors: the
//! host library reads tensors when it checks the app, and `intact` finds files that were cut off.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use zip::ZipArchive;

use crate::{intact, mlflow, shell};

/// A file that belongs to the model of a scorer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelFile {
    /// Path of the file relative to the model folder, with `/` between its parts. If the model is a
    /// single file, the name of the file.
    pub name: String,
    /// Path of the file on this machine.
    pub path: PathBuf,
}

/// Rule for the pickles of a model. A pickle is a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pickles {
    /// A pickle is refused.
    Refused,
    /// A pickle is accepted, because only a script in the sandbox loads it.
    Allowed,
}

impl Pickles {
    /// Returns the rule for the model of the manifest's scorer.
    pub fn of(manifest: &Manifest) -> Self {
        match manifest.scorer.script {
            Some(_) => Self::Allowed,
            None => Self::Refused,
        }
    }
}

/// Returns the files of the model at a path, sorted by name. Fails if there is no file at the path,
/// if a file cannot be read or was cut off, or if a scorer must not contain one of the files, e.g.
/// a pickle if `pickles` refuses them.
pub fn list(model: &Path, pickles: Pickles) -> Result<Vec<ModelFile>, Failure> {
    let root = model.canonicalize().map_err(|error| {
        Failure::project(
            format!("{}: `scorer.model` cannot be read: {error}", model.display()),
            "name the model's folder or file, relative to the manifest; leave the key out if there is no model",
        )
    })?;
    let mut files = Vec::new();
    if root.is_dir() {
        walk(&root, &root, "", &mut files)?;
    } else if !root.is_file() {
        return Err(Failure::project(
            format!(
                "{}: `scorer.model` is neither a file nor a folder",
                model.display()
            ),
            "name the model's folder or file",
        ));
    } else {
        // A symbolic link to a single file is listed under the link's name, because that is the
        // name that the author sees.
        files.push(ModelFile {
            name: text(model.file_name().unwrap_or_default(), model)?,
            path: root,
        });
    }
    if files.is_empty() {
        return Err(Failure::project(
            format!("{}: the model folder is empty", model.display()),
            "put the model's files there, or leave `scorer.model` out",
        ));
    }
    files.sort();
    for file in &files {
        intact::check_model_file(&file.name, &file.path)?;
        if pickles == Pickles::Allowed {
            continue;
        }
        if let Some(what) = program(file)? {
            let refused = refusal(file, what);
            return Err(match mlflow::folder(model) {
                Some(folder) => Failure {
                    fix: mlflow::not_a_project(&folder).fix,
                    ..refused
                },
                None => refused,
            });
        }
    }
    Ok(files)
}

fn walk(root: &Path, dir: &Path, prefix: &str, files: &mut Vec<ModelFile>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::file(dir, "be listed", error);
    if dir.join(MANIFEST_FILE).exists() {
        return Err(Failure::project(
            format!(
                "{}: the model folder holds {MANIFEST_FILE}, so it is a project and not a model",
                shown(dir)
            ),
            "put the model's files, and nothing else, into a folder of their own, e.g. `model`",
        ));
    }
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = format!("{prefix}{}", text(&entry.file_name(), &entry.path())?);
        let path = entry.path();
        // Hidden files such as `.env` and `.git` can hold secrets, and `.wh.…` in a layer deletes a
        // file of the layer below.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            return Err(Failure::project(
                format!("{}: a hidden file in the model", shown(&path)),
                "remove it, or give it a name that does not start with a dot: every file in the \
                 folder is packaged",
            ));
        }
        let resolved = path.canonicalize().map_err(|error| {
            Failure::project(
                format!("{}: cannot be resolved: {error}", shown(&path)),
                "remove the broken link from the model",
            )
        })?;
        if !resolved.starts_with(root) {
            return Err(Failure::project(
                format!(
                    "{}: a link out of the model folder, to {}",
                    shown(&path),
                    resolved.display()
                ),
                without_links(root),
            ));
        }
        let link = entry.file_type().map_err(unreadable)?.is_symlink();
        if resolved.is_dir() {
            if link {
                return Err(Failure::project(
                    format!("{}: a link to a folder", shown(&path)),
                    format!(
                        "{}; links between folders can form circles",
                        without_links(root)
                    ),
                ));
            }
            walk(root, &path, &format!("{name}/"), files)?;
        } else if resolved.is_file() {
            files.push(ModelFile {
                name,
                path: resolved,
            });
        } else {
            return Err(Failure::project(
                format!("{}: neither a file nor a folder", shown(&path)),
                "remove the device, socket or pipe from the model",
            ));
        }
    }
    Ok(())
}

/// Returns the instruction that replaces the links in a model folder by the files that they lead
/// to. Caches of downloaded models, such as that of huggingface_hub, consist of such links.
fn without_links(root: &Path) -> String {
    let mut copy = root.as_os_str().to_owned();
    copy.push("-files");
    format!(
        "copy the model without its links by `cp -rL {} {}`, and name the copy in `scorer.model`",
        shell::path(root),
        shell::path(Path::new(&copy))
    )
}

fn text(name: &std::ffi::OsStr, path: &Path) -> Result<String, Failure> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::project(
            format!("{}: its name is not UTF-8", path.display()),
            "rename the file",
        )
    })
}

const PICKLED: &[&str] = &[
    "ckpt",
    "cloudpickle",
    "dill",
    "jbl",
    "joblib",
    "p",
    "pck",
    "pcl",
    "pickle",
    "pkl",
    "pt",
    "pth",
    "sav",
];
const COMPRESSED: &[&str] = &["gz", "bz2", "xz", "lzma", "lz4", "zst", "z"];

/// Returns a description of the program that a file contains or may contain, e.g. of a pickle.
/// Returns `None` if no sign of a program is found. Fails if the file cannot be read.
fn program(file: &ModelFile) -> Result<Option<&'static str>, Failure> {
    if let Some(what) = by_name(&file.name) {
        return Ok(Some(what));
    }
    let (head, tail) =
        ends(&file.path).map_err(|error| Failure::file(&file.path, "be read", error))?;
    Ok(by_bytes(&head, &tail).or_else(|| {
        if head.starts_with(ARCHIVE) {
            in_archive(&file.path)
        } else {
            None
        }
    }))
}

/// Magic bytes at the start of a zip archive.
const ARCHIVE: &[u8] = b"PK\x03\x04";

/// Returns a description of the program in a zip archive: a NumPy array of Python objects, which is
/// a pickle. NumPy stores several arrays in one archive. Returns `None` if no file in the archive
/// is such an array.
///
/// Also returns `None` for an archive that cannot be read, because no library can load the archive
/// either.
fn in_archive(path: &Path) -> Option<&'static str> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    let holds_objects = (0..archive.len()).any(|index| {
        let mut head = Vec::new();
        let member = archive.by_index(index);
        member.is_ok_and(|member| {
            member.take(NUMPY_HEADER).read_to_end(&mut head).is_ok() && is_of_objects(&head)
        })
    });
    holds_objects.then_some("an archive with a NumPy array of Python objects, which is a pickle")
}

/// Number of bytes at the start of a NumPy array that contain its element type. Only an array with
/// an extreme number of fields needs more.
const NUMPY_HEADER: u64 = 4096;

/// Returns true if a file starts like a NumPy array of Python objects, which NumPy writes as a
/// pickle. `head` are the first bytes of the file, with its header.
fn is_of_objects(head: &[u8]) -> bool {
    // The header follows the version and the length, and ends at the end of the line.
    let header = head
        .strip_prefix(b"\x93NUMPY")
        .and_then(|rest| rest.get(4..))
        .unwrap_or_default();
    let header = header
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    header.windows(3).any(|window| window == b"|O'")
}

fn by_name(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let mut extensions = lower
        .rsplit('/')
        .next()?
        .split('.')
        .skip(1)
        .collect::<Vec<_>>();
    if extensions
        .last()
        .is_some_and(|last| COMPRESSED.contains(last))
    {
        extensions.pop();
    }
    PICKLED
        .contains(extensions.last()?)
        .then_some("by its name, a pickle")
}

/// Returns the first 64 KiB and the last 64 KiB of a file. Fails if the file cannot be read.
fn ends(path: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    const PART: u64 = 64 << 10;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = Vec::new();
    (&mut file).take(PART).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(size.saturating_sub(PART)))?;
    let mut tail = Vec::new();
    file.take(PART).read_to_end(&mut tail)?;
    Ok((head, tail))
}

fn by_bytes(head: &[u8], tail: &[u8]) -> Option<&'static str> {
    // This is the magic number that torch.save wrote before it used zip files, as a pickled
    // integer.
    const TORCH_LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    if head.starts_with(TORCH_LEGACY) {
        return Some("a PyTorch pickle");
    }
    if pickle_header(head) || text_pickle(head) {
        return Some("a pickle");
    }
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    if head.starts_with(ARCHIVE) {
        // The names of a zip file's members are in its directory, at its end.
        let member = |name: &[u8]| holds(tail, name) || holds(head, name);
        if member(b".pkl") || member(b".pickle") || member(b".joblib") {
            return Some("an archive that holds a pickle, as PyTorch writes it");
        }
    }
    if is_of_objects(head) {
        return Some("a NumPy array of Python objects, which is a pickle");
    }
    let mut start = Vec::new();
    let inflated = match head {
        // RFC 1950: the method is deflate, and the header is a multiple of 31.
        [method, flags, ..]
            if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0 =>
        {
            flate2::read::ZlibDecoder::new(head)
                .take(64)
                .read_to_end(&mut start)
                .is_ok()
        }
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(head)
            .take(64)
            .read_to_end(&mut start)
            .is_ok(),
        // joblib uses these compressions, and this program cannot decompress them.
        [b'B', b'Z', b'h', ..]
        | [0xfd, b'7', b'z', b'X', b'Z', ..]
        | [0x5d, 0x00, 0x00, ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Some("compressed in a way that joblib uses and that cannot be looked into");
        }
        _ => false,
    };
    (inflated && (pickle_header(&start) || text_pickle(&start)))
        .then_some("a compressed joblib file, which is a pickle")
}

/// Returns true if the bytes start like a pickle of the protocols 2 to 5: with the protocol's
/// number, followed by an opcode that pickles start with.
///
/// The opcode is checked because some files with weights start with the same two bytes.
fn pickle_header(bytes: &[u8]) -> bool {
    match bytes {
        [0x80, 4 | 5, next, ..] => *next == 0x95,
        [0x80, 2 | 3, next, ..] => b"c]}()XKJMGNU\x8a\x88\x89".contains(next),
        _ => false,
    }
}

/// Returns true if the bytes start like a pickle of the protocols 0 and 1, which have no header:
/// with the import of a name from a module, or with the opcodes for a list, a dictionary or an
/// instance of a class.
fn text_pickle(bytes: &[u8]) -> bool {
    // A list of labels may begin like an import. But the module of a library has a dot, and an
    // opcode follows the name.
    let import = |bytes: &[u8]| {
        let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
        let (Some(module), Some(name), Some(rest)) = (lines.next(), lines.next(), lines.next())
        else {
            return false;
        };
        let word = |text: &[u8]| {
            text.iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        };
        let known = module.contains(&b'.')
            || matches!(
                module,
                b"copy_reg" | b"copyreg" | b"__builtin__" | b"builtins"
            );
        known
            && word(module)
            && word(name)
            && rest.first().is_some_and(|opcode| b"(pq).".contains(opcode))
    };
    let starts: [&[u8]; 4] = [b"(lp", b"(dp", b"(ip", b"]q\x00"];
    starts.iter().any(|start| bytes.starts_with(start))
        || bytes.strip_prefix(b"c").is_some_and(import)
}

fn refusal(file: &ModelFile, what: &str) -> Failure {
    Failure::project(
        format!(
            "{}: {what}. Pickles are programs: anyone who loads one runs what its author wrote, so \
             no image carries one",
            shown(&file.path)
        ),
        "`cargo xtask convert FILE --output DIR` makes a graph of a model of scikit-learn, XGBoost or LightGBM. Or write the \
         weights as safetensors where the model was trained, and remove this file. For a linear model of \
         scikit-learn:\n       import joblib, numpy as np; from safetensors.numpy import save_file\n       \
         m = joblib.load(\"model.joblib\")\n       \
         save_file({\"coef\": m.coef_.astype(\"f4\"), \"intercept\": m.intercept_.astype(\"f4\"), \"classes\": \
         np.asarray(m.classes_, \"i8\")}, \"model.safetensors\")\n       \
         For PyTorch: safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")",
    )
}

#[cfg(test)]
mod tests;
