//! Altered images in which every digest fits again.
//!
//! Owns the layout's documents and the tars of its layers. Must not know the purpose of an
//! alteration. Artifacts that were attached to the image are removed: they name the old digest, and
//! so would reveal every alteration.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::packaging::{blob, documents};

/// Size of the header of a tar member, in bytes.
const BLOCK_BYTES: usize = 512;

/// A member of a tar: a header and its content.
#[derive(Debug, Clone)]
pub struct Member {
    /// Header of the member, 512 bytes.
    pub header: tar::Header,
    /// Content of the member, without padding.
    pub content: Vec<u8>,
}

impl Member {
    /// Creates a member like those that `cargo xtask package` writes. `kind` is the type byte of
    /// the tar format.
    #[must_use]
    pub fn new(name: &str, kind: u8, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[156] = kind;
        header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.set_cksum();
        Self {
            header,
            content: content.to_vec(),
        }
    }

    /// Creates a member that is a regular file.
    #[must_use]
    pub fn file(name: &str, content: &[u8]) -> Self {
        Self::new(name, b'0', content)
    }

    /// Creates a member that is a symbolic or hard link to `target`. `kind` is the type byte of the
    /// tar format.
    #[must_use]
    pub fn link(name: &str, kind: u8, target: &str) -> Self {
        let mut member = Self::new(name, kind, b"");
        member.header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        member.header.set_cksum();
        member
    }

    /// Creates a PAX header with `records`, which are pairs of a key and a value. It applies to the
    /// next member.
    ///
    /// # Panics
    /// Panics if no number fits the length of a record.
    #[must_use]
    pub fn records(records: &[(&str, &str)]) -> Self {
        let record = |(key, value): &(&str, &str)| {
            let rest = format!(" {key}={value}\n");
            let length =
                (rest.len()..).find(|length| length.to_string().len() + rest.len() == *length);
            format!("{}{rest}", length.expect("there is such a length"))
        };
        Self::new(
            "PaxHeaders/x",
            b'x',
            records.iter().map(record).collect::<String>().as_bytes(),
        )
    }

    /// Returns the member with a changed header and a valid checksum.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut tar::Header)) -> Self {
        change(&mut self.header);
        self.header.set_cksum();
        self
    }

    /// Returns the name of the member, as its header states it.
    #[must_use]
    pub fn name(&self) -> String {
        self.header
            .path()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    }
}

/// Returns the members of a tar archive.
///
/// # Panics
/// Panics if the bytes are not a tar archive.
#[must_use]
pub fn members(tar: &[u8]) -> Vec<Member> {
    let mut members = Vec::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("a tar").raw(true) {
        let mut entry = entry.expect("a whole entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        members.push(Member {
            header: entry.header().clone(),
            content,
        });
    }
    members
}

/// Returns a tar archive of the members.
#[must_use]
pub fn tar(members: &[Member]) -> Vec<u8> {
    let mut tar = Vec::new();
    for Member { header, content } in members {
        tar.extend(header.as_bytes());
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(BLOCK_BYTES), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK_BYTES, 0);
    tar
}

/// Compresses bytes with gzip.
///
/// # Panics
/// Panics if memory is full.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}

/// An image that is being altered.
#[derive(Debug)]
pub struct Forgery {
    /// Folder of the OCI layout.
    pub layout: PathBuf,
    /// Manifest of the image.
    pub manifest: Value,
    /// Configuration of the image.
    pub config: Value,
    /// Index of the layout, `index.json`.
    pub index: Value,
}

