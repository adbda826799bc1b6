//! The poller on the `polling` crate: kqueue on macOS and the BSDs; compiled on Linux as well so that the
//! whole suite runs on it here.
//!
//! `polling` has no name for EPOLLRDHUP: the FIN of a peer whose reading is paused is learnt when reading
//! resumes, a reset at once.
//!
//! `polling` repeats an interrupted wait by itself, so a signal is only noticed through a wake-up descriptor
//! (`signal.set_wakeup_fd`, which `floodway.serve` installs).
//!
//! Dropping a `polling::Poller` removes its own timer and notifier from the epoll instance, which a forked child shares
//! with its parent: the parent's next wait would fail for want of them. So a child forgets the poller. That leaks three
//! close-on-exec descriptors until the child ends or runs another program.

use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use floodway_sys::Errno;
use polling::{Event, Events, PollMode};

use super::readiness::{Poller, ReadyFd};
use super::{Interest, Waited};

#[derive(Debug)]
pub(super) struct PollingPoller {
    poller: ManuallyDrop<polling::Poller>,
    events: Events,
    /// The process that made it.
    pid: u32,
}

impl Drop for PollingPoller {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // SAFETY: nothing uses the poller after this, its owner's drop.
            unsafe { ManuallyDrop::drop(&mut self.poller) };
        }
    }
}

impl PollingPoller {
    pub(super) fn new(max_ready: usize) -> Result<Self, Errno> {
        let poller = polling::Poller::new().map_err(errno)?;
        if !poller.supports_level() {
            return Err(Errno::NOSYS);
        }
        let capacity = max_ready.try_into().map_err(|_| Errno::INVAL)?;
        Ok(Self {
            poller: ManuallyDrop::new(poller),
            pid: std::process::id(),
            events: Events::with_capacity(capacity),
        })
    }
}

fn errno(error: impl Into<std::io::Error>) -> Errno {
    Errno::from_io_error(&error.into()).unwrap_or(Errno::IO)
}

fn event(key: u64, interest: Interest) -> (Event, PollMode) {
    let mut event = Event::new(key as usize, interest.receive, interest.send);
    event.set_interrupt(true);
    let silent = !interest.receive && !interest.send;
    (
        event,
        if silent {
            PollMode::Oneshot
        } else {
            PollMode::Level
        },
    )
}

impl Poller for PollingPoller {
    fn name(&self) -> &'static str {
        if cfg!(target_os = "linux") {
            "portable (polling crate, epoll)"
        } else {
            "portable (polling crate)"
        }
    }

    fn add(&mut self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> Result<(), Errno> {
        use std::os::fd::AsRawFd;
        let (event, mode) = event(key, interest);
        // SAFETY: the reactor deletes every descriptor from its driver before it closes it.
        unsafe { self.poller.add_with_mode(fd.as_raw_fd(), event, mode) }.map_err(errno)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> Result<(), Errno> {
        let (event, mode) = event(key, interest);
        self.poller.modify_with_mode(fd, event, mode).map_err(errno)
    }

    fn delete(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.poller.delete(fd).map_err(errno)
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<ReadyFd>,
    ) -> Result<Waited, Errno> {
        ready.clear();
        self.events.clear();
        self.poller.wait(&mut self.events, timeout).map_err(errno)?;
        ready.extend(self.events.iter().map(|event| ReadyFd {
            key: event.key as u64,
            readable: event.readable,
            writable: event.writable,
            end: false,
            error: event.is_err().unwrap_or(false) || event.is_interrupt(),
        }));
        Ok(Waited::Done)
    }
}
