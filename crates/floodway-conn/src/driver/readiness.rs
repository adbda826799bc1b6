//! Completions made from readiness: the half of a driver that epoll, kqueue and the like share.
//!
//! # Rules
//! - Level-triggered. A descriptor that a wait reported but for which the receive area had no room left is
//!   remembered and served before the kernel is asked again: epoll reports in the same order every time, so
//!   the ones at the end would starve otherwise.
//! - One read per event and connection, at most `read_chunk` bytes: the others are waiting. No further read once a wait
//!   has taken in `ENOUGH_BYTES`.
//! - A listener accepts at most `ACCEPTS_PER_WAIT` sockets at a time, for the same reason; and no more than there is
//!   room for, or one: those that are shed have to be closed before the next come, or descriptors would run out.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use floodway_base::Token;
use floodway_base::limits::BLOCK_CLASS_BYTES;
use floodway_sys::{Errno, file, socket};

use super::foreign::Foreign;
use super::{Completion, Driver, Interest, Sent, Sockets, Waited};
use crate::acceptor::Source;

/// When a wait has taken in enough: what it took in is handled and sent before the next, so this and one read more is
/// what travels through the processor's caches at a time.
const ENOUGH_BYTES: usize = 128 * 1024;
/// What a connection's own buffer receives into, unless the last one sent more: the largest block that is pooled.
const BLOCK_BYTES: usize = BLOCK_CLASS_BYTES[BLOCK_CLASS_BYTES.len() - 1];
/// The room in a connection's last block for which no new one is taken: a peer that sends byte by byte must not cost
/// a block for each.
const KEPT_ROOM_BYTES: usize = 4 * 1024;
/// Sockets that one listener accepts before the other descriptors get their turn.
const ACCEPTS_PER_WAIT: usize = 64;
/// The key of wake-up descriptors. Live connections have odd generations, so even ones are free for others:
/// generation 0 belongs to listeners, and its last number to wake-ups; the other ones to `foreign`.
const WAKE: u64 = Token::new(u32::MAX, 0).to_bits();

/// What a poller says of one descriptor.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the bits of an event, each as the kernel sets it"
)]
pub(super) struct ReadyFd {
    pub key: u64,
    pub readable: bool,
    pub writable: bool,
    /// The peer has finished sending.
    pub end: bool,
    /// Both directions are closed, or an error is pending.
    pub error: bool,
}

