//! Stream sockets: receive, send, shut down, connect, and the options a server sets.
//!
//! Every function expects a non-blocking socket; none waits.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketType, sockopt};

use crate::errno::Errno;

pub use crate::address::{SocketAddress, UnixName};

/// A write to a connection that the peer has reset answers `EPIPE`; it must not raise a signal that ends the process.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// Apple has a socket option instead, set where the socket is made.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// What [`connect`] has reached when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProgress {
    /// The socket is connected.
    Done,
    /// The socket becomes writable when the attempt is over; [`take_error`] then tells how it ended.
    InProgress,
}

/// Receives into the front of `into` and returns how many bytes are initialised there; 0 is the end of input.
///
/// `into` must not be empty: a receive of nothing could not be told from the end.
pub fn recv(fd: BorrowedFd<'_>, into: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
    debug_assert!(
        !into.is_empty(),
        "a receive into nothing looks like the end of input"
    );
    retry_on_intr(|| rustix::net::recv(fd, &mut *into, RecvFlags::empty()).map(|(_, len)| len))
}

/// Like [`recv`], into memory that is initialised already.
pub fn recv_bytes(fd: BorrowedFd<'_>, into: &mut [u8]) -> Result<usize, Errno> {
    debug_assert!(
        !into.is_empty(),
        "a receive into nothing looks like the end of input"
    );
    retry_on_intr(|| rustix::net::recv(fd, &mut *into, RecvFlags::empty()).map(|(_, len)| len))
}

/// Sends as much of `slices` as the socket takes now and returns how many bytes that was; never raises SIGPIPE.
///
/// At most 1,024 slices are accepted (`UIO_MAXIOV`); the kernel answers `EMSGSIZE` to more.
pub fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
    use rustix::net::{SendAncillaryBuffer, sendmsg};
    retry_on_intr(|| sendmsg(fd, slices, &mut SendAncillaryBuffer::default(), NO_SIGNAL))
}

/// Sends as much of `bytes` as the socket takes now, like [`send_vectored`] with one slice.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    retry_on_intr(|| rustix::net::send(fd, bytes, NO_SIGNAL))
}

/// Sends FIN after what is already queued: the peer reads to the end, and may still answer.
pub fn shutdown_write(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::net::shutdown(fd, Shutdown::Write)
}

/// Takes the error that is pending on the socket, if there is one (`SO_ERROR`; asking clears it).
pub fn take_error(fd: BorrowedFd<'_>) -> Result<Option<Errno>, Errno> {
    Ok(sockopt::socket_error(fd)?.err())
}

/// How many bytes the peer has not acknowledged yet, sent or still queued (`SIOCOUTQ`).
///
/// For a Unix socket this is the memory of what the peer has not read, the kernel's overhead included: zero and
/// progress mean the same as for TCP, the amount does not.
#[cfg(target_os = "linux")]
pub fn unacknowledged(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    // Linux gives SIOCOUTQ the number of TIOCOUTQ.
    const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;
    // SAFETY: SIOCOUTQ stores one int, which is what the getter has room for.
    let queued: std::ffi::c_int = unsafe { ioctl(fd, Getter::<SIOCOUTQ, std::ffi::c_int>::new()) }?;
    Ok(u32::try_from(queued).unwrap_or(0))
}

/// Not known on this system: always `EOPNOTSUPP`.
#[cfg(not(target_os = "linux"))]
pub fn unacknowledged(_fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    Err(Errno::OPNOTSUPP)
}

/// The address this end is bound to.
pub fn local_address(fd: BorrowedFd<'_>) -> Result<SocketAddress, Errno> {
    SocketAddress::from_kernel(&rustix::net::getsockname(fd)?)
}

/// The address of the other end; `ENOTCONN` if there is none (any more).
pub fn peer_address(fd: BorrowedFd<'_>) -> Result<SocketAddress, Errno> {
    match rustix::net::getpeername(fd)? {
        Some(address) => SocketAddress::from_kernel(&address),
        None => Ok(SocketAddress::Unix(UnixName::Unnamed)),
    }
}

