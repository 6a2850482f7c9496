//! The section `[packaged]`: the record of the files of the component, the script and the model
//! that `scorebox build` and `scorebox package` write.
//!
//! Owns the section and its checks. Must not know how files are compared with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_text::Problem;
use serde::Deserialize;

#[cfg(feature = "scripts")]
use crate::inputs::text;

/// Section `[packaged]` of the manifest: the packager's record of the files of the component, the
/// script and the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packaged {
    /// Digest over the model's files: `sha256:` and 64 hex digits. `None` if the scorer does not
    /// have a model.
    pub model: Option<String>,
    /// True if the packager checked an ONNX graph with its sample, and got the expected answer. The
    /// sample itself is not packaged.
    pub answers_sample: bool,
    /// Facts of the files that were packaged with a script. `None` if the scorer is not a script.
    pub script: Option<PackagedScript>,
    /// Records of the component's file and of each file of the model, by path.
    pub files: BTreeMap<PathBuf, PackagedFile>,
}

/// Section `[packaged.script]` of the manifest: the files of a script, and the engine pack that the
/// script was tried with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedScript {
    /// Digest over the files of the script's folder: `sha256:` and 64 hex digits.
    pub digest: String,
    /// Digest of the engine pack: `sha256:` and 64 hex digits.
    pub pack: String,
    /// Folder of the script's packages. `None` if the script has no packages of its own.
    pub packages: Option<PathBuf>,
    /// Digest over the files of the packages: `sha256:` and 64 hex digits. `None` if the script has
    /// no packages of its own.
    pub packages_digest: Option<String>,
    /// Path of the state image, which was taken after the script's `init`. `None` if `init` runs
    /// when an instance starts.
    pub state: Option<PathBuf>,
    /// Digest of the state image: `sha256:` and 64 hex digits. `None` if there is no state image.
    pub state_digest: Option<String>,
}

/// Entry `[[packaged.file]]` of the manifest, without the name of the file: the size, digest and
/// times that the file had when it was packaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedFile {
    /// Size of the file, in bytes.
    pub size: u64,
    /// Digest of the file's bytes: `sha256:` and 64 hex digits.
    pub digest: String,
    /// Time of the file's last modification, in nanoseconds since 1970. `None` if the number does
    /// not fit into 64 bits.
    pub modified_ns: Option<i64>,
    /// Time of the file's last status change (`ctime`), in nanoseconds since 1970. `None` for a
    /// file in a container image, because the file gets this time only when the image is unpacked.
    pub changed_ns: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct RawPackaged {
    model: Option<String>,
    #[serde(default)]
    answers_sample: bool,
    #[serde(default)]
    file: Vec<RawFile>,
}

#[derive(Deserialize)]
struct RawFile {
    name: String,
    size: u64,
    digest: String,
    modified_ns: Option<i64>,
    changed_ns: Option<i64>,
}

impl RawPackaged {
    /// Checks the values of the section `[packaged]`. `table` is the whole `scorebox.toml`, from
    /// which the facts of a script are read, and `dir` is its folder.
    pub(super) fn into_section(
        self,
        dir: &Path,
        #[cfg_attr(
            not(feature = "scripts"),
            expect(
                unused_variables,
                reason = "only the facts of a script are read from it"
            )
        )]
        table: &toml::Table,
    ) -> Result<Packaged, Problem> {
        let mut files = BTreeMap::new();
        if let Some(model) = &self.model {
            check_digest("model", model)?;
        }
        for RawFile {
            name,
            size,
            digest,
            modified_ns,
            changed_ns,
        } in self.file
        {
            check_digest("file.digest", &digest)?;
            let file = PackagedFile {
                size,
                digest,
                modified_ns,
                changed_ns,
            };
            if files.insert(dir.join(&name), file).is_some() {
                return Err(Problem::new(
                    format!("`packaged.file.name`: `{name}` is named twice"),
                    FIX.to_owned(),
                ));
            }
        }
        #[cfg(feature = "scripts")]
        let script = script(table, dir)?;
        // A host without Python refuses the script itself.
        #[cfg(not(feature = "scripts"))]
        let script = None;
        Ok(Packaged {
            model: self.model,
            answers_sample: self.answers_sample,
            script,
            files,
        })
    }
}

/// Reads the section `[packaged.script]` from the table of a `scorebox.toml`, in whose folder `dir`
/// the files are. Returns `None` if there is no such section.
#[cfg(feature = "scripts")]
fn script(table: &toml::Table, dir: &Path) -> Result<Option<PackagedScript>, Problem> {
    let script = table
        .get("packaged")
        .and_then(|packaged| packaged.get("script"));
    let Some(script) = script else {
        return Ok(None);
    };
    let Some(script) = script.as_table() else {
        return Err(Problem::new("`packaged.script` is not a section", FIX));
    };
    let text = |name: &str| text(script, "packaged.script", name);
    let digest = |name: &str| -> Result<Option<String>, Problem> {
        let Some(digest) = text(name)? else {
            return Ok(None);
        };
        check_digest(&format!("script.{name}"), digest)?;
        Ok(Some(digest.to_owned()))
    };
    let missing = |name| Problem::new(format!("`packaged.script.{name}` is missing"), FIX);
    let placed = |name: &str| -> Result<(Option<PathBuf>, Option<String>), Problem> {
        let digest_name = format!("{name}_digest");
        let (path, digest) = (text(name)?, digest(&digest_name)?);
        if path.is_some() != digest.is_some() {
            return Err(Problem::new(
                format!("[packaged.script] has only one of `{name}` and `{digest_name}`"),
                FIX,
            ));
        }
        Ok((path.map(|path| dir.join(path)), digest))
    };
    let (packages, packages_digest) = placed("packages")?;
    let (state, state_digest) = placed("state")?;
    Ok(Some(PackagedScript {
        digest: digest("digest")?.ok_or_else(|| missing("digest"))?,
        pack: digest("pack")?.ok_or_else(|| missing("pack"))?,
        packages,
        packages_digest,
        state,
        state_digest,
    }))
}

const FIX: &str = "leave [packaged] to `scorebox build`, which writes it";

fn check_digest(key: &str, value: &str) -> Result<(), Problem> {
    let hex = value.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() == 64
        && hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Ok(());
    }
    Err(Problem::new(
        format!("`packaged.{key}` is not `sha256:` and 64 hex digits"),
        FIX.to_owned(),
    ))
}
