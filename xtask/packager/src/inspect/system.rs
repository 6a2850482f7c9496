//! Check of the layer `system`, which the SBOM does not list: users, host names and root
//! certificates.
//!
//! Owns the comparison of this layer with the one that this version of Scorebox writes. Must not
//! know how the layer is built.

use scorebox_workspace::digest::Digest;

use super::contents::Contents;
use super::report::Report;
use super::rootfs::Kind;
use crate::image::{Compression, Content, Entry, system};

/// Compares the files of the layer `system` with the files that this version of Scorebox writes,
/// and adds the result to the report. Other versions write other root certificates, so a difference
/// alone is not an error. Does nothing if the image has a base image, because it then has no such
/// layer, or if a layer of `package` could not be read.
pub fn examine(report: &mut Report, contents: &Contents) {
    if contents.start > 0 || contents.is_damaged {
        return;
    }
    let differs = |path: &str, content: &Content| {
        let Content::Bytes(bytes) = content else {
            return true;
        };
        let found = contents.root.at(path).map(|found| found.kind);
        found != Some(Kind::File(Some(Digest::of(bytes))))
    };
    let entries = system::layer(Compression::Stored).entries;
    let files = entries.iter().filter_map(|(path, entry)| match entry {
        Entry::File { content, .. } => Some((path, content)),
        Entry::Folder { .. } => None,
    });
    let differing: Vec<_> = files
        .filter(|(path, content)| differs(path, content))
        .map(|(path, _)| path.as_str())
        .collect();
    let what = "users, names and root certificates";
    match differing.as_slice() {
        [] => report.check(what, true, String::new),
        some => report.needs_key(
            what,
            format!("{} are not those of this version", some.join(", ")),
        ),
    }
}
