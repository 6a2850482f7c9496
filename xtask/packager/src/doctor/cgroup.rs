//! Limits of the control group (cgroup) in which this process runs: memory and CPU time.
//!
//! Owns the files of both versions of cgroups in which a limit is looked for. Must not know what a
//! limit is compared with.

use std::path::{Path, PathBuf};

/// Folder where Linux mounts control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// Limit of a control group, and the file that states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit<T> {
    /// Value of the limit, e.g. a number of bytes or of cores.
    pub value: T,
    /// Path of the file that states the limit.
    pub file: PathBuf,
}

/// Limits that apply to this process. A limit is `None` if no control group sets it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Lowest limit on memory, in bytes. `None` if no control group limits memory.
    pub memory_bytes: Option<Limit<u64>>,
    /// Lowest limit on CPU time, in cores. `None` if no control group limits CPU time.
    pub cores: Option<Limit<f64>>,
}

impl Limits {
    /// Reads the limits that apply to this process.
    pub fn read() -> Self {
        let memberships = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of(Path::new(ROOT), &memberships)
    }

    /// Reads the limits of the control groups that `memberships`, the text of `/proc/self/cgroup`,
    /// names, and of all groups above them. `root` is the folder where control groups are mounted.
    fn of(root: &Path, memberships: &str) -> Self {
        let mut limits = Self::default();
        for line in memberships.lines() {
            // A line is `0::/path` in version 2, and `9:memory:/path` in version 1 (cgroups(7)).
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
                continue;
            };
            let has = |name: &str| controllers.split(',').any(|own| own == name);
            let path = Path::new(path.trim_start_matches('/'));
            // A path with `..` would lead out of the mount.
            for group in path.ancestors().filter(|group| !group.starts_with("..")) {
                if controllers.is_empty() {
                    let folder = root.join(group);
                    limits.memory(&folder.join("memory.max"));
                    limits.cpu_2(&folder.join("cpu.max"));
                }
                if has("memory") {
                    let folder = root.join("memory").join(group);
                    limits.memory(&folder.join("memory.limit_in_bytes"));
                }
                if has("cpu") {
                    limits.cpu_1(&root.join("cpu").join(group));
                }
            }
        }
        limits
    }

    fn memory(&mut self, file: &Path) {
        // A control group without a limit states `max` in version 2, and a number near 2^63 in
        // version 1.
        let value = text(file).and_then(|text| text.parse().ok());
        let Some(value) = value.filter(|bytes: &u64| *bytes < 1 << 62) else {
            return;
        };
        if self
            .memory_bytes
            .as_ref()
            .is_none_or(|least| value < least.value)
        {
            let file = file.to_path_buf();
            self.memory_bytes = Some(Limit { value, file });
        }
    }

    /// Reads the CPU quota of a control group of version 2: `QUOTA PERIOD` or `max PERIOD`.
    fn cpu_2(&mut self, file: &Path) {
        let Some(text) = text(file) else { return };
        if let Some((quota, period)) = text.split_once(' ') {
            self.cores(file, quota, period);
        }
    }

    /// Reads the CPU quota of a control group of version 1. A quota of -1 stands for no limit.
    fn cpu_1(&mut self, folder: &Path) {
        let file = folder.join("cpu.cfs_quota_us");
        let period = text(&folder.join("cpu.cfs_period_us"));
        if let (Some(quota), Some(period)) = (text(&file), period) {
            self.cores(&file, &quota, &period);
        }
    }

    fn cores(&mut self, file: &Path, quota: &str, period: &str) {
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .ok()
                .filter(|number| *number > 0.0)
        };
        let (Some(quota), Some(period)) = (number(quota), number(period)) else {
            return;
        };
        let value = quota / period;
        if self.cores.as_ref().is_none_or(|least| value < least.value) {
            let file = file.to_path_buf();
            self.cores = Some(Limit { value, file });
        }
    }
}

fn text(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limits_of_both_versions_are_found_with_their_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("memory.max", "max\n");
        write("cpu.max", "max 100000\n");
        write("a/memory.max", "1000\n");
        write("a/cpu.max", "50000 100000\n");
        write("a/b/memory.max", "5000\n");
        write("a/b/cpu.max", "200000 100000\n");
        write("memory/c/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/d/memory.limit_in_bytes", "700\n");
        write("cpu/d/cpu.cfs_quota_us", "150000\n");
        write("cpu/d/cpu.cfs_period_us", "100000\n");
        write("cpu/e/cpu.cfs_quota_us", "-1\n");
        write("cpu/e/cpu.cfs_period_us", "100000\n");
        let check = |memberships: &str, memory: Option<(u64, &str)>, cores: Option<(f64, &str)>| {
            let limits = Limits::of(root.path(), memberships);
            let memory = memory.map(|(value, file)| Limit {
                value,
                file: root.path().join(file),
            });
            let cores = cores.map(|(value, file)| Limit {
                value,
                file: root.path().join(file),
            });
            assert_eq!(
                (limits.memory_bytes, limits.cores),
                (memory, cores),
                "{memberships}"
            );
        };
        check("0::/\n", None, None);
        check(
            "0::/a/b\n",
            Some((1000, "a/memory.max")),
            Some((0.5, "a/cpu.max")),
        );
        check("0::/../x\n", None, None);
        check("9:memory:/c\n", None, None);
        check(
            "9:memory:/d\n",
            Some((700, "memory/d/memory.limit_in_bytes")),
            None,
        );
        check(
            "4:cpu,cpuacct:/d\n",
            None,
            Some((1.5, "cpu/d/cpu.cfs_quota_us")),
        );
        check("4:cpu,cpuacct:/e\n", None, None);
        check("nonsense\n", None, None);
    }
}
