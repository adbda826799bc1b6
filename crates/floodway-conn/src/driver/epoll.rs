//! The poller of Linux: epoll, level-triggered.
//!
//! epoll cannot be told to stay silent. ERR and HUP are reported whatever the mask says, level-triggered, and a
//! reset sets both for good; a mask of 0 therefore spins at a reset and never shows a FIN. A connection that
//! wants nothing is registered with `RDHUP | ONESHOT`: a FIN or a reset is told once, then the entry is disarmed.
//! After a FIN it is armed again with `ONESHOT` alone, so that a reset that follows is told once as well. The
//! price is one `epoll_ctl` more for a peer that ends while it is paused.
//!
//! A listener that several processes wait for is registered with `EXCLUSIVE`: the kernel wakes at least one of those
//! that sleep. Who was woken and dies, or pauses, before it accepts has taken the wake-up with it, and nobody else hears
//! of that connection before the next one comes: so the others have to look again (`Reactor::look_again`), which adding
//! the socket anew does.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use floodway_sys::Errno;
use floodway_sys::epoll::{self, Epoll, EventBuffer};

use super::readiness::{Poller, ReadyFd};
use super::{Interest, Waited};

#[derive(Debug)]
pub(super) struct EpollPoller {
    epoll: Epoll,
    events: EventBuffer,
}

impl EpollPoller {
    pub(super) fn new(max_ready: usize) -> Result<Self, Errno> {
        Ok(Self {
            epoll: Epoll::new()?,
            events: EventBuffer::with_capacity(max_ready),
        })
    }
}

fn mask(interest: Interest) -> epoll::Flags {
    let mut mask = epoll::Flags::empty();
    if interest.receive {
        mask |= epoll::Flags::IN;
    }
    if interest.end {
        mask |= epoll::Flags::RDHUP;
    }
    if interest.send {
        mask |= epoll::Flags::OUT;
    }
    if !interest.receive && !interest.send {
        mask |= epoll::Flags::ONESHOT;
    }
    mask
}

impl Poller for EpollPoller {
    fn name(&self) -> &'static str {
        "epoll"
    }

    fn add(&mut self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> Result<(), Errno> {
        self.epoll.add(fd, key, mask(interest))
    }

    fn add_shared(&mut self, fd: BorrowedFd<'_>, key: u64) -> Result<(), Errno> {
        // EXCLUSIVE goes with IN and OUT only (epoll_ctl(2)), and not with a later change.
        self.epoll
            .add(fd, key, epoll::Flags::IN | epoll::Flags::EXCLUSIVE)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> Result<(), Errno> {
        self.epoll.modify(fd, key, mask(interest))
    }

    fn delete(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.epoll.delete(fd)
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<ReadyFd>,
    ) -> Result<Waited, Errno> {
        ready.clear();
        match self.epoll.wait(&mut self.events, timeout) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Waited::Interrupted),
            Err(errno) => return Err(errno),
        }
        ready.extend(self.events.iter().map(|(key, flags)| ReadyFd {
            key,
            readable: flags.contains(epoll::Flags::IN),
            writable: flags.contains(epoll::Flags::OUT),
            end: flags.contains(epoll::Flags::RDHUP),
            error: flags.intersects(epoll::Flags::ERR | epoll::Flags::HUP),
        }));
        Ok(Waited::Done)
    }
}
