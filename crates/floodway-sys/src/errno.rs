//! The kernel's error numbers, and those of them that an acceptor has to tell apart.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_not_transient() {
        for errno in [
            Errno::AGAIN,
            Errno::INTR,
            Errno::BADF,
            Errno::INVAL,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
        ] {
            assert!(!is_transient_accept_error(errno), "{errno}");
        }
    }

    #[test]
    fn the_errors_of_the_manual_are_named() {
        assert!(is_transient_accept_error(Errno::CONNABORTED));
        assert!(is_transient_accept_error(Errno::NETUNREACH));
    }
}
