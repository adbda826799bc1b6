//! Waking a thread that waits for readiness.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;

use crate::errno::Errno;

/// A descriptor that any thread, and any signal handler, can make readable. Many wake-ups before a [`Waker::drain`] are one.
#[derive(Debug)]
pub struct Waker {
    read: OwnedFd,
    /// The other end of the pipe; an eventfd is both ends.
    write: Option<OwnedFd>,
}

impl Waker {
    /// The cheapest kind this system has: one eventfd on Linux, a pipe elsewhere.
    #[cfg(target_os = "linux")]
    pub fn new() -> Result<Self, Errno> {
        use rustix::event::{EventfdFlags, eventfd};
        let read = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { read, write: None })
    }

    /// The cheapest kind this system has: one eventfd on Linux, a pipe elsewhere.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> Result<Self, Errno> {
        Self::with_pipe()
    }

    /// A pipe on every system: for writers that know nothing of eventfd.
    ///
    /// An eventfd refuses writes of fewer than eight bytes; Python's `signal.set_wakeup_fd` writes one.
    pub fn with_pipe() -> Result<Self, Errno> {
        let (read, write) = nonblocking_pipe()?;
        Ok(Self {
            read,
            write: Some(write),
        })
    }

    /// Makes the waker readable. Never blocks; may be called from a signal handler.
    pub fn wake(&self) {
        // Eight bytes suit the eventfd's counter and a pipe alike. The one possible error is EAGAIN, of a counter or a
        // pipe that is full: then it is readable already, which is all that was wanted.
        let _ = retry_on_intr(|| rustix::io::write(self.write_fd(), &1_u64.to_ne_bytes()));
    }

    /// Takes back all wake-ups so far. Drain first and look at the reason afterwards, or a wake-up in between is lost.
    pub fn drain(&self) {
        let mut taken = [0_u8; 512];
        // One read empties an eventfd; a pipe is empty once a read does not fill the buffer.
        while let Ok(512) = retry_on_intr(|| rustix::io::read(&self.read, &mut taken)) {}
    }

    /// Where to write to. Only a pipe ([`Waker::with_pipe`]) takes any number of bytes.
    pub fn write_fd(&self) -> BorrowedFd<'_> {
        self.write.as_ref().unwrap_or(&self.read).as_fd()
    }
}

/// The descriptor to wait on, for readability.
impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

#[cfg(not(target_vendor = "apple"))]
fn nonblocking_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    use rustix::pipe::{PipeFlags, pipe_with};
    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
}

#[cfg(target_vendor = "apple")]
fn nonblocking_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = rustix::pipe::pipe()?;
    for end in [&read, &write] {
        rustix::io::ioctl_fioclex(end)?;
        rustix::io::ioctl_fionbio(end, true)?;
    }
    Ok((read, write))
}
