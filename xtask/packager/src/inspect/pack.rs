//! Check of the engine pack in an image, and of the record of a script.
//!
//! Owns the comparison of the pack's record with the files of the pack, and of `[packaged.script]`
//! with the files of the script. Must not know how a pack is made or run.

use scorebox_python::PackRecord;

use super::contents::{Contents, PACK_RECORD};
use super::labels::{Settings, listed};
use super::report::Report;
use crate::app::{PACKAGES_FOLDER, SCRIPT_FOLDER, STATE_FILE};
use crate::image::PACK_FOLDER;

/// The engine pack that an image contains.
pub(super) struct EnginePack {
    /// Digest of the engine pack, which is the digest of its record.
    pub digest: String,
    /// Version of Python that the record of the engine pack names. `None` if the record cannot be
    /// read.
    pub python: Option<String>,
    record: Option<PackRecord>,
}

impl EnginePack {
    /// Returns the engine pack of an image, or `None` if the image contains none.
    pub fn new(contents: &Contents) -> Option<Self> {
        let digest = contents.files.get(PACK_RECORD)?.to_string();
        let record = contents.kept.get(PACK_RECORD);
        let record: Option<PackRecord> = record.and_then(|text| serde_json::from_slice(text).ok());
        Some(Self {
            digest,
            python: record.as_ref().map(|record| record.python.clone()),
            record,
        })
    }
}

/// Checks the engine pack of an image and the record of a script in the image's `scorebox.toml`,
/// and adds the results to the report. Adds nothing if the image has neither of them.
pub(super) fn pack(report: &mut Report, contents: &Contents, settings: &Settings) {
    let pack = EnginePack::new(contents);
    let packaged = settings.table.get("packaged");
    let script = packaged.and_then(|packaged| packaged.get("script"));
    let said = |key: &str| script?.get(key)?.as_str().map(str::to_owned);
    if script.is_none() && pack.is_none() {
        return;
    }
    for (key, found) in [
        ("pack", pack.as_ref().map(|pack| pack.digest.clone())),
        (
            "digest",
            contents.folder(SCRIPT_FOLDER).map(ToString::to_string),
        ),
        (
            "packages_digest",
            contents.folder(PACKAGES_FOLDER).map(ToString::to_string),
        ),
        (
            "state_digest",
            contents.of_app(STATE_FILE).map(ToString::to_string),
        ),
    ] {
        report.check(
            format!("packaged.script.{key} in scorebox.toml"),
            said(key) == found,
            || "the files have another digest".to_owned(),
        );
    }
    let record = pack.and_then(|pack| pack.record);
    let Some(record) = record else {
        report.check("engine pack", false, || {
            "it has no record that can be read".to_owned()
        });
        return;
    };
    let folder = format!("{}/", PACK_FOLDER.trim_start_matches('/'));
    let recorded = record.files.iter();
    let mut differing: Vec<_> = recorded
        .filter(|(name, file)| {
            let found = contents.files.get(&format!("{folder}{name}"));
            found.is_none_or(|found| found.hex() != file.sha256)
        })
        .map(|(name, _)| name.clone())
        .collect();
    let names = contents.files.keys();
    let names = names.filter_map(|path| path.strip_prefix(&folder));
    let added = names.filter(|name| !record.files.contains_key(*name) && *name != "pack.json");
    differing.extend(added.map(str::to_owned));
    report.check(
        "engine pack is that of its record",
        differing.is_empty(),
        || format!("it gives other digests for {}", listed(&differing)),
    );
}
