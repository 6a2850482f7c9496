//! Memory that this process may use: the container's limit or the machine's memory, whichever is
//! lower.
//!
//! Owns the files from which the limit is read. Must not know what the limit is used for.

use std::path::Path;
use std::sync::OnceLock;

/// Size of the available memory that is assumed if neither a limit nor the size of the machine's
/// memory can be read, in bytes. The smallest plan of a function app has 1.5 GB.
const UNKNOWN_BYTES: u64 = 1 << 30;

/// Folder where Linux mounts control groups (cgroups), on every platform that Scorebox runs on.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Returns the size of the memory that this process may use, in bytes: the container's limit or the
/// size of the machine's memory, whichever is lower. Returns 1 GiB if neither can be read. The size
/// is determined once per process.
#[must_use]
pub fn available_bytes() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(read_available_bytes)
}

fn read_available_bytes() -> u64 {
    let memberships = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = cgroup_limit(Path::new(CGROUPS), &memberships);
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| machine_bytes(&text));
    limit
        .into_iter()
        .chain(machine)
        .min()
        .unwrap_or(UNKNOWN_BYTES)
}

/// Returns the lowest memory limit of the control groups that the process belongs to, in bytes.
/// Returns `None` if no group has a limit that can be read.
///
/// `memberships` is the text of `/proc/self/cgroup`, and `root` is the folder where control groups
/// are mounted. A container's own group is usually mounted at `root` itself, so the limit of `root`
/// is read, too.
fn cgroup_limit(root: &Path, memberships: &str) -> Option<u64> {
    let mut lowest: Option<u64> = None;
    for line in memberships.lines() {
        // A line is `0::/path` in version 2, and `9:memory:/path` in version 1 (cgroups(7)).
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // The limits of all groups above this one apply, too. A path with `..` would lead out of
        // the mount.
        let path = Path::new(path.trim_start_matches('/'));
        for group in path.ancestors().filter(|group| !group.starts_with("..")) {
            let limit = std::fs::read_to_string(folder.join(group).join(file)).ok();
            // No limit is `max` in version 2, and a number near 2^63 in version 1.
            let limit = limit
                .and_then(|text| text.trim().parse::<u64>().ok())
                .filter(|bytes| *bytes < 1 << 62);
            lowest = lowest.into_iter().chain(limit).min();
        }
    }
    lowest
}

/// Returns the size of the machine's memory, in bytes. `meminfo` is the text of `/proc/meminfo`,
/// with a line such as `MemTotal:  16384 kB`. Returns `None` if the text does not have this line,
/// or if the line does not have a size in kB.
fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_all_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("memory.max", "max\n");
        write("a/memory.max", "1000\n");
        write("a/b/memory.max", "5000\n");
        write("memory/c/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/d/memory.limit_in_bytes", "700\n");
        let limit = |memberships: &str| cgroup_limit(root.path(), memberships);
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("0::/a/b\n"), Some(1000));
        assert_eq!(limit("0::/../x\n"), None);
        assert_eq!(limit("4:cpu:/d\n9:memory:/c\n"), None);
        assert_eq!(limit("9:cpu,memory:/d\n0::/a\n"), Some(700));
        assert_eq!(limit("nonsense\n"), None);
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(
            machine_bytes("MemTotal:       24602436 kB\nMemFree: 1 kB\n"),
            Some(24_602_436 * 1024)
        );
        assert_eq!(machine_bytes("MemFree: 1 kB\n"), None);
        assert!(available_bytes() >= 1 << 20);
    }
}
