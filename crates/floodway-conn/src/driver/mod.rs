//! Drivers: how a reactor learns what happened to its sockets.
//!
//! The trait speaks of completions ("these bytes arrived for this token", "there is room to send again")
//! and not of readiness, so that a driver on `io_uring` fits beside the ones on epoll and kqueue.
//! A driver owns the receive area; what a completion names in it is valid until the next `wait`.

use std::fmt;
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use floodway_base::{LinkBuffer, Token};
use floodway_sys::{Errno, SocketAddress, handover, is_transient_accept_error, socket};

use crate::acceptor::Source;

#[cfg(target_os = "linux")]
mod epoll;
mod foreign;
#[cfg(feature = "portable")]
#[allow(unsafe_code, reason = "the polling crate's promise about descriptors")]
mod portable;
#[allow(unsafe_code, reason = "memory that the kernel has filled")]
mod readiness;

pub use foreign::ForeignReady;

/// Which completions a connection wants at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Receive what arrives.
    pub receive: bool,
    /// Tell once there is room to send again.
    pub send: bool,
    /// While not receiving: tell once that the peer has finished sending.
    pub end: bool,
}

impl Interest {
    /// What an idle connection wants.
    pub const RECEIVE: Self = Self {
        receive: true,
        send: false,
        end: true,
    };
    /// What a connection wants that is being opened.
    pub const OPENING: Self = Self {
        receive: false,
        send: true,
        end: false,
    };
}

/// What has happened, as a driver reports it.
#[derive(Debug)]
pub enum Completion {
    /// Bytes arrived in the receive area.
    Received {
        /// The connection.
        token: Token,
        /// Where they lie in `Driver::area`.
        range: Range<usize>,
    },
    /// Bytes arrived in the connection's own buffer, which `Sockets` had named.
    ReceivedInPlace {
        /// The connection.
        token: Token,
        /// How many.
        count: usize,
    },
    /// The peer has finished sending and everything it sent was received.
    EndOfInput {
        /// The connection.
        token: Token,
    },
    /// The peer has finished sending; not everything was received yet, since receiving is off.
    EndAhead {
        /// The connection.
        token: Token,
    },
    /// There is room to send: after `Sent::Later`, or because a connect came to its end.
    Room {
        /// The connection.
        token: Token,
    },
    /// The connection is broken.
    Failed {
        /// The connection.
        token: Token,
        /// Why.
        errno: Errno,
    },
    /// A descriptor given to `watch_wake` is readable; the caller drains it.
    Woken,
    /// A listener has accepted.
    Accepted {
        /// The listener's number.
        listener: u32,
        /// The new socket, non-blocking.
        socket: OwnedFd,
        /// Its other end.
        peer: SocketAddress,
    },
    /// A listener could not accept.
    AcceptFailed {
        /// The listener's number.
        listener: u32,
        /// Why.
        errno: Errno,
    },
    /// Another process has handed over sockets that cannot be accepted; the `Accepted` of the others are in front of this.
    NotTaken {
        /// The listener's number.
        listener: u32,
        /// How many.
        count: usize,
        /// How many of them there was no descriptor for: they are closed.
        lost: usize,
    },
    /// What was found of a descriptor given to `watch`.
    Foreign(ForeignReady),
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Completions, or the timeout.
    Done,
    /// A signal interrupted it: the caller may have something to do in Python.
    Interrupted,
}

/// What became of bytes given to `Driver::send`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel took so many now.
    Now(usize),
    /// None yet; with `Interest::send`, `Completion::Room` follows.
    Later,
}

/// Where the bytes of a connection shall go.
#[derive(Debug)]
pub struct Target<'a> {
    /// The socket.
    pub fd: BorrowedFd<'a>,
    /// Whether receiving is wanted; else only ends and errors are looked for.
    pub receive: bool,
    /// Whether what has come before waits to be delivered: nothing more is received meanwhile, nor its end looked for.
    pub behind: bool,
    /// Whether it waits for room to send.
    pub send: bool,
    /// The buffer to receive into; None: the driver's area.
    pub into: Option<&'a mut LinkBuffer>,
}

