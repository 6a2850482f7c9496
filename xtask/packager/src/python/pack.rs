//! The engine pack in the user's cache.
//!
//! Owns the folder that keeps packs. Must not know what a pack is used for.

use std::path::PathBuf;

use scorebox_python::pack::RECORD_FILE;
use scorebox_workspace::failure::Failure;

/// Returns the folder of the engine pack in the user's cache: the one that was made last. Fails if
/// there is none.
pub fn locate() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let packs = cache.map(|cache| cache.join("scorebox/python"));
    let entries = packs.and_then(|packs| std::fs::read_dir(packs).ok());
    let folders = entries.into_iter().flatten().flatten();
    let made = folders.filter_map(|folder| {
        let record = folder.path().join(RECORD_FILE);
        let time = std::fs::metadata(record).and_then(|found| found.modified());
        Some((time.ok()?, folder.path()))
    });
    made.max().map(|(_, folder)| folder).ok_or_else(|| {
        Failure::toolchain(
            "there is no engine pack, which runs scripts",
            "run `cargo xtask setup --python`, which makes it in about four minutes",
        )
    })
}
