//! The kernel's error numbers, and the two sets of them that an acceptor has to tell apart.

pub use rustix::io::Errno;

/// Whether `accept(2)` failed for one connection only: the next one in the queue may be accepted at once.
///
/// Linux passes errors that are already pending on the new socket to `accept`; the manual asks callers to treat
/// these like `EAGAIN`. On other systems only `ECONNABORTED` and `EPROTO` occur.
pub fn is_transient_accept_error(errno: Errno) -> bool {
    #[cfg(target_os = "linux")]
    if errno == Errno::NONET {
        return true;
    }
    [
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
    ]
    .contains(&errno)
}

/// Whether the process or the system ran out of descriptors, buffers or memory.
///
/// Trying again at once only burns processor time: nothing changes until something is freed.
pub fn is_exhaustion(errno: Errno) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_sets_are_disjoint_and_leave_eagain_alone() {
        for code in 1..134 {
            let errno = Errno::from_raw_os_error(code);
            assert!(
                !(is_transient_accept_error(errno) && is_exhaustion(errno)),
                "{errno} is in both sets"
            );
        }
        for errno in [Errno::AGAIN, Errno::INTR, Errno::BADF, Errno::INVAL] {
            assert!(!is_transient_accept_error(errno) && !is_exhaustion(errno));
        }
    }

    #[test]
    fn the_errors_of_the_manual_are_named() {
        assert!(is_transient_accept_error(Errno::CONNABORTED));
        assert!(is_transient_accept_error(Errno::NETUNREACH));
        assert!(is_exhaustion(Errno::MFILE));
        assert!(is_exhaustion(Errno::NOBUFS));
    }
}
