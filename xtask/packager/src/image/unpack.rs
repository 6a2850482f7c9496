//! Unpacking of an OCI layout into a root folder.
//!
//! Owns the check of every digest and the order of the layers. Must not know scorers. Nothing in
//! the layout is trusted except content that has the digest it was requested by.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use oci_client::manifest::{OciDescriptor, OciImageManifest};
use scorebox_host::text::{NAME_BYTES, REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use serde_json::Value;

use super::layer;
use super::layout::{self, blob_name};

/// Unpacks the first image of the layout in the folder `layout` into the folder `root`, and returns
/// the digest of the image. `root` is created if it does not exist. Fails if `root` is not empty,
/// if the layout is incomplete, if a digest differs from the content, if a layer has a whiteout,
/// which is not supported here, or a path that leads out of `root`, or if a file cannot be written.
pub fn unpack(layout: &Path, root: &Path) -> Result<Digest, Failure> {
    let index: Value = serde_json::from_slice(&layout::index(layout)?)
        .map_err(|error| bad(layout, &format!("index.json: {error}")))?;
    let digest = index
        .pointer("/manifests/0/digest")
        .and_then(Value::as_str)
        .and_then(Digest::parse)
        .ok_or_else(|| bad(layout, "index.json names no image"))?;
    let manifest: OciImageManifest = json(layout, &digest)?;
    let config: Value = json(layout, &parse(layout, &manifest.config)?)?;
    let diff_ids = config
        .pointer("/rootfs/diff_ids")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if diff_ids.len() != manifest.layers.len() {
        return Err(bad(
            layout,
            "manifest and configuration differ in the number of layers",
        ));
    }
    create_empty(root)?;
    for (layer, diff_id) in manifest.layers.iter().zip(&diff_ids) {
        let written = unpack_layer(layout, layer, root)?;
        if diff_id.as_str() != Some(written.to_string().as_str()) {
            return Err(bad(
                layout,
                &format!(
                    "layer {}: its tar has the digest {written}, not {diff_id}",
                    layer.digest
                ),
            ));
        }
    }
    Ok(digest)
}

/// Creates the folder `root` if it does not exist. Fails if it cannot be created, or if it is not
/// empty, because its files would look like a part of the image.
fn create_empty(root: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(root).map_err(|error| Failure::file(root, "be made", error))?;
    let mut entries =
        std::fs::read_dir(root).map_err(|error| Failure::file(root, "be read", error))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Failure::other(
            format!(
                "{}: is not empty, and its files would look like a part of the image",
                root.display()
            ),
            "remove the folder, or name another one",
        )),
    }
}

fn json<T: serde::de::DeserializeOwned>(layout: &Path, digest: &Digest) -> Result<T, Failure> {
    let path = layout.join(blob_name(digest));
    let bytes = layout::document(&path).map_err(|error| Failure::file(&path, "be read", error))?;
    if Digest::of(&bytes) != *digest {
        return Err(bad(
            layout,
            &format!("{} has another content than its name says", path.display()),
        ));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| bad(layout, &format!("{}: {error}", path.display())))
}

fn parse(layout: &Path, descriptor: &OciDescriptor) -> Result<Digest, Failure> {
    Digest::parse(&descriptor.digest)
        .ok_or_else(|| bad(layout, &format!("`{}` is not a digest", descriptor.digest)))
}

/// Unpacks one layer of a layout into the folder `root`, and returns the digest of the layer's tar
/// archive. Fails if the blob cannot be read or does not have the digest and size in its
/// descriptor, or if an entry cannot be unpacked.
fn unpack_layer(layout: &Path, descriptor: &OciDescriptor, root: &Path) -> Result<Digest, Failure> {
    let digest = parse(layout, descriptor)?;
    let path = layout.join(blob_name(&digest));
    let unreadable = |error: io::Error| Failure::file(&path, "be read", error);
    let (found, size) =
        Digest::of_reader(File::open(&path).map_err(unreadable)?).map_err(unreadable)?;
    if found != digest || i64::try_from(size).ok() != Some(descriptor.size) {
        return Err(bad(
            layout,
            &format!("{} has another content than its name says", path.display()),
        ));
    }
    let mut tar = layer::open(&path, &descriptor.media_type).map_err(unreadable)?;
    extract(&mut tar, root).map_err(unreadable)?;
    tar.diff_id().map_err(unreadable)
}

