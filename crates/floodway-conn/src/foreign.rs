//! Watching descriptors that are somebody else's, for an event loop that runs on this reactor.
//!
//! Readiness is told at the end of a batch, after everything that may take it back: what is watched anew or no longer,
//! by a handler of the same batch, is not told. It is level-triggered, so nothing is lost that way. Beside the batch's
//! limit: one wait finds at most `max_ready` of them, and neither side can keep the other from its turn.

use std::os::fd::{AsRawFd, BorrowedFd};

use floodway_sys::Errno;

use crate::batch::Event;
use crate::message::Host;
use crate::reactor::Reactor;

impl<H: Host> Reactor<H> {
    /// Tells by `Event::Foreign` when a descriptor can be read or written, until `unwatch`; once more: changes what is
    /// asked for. It is never read, written or closed here.
    ///
    /// # Errors
    /// `EPERM` for what is always ready, such as a regular file; `EEXIST` for one of the reactor's own; `EBADF`. It is not
    /// watched then.
    pub fn watch(&mut self, fd: BorrowedFd<'_>, read: bool, write: bool) -> Result<(), Errno> {
        self.forget_readiness(fd);
        self.driver.watch(fd, read, write)
    }

    /// Tells nothing more of this descriptor, which may be closed by now. Whether it was watched.
    pub fn unwatch(&mut self, fd: BorrowedFd<'_>) -> bool {
        self.forget_readiness(fd);
        self.driver.unwatch(fd)
    }

    /// The next of the descriptors that are ready, at the end of a batch.
    pub(crate) fn next_foreign(&mut self) -> Option<Event<'_, H>> {
        let ready = self.foreign_ready.pop_front()?;
        self.events_given += 1;
        Some(Event::Foreign(ready))
    }

    fn forget_readiness(&mut self, fd: BorrowedFd<'_>) {
        self.foreign_ready
            .retain(|ready| ready.fd != fd.as_raw_fd());
    }
}
