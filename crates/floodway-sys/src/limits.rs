//! What this process may use, and what it uses: descriptors, memory, time.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::errno::Errno;

/// The limit on open descriptors (`RLIMIT_NOFILE`); `u64::MAX` stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nofile {
    /// In force. The process may raise it to `hard`.
    pub soft: u64,
    /// Only a privileged process may raise this one.
    pub hard: u64,
}

/// The limit on open descriptors now.
pub fn nofile() -> Nofile {
    let limit = getrlimit(Resource::Nofile);
    Nofile {
        soft: limit.current.unwrap_or(u64::MAX),
        hard: limit.maximum.unwrap_or(u64::MAX),
    }
}

/// Raises the soft limit on open descriptors to the hard one; returns the soft limit before and now.
pub fn raise_nofile() -> Result<(u64, u64), Errno> {
    let before = nofile();
    if before.soft < before.hard {
        let maximum = (before.hard != u64::MAX).then_some(before.hard);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )?;
    }
    Ok((before.soft, nofile().soft))
}

/// Resident memory of this process in bytes: one short file of /proc, some microseconds. None where there is none.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_bytes())
}

/// The size of a page of memory: what /proc counts in.
pub fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// Processor time that the calling thread has used, in user space and in the kernel.
pub fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.cast_unsigned(),
        time.tv_nsec.cast_unsigned() as u32,
    )
}

/// The monotonic clock in nanoseconds, the one behind Python's `time.monotonic`.
pub fn monotonic_nanos() -> u64 {
    nanos(ClockId::Monotonic)
}

/// The monotonic clock as of the kernel's last tick, in nanoseconds: up to 10 ms late, for a fifth of the price (Linux;
/// elsewhere as `monotonic_nanos`).
pub fn coarse_nanos() -> u64 {
    #[cfg(target_os = "linux")]
    return nanos(ClockId::MonotonicCoarse);
    #[cfg(not(target_os = "linux"))]
    monotonic_nanos()
}

fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_grows_with_what_is_touched() {
        let before = resident_bytes().unwrap();
        let touched = std::hint::black_box(vec![1_u8; 32 << 20]);
        let after = resident_bytes().unwrap();
        assert!(after >= before + (30 << 20), "{before} -> {after}");
        drop(touched);
    }

    #[test]
    fn processor_time_counts_work_of_this_thread_only() {
        let used = |before| thread_cpu_time().saturating_sub(before);
        let before = thread_cpu_time();
        std::thread::scope(|scope| {
            scope.spawn(|| while used(Duration::ZERO) < Duration::from_millis(20) {});
        });
        assert!(
            used(before) < Duration::from_millis(15),
            "{:?}",
            used(before)
        );
        while used(before) < Duration::from_millis(20) {}
    }
}
