//! One connection from a listener's queue.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;

use crate::address::{SocketAddress, UnixName};
use crate::errno::Errno;

/// Takes one connection from the queue: its descriptor (non-blocking, close-on-exec) and the peer's address.
///
/// Does not block if the listener is non-blocking: `EAGAIN` means that the queue is empty. The other errors fall into
/// the sets of [`crate::errno`].
pub fn accept(listener: BorrowedFd<'_>) -> Result<(OwnedFd, SocketAddress), Errno> {
    let (fd, peer) = retry_on_intr(|| accept_nonblocking(listener))?;
    let peer = match peer {
        Some(peer) => SocketAddress::from_kernel(&peer)?,
        // BSD gives no address at all for the peer of a Unix socket.
        None => SocketAddress::Unix(UnixName::Unnamed),
    };
    Ok((fd, peer))
}

#[cfg(not(target_vendor = "apple"))]
fn accept_nonblocking(
    listener: BorrowedFd<'_>,
) -> Result<(OwnedFd, Option<rustix::net::SocketAddrAny>), Errno> {
    use rustix::net::SocketFlags;
    rustix::net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

#[cfg(target_vendor = "apple")]
fn accept_nonblocking(
    listener: BorrowedFd<'_>,
) -> Result<(OwnedFd, Option<rustix::net::SocketAddrAny>), Errno> {
    let (fd, peer) = rustix::net::acceptfrom(listener)?;
    rustix::io::ioctl_fioclex(&fd)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    // There is no MSG_NOSIGNAL there.
    rustix::net::sockopt::set_socket_nosigpipe(&fd, true)?;
    Ok((fd, peer))
}
