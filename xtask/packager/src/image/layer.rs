//! Writer and reader of layers. Equal plans always give equal bytes.
//!
//! Owns the use of tar, gzip and zstd, and the hashing of layers while they are written or read.
//! Must not know what a layer is for.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::Path;

use flate2::{Compression as Level, GzBuilder};
use oci_client::manifest::{IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::digest::{Digest, Hashing};

use super::layer_plan::{Compression, Content, Entry, IMAGE_LAYER_ZSTD_MEDIA_TYPE, LayerPlan};
use super::tar_header::header;

/// A written layer, with its sizes and digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLayer {
    /// Name of the layer, e.g. `model`, as in its [`LayerPlan`].
    pub name: &'static str,
    /// OCI media type of the layer.
    pub media_type: &'static str,
    /// Digest of the layer's blob, i.e. of the bytes that are stored and sent.
    pub digest: Digest,
    /// Size of the layer's blob as it is stored and sent, in bytes.
    pub size: u64,
    /// Digest of the layer's uncompressed tar archive.
    pub diff_id: Digest,
}

/// Compression level of gzip, which is gzip's default. Together with the version of the gzip crate
/// in Cargo.lock, the level determines the bytes of a layer.
const GZIP_LEVEL: u32 = 6;
/// Compression level of zstd. Compressing is slow at this level, but decompressing is as fast as at
/// any other level. Together with the version of the zstd crate in Cargo.lock, the level determines
/// the bytes of a layer.
const ZSTD_LEVEL: i32 = 19;

/// Writes a planned layer to `out`, and returns `out` and the sizes and digests of the layer. Fails
/// if a path of the plan is invalid or leads out of the image, if a file of the plan cannot be read
/// or becomes shorter while it is read, or if `out` cannot be written. Every time in the layer is
/// `epoch`, in seconds since 1970.
pub fn write<W: Write>(plan: &LayerPlan, epoch: u64, out: W) -> io::Result<(W, WrittenLayer)> {
    let stored = Hashing::new(out);
    let (stored, diff_id) = match plan.compression {
        Compression::Stored => (write_tar(plan, epoch, stored)?, None),
        Compression::Gzip | Compression::Fast => {
            let level = if plan.compression == Compression::Fast {
                Level::fast()
            } else {
                Level::new(GZIP_LEVEL)
            };
            // The gzip header has no time, no name and no operating system, so it does not depend
            // on this machine.
            let gzip = GzBuilder::new()
                .mtime(0)
                .operating_system(255)
                .write(stored, level);
            let (gzip, diff_id, _) = write_tar(plan, epoch, Hashing::new(gzip))?.finish();
            (gzip.finish()?, Some(diff_id))
        }
        Compression::Zstd => {
            // Only one thread is used. With more threads, the bytes could depend on the machine.
            let zstd = zstd::stream::write::Encoder::new(stored, ZSTD_LEVEL)?;
            let (zstd, diff_id, _) = write_tar(plan, epoch, Hashing::new(zstd))?.finish();
            (zstd.finish()?, Some(diff_id))
        }
    };
    let (out, digest, size) = stored.finish();
    let diff_id = diff_id.unwrap_or_else(|| digest.clone());
    Ok((
        out,
        WrittenLayer {
            name: plan.name,
            media_type: media_type(plan.compression),
            digest,
            size,
            diff_id,
        },
    ))
}

/// Returns the OCI media type of a layer with this compression.
pub fn media_type(compression: Compression) -> &'static str {
    match compression {
        Compression::Stored => IMAGE_LAYER_MEDIA_TYPE,
        Compression::Gzip | Compression::Fast => IMAGE_LAYER_GZIP_MEDIA_TYPE,
        Compression::Zstd => IMAGE_LAYER_ZSTD_MEDIA_TYPE,
    }
}