/// Sends small segments at once (`TCP_NODELAY`). TCP only.
pub fn set_nodelay(fd: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    sockopt::set_tcp_nodelay(fd, on)
}

/// Probes a silent peer after `idle` (whole seconds, rounded up), or never. TCP only.
pub fn set_keepalive(fd: BorrowedFd<'_>, idle: Option<Duration>) -> Result<(), Errno> {
    if let Some(idle) = idle {
        sockopt::set_tcp_keepidle(fd, idle)?;
    }
    sockopt::set_socket_keepalive(fd, idle.is_some())
}

/// Makes the next `close(2)` abort: queued output is dropped and the peer gets RST (`SO_LINGER` with no time).
pub fn set_linger_zero(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    sockopt::set_socket_linger(fd, Some(Duration::ZERO))
}

/// Makes calls on this *open file description* answer `EAGAIN` where they would wait. Duplicates share it.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::io::ioctl_fionbio(fd, true)
}

/// Whether this is a TCP socket (an IP socket of type stream; others are neither sent to nor configured like TCP).
pub fn is_tcp(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let family = rustix::net::getsockname(fd)?.address_family();
    Ok(
        [AddressFamily::INET, AddressFamily::INET6].contains(&family)
            && sockopt::socket_type(fd)? == SocketType::STREAM,
    )
}

/// Starts connecting a new stream socket (non-blocking, close-on-exec) to `address`.
///
/// A Unix socket connects at once or not at all: when the listener's queue is full it answers `EAGAIN`, and nothing
/// will ever report that there is room again, so that is an error here and not progress.
pub fn connect(address: &SocketAddress) -> Result<(OwnedFd, ConnectProgress), Errno> {
    match address {
        SocketAddress::V4(target) => start(new_socket(AddressFamily::INET)?, target),
        SocketAddress::V6(target) => start(new_socket(AddressFamily::INET6)?, target),
        SocketAddress::Unix(name) => start(new_socket(AddressFamily::UNIX)?, &name.to_kernel()?),
    }
}

/// Like [`connect`], from a given local address and a port that the kernel chooses.
///
/// A client is limited to one local port range (28,232 ports by default) per pair of addresses; every further local
/// address gives it another range.
pub fn connect_from(
    local: Ipv4Addr,
    target: &SocketAddrV4,
) -> Result<(OwnedFd, ConnectProgress), Errno> {
    let socket = new_socket(AddressFamily::INET)?;
    #[cfg(target_os = "linux")]
    delay_port_choice(&socket)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(local, 0))?;
    start(socket, target)
}

/// Another descriptor (close-on-exec) for the same socket.
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0)
}

fn start(
    socket: OwnedFd,
    target: &impl SocketAddrArg,
) -> Result<(OwnedFd, ConnectProgress), Errno> {
    match rustix::net::connect(&socket, target) {
        Ok(()) => Ok((socket, ConnectProgress::Done)),
        // An interrupted connect continues on its own; calling again would answer EALREADY (connect(2)).
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, ConnectProgress::InProgress)),
        Err(errno) => Err(errno),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn new_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    use rustix::net::SocketFlags;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

#[cfg(target_vendor = "apple")]
fn new_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::ioctl_fioclex(&socket)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    sockopt::set_socket_nosigpipe(&socket, true)?;
    Ok(socket)
}

/// Lets the kernel choose the port at connect, when the target is known, and so reuse it for other targets
/// (`IP_BIND_ADDRESS_NO_PORT`, since Linux 4.2). Bound earlier, a port would be taken for all of them.
#[cfg(target_os = "linux")]
fn delay_port_choice(socket: &OwnedFd) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    // SAFETY: the option's value is one int; pointer and length describe exactly that, for the time of the call.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if answer == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
