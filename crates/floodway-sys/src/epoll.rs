//! Readiness on Linux.
//!
//! The kernel keeps a set of *open file descriptions* with, for each, the interest and 64 bits of the caller's. Two
//! traps follow from the word description: an entry is removed by `close(2)` only if no duplicate (a forked child's,
//! for example) is left, so [`Epoll::delete`] comes before the close; and after that close nobody can remove it any more.
//!
//! `EPOLLERR` and `EPOLLHUP` are reported whether asked for or not. Level-triggered is what everything here uses: what
//! is not consumed is reported again, so nothing is lost when a caller stops early.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};
use rustix::time::Timespec;

use crate::errno::Errno;

/// What happened, or what the caller wants to hear of: `IN`, `OUT`, `RDHUP`, `ERR`, `HUP`, `ONESHOT`, `EXCLUSIVE`.
pub use rustix::event::epoll::EventFlags as Flags;

/// What the caller wants to hear of. The same bits as [`Flags`].
pub type Interest = Flags;

/// epoll counts in milliseconds and in an `int`: some 24 days. A longer wait ends there, like any other timeout.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// An epoll instance. May be shared between threads; usually one thread waits and owns it.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// Room for the events of one wait. Reused for every wait, allocated once (12 bytes an event on x86-64).
pub struct EventBuffer {
    events: Vec<Event>,
}

impl Epoll {
    /// A new instance, close-on-exec.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self {
            fd: epoll::create(CreateFlags::CLOEXEC)?,
        })
    }

    /// Registers `fd`; its events will carry `data`.
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, interest: Interest) -> Result<(), Errno> {
        epoll::add(&self.fd, fd, EventData::new_u64(data), interest)
    }

    /// Replaces interest and data of a registered `fd`, and arms it again if it was `ONESHOT`.
    pub fn modify(&self, fd: BorrowedFd<'_>, data: u64, interest: Interest) -> Result<(), Errno> {
        epoll::modify(&self.fd, fd, EventData::new_u64(data), interest)
    }

    /// Removes `fd`. Call it before `close(2)`; see the module's text.
    pub fn delete(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        epoll::delete(&self.fd, fd)
    }

    /// Waits for events, at most as many as `buffer` has room for; returns how many came, 0 if the time was over.
    ///
    /// `EINTR` says that a signal handler ran: the buffer is empty, and the caller decides whether to wait again.
    ///
    /// No `timeout` waits for ever, zero does not wait. Others are rounded *up* to a millisecond: rounded down, a
    /// deadline less than a millisecond away would make its caller spin. `epoll_pwait2`, which counts nanoseconds, is
    /// left alone because some sandboxes end a process that calls it.
    pub fn wait(
        &self,
        buffer: &mut EventBuffer,
        timeout: Option<Duration>,
    ) -> Result<usize, Errno> {
        let timeout = timeout.map(|timeout| {
            let timeout = timeout.min(LONGEST_WAIT);
            Timespec {
                tv_sec: timeout.as_secs().cast_signed(),
                tv_nsec: timeout.subsec_nanos().into(),
            }
        });
        buffer.events.clear();
        epoll::wait(
            &self.fd,
            spare_capacity(&mut buffer.events),
            timeout.as_ref(),
        )
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

// SAFETY: what keeps an event from being `Send` is the pointer variant of its data union; we only ever store and read
// the number variant, and a number belongs to no thread.
unsafe impl Send for EventBuffer {}

impl EventBuffer {
    /// Room for `capacity` events, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            events: Vec::with_capacity(capacity.max(1)),
        }
    }

    /// How many events the last wait left here.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether the last wait left none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The event at `index`, so that a caller can act on each without borrowing the buffer meanwhile.
    pub fn get(&self, index: usize) -> Option<(u64, Flags)> {
        self.events.get(index).map(unpack)
    }

    /// The events of the last wait: the registered data, and what happened.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, Flags)> + '_ {
        self.events.iter().map(unpack)
    }
}

impl fmt::Debug for EventBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// The kernel packs the structure on x86-64: its fields are copied, never borrowed.
fn unpack(event: &Event) -> (u64, Flags) {
    let (data, flags) = (event.data, event.flags);
    (data.u64(), flags)
}