fn write_tar<W: Write>(plan: &LayerPlan, epoch: u64, out: W) -> io::Result<W> {
    let mut tar = tar::Builder::new(out);
    for (path, entry) in &plan.entries {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
        match entry {
            Entry::Folder { mode } => {
                let path = format!("{path}/");
                let kind = tar::EntryType::Directory;
                let header = header(&mut tar, &path, kind, *mode, 0, epoch).map_err(named)?;
                tar.append(&header, io::empty())?;
            }
            Entry::File {
                mode,
                content: Content::Bytes(bytes),
            } => {
                let size = bytes.len() as u64;
                let kind = tar::EntryType::Regular;
                let header = header(&mut tar, path, kind, *mode, size, epoch).map_err(named)?;
                tar.append(&header, bytes.as_slice())?;
            }
            Entry::File {
                mode,
                content: Content::File(source),
            } => {
                let file = File::open(source).map_err(named)?;
                let size = file.metadata().map_err(named)?.len();
                let kind = tar::EntryType::Regular;
                let header = header(&mut tar, path, kind, *mode, size, epoch).map_err(named)?;
                let mut exact = Exact {
                    inner: file,
                    left: size,
                };
                tar.append(&header, &mut exact).map_err(named)?;
            }
        }
    }
    tar.into_inner()
}

/// Reader that returns exactly as many bytes as the tar header of a file states. Without this
/// reader, a file that changes while it is read would shift all entries after the file.
struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::other("became shorter while it was read"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Reader of the uncompressed tar archive in the blob of a layer. It hashes the archive while it is
/// read.
pub struct Tar {
    inner: Box<dyn Read>,
    hash: Hashing<io::Sink>,
}

/// Opens the blob of a layer to read its tar archive. Fails if the file cannot be read, if the
/// media type is unknown, or if the first bytes show a compression that differs from the media
/// type.
pub fn open(path: &Path, media_type: &str) -> io::Result<Tar> {
    let mut file = BufReader::new(File::open(path)?);
    // Runtimes detect the compression from the first bytes and ignore the media type. A layer whose
    // bytes do not match its media type would be another layer to them, so it is refused.
    let found = form(file.fill_buf()?);
    if matches!(
        media_type,
        IMAGE_LAYER_MEDIA_TYPE | IMAGE_LAYER_GZIP_MEDIA_TYPE | IMAGE_LAYER_ZSTD_MEDIA_TYPE
    ) && found != media_type
    {
        return Err(io::Error::other(format!(
            "its bytes are of the type {found}, but its manifest says another"
        )));
    }
    let inner: Box<dyn Read> = match media_type {
        IMAGE_LAYER_MEDIA_TYPE => Box::new(file),
        IMAGE_LAYER_GZIP_MEDIA_TYPE => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        IMAGE_LAYER_ZSTD_MEDIA_TYPE => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        other => {
            let shown = quoted(other, NAME_BYTES);
            return Err(io::Error::other(format!(
                "layers of type {shown} are not known"
            )));
        }
    };
    Ok(Tar {
        inner,
        hash: Hashing::new(io::sink()),
    })
}

/// Returns the media type that container runtimes derive from the first bytes of a layer.
fn form(start: &[u8]) -> &'static str {
    match start {
        [0x1f, 0x8b, 0x08, ..] => IMAGE_LAYER_GZIP_MEDIA_TYPE,
        // Start of a zstd frame, or of a skippable frame.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            IMAGE_LAYER_ZSTD_MEDIA_TYPE
        }
        _ => IMAGE_LAYER_MEDIA_TYPE,
    }
}

impl Tar {
    /// Reads the remaining bytes of the tar archive, and returns the digest of the whole archive.
    /// Fails if the archive cannot be read.
    pub fn diff_id(mut self) -> io::Result<Digest> {
        // Bytes after the end mark of the archive are part of the digest, too.
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hash.finish().1)
    }
}

impl Read for Tar {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash
            .write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn plan(compression: Compression, files: &[(String, Vec<u8>)]) -> LayerPlan {
        let entries = files
            .iter()
            .map(|(path, bytes)| {
                (
                    path.clone(),
                    Entry::File {
                        mode: 0o644,
                        content: Content::Bytes(bytes.clone()),
                    },
                )
            })
            .collect();
        LayerPlan {
            name: "app",
            comment: String::new(),
            compression,
            kept: None,
            entries,
        }
    }

    fn bytes(plan: &LayerPlan) -> Vec<u8> {
        write(plan, 7, Vec::new()).unwrap().0
    }

