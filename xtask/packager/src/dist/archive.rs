//! The archive of a release: a tar file with gzip.
//!
//! Owns its form: one folder on top, owners and times that depend on nothing but the release. Must
//! not know what the files are for.

use std::fs::File;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use scorebox_workspace::failure::Failure;

use super::contents::Contents;

/// Name of the folder that contains all files in the archive of a release.
const TOP: &str = concat!(
    "scorebox-",
    env!("CARGO_PKG_VERSION"),
    "-x86_64-unknown-linux-gnu"
);

/// Writes the archive of a release to the path `path`. `epoch` is the time of every file, in
/// seconds since 1970. Fails if a file cannot be read, or if the archive cannot be written.
pub fn write(path: &Path, contents: &Contents, epoch: u64) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::file(path, "be written", error);
    let file = File::create(path).map_err(fail)?;
    // Without a time of its own, the gzip header says nothing about the machine.
    let gzip = GzBuilder::new()
        .mtime(0)
        .write(file, Compression::default());
    let mut archive = tar::Builder::new(gzip);
    for (name, file) in contents.iter() {
        let bytes = file.read()?;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(file.mode());
        header.set_mtime(epoch);
        header.set_uid(0);
        header.set_gid(0);
        let name = format!("{TOP}/{name}");
        archive
            .append_data(&mut header, &name, &*bytes)
            .map_err(fail)?;
    }
    let gzip = archive.into_inner().map_err(fail)?;
    gzip.finish().map_err(fail)?.sync_all().map_err(fail)
}
