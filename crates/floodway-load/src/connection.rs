//! One client connection: where its stream is, and one send or receive at a time.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use floodway_sys::{Errno, socket};

use crate::area::{Area, Arrived};
use crate::message::Message;
use crate::pattern::{Pattern, SLICE_BYTES_MAX, compare};
use crate::secure::Secure;

/// Where a connection is.
#[derive(Debug)]
pub(crate) enum Link {
    /// Not tried yet, or never opened.
    Unopened,
    /// The kernel is shaking hands, and then TLS is.
    Connecting(OwnedFd),
    /// Open in both directions.
    Open(OwnedFd),
    /// Was open and has ended, by the server or by an error.
    Ended,
}

/// One connection. Times are nanoseconds since the generator's start.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// Its encryption, from when the kernel has shaken hands.
    pub(crate) secure: Option<Box<Secure>>,
    /// Bytes sent so far, and the offset of the next one.
    pub(crate) sent: u64,
    /// Bytes that came back so far, and the offset of the next one. Of requests: the bytes of those that are answered.
    pub(crate) received: u64,
    /// Bytes that may have been sent by now: the messages that are due.
    pub(crate) due: u64,
    /// When the first message began (with connecting), later when the last message was sent.
    pub(crate) sent_at: u64,
    /// Answers in the measured time.
    pub(crate) answers: u32,
    /// Its place in the schedule.
    pub(crate) slot: u32,
    /// Where its stream begins in the pattern.
    pub(crate) start: u32,
    /// The socket took less than was due: waiting for it to become writable.
    pub(crate) is_blocked: bool,
    /// Its part in the connecting wave.
    pub(crate) place: Place,
}

/// What a connection is to the wave in which connections are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing: not tried yet, answered, or over.
    #[default]
    None,
    /// It holds a place.
    Held,
    /// It is still not answered, but others got its place.
    Lost,
}

/// What one receive brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes that follow the stream's order, whatever their contents.
    Bytes {
        len: u64,
        /// How many of them are wrong, and the offset of the first.
        corrupt: Option<(u64, u64)>,
    },
    /// Nothing now.
    Nothing,
    /// The server has ended its direction.
    End,
}

impl Connection {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            link: Link::Unopened,
            secure: None,
            sent: 0,
            received: 0,
            due: 0,
            sent_at: 0,
            answers: 0,
            slot: 0,
            start: Pattern::start_of(number),
            is_blocked: false,
            place: Place::None,
        }
    }

    /// The descriptor while it is open.
    pub(crate) fn open_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.link {
            Link::Open(fd) => Some(fd.as_fd()),
            Link::Unopened | Link::Connecting(_) | Link::Ended => None,
        }
    }

    /// Sends what is due until the socket is full; sets `is_blocked` if something is left.
    pub(crate) fn send_due(&mut self, message: &Message, pattern: &Pattern) -> Result<(), Errno> {
        if !self.flush()? {
            self.is_blocked = true;
            return Ok(());
        }
        // A request waits for the answer to the one before it.
        let end = if message.is_request() {
            self.due.min(self.received + message.bytes())
        } else {
            self.due
        };
        while self.sent < end {
            let len = (end - self.sent).min(SLICE_BYTES_MAX as u64) as usize;
            if !self.send_once(message, pattern, len)? {
                self.is_blocked = true;
                return Ok(());
            }
        }
        self.is_blocked = false;
        Ok(())
    }

    /// Sends what is encrypted and was not taken; returns whether nothing is left.
    pub(crate) fn flush(&mut self) -> Result<bool, Errno> {
        match (&self.link, &mut self.secure) {
            (Link::Open(fd) | Link::Connecting(fd), Some(secure)) => secure.flush(fd.as_fd()),
            _ => Ok(true),
        }
    }

    /// Sends once, at most `len` bytes; returns whether the socket took all that it was given. What is encrypted counts as
    /// sent.
    pub(crate) fn send_once(
        &mut self,
        message: &Message,
        pattern: &Pattern,
        len: usize,
    ) -> Result<bool, Errno> {
        if !self.flush()? {
            return Ok(false);
        }
        let Link::Open(fd) = &self.link else {
            return Ok(false);
        };
        let (head, body) = message.slices(pattern, self.start, self.sent, len);
        if let Some(secure) = &mut self.secure {
            secure.encrypt(head, body)?;
            self.sent += (head.len() + body.len()) as u64;
            return secure.flush(fd.as_fd());
        }
        let fd = fd.as_fd();
        let outcome = match (head, body) {
            (one, []) | ([], one) => socket::send(fd, one),
            // One segment, if it fits.
            (head, body) => socket::send_vectored(fd, &[IoSlice::new(head), IoSlice::new(body)]),
        };
        match outcome {
            Ok(taken) => {
                let is_all = taken == head.len() + body.len();
                self.sent += taken as u64;
                Ok(is_all)
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Receives once into `area`, and decrypts.
    pub(crate) fn receive_bytes<'a>(&mut self, area: &'a mut Area) -> Result<Arrived<'a>, Errno> {
        match &self.link {
            Link::Open(fd) | Link::Connecting(fd) => {
                area.receive(fd.as_fd(), self.secure.as_deref_mut())
            }
            Link::Unopened | Link::Ended => Ok(Arrived::Nothing),
        }
    }

    /// Receives once into `area` and checks what came against what was sent.
    pub(crate) fn receive(
        &mut self,
        pattern: &Pattern,
        area: &mut Area,
    ) -> Result<Received, Errno> {
        Ok(match self.receive_bytes(area)? {
            Arrived::Bytes(bytes) => self.check(pattern, bytes),
            Arrived::Nothing => Received::Nothing,
            Arrived::End => Received::End,
        })
    }

    fn check(&mut self, pattern: &Pattern, bytes: &[u8]) -> Received {
        let offset = self.received;
        // More than was ever sent cannot be an echo, even if it happens to continue the pattern.
        let possible = (self.sent - offset).min(bytes.len() as u64) as usize;
        let (echo, invented) = bytes.split_at(possible);
        let mut corrupt = compare(pattern.slice(self.start, offset, possible), echo)
            .map(|(count, first)| (count, offset + first as u64));
        if !invented.is_empty() {
            let (count, first) = corrupt.unwrap_or((0, offset + possible as u64));
            corrupt = Some((count + invented.len() as u64, first));
        }
        self.received += possible as u64;
        Received::Bytes {
            len: possible as u64,
            corrupt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_costs_one_cache_line() {
        assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
    }

    #[test]
    fn bytes_are_checked_by_position() {
        let pattern = Pattern::new();
        let mut connection = Connection::new(5);
        connection.sent = 1_000;
        let stream = pattern.slice(Pattern::start_of(5), 0, 1_000).to_vec();
        let mut receive = |bytes: &[u8]| connection.check(&pattern, bytes);
        let bytes = |len, corrupt| Received::Bytes { len, corrupt };
        assert_eq!(receive(&stream[..400]), bytes(400, None));
        let mut wrong = stream[400..600].to_vec();
        wrong[7] ^= 1;
        assert_eq!(receive(&wrong), bytes(200, Some((1, 407))));
        assert_eq!(receive(&stream[600..]), bytes(400, None));
        assert_eq!(receive(b"more"), bytes(0, Some((4, 1_000))));
    }
}