    proptest! {
        // Every zstd encoder at this level needs about 80 MB.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn order_of_files_does_not_matter(files in prop::collection::btree_map("[a-z]{1,8}(/[a-z]{1,8}){0,3}", prop::collection::vec(any::<u8>(), 0..2000), 0..8), compression in prop::sample::select(vec![Compression::Gzip, Compression::Fast, Compression::Zstd, Compression::Stored])) {
            let forward: Vec<_> = files.clone().into_iter().collect();
            let backward: Vec<_> = files.clone().into_iter().rev().collect();
            let written = bytes(&plan(compression, &forward));
            prop_assert_eq!(&written, &bytes(&plan(compression, &backward)));

            let mut tar = Vec::new();
            match compression {
                Compression::Gzip | Compression::Fast => drop(flate2::read::GzDecoder::new(written.as_slice()).read_to_end(&mut tar).unwrap()),
                Compression::Zstd => tar = zstd::decode_all(written.as_slice()).unwrap(),
                Compression::Stored => tar = written,
            }
            let mut read = BTreeMap::new();
            for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
                let mut entry = entry.unwrap();
                prop_assert_eq!((entry.header().uid().unwrap(), entry.header().mtime().unwrap()), (0, 7));
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                read.insert(entry.path().unwrap().to_str().unwrap().to_owned(), content);
            }
            prop_assert_eq!(read, files);
        }
    }

    #[test]
    fn bytes_are_as_golden() {
        // These digests change if tar, flate2 or the fields of the header change. Then every digest
        // that users have pinned changes, too.
        let files = [("a".to_owned(), b"hello".to_vec())];
        let digest = |compression| write(&plan(compression, &files), 0, io::sink()).unwrap().1;
        let stored = digest(Compression::Stored);
        assert_eq!(stored.digest, stored.diff_id);
        assert_eq!(stored.size, 2048);
        assert_eq!(digest(Compression::Gzip).diff_id, stored.digest);
        assert_eq!(digest(Compression::Gzip).digest.to_string(), GOLDEN_GZIP);
        assert_eq!(digest(Compression::Zstd).diff_id, stored.digest);
        assert_eq!(digest(Compression::Zstd).digest.to_string(), GOLDEN_ZSTD);
    }

    const GOLDEN_GZIP: &str =
        "sha256:175863ee4cc8cf9ee9ab82d8f8e6d882b5c680770709f87e822ceb1fa6767776";
    const GOLDEN_ZSTD: &str =
        "sha256:9db4ad19671c203206ae1eaec6f25f40a2e088e30dd3388b83c99f5230cad480";

    #[test]
    fn source_of_a_file_does_not_matter_and_changes_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "hello").unwrap();
        let mut from_file = plan(Compression::Stored, &[]);
        from_file.entries.insert(
            "a".into(),
            Entry::File {
                mode: 0o644,
                content: Content::File(path),
            },
        );
        assert_eq!(
            bytes(&from_file),
            bytes(&plan(
                Compression::Stored,
                &[("a".into(), b"hello".to_vec())]
            ))
        );

        let mut short = Exact {
            inner: &b"abc"[..],
            left: 5,
        };
        assert!(short.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn path_of_any_length_is_written_and_read_back() {
        let paths = [
            "x".repeat(100),
            "x".repeat(101),
            "模".repeat(40),
            format!("{}/{}", "d".repeat(150), "x".repeat(100)),
            format!("{}/{}", "d".repeat(156), "x".repeat(20)),
            format!("{}/{}", "é".repeat(120), "x".repeat(255)),
        ];
        let files: Vec<_> = paths.map(|path| (path, b"1".to_vec())).into();
        let written = bytes(&plan(Compression::Stored, &files));
        assert_eq!(written, bytes(&plan(Compression::Stored, &files)));
        let mut entries = super::super::entries::Entries::new(written.as_slice());
        let mut found = Vec::new();
        while let Some(entry) = entries.next().unwrap() {
            assert!(entry.is_plain, "{entry:?}");
            found.push(String::from_utf8(entry.name).unwrap());
        }
        let mut expected: Vec<_> = files.into_iter().map(|(path, _)| path).collect();
        expected.sort();
        assert_eq!(found, expected);
        // Another reader sees these paths, too.
        let mut archive = tar::Archive::new(written.as_slice());
        let paths = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            entry.path().unwrap().to_str().unwrap().to_owned()
        });
        assert_eq!(paths.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn path_out_of_the_image_is_an_error() {
        let files = [("a/../../x".to_owned(), Vec::new())];
        let error = write(&plan(Compression::Stored, &files), 0, io::sink()).unwrap_err();
        assert!(error.to_string().contains("a/../../x"), "{error}");
    }
}
