//! What the server's process tree uses, from /proc.

use std::collections::{HashMap, HashSet};
use std::fs;

use floodway_sys::limits;

/// Memory of a process tree at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident set size, summed: pages that processes share count once for each.
    pub resident_bytes: u64,
    /// Proportional set size, summed: shared pages are divided among those who share them. None where the kernel does
    /// not tell (another user's process, or before Linux 4.14).
    pub proportional_bytes: Option<u64>,
}

/// Processor time of every thread of a process tree, so that threads that end meanwhile take only their own share away.
#[derive(Debug, Default)]
pub(crate) struct CpuSnapshot {
    /// By thread id, in nanoseconds.
    threads: HashMap<u32, u64>,
}

/// A process and its descendants.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    root: u32,
    page_bytes: u64,
    pids: Vec<u32>,
}

impl ProcessTree {
    /// None if there is no such process, or its processor time may not be read.
    pub(crate) fn new(root: u32) -> Option<Self> {
        let mut tree = Self {
            root,
            page_bytes: limits::page_bytes(),
            pids: Vec::new(),
        };
        tree.refresh();
        let readable = tree.pids.contains(&root) && !threads_of(root).is_empty();
        readable.then_some(tree)
    }

    /// Looks for processes that have come and gone.
    pub(crate) fn refresh(&mut self) {
        self.pids = descendants(self.root, &parents());
    }

    pub(crate) fn cpu(&self) -> CpuSnapshot {
        let threads = self.pids.iter().flat_map(|&pid| threads_of(pid)).collect();
        CpuSnapshot { threads }
    }

    /// Resident memory only: cheap enough to ask several times a second.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let pages = self.pids.iter().filter_map(|&pid| resident_pages(pid));
        pages.sum::<u64>() * self.page_bytes
    }

    /// Everything. Walks the processes' page tables: not while something is measured.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            resident_bytes: self.resident_bytes(),
            proportional_bytes: self.pids.iter().map(|&pid| proportional_bytes(pid)).sum(),
        }
    }
}

impl CpuSnapshot {
    /// Seconds used since an earlier snapshot.
    pub(crate) fn seconds_since(&self, earlier: &Self) -> f64 {
        let used = self.threads.iter().map(|(thread, now)| {
            let before = earlier.threads.get(thread).copied().unwrap_or(0);
            now.saturating_sub(before)
        });
        used.sum::<u64>() as f64 / 1e9
    }
}

/// The root and all below it. The generator itself is left out if the server happens to have started it.
fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let own = std::process::id();
    let mut found = vec![root];
    let mut seen = HashSet::from([root, own]);
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = parents.iter().filter(|&&(_, of)| of == parent);
        found.extend(
            children
                .map(|&(pid, _)| pid)
                .filter(|&pid| seen.insert(pid)),
        );
        next += 1;
    }
    found
}

/// Every process and its parent. `/proc/<pid>/task/<tid>/children` would be shorter, but not every kernel has it.
fn parents() -> Vec<(u32, u32)> {
    let pids = numbers_in("/proc").into_iter();
    pids.filter_map(|pid| Some((pid, parent_in(&read(pid, "stat")?)?)))
        .collect()
}

/// The command's name, in parentheses, may hold anything, spaces and parentheses included: proc(5).
fn parent_in(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Threads and their time on a processor, in nanoseconds.
fn threads_of(pid: u32) -> Vec<(u32, u64)> {
    let threads = numbers_in(&format!("/proc/{pid}/task")).into_iter();
    threads
        .filter_map(|thread| {
            let schedstat = read(pid, &format!("task/{thread}/schedstat"))?;
            let on_processor = schedstat.split_ascii_whitespace().next()?;
            Some((thread, on_processor.parse().ok()?))
        })
        .collect()
}

fn resident_pages(pid: u32) -> Option<u64> {
    read(pid, "statm")?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn proportional_bytes(pid: u32) -> Option<u64> {
    proportional_in(&read(pid, "smaps_rollup")?)
}

fn proportional_in(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn numbers_in(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

fn read(pid: u32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_tree_holds_children_of_children_and_no_strangers() {
        let parents = [(1, 0), (10, 1), (11, 10), (12, 11), (20, 1), (21, 20)];
        assert_eq!(descendants(10, &parents), [10, 11, 12]);
        assert_eq!(descendants(21, &parents), [21]);
    }

    #[test]
    fn a_hostile_command_name_does_not_confuse() {
        assert_eq!(parent_in("77 (a) S 1 (b) ) R 42 77 77 0 -1"), Some(42));
        assert_eq!(parent_in("77"), None);
    }

    #[test]
    fn proportional_memory_is_read_in_kibibytes() {
        let rollup = "00400000-7fff ---p 0 00:00 0 [rollup]\nRss:    900 kB\nPss:    812 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(proportional_in(rollup), Some(812 * 1024));
    }

    #[test]
    fn a_living_process_has_memory_and_a_dead_one_has_no_tree() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let tree = ProcessTree::new(child.id()).unwrap();
        assert!(tree.memory().resident_bytes > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ProcessTree::new(child.id()).is_none());
    }

    #[test]
    fn processor_time_of_this_process_grows_with_work() {
        let tree = ProcessTree::new(std::process::id()).unwrap();
        let before = tree.cpu();
        let start = limits::thread_cpu_time();
        let worked = || {
            limits::thread_cpu_time()
                .saturating_sub(start)
                .as_secs_f64()
        };
        while worked() < 0.05 {}
        let used = tree.cpu().seconds_since(&before);
        assert!(used >= 0.03, "{used}");
    }
}