/// The part that differs between systems.
pub(super) trait Poller: Send + std::fmt::Debug {
    fn name(&self) -> &'static str;
    fn add(&mut self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> Result<(), Errno>;
    /// Adds a listening socket that others wait for too. Where the system can, it wakes one of them, not all.
    fn add_shared(&mut self, fd: BorrowedFd<'_>, key: u64) -> Result<(), Errno> {
        self.add(fd, key, Interest::RECEIVE)
    }
    fn modify(&mut self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> Result<(), Errno>;
    fn delete(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno>;
    /// Replaces `ready` by what is ready now.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<ReadyFd>,
    ) -> Result<Waited, Errno>;
}

#[derive(Debug)]
pub(super) struct Readiness<P> {
    poller: P,
    read_chunk: usize,
    /// The receive area that all connections share.
    area: Box<[MaybeUninit<u8>]>,
    filled: usize,
    /// Bytes that the last wait received into connections' own buffers.
    in_place: usize,
    /// The next block for a connection's own buffer, in bytes: a whole `read_chunk` after a read that had filled its
    /// room, for who comes next is likely to send as much. To remember it of each would cost each of them memory.
    block: usize,
    ready: Vec<ReadyFd>,
    foreign: Foreign,
    /// How many of `ready` were served.
    served: usize,
}

impl<P: Poller> Readiness<P> {
    pub(super) fn new(poller: P, read_chunk: usize) -> Self {
        Self {
            poller,
            read_chunk,
            area: Box::new_uninit_slice(ENOUGH_BYTES + read_chunk),
            filled: 0,
            in_place: 0,
            block: BLOCK_BYTES.min(read_chunk),
            ready: Vec::new(),
            foreign: Foreign::default(),
            served: 0,
        }
    }

    /// Serves one descriptor. Returns false when this wait must not take in more.
    fn serve(
        &mut self,
        ready: ReadyFd,
        sockets: &mut dyn Sockets,
        completions: &mut Vec<Completion>,
    ) -> bool {
        if ready.key == WAKE {
            completions.push(Completion::Woken);
            return true;
        }
        let token = Token::from_bits(ready.key);
        if token.generation == 0 {
            if let Some((fd, source, room)) = sockets.listener(token.slot) {
                let most = room.clamp(1, ACCEPTS_PER_WAIT);
                super::accept(token.slot, fd, source, most, completions);
            }
            return true;
        }
        if Foreign::is_key(token) {
            completions.push(Completion::Foreign(self.foreign.ready(token, ready)));
            return true;
        }
        let Some(target) = sockets.target(token) else {
            return true;
        };
        let send = target.send;
        if target.behind {
            // It is reported again, as long as there is something.
        } else if target.receive && (ready.readable || ready.end || ready.error) {
            if self.filled + self.in_place >= ENOUGH_BYTES {
                return false;
            }
            let received = if let Some(buffer) = target.into {
                let space = buffer.receive_space(KEPT_ROOM_BYTES.min(self.block), self.block);
                let most = self.read_chunk.min(space.len());
                socket::recv(target.fd, &mut space[..most]).map(|count| {
                    // SAFETY: the kernel has initialised `count` bytes at the front of that space.
                    unsafe { buffer.received(count) };
                    self.in_place += count;
                    self.block = if count == most || count > BLOCK_BYTES {
                        self.read_chunk
                    } else {
                        BLOCK_BYTES.min(self.read_chunk)
                    };
                    (count > 0).then_some(Completion::ReceivedInPlace { token, count })
                })
            } else {
                let start = self.filled;
                let space = &mut self.area[start..start + self.read_chunk];
                socket::recv(target.fd, space).map(|count| {
                    self.filled += count;
                    let range = start..start + count;
                    (count > 0).then_some(Completion::Received { token, range })
                })
            };
            match received {
                Ok(Some(completion)) => completions.push(completion),
                Ok(None) => completions.push(Completion::EndOfInput { token }),
                Err(Errno::AGAIN) => {}
                Err(errno) => {
                    completions.push(Completion::Failed { token, errno });
                    return true;
                }
            }
        } else if ready.error && !send {
            // Closed in both directions without a pending error is an end like any other.
            let completion = match socket::take_error(target.fd) {
                Ok(None) => Completion::EndAhead { token },
                Ok(Some(errno)) | Err(errno) => Completion::Failed { token, errno },
            };
            completions.push(completion);
        } else if ready.end {
            completions.push(Completion::EndAhead { token });
        }
        if ready.writable && send {
            completions.push(Completion::Room { token });
        }
        true
    }
}

impl<P: Poller> Driver for Readiness<P> {
    fn name(&self) -> &'static str {
        self.poller.name()
    }

    fn watch_wake(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.poller.add(fd, WAKE, Interest::RECEIVE)
    }

    fn open(&mut self, token: Token, fd: BorrowedFd<'_>, interest: Interest) -> Result<(), Errno> {
        self.foreign.remove(fd.as_raw_fd());
        self.poller.add(fd, token.to_bits(), interest)
    }

    fn change(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        interest: Interest,
    ) -> Result<(), Errno> {
        self.poller.modify(fd, token.to_bits(), interest)
    }

    fn close(&mut self, fd: BorrowedFd<'_>) {
        // The entry exists and the descriptor is open, so the only answer is success.
        let deleted = self.poller.delete(fd);
        debug_assert!(deleted.is_ok(), "deleting from the poller: {deleted:?}");
    }

    fn open_listener(
        &mut self,
        listener: u32,
        fd: BorrowedFd<'_>,
        source: Source,
    ) -> Result<(), Errno> {
        let key = Token::new(listener, 0).to_bits();
        self.foreign.remove(fd.as_raw_fd());
        match source {
            Source::Shared => self.poller.add_shared(fd, key),
            Source::Listening | Source::Channel { .. } => {
                self.poller.add(fd, key, Interest::RECEIVE)
            }
        }
    }

    fn watch(&mut self, fd: BorrowedFd<'_>, read: bool, write: bool) -> Result<(), Errno> {
        let number = fd.as_raw_fd();
        let interest = Interest {
            receive: read,
            send: write,
            end: false,
        };
        let known = self.foreign.key(number);
        let changed = known.map(|key| (key, self.poller.modify(fd, key, interest)));
        let (key, watched) = match changed {
            Some((key, changed)) if changed != Err(Errno::NOENT) => (key, changed),
            // Unknown to us, or to the kernel: closed by its owner, and the number is another file's by now.
            _ => {
                let key = self.foreign.new_key(number);
                (key, self.poller.add(fd, key, interest))
            }
        };
        if watched.is_ok() {
            self.foreign.insert(number, key, interest);
        } else {
            self.foreign.remove(number);
        }
        watched
    }

    fn unwatch(&mut self, fd: BorrowedFd<'_>) -> bool {
        let watched = self.foreign.remove(fd.as_raw_fd());
        if watched {
            // Its owner may have closed it already, which the kernel has seen.
            let _ = self.poller.delete(fd);
        }
        watched
    }

    fn send(
        &mut self,
        _token: Token,
        fd: BorrowedFd<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Result<Sent, Errno> {
        // One piece is the common case, and `send` spares the kernel the copy of an array of pieces.
        let sent = match pieces {
            [piece] => socket::send(fd, piece),
            pieces => socket::send_vectored(fd, pieces),
        };
        match sent {
            Ok(count) => Ok(Sent::Now(count)),
            Err(Errno::AGAIN) => Ok(Sent::Later),
            Err(errno) => Err(errno),
        }
    }

    fn send_file(
        &mut self,
        _token: Token,
        fd: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        most: usize,
    ) -> Result<Sent, Errno> {
        match file::send(fd, file, offset, most) {
            Ok(count) => Ok(Sent::Now(count)),
            Err(Errno::AGAIN) => Ok(Sent::Later),
            Err(errno) => Err(errno),
        }
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        sockets: &mut dyn Sockets,
        completions: &mut Vec<Completion>,
    ) -> Result<Waited, Errno> {
        self.filled = 0;
        self.in_place = 0;
        let mut waited = Waited::Done;
        if self.served == self.ready.len() {
            self.served = 0;
            waited = self.poller.wait(timeout, &mut self.ready)?;
        }
        while self.served < self.ready.len()
            && self.serve(self.ready[self.served], sockets, completions)
        {
            self.served += 1;
        }
        Ok(waited)
    }

    fn area(&self) -> &[u8] {
        let filled = &self.area[..self.filled];
        // SAFETY: the kernel has initialised everything before `filled`, which only grows by what it received.
        unsafe { &*(std::ptr::from_ref(filled) as *const [u8]) }
    }

    fn area_mut(&mut self) -> &mut [u8] {
        let filled = &mut self.area[..self.filled];
        // SAFETY: as above.
        unsafe { &mut *(std::ptr::from_mut(filled) as *mut [u8]) }
    }
}
