//! Compressed layers that are kept on this machine, because many images have them.
//!
//! Owns the files of a kept layer: its blob, and a record with its digests. Must not know what a
//! layer is for. Compressing an engine pack of 370 MB takes a quarter of a minute.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

use super::layer::{self, WrittenLayer};
use super::layer_plan::LayerPlan;

/// Returns the compressed layer that this machine keeps for a plan, after the layer's blob was put
/// into the folder `blobs`. Returns `None` if the plan does not ask for a kept layer, or if the
/// kept layer is missing or damaged. Fails if the blob cannot be put into the folder.
pub fn take(plan: &LayerPlan, blobs: &Path) -> io::Result<Option<WrittenLayer>> {
    let Some((blob, record)) = plan.kept.as_deref().map(files) else {
        return Ok(None);
    };
    let Some(written) = read(plan, &record) else {
        return Ok(None);
    };
    let found = File::open(&blob).and_then(Digest::of_reader);
    if !found.is_ok_and(|found| found == (written.digest.clone(), written.size)) {
        return Ok(None);
    }
    let place = blobs.join(written.digest.hex());
    // Another layer of the image may have the same bytes.
    if !place.exists() {
        link(&blob, &place)?;
    }
    Ok(Some(written))
}

/// Keeps a layer that was written for a plan, so that other images can use it. Does nothing if the
/// plan does not ask for this. `blobs` is the folder with the blob of the layer. If the layer
/// cannot be kept, the next image compresses it again.
pub fn keep(plan: &LayerPlan, written: &WrittenLayer, blobs: &Path) {
    if let Some(kept) = &plan.kept {
        // A full disk must not fail the image that was just written.
        let _ = write(kept, written, blobs);
    }
}

fn write(kept: &Path, written: &WrittenLayer, blobs: &Path) -> io::Result<()> {
    let (blob, record) = files(kept);
    let folder = kept.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let temporary = tempfile::Builder::new()
        .prefix(".layer-")
        .tempdir_in(folder)?;
    let copy = temporary.path().join("blob");
    link(&blobs.join(written.digest.hex()), &copy)?;
    std::fs::rename(copy, blob)?;
    let text = json!({
        "digest": written.digest.to_string(),
        "size": written.size,
        "diff_id": written.diff_id.to_string(),
    });
    let copy = temporary.path().join("record");
    std::fs::write(&copy, text.to_string())?;
    std::fs::rename(copy, record)
}

fn read(plan: &LayerPlan, record: &Path) -> Option<WrittenLayer> {
    let record: Value = serde_json::from_slice(&std::fs::read(record).ok()?).ok()?;
    let digest = |key: &str| Digest::parse(record.get(key)?.as_str()?);
    Some(WrittenLayer {
        name: plan.name,
        media_type: layer::media_type(plan.compression),
        digest: digest("digest")?,
        size: record.get("size")?.as_u64()?,
        diff_id: digest("diff_id")?,
    })
}

/// Returns the paths of the blob and of the record of a kept layer. `kept` is the path of both
/// without an extension.
fn files(kept: &Path) -> (PathBuf, PathBuf) {
    let with = |extension: &str| {
        let mut name = kept.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    (with(".blob"), with(".json"))
}

/// Creates the file `to` as a hard link to the file `from`, or as a copy if the file system does
/// not support links. `to` must not exist.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        // Copying a file to another link of itself would empty it.
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::hard_link(from, to).or_else(|_| std::fs::copy(from, to).map(drop))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::layer_plan::{Compression, Content, Entry};
    use super::*;

    #[test]
    fn a_kept_layer_is_used_until_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a"), dir.path().join("b"));
        for folder in [&first, &second] {
            std::fs::create_dir(folder).unwrap();
        }
        let content = Content::Bytes(b"1".to_vec());
        let plan = LayerPlan {
            name: "python",
            comment: String::new(),
            compression: Compression::Gzip,
            kept: Some(dir.path().join("kept/pack-1.0-gzip")),
            entries: BTreeMap::from([(
                "x".to_owned(),
                Entry::File {
                    mode: 0o444,
                    content,
                },
            )]),
        };
        assert_eq!(take(&plan, &first).unwrap(), None);
        let (bytes, written) = layer::write(&plan, 0, Vec::new()).unwrap();
        std::fs::write(first.join(written.digest.hex()), bytes).unwrap();
        keep(&plan, &written, &first);
        assert_eq!(take(&plan, &second).unwrap(), Some(written.clone()));
        assert!(second.join(written.digest.hex()).is_file());
        // Neither the layout nor the kept layer is lost if both are there.
        assert_eq!(take(&plan, &second).unwrap(), Some(written.clone()));
        keep(&plan, &written, &second);
        assert_eq!(take(&plan, &first).unwrap(), Some(written.clone()));
        std::fs::write(files(plan.kept.as_deref().unwrap()).0, "2").unwrap();
        assert_eq!(take(&plan, &dir.path().join("none")).unwrap(), None);
    }
}