/// The connections of a reactor, as a driver sees them.
pub trait Sockets {
    /// The connection with this token; None when it is gone, which the implementation counts.
    fn target(&mut self, token: Token) -> Option<Target<'_>>;
    /// The listener with this number, what it is, and for how many sockets there is room; None when it is gone or pauses.
    fn listener(&mut self, listener: u32) -> Option<(BorrowedFd<'_>, Source, usize)>;
}

/// The kernel's side of a reactor. See the module text.
pub trait Driver: Send + fmt::Debug {
    /// What runs, for people: `epoll`, `portable (kqueue)`.
    fn name(&self) -> &'static str;

    /// Watch a descriptor that wakes the reactor.
    fn watch_wake(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno>;

    /// Serve a connection from now on.
    fn open(&mut self, token: Token, fd: BorrowedFd<'_>, interest: Interest) -> Result<(), Errno>;

    /// Change what a connection wants.
    fn change(&mut self, token: Token, fd: BorrowedFd<'_>, interest: Interest)
    -> Result<(), Errno>;

    /// Forget a connection or listener. The caller closes the descriptor afterwards, never before: an entry whose
    /// descriptor lives on in a forked child could not be removed any more.
    fn close(&mut self, fd: BorrowedFd<'_>);

    /// Accept on this listener from now on. Where it is shared, one of those that wait is enough to wake for each
    /// connection; it has to be opened anew to be looked at again, never changed.
    fn open_listener(
        &mut self,
        listener: u32,
        fd: BorrowedFd<'_>,
        source: Source,
    ) -> Result<(), Errno>;

    /// Tell by `Completion::Foreign`, level-triggered, when a descriptor that is not the reactor's can be read or written;
    /// at least one of the two. Once more for the same descriptor: this is what is wanted from now on.
    fn watch(&mut self, fd: BorrowedFd<'_>, read: bool, write: bool) -> Result<(), Errno>;

    /// Tell nothing more of this descriptor. Whether it was watched.
    fn unwatch(&mut self, fd: BorrowedFd<'_>) -> bool;

    /// Send as much of `pieces` as the kernel takes.
    fn send(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Result<Sent, Errno>;

    /// Send at most `most` bytes of a file from `offset` on, as many as the kernel takes; `Sent::Now(0)`: the file ends
    /// there.
    fn send_file(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        most: usize,
    ) -> Result<Sent, Errno>;

    /// Wait at most `timeout` (None: without end) and append what happened to `completions`.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        sockets: &mut dyn Sockets,
        completions: &mut Vec<Completion>,
    ) -> Result<Waited, Errno>;

    /// The receive area, as far as the last `wait` filled it.
    fn area(&self) -> &[u8];

    /// The same, for who decrypts in place.
    fn area_mut(&mut self) -> &mut [u8];
}

/// Which driver a reactor shall use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// The best one that works here.
    Auto,
    /// Our own epoll, level-triggered.
    Epoll,
    /// The `polling` crate: kqueue and others; on Linux for tests.
    Portable,
}

/// Sizes that a driver needs.
#[derive(Clone, Copy, Debug)]
pub struct DriverLimits {
    /// The most bytes of one read.
    pub read_chunk: usize,
    /// The most descriptors of one wait.
    pub max_ready: usize,
}

/// What a reactor has in place of its driver once it is closed: no descriptor and no memory.
#[derive(Debug)]
struct Closed;

impl Driver for Closed {
    fn name(&self) -> &'static str {
        "closed"
    }

    fn watch_wake(&mut self, _: BorrowedFd<'_>) -> Result<(), Errno> {
        Err(Errno::BADF)
    }

    fn open(&mut self, _: Token, _: BorrowedFd<'_>, _: Interest) -> Result<(), Errno> {
        Err(Errno::BADF)
    }

    fn change(&mut self, _: Token, _: BorrowedFd<'_>, _: Interest) -> Result<(), Errno> {
        Err(Errno::BADF)
    }

    fn close(&mut self, _: BorrowedFd<'_>) {}

    fn open_listener(&mut self, _: u32, _: BorrowedFd<'_>, _: Source) -> Result<(), Errno> {
        Err(Errno::BADF)
    }

    fn watch(&mut self, _: BorrowedFd<'_>, _: bool, _: bool) -> Result<(), Errno> {
        Err(Errno::BADF)
    }

    fn unwatch(&mut self, _: BorrowedFd<'_>) -> bool {
        false
    }

    fn send(&mut self, _: Token, _: BorrowedFd<'_>, _: &[IoSlice<'_>]) -> Result<Sent, Errno> {
        Err(Errno::BADF)
    }

    fn send_file(
        &mut self,
        _: Token,
        _: BorrowedFd<'_>,
        _: BorrowedFd<'_>,
        _: u64,
        _: usize,
    ) -> Result<Sent, Errno> {
        Err(Errno::BADF)
    }

    fn wait(
        &mut self,
        _: Option<Duration>,
        _: &mut dyn Sockets,
        _: &mut Vec<Completion>,
    ) -> Result<Waited, Errno> {
        Err(Errno::BADF)
    }

    fn area(&self) -> &[u8] {
        &[]
    }

    fn area_mut(&mut self) -> &mut [u8] {
        &mut []
    }
}

/// Accepts at most `most` sockets without waiting, or takes one message of those that another process hands over.
pub(crate) fn accept(
    listener: u32,
    fd: BorrowedFd<'_>,
    source: Source,
    most: usize,
    completions: &mut Vec<Completion>,
) {
    if let Source::Channel { .. } = source {
        return take_over(listener, fd, completions);
    }
    for _ in 0..most {
        match floodway_sys::accept(fd) {
            Ok((socket, peer)) => completions.push(Completion::Accepted {
                listener,
                socket,
                peer,
            }),
            Err(Errno::AGAIN) => return,
            Err(errno) => {
                completions.push(Completion::AcceptFailed { listener, errno });
                if !is_transient_accept_error(errno) {
                    return;
                }
            }
        }
    }
}

fn take_over(listener: u32, fd: BorrowedFd<'_>, completions: &mut Vec<Completion>) {
    let mut sockets = Vec::new();
    match handover::take_over(fd, &mut sockets) {
        Ok(count) => {
            let lost = count - sockets.len();
            let mut not_taken = lost;
            completions.extend(sockets.into_iter().map(|socket| {
                if let Ok(peer) = socket::peer_address(socket.as_fd()) {
                    Completion::Accepted {
                        listener,
                        socket,
                        peer,
                    }
                } else {
                    not_taken += 1; // the peer has reset it on its way here
                    let errno = Errno::CONNABORTED;
                    Completion::AcceptFailed { listener, errno }
                }
            }));
            if not_taken > 0 {
                completions.push(Completion::NotTaken {
                    listener,
                    count: not_taken,
                    lost,
                });
            }
        }
        Err(Errno::AGAIN) => {}
        Err(errno) => completions.push(Completion::AcceptFailed { listener, errno }),
    }
}

/// The driver of a reactor that has ended.
pub(crate) fn closed() -> Box<dyn Driver> {
    Box::new(Closed)
}

/// Makes the driver of this kind.
///
/// # Errors
/// `ENOSYS` when the kind does not exist on this system or in this build; otherwise what the kernel said.
pub fn open(kind: DriverKind, limits: DriverLimits) -> Result<Box<dyn Driver>, Errno> {
    match kind {
        #[cfg(target_os = "linux")]
        DriverKind::Auto | DriverKind::Epoll => Ok(Box::new(readiness::Readiness::new(
            epoll::EpollPoller::new(limits.max_ready)?,
            limits.read_chunk,
        ))),
        #[cfg(all(feature = "portable", not(target_os = "linux")))]
        DriverKind::Auto => open(DriverKind::Portable, limits),
        #[cfg(feature = "portable")]
        DriverKind::Portable => Ok(Box::new(readiness::Readiness::new(
            portable::PollingPoller::new(limits.max_ready)?,
            limits.read_chunk,
        ))),
        #[allow(
            unreachable_patterns,
            reason = "which kinds exist depends on the build"
        )]
        _ => Err(Errno::NOSYS),
    }
}
