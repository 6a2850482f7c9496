//! CPU time and memory of a process, as the kernel counts them.
//!
//! Owns the reading of /proc. Must not know what the process is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_workspace::failure::Failure;

/// Length of a tick in /proc/PID/stat, in nanoseconds. Programs see 100 ticks per second, whatever
/// the kernel's own tick rate is.
const TICK_NS: u64 = 10_000_000;

/// CPU time that a process has used from its start until the time of the reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// CPU time of each running thread, in nanoseconds. The keys are the thread ids.
    threads: BTreeMap<u64, u64>,
    /// CPU time of the whole process, in ticks, including threads that have ended. User time and
    /// kernel time are each exact to one tick.
    ticks: u64,
}

impl CpuTime {
    /// Reads the CPU time that the process with the id `pid` has used so far. Fails if the process
    /// does not exist.
    pub fn of(pid: u32) -> Result<Self, Failure> {
        let dir = PathBuf::from(format!("/proc/{pid}"));
        let stat = dir.join("stat");
        let ticks = ticks(&read(&stat)?).ok_or_else(|| unknown(&stat))?;
        let tasks = dir.join("task");
        let entries =
            std::fs::read_dir(&tasks).map_err(|error| Failure::file(&tasks, "be listed", error))?;
        let mut threads = BTreeMap::new();
        for entry in entries.flatten() {
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            // A thread may end while its file is opened, and some kernels do not have the file. The
            // ticks are known in both cases.
            let text = std::fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            threads.extend(id.zip(run_time_ns(&text)));
        }
        Ok(Self { threads, ticks })
    }

    /// Returns the CPU time in nanoseconds that the process used from the reading `earlier` to this
    /// reading.
    pub fn since_ns(&self, earlier: &Self) -> u64 {
        let since = |(id, now): (&u64, &u64)| {
            now.saturating_sub(earlier.threads.get(id).copied().unwrap_or(0))
        };
        let threads = self.threads.iter().map(since).sum::<u64>();
        let process = self.ticks.saturating_sub(earlier.ticks) * TICK_NS;
        // The difference is more than rounding explains: a thread ended in between, and its time is
        // in the ticks alone.
        if process > threads + 2 * TICK_NS {
            process
        } else {
            threads
        }
    }
}

/// Returns the memory in bytes of the process with the id `pid` (PSS, proportional set size): a
/// page that N processes share counts as 1/N of a page. Fails if the process does not exist.
pub fn pss_bytes(pid: u32) -> Result<u64, Failure> {
    let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
    pss(&read(&path)?).ok_or_else(|| unknown(&path))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, "be read", error))
}

fn unknown(path: &Path) -> Failure {
    Failure::other(
        format!("{}: has another form than Linux documents", path.display()),
        "measure on another kernel",
    )
}

/// Returns the CPU time of a process in ticks. `stat` is the text of /proc/PID/stat. The CPU time
/// is the sum of utime and stime, which are the fields 14 and 15. Returns `None` if the text does
/// not have these fields.
///
/// The second field is the program's name in brackets and may contain anything, so the later fields
/// are counted from the end of the name.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn run_time_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn pss(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read() {
        assert_eq!(
            ticks("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 31 11 0 0"),
            Some(42)
        );
        assert_eq!(run_time_ns("123456 78 9\n"), Some(123_456));
        assert_eq!(
            pss("00400000-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 8 kB\nPss:      6 kB\n"),
            Some(6144)
        );
        let own = std::process::id();
        assert!(CpuTime::of(own).is_ok_and(|time| !time.threads.is_empty()));
        assert!(pss_bytes(own).is_ok_and(|bytes| bytes > 0));
    }

    #[test]
    fn threads_that_ended_are_not_forgotten() {
        let time = |threads: &[(u64, u64)], ticks| CpuTime {
            threads: threads.iter().copied().collect(),
            ticks,
        };
        let before = time(&[(1, 5_000), (2, 9_000_000)], 1);
        assert_eq!(
            time(&[(1, 6_000), (2, 9_500_000), (3, 7)], 2).since_ns(&before),
            501_007
        );
        assert_eq!(time(&[(1, 6_000)], 51).since_ns(&before), 500_000_000);
    }
}
