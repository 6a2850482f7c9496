//! The priority of the threads that run long calls.
//!
//! Owns the niceness and the time slice of a thread. Must not know what a thread runs.

use rustix::process::nice;

/// Niceness of a thread that yields. At 10, a thread gets about a tenth of a CPU core that other
/// threads use, and all of a core that is free.
const NICENESS: i32 = 10;

/// Time slice of a thread that yields, in nanoseconds. This is the longest that Linux allows.
///
/// Since Linux 6.6, a thread that wakes up may have to wait until the running thread has used its
/// time slice, even if the running thread has a lower priority. Without preemption in the kernel
/// that takes until the next tick, which is 4 ms. Since Linux 6.12, a thread with a shorter time
/// slice preempts one with a longer time slice at once (`PREEMPT_SHORT` in the kernel's
/// `kernel/sched/features.h`). The default is about 3 ms, so every other thread preempts this one.
const SLICE_NS: u64 = 100_000_000;

/// Lowers the priority of the current thread, so that other threads preempt it as soon as they wake
/// up. This needs no permission. If the operating system refuses, the thread only competes more
/// with other threads.
pub(super) fn yield_to_others() {
    let _ = nice(NICENESS);
    set_slice();
}

/// Sets the time slice of the current thread to [`SLICE_NS`]. Kernels before Linux 6.12 ignore it.
fn set_slice() {
    static ATTRIBUTES: libc::sched_attr = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: NICENESS,
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    #[expect(unsafe_code, reason = "no library has this system call")]
    // SAFETY: the kernel only reads the attributes, which are as large as `size` says. The thread
    // with the number 0 is the current thread, and the flags are none.
    unsafe {
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const ATTRIBUTES, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_yields_has_its_niceness_and_still_runs() {
        let niceness = std::thread::spawn(|| {
            yield_to_others();
            // The niceness is the 17th field after the name of the thread.
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, fields) = stat.rsplit_once(')').unwrap();
            fields.split_whitespace().nth(16).unwrap().to_owned()
        });
        assert_eq!(niceness.join().unwrap(), NICENESS.to_string());
    }
}
