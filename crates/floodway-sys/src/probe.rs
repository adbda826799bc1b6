//! Facts about this kernel and this machine; the one place that asks for them.
//!
//! Everything is optional: a container may hide a file, another system has none of them. Nothing here changes anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What was found out. None means "could not be found out here", except where a field says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// Release of the running kernel, as in `uname -r`.
    pub kernel_release: Option<String>,
    /// The longest queue that `listen(2)` grants: `net.core.somaxconn`.
    pub somaxconn: Option<u32>,
    /// First and last port given to clients, inclusive: `net.ipv4.ip_local_port_range`.
    pub local_port_range: Option<(u16, u16)>,
    /// Memory of all TCP sockets in *pages*: low, pressure, high (`net.ipv4.tcp_mem`).
    pub tcp_mem_pages: Option<[u64; 3]>,
    /// Receive buffer of one TCP socket in bytes: least, default, most (`net.ipv4.tcp_rmem`).
    pub tcp_rmem_bytes: Option<[u64; 3]>,
    /// Send buffer of one TCP socket in bytes: least, default, most (`net.ipv4.tcp_wmem`).
    pub tcp_wmem_bytes: Option<[u64; 3]>,
    /// The most that `RLIMIT_NOFILE` can be raised to, by anyone: `fs.nr_open`.
    pub nr_open: Option<u64>,
    /// Whether an epoll instance can be made.
    pub epoll: bool,
    /// How many processors the calling thread may run on.
    pub affinity_cpus: Option<u32>,
    /// How many processors' worth of time the control groups grant; None also means no quota.
    pub cpu_quota: Option<f64>,
}

impl Probe {
    /// Asks the kernel. Reads a dozen small files; meant for start-up.
    pub fn new() -> Self {
        Self {
            kernel_release: kernel_release(),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            local_port_range: numbers("/proc/sys/net/ipv4/ip_local_port_range")
                .map(|[first, last]| (first, last)),
            tcp_mem_pages: numbers("/proc/sys/net/ipv4/tcp_mem"),
            tcp_rmem_bytes: numbers("/proc/sys/net/ipv4/tcp_rmem"),
            tcp_wmem_bytes: numbers("/proc/sys/net/ipv4/tcp_wmem"),
            nr_open: number("/proc/sys/fs/nr_open"),
            epoll: epoll_works(),
            affinity_cpus: affinity_cpus(),
            cpu_quota: cpu_quota(),
        }
    }
}

fn kernel_release() -> Option<String> {
    Some(rustix::system::uname().release().to_str().ok()?.to_owned())
}

#[cfg(target_os = "linux")]
fn epoll_works() -> bool {
    crate::epoll::Epoll::new().is_ok()
}

#[cfg(not(target_os = "linux"))]
fn epoll_works() -> bool {
    false
}

#[cfg(target_os = "linux")]
fn affinity_cpus() -> Option<u32> {
    rustix::thread::sched_getaffinity(None)
        .ok()
        .map(|cpus| cpus.count())
}

#[cfg(not(target_os = "linux"))]
fn affinity_cpus() -> Option<u32> {
    None
}

fn number<T: FromStr>(path: &str) -> Option<T> {
    numbers(path).map(|[only]| only)
}

fn numbers<T: FromStr, const N: usize>(path: &str) -> Option<[T; N]> {
    parse_numbers(&fs::read_to_string(path).ok()?)
}

fn parse_numbers<T: FromStr, const N: usize>(text: &str) -> Option<[T; N]> {
    let all: Option<Vec<T>> = text
        .split_ascii_whitespace()
        .map(|word| word.parse().ok())
        .collect();
    all?.try_into().ok()
}

/// The least quota from this process's group up to the root: every level limits what is below it.
fn cpu_quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let quotas = quota_folders(&groups)
        .into_iter()
        .filter_map(|folder| quota_in(&folder));
    quotas.reduce(f64::min)
}

/// The folders that may hold a quota, for both versions of control groups (cgroups(7)).
///
/// Inside a container the path is often one of the host, and the group itself is mounted at the top; that is the last
/// folder of each walk, so a path that does not exist here does no harm.
fn quota_folders(groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        // hierarchy-ID:controller-list:path
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let mount = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            list if list.split(',').any(|name| name == "cpu") => Path::new("/sys/fs/cgroup/cpu"),
            _ => continue,
        };
        let group = Path::new(path.trim_start_matches('/'));
        folders.extend(group.ancestors().map(|ancestor| mount.join(ancestor)));
    }
    folders
}

fn quota_in(folder: &Path) -> Option<f64> {
    if let Ok(text) = fs::read_to_string(folder.join("cpu.max")) {
        return parse_cpu_max(&text);
    }
    let read = |name: &str| {
        fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse::<f64>()
            .ok()
    };
    ratio(read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?)
}

/// `"150000 100000"` is one and a half processors; `"max 100000"` no quota.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let [quota, period] = parse_numbers::<f64, 2>(text)?;
    ratio(quota, period)
}

/// Version 1 writes -1 for "no quota".
fn ratio(quota: f64, period: f64) -> Option<f64> {
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_answers() {
        let probe = Probe::new();
        assert!(probe.epoll);
        assert!(
            probe
                .kernel_release
                .is_some_and(|release| release.contains('.'))
        );
        assert!(probe.somaxconn.is_some_and(|queue| queue > 0));
        assert!(
            probe
                .local_port_range
                .is_some_and(|(first, last)| first < last)
        );
        assert!(probe.affinity_cpus.is_some_and(|cpus| cpus > 0));
        for triple in [
            probe.tcp_rmem_bytes,
            probe.tcp_wmem_bytes,
            probe.tcp_mem_pages,
        ] {
            assert!(triple.is_some_and(|[least, middle, most]| least <= middle && middle <= most));
        }
        assert!(probe.cpu_quota.is_none_or(|quota| quota > 0.0));
    }

    #[test]
    fn numbers_are_taken_whole_or_not_at_all() {
        assert_eq!(
            parse_numbers::<u64, 3>("4096\t131072\t6291456\n"),
            Some([4096, 131_072, 6_291_456])
        );
        assert_eq!(parse_numbers::<u64, 3>("4096 131072"), None);
        assert_eq!(parse_numbers::<u64, 1>("many"), None);
    }

    #[test]
    fn quotas_of_both_versions_are_understood() {
        assert_eq!(parse_cpu_max("150000 100000\n"), Some(1.5));
        assert_eq!(parse_cpu_max("max 100000\n"), None);
        assert_eq!(ratio(-1.0, 100_000.0), None);
        assert_eq!(ratio(50_000.0, 100_000.0), Some(0.5));
    }

    #[test]
    fn every_level_of_a_group_may_hold_a_quota() {
        let folders = quota_folders("12:cpu,cpuacct:/docker/7\n3:memory:/docker/7\n0::/a/b\n");
        let expected = [
            "/sys/fs/cgroup/cpu/docker/7",
            "/sys/fs/cgroup/cpu/docker",
            "/sys/fs/cgroup/cpu/",
            "/sys/fs/cgroup/a/b",
            "/sys/fs/cgroup/a",
            "/sys/fs/cgroup/",
        ];
        assert_eq!(folders, expected.map(PathBuf::from));
    }
}