fn extract(tar: impl Read, root: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    archive.set_preserve_permissions(true);
    // Modification times are kept, as a container runtime does, because the host recognises
    // packaged files by them.
    archive.set_preserve_mtime(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(".wh."))
        {
            let shown = quoted(&path.to_string_lossy(), NAME_BYTES);
            return Err(io::Error::other(format!(
                "{shown}: files that remove others are not known"
            )));
        }
        // `unpack_in` stays within the root: it skips paths with `..` and refuses links that point
        // outside.
        if !entry.unpack_in(root)? {
            let shown = quoted(&path.to_string_lossy(), NAME_BYTES);
            return Err(io::Error::other(format!("{shown}: leads out of the root")));
        }
    }
    Ok(())
}

fn bad(layout: &Path, problem: &str) -> Failure {
    Failure::other(
        format!("{}: {}", layout.display(), quoted(problem, REASON_BYTES)),
        "write the layout again with `cargo xtask package --manifest FILE`",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::image::{Code, Compression, Content, Inputs, layout, plan};

    fn written(dir: &Path, compression: Compression) -> layout::WrittenImage {
        let content = |text: &str| Content::Bytes(text.as_bytes().to_vec());
        let inputs = Inputs {
            name: "x".into(),
            version: String::new(),
            world: "scoring".into(),
            wit_version: "0.1.0".into(),
            code: Code::Component(Digest::of(b"c").to_string()),
            model_digest: Some(Digest::of(b"m").to_string()),
            epoch: 0,
            base: None,
            compression,
            model_compression: Compression::Stored,
            host: content("host"),
            engine: BTreeMap::new(),
            pack: None,
            libraries: BTreeMap::new(),
            app: BTreeMap::from([("component.wasm".into(), content("c"))]),
            model: BTreeMap::from([("model/m".into(), content("m"))]),
        };
        layout::write(&plan(&inputs), &dir.join("layout"), "v1", None, |_, _| {
            Vec::new()
        })
        .unwrap()
    }

    #[test]
    fn what_was_planned_comes_back() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            comes_back(compression);
        }
    }

    fn comes_back(compression: Compression) {
        let dir = tempfile::tempdir().unwrap();
        let image = written(dir.path(), compression);
        let root = dir.path().join("root");
        assert_eq!(unpack(&image.dir, &root).unwrap(), image.digest);
        assert_eq!(
            std::fs::read(root.join("home/site/wwwroot/model/m")).unwrap(),
            b"m"
        );
        let mode = |path: &str| {
            std::fs::metadata(root.join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777
        };
        assert_eq!(
            (mode("usr/bin/scorebox"), mode("tmp"), mode("etc/passwd")),
            (0o755, 0o1777, 0o644)
        );
        assert_eq!(
            written(dir.path(), compression).digest,
            image.digest,
            "written twice"
        );
    }

    #[test]
    fn a_folder_with_files_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let image = written(dir.path(), Compression::Gzip);
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        assert_eq!(unpack(&image.dir, &root).unwrap(), image.digest);
        let refused = unpack(&image.dir, &root).unwrap_err();
        assert!(refused.problem.contains("is not empty"), "{refused}");
    }

    #[test]
    fn altered_blob_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let image = written(dir.path(), Compression::Gzip);
        for blob in &image.blobs {
            let path = image.blob_path(&blob.digest);
            let mut bytes = std::fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let refused = unpack(&image.dir, &dir.path().join(&blob.name)).unwrap_err();
            assert!(
                refused.problem.contains("another content"),
                "{}: {refused}",
                blob.name
            );
            bytes[last] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
        }
    }
}
