//! Handing sockets to another process: `SCM_RIGHTS` (unix(7)) over a pair of connected `SOCK_SEQPACKET` sockets.
//!
//! A message is one byte, the number of descriptors it was sent with. Where the receiver's descriptor table is full the
//! kernel closes what does not fit and says so only by a flag (`MSG_CTRUNC`): the byte tells how many there were.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::errno::Errno;

/// The most descriptors of one message. The kernel allows 253 (`SCM_MAX_FD`); fewer keep the receiver's turns short.
pub const MAX_DESCRIPTORS: usize = 64;

#[cfg(not(target_vendor = "apple"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// Duplicates `descriptors`, at most [`MAX_DESCRIPTORS`], into one message; the sender still has its own.
///
/// Does not block if `channel` is non-blocking: `EAGAIN` means that the receiver has not taken earlier messages yet.
///
/// # Panics
/// With more than [`MAX_DESCRIPTORS`].
pub fn hand_over(channel: BorrowedFd<'_>, descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    assert!(
        descriptors.len() <= MAX_DESCRIPTORS,
        "more descriptors than one message takes"
    );
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
    debug_assert!(fits, "the space is for as many");
    let count = [descriptors.len() as u8];
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    retry_on_intr(|| sendmsg(channel, &[IoSlice::new(&count)], &mut control, flags))?;
    Ok(())
}

/// Takes one message, appends its descriptors (close-on-exec) to `into` and returns how many it was sent with: where
/// that is more than were appended, this process had no room for the others, and they are closed.
///
/// Does not block if `channel` is non-blocking: `EAGAIN` means that no message waits. `EPIPE`: every sender is gone.
pub fn take_over(channel: BorrowedFd<'_>, into: &mut Vec<OwnedFd>) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut count = [0];
    let flags = CLOSE_ON_EXEC | RecvFlags::DONTWAIT;
    let received = retry_on_intr(|| {
        recvmsg(
            channel,
            &mut [IoSliceMut::new(&mut count)],
            &mut control,
            flags,
        )
    })?;
    if received.bytes == 0 {
        return Err(Errno::PIPE);
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            into.extend(descriptors);
        }
    }
    #[cfg(target_vendor = "apple")]
    for descriptor in into.iter() {
        rustix::io::ioctl_fioclex(descriptor)?;
    }
    Ok(usize::from(count[0]))
}