impl Forgery {
    /// Copies the first image of the layout `of` to the new folder `layout`, with its blobs as hard
    /// links.
    ///
    /// # Panics
    /// Panics if there is no layout, or its blobs cannot be linked.
    #[must_use]
    pub fn begin(of: &Path, layout: &Path) -> Self {
        let folder = layout.join("blobs/sha256");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for entry in std::fs::read_dir(of.join("blobs/sha256")).expect("a layout") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name");
            std::fs::hard_link(&path, folder.join(name)).expect("a link can be made");
        }
        std::fs::copy(of.join("oci-layout"), layout.join("oci-layout"))
            .expect("a file can be copied");
        let (manifest, config) = documents(of);
        let mut index: Value =
            serde_json::from_slice(&std::fs::read(of.join("index.json")).expect("a list"))
                .expect("JSON");
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .truncate(1);
        Self {
            layout: layout.to_path_buf(),
            manifest,
            config,
            index,
        }
    }

    /// Makes the image state that another builder made its lowest layer, and that its base image is
    /// `r.io/base:1`.
    pub fn on_base(&mut self) {
        self.config["history"][0] = json!({ "created_by": "another builder" });
        self.manifest["annotations"]["org.opencontainers.image.base.name"] = "r.io/base:1".into();
        self.manifest["annotations"]["org.opencontainers.image.base.digest"] =
            format!("sha256:{}", "0".repeat(64)).into();
    }

    /// Returns the index of the layer with the name `name`, counted from the lowest layer, which is
    /// 0.
    ///
    /// # Panics
    /// Panics if there is no layer with this name.
    #[must_use]
    pub fn layer(&self, name: &str) -> usize {
        let history = self.config["history"].as_array().expect("a history");
        let is_it = |entry: &Value| {
            entry["comment"]
                .as_str()
                .is_some_and(|comment| comment.starts_with(&format!("{name}: ")))
        };
        history.iter().position(is_it).expect("a layer of the name")
    }

    /// Returns the members of the layer with the index `layer`.
    ///
    /// # Panics
    /// Panics if the layer cannot be read.
    #[must_use]
    pub fn members(&self, layer: usize) -> Vec<Member> {
        let descriptor = &self.manifest["layers"][layer];
        let bytes = blob(&self.layout, &descriptor["digest"]);
        if !descriptor["mediaType"]
            .as_str()
            .expect("a type")
            .ends_with("+gzip")
        {
            return members(&bytes);
        }
        let mut tar = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut tar)
            .expect("gzip");
        members(&tar)
    }

    /// Calls `change` with the members of the layer `name`, and writes the changed layer.
    ///
    /// # Panics
    /// Panics if the layer cannot be read.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut Vec<Member>)) {
        let layer = self.layer(name);
        let mut members = self.members(layer);
        change(&mut members);
        self.set(layer, &tar(&members));
    }

    /// Replaces the content of the layer with the index `layer` by the tar archive `tar`.
    pub fn set(&mut self, layer: usize, tar: &[u8]) {
        self.set_stored(layer, &gzip(tar), &digest(tar));
    }

    /// Replaces the compressed bytes of the layer with the index `layer` by `bytes`. `diff_id`
    /// becomes the digest of its tar archive in the configuration.
    pub fn set_stored(&mut self, layer: usize, bytes: &[u8], diff_id: &str) {
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        self.manifest["layers"][layer] =
            json!({ "mediaType": media_type, "digest": self.put(bytes), "size": bytes.len() });
        self.config["rootfs"]["diff_ids"][layer] = diff_id.into();
    }

    /// Inserts a layer, as another image builder would, at the index `at`. The layer that had this
    /// index is then above it.
    ///
    /// # Panics
    /// Panics if the manifest or the configuration does not contain a list of layers.
    pub fn insert(&mut self, at: usize, members: &[Member]) {
        let entry = || json!({ "created_by": "another builder" });
        let insert = |list: &mut Value| list.as_array_mut().expect("a list").insert(at, entry());
        insert(&mut self.config["rootfs"]["diff_ids"]);
        insert(&mut self.config["history"]);
        insert(&mut self.manifest["layers"]);
        self.set(at, &tar(members));
    }

    /// Returns the number of layers of the image.
    ///
    /// # Panics
    /// Panics if the manifest does not contain a list of layers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.manifest["layers"].as_array().expect("layers").len()
    }

    /// Writes a blob into the layout, and returns its digest.
    ///
    /// # Panics
    /// Panics if the disk is full.
    pub fn put(&self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let path = self
            .layout
            .join("blobs/sha256")
            .join(digest.replace("sha256:", ""));
        // An existing file may be a link to the original.
        if !path.exists() {
            std::fs::write(path, bytes).expect("a file can be written");
        }
        digest
    }

    /// Writes the configuration and the manifest, and names them in the index.
    pub fn finish(&mut self) {
        let config = self.config.to_string();
        self.finish_with(&config, |manifest| manifest.to_string());
    }

    /// Writes the configuration `config` and the text that `manifest` makes of the manifest, and
    /// names them in the index.
    ///
    /// # Panics
    /// Panics if the disk is full.
    pub fn finish_with(&mut self, config: &str, manifest: impl FnOnce(&Value) -> String) {
        self.manifest["config"]["digest"] = self.put(config.as_bytes()).into();
        self.manifest["config"]["size"] = config.len().into();
        let manifest = manifest(&self.manifest);
        let entry = &mut self.index["manifests"][0];
        entry["size"] = manifest.len().into();
        let digest = self.put(manifest.as_bytes());
        self.index["manifests"][0]["digest"] = digest.into();
        self.write_index();
    }

    /// Writes the file `index.json` of the layout from [`Forgery::index`].
    ///
    /// # Panics
    /// Panics if the disk is full.
    pub fn write_index(&self) {
        std::fs::write(self.layout.join("index.json"), self.index.to_string())
            .expect("a file can be written");
    }
}

/// Returns the SHA-256 digest of bytes: `sha256:` and 64 hex digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
