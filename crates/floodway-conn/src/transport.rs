//! Transport: what carries a connection's bytes between its socket and its protocol.
//!
//! Whatever arrives goes through `receive` and whatever is sent goes through `send`, so neither framings and protocols
//! above nor drivers below know whether bytes travel encrypted.
//!
//! # Rules
//! - Output leaves the queue when the kernel has it or when it was encrypted. What was encrypted and the kernel did not take
//!   is at most `ENCRYPT_BYTES` and its records' frames; it counts as pending for `is_flushed`, no longer for the marks.
//! - A plain transport costs nothing. A secure one has no buffer while everything was sent and no half record has come.

use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::AsFd;

use floodway_base::{BlockPool, Session, SessionError};
use floodway_sys::{Errno, file};

use crate::connection::Input;
use crate::driver::Sent;
use crate::message::{FilePart, Payload};
use crate::output::{OutArea, OutQueue};

/// The most bytes that are encrypted before the kernel is asked to take them, and how often that is done before others have
/// their turn.
const ENCRYPT_BYTES: usize = 64 * 1024;
const ENCRYPT_ROUNDS: usize = 4;

/// The most bytes of a file that are sent before others have their turn.
const FILE_BYTES: usize = 256 * 1024;

/// See the module text.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain,
    Secure(Box<Secure>),
}

/// A session and what it wants sent.
#[derive(Debug)]
pub(crate) struct Secure {
    session: Box<dyn Session>,
    /// Encrypted bytes that the kernel has not taken.
    unsent: Vec<u8>,
    /// Bytes that arrived and wait for their turn, since handshakes are dear.
    waiting: Vec<u8>,
    finished: bool,
}

/// Memory that all secure connections of a reactor use in turn.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    plain: Vec<u8>,
    encrypted: Vec<u8>,
}

/// What `Transport::receive` did with what arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// It is the input now, where it lies: in the driver's area.
    InArea,
    /// So many bytes were copied behind the input there was.
    Copied(usize),
    /// The same after decryption, which has made so many bytes of it.
    Decrypted { plain: usize, copied: usize },
}

/// What `Transport::send` did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Transmitted {
    /// Bytes in memory that left the queue.
    pub taken: usize,
    /// Bytes of files that did.
    pub read: usize,
    /// Whether the kernel took any.
    pub moved: bool,
    /// The kernel took no more: there will be room later.
    pub blocked: bool,
}

/// What the kernel is to take.
#[derive(Debug)]
pub(crate) enum Offer<'a> {
    Bytes(&'a [IoSlice<'a>]),
    /// So many bytes of a file at most.
    File(&'a FilePart, usize),
}

/// Why bytes did not get through.
#[derive(Debug)]
pub(crate) enum TransportError {
    System(Errno),
    /// A file has become shorter than it was.
    FileCut,
    Session(SessionError),
}

impl Transport {
    /// `unsent`: what the session wants sent first.
    pub fn secure(session: Box<dyn Session>, unsent: Vec<u8>) -> Self {
        Self::Secure(Box::new(Secure {
            session,
            unsent,
            waiting: Vec::new(),
            finished: false,
        }))
    }

    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// What encrypts, if anything does.
    pub fn session(&self) -> Option<&dyn Session> {
        match self {
            Self::Plain => None,
            Self::Secure(secure) => Some(secure.session.as_ref()),
        }
    }

    /// Whether the protocol's bytes can travel: always, but during a handshake.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Secure(secure) => secure.session.is_open(),
        }
    }

    /// Whether the peer has said, encrypted, that it sends no more.
    pub fn peer_finished(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Secure(secure) => secure.session.peer_finished(),
        }
    }

    /// Whether the kernel has everything that left the queue.
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Secure(secure) => secure.unsent.is_empty(),
        }
    }

    /// Keeps what arrived for later. Returns whether nothing had waited before.
    pub fn postpone(&mut self, arrived: &[u8]) -> bool {
        let Self::Secure(secure) = self else {
            return false;
        };
        let is_first = secure.waiting.is_empty();
        secure.waiting.extend_from_slice(arrived);
        is_first
    }

    /// Whether there is something that was postponed.
    pub fn has_postponed(&self) -> bool {
        matches!(self, Self::Secure(secure) if !secure.waiting.is_empty())
    }

    /// Puts what arrived in `area[range]`, after what was postponed, behind the input.
    pub fn receive(
        &mut self,
        area: &mut [u8],
        range: Range<usize>,
        input: &mut Input,
        scratch: &mut Scratch,
        pool: &BlockPool,
    ) -> Result<Arrived, TransportError> {
        match self {
            Self::Plain => {
                if let Input::Empty = input {
                    *input = Input::Area {
                        start: range.start as u32,
                        end: range.end as u32,
                    };
                    return Ok(Arrived::InArea);
                }
                // What is in the area was moved out of it before the wait.
                debug_assert!(
                    !matches!(input, Input::Area { .. }),
                    "input is saved between waits"
                );
                Ok(Arrived::Copied(input.save(&area[range], pool)))
            }
            Self::Secure(secure) => {
                let mut waiting = std::mem::take(&mut secure.waiting);
                let arrived = if waiting.is_empty() {
                    &mut area[range]
                } else {
                    waiting.extend_from_slice(&area[range]);
                    &mut waiting[..]
                };
                scratch.plain.clear();
                let received =
                    secure
                        .session
                        .receive(arrived, &mut scratch.plain, &mut secure.unsent);
                let copied = if scratch.plain.is_empty() {
                    0
                } else {
                    input.save(&scratch.plain, pool)
                };
                if let Err(error) = received {
                    secure.finished = true; // the alert was the goodbye
                    return Err(TransportError::Session(error));
                }
                Ok(Arrived::Decrypted {
                    plain: scratch.plain.len(),
                    copied,
                })
            }
        }
    }

    /// Gives `send`, which offers bytes to the kernel, as much of the output as it takes; of files a bounded part, since
    /// others wait for their turn.
    pub fn send<P: Payload>(
        &mut self,
        output: &mut OutQueue<P>,
        area: &OutArea,
        scratch: &mut Scratch,
        spent: &mut Vec<P>,
        mut send: impl FnMut(Offer<'_>) -> Result<Sent, Errno>,
    ) -> Result<Transmitted, TransportError> {
        let mut done = Transmitted::default();
        match self {
            Self::Plain => {
                if output.next_file().is_none() {
                    let offered = output.with_segments(area, |pieces| send(Offer::Bytes(pieces)));
                    match offered.map_err(TransportError::System)? {
                        Sent::Now(count) => {
                            output.advance(count, spent);
                            done.taken = count;
                            done.moved = count > 0;
                            done.blocked = count > 0 && !output.is_empty();
                        }
                        Sent::Later => done.blocked = true,
                    }
                }
                if let Some(part) = output.next_file() {
                    // The next wait says that there is room, or when there is.
                    done.blocked = true;
                    let most = part.len.min(FILE_BYTES as u64) as usize;
                    match send(Offer::File(part, most)).map_err(TransportError::System)? {
                        Sent::Now(0) => return Err(TransportError::FileCut),
                        Sent::Now(count) => {
                            output.advance_file(count as u64);
                            done.read = count;
                            done.moved = true;
                            done.blocked = !output.is_empty();
                        }
                        Sent::Later => {}
                    }
                }
            }
            Self::Secure(secure) => {
                for round in 1.. {
                    let encrypted = &mut scratch.encrypted;
                    encrypted.clear();
                    encrypted.append(&mut std::mem::take(&mut secure.unsent)); // its memory too
                    if secure.session.is_open()
                        && !output.is_empty()
                        && encrypted.len() < ENCRYPT_BYTES
                    {
                        if let Some(part) = output.next_file() {
                            let session = secure.session.as_mut();
                            let count = encrypt_file(session, part, &mut scratch.plain, encrypted)?;
                            output.advance_file(count as u64);
                            done.read += count;
                        } else {
                            let count = output
                                .with_segments(area, |segments| {
                                    encrypt(secure.session.as_mut(), segments, encrypted)
                                })
                                .map_err(TransportError::Session)?;
                            output.advance(count, spent);
                            done.taken += count;
                        }
                    }
                    if encrypted.is_empty() {
                        break;
                    }
                    let count = match send(Offer::Bytes(&[IoSlice::new(encrypted)])) {
                        Ok(Sent::Now(count)) => count,
                        Ok(Sent::Later) => 0,
                        Err(errno) => return Err(TransportError::System(errno)),
                    };
                    done.moved |= count > 0;
                    if count < encrypted.len() {
                        secure.unsent = encrypted[count..].to_vec();
                        done.blocked = true;
                        break;
                    }
                    if round == ENCRYPT_ROUNDS && !output.is_empty() {
                        done.blocked = true; // there is room, so the next wait says so
                        break;
                    }
                }
            }
        }
        Ok(done)
    }

    /// Says goodbye to the peer, once: what is behind it in the queue would come too late. Returns whether there is
    /// something to send for it.
    pub fn finish(&mut self) -> bool {
        match self {
            Self::Secure(secure) if !secure.finished => {
                secure.finished = true;
                secure.session.finish(&mut secure.unsent);
                !secure.unsent.is_empty()
            }
            Self::Plain | Self::Secure(_) => false,
        }
    }
}

/// Encrypts the front of `segments`; returns how many bytes of it.
fn encrypt(
    session: &mut dyn Session,
    segments: &[IoSlice<'_>],
    encrypted: &mut Vec<u8>,
) -> Result<usize, SessionError> {
    let mut count = 0;
    for segment in segments {
        let most = (ENCRYPT_BYTES - count).min(segment.len());
        session.send(&segment[..most], encrypted)?;
        count += most;
        if count == ENCRYPT_BYTES {
            break;
        }
    }
    Ok(count)
}

/// Encrypts the front of what is to be sent of a file; returns how many bytes of it.
fn encrypt_file(
    session: &mut dyn Session,
    part: &FilePart,
    plain: &mut Vec<u8>,
    encrypted: &mut Vec<u8>,
) -> Result<usize, TransportError> {
    plain.resize(part.len.min(ENCRYPT_BYTES as u64) as usize, 0);
    let count =
        file::read_at(part.file.as_fd(), plain, part.offset).map_err(TransportError::System)?;
    if count == 0 {
        return Err(TransportError::FileCut);
    }
    session
        .send(&plain[..count], encrypted)
        .map_err(TransportError::Session)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use floodway_base::Agreed;

    use super::*;

    /// Opens at a `!`, adds one to every byte, ends with a `$`.
    #[derive(Debug, Default)]
    struct Shift {
        open: bool,
    }

    impl Session for Shift {
        fn receive(
            &mut self,
            arrived: &mut [u8],
            plain: &mut Vec<u8>,
            out: &mut Vec<u8>,
        ) -> Result<(), SessionError> {
            for byte in arrived {
                match *byte {
                    b'!' => {
                        self.open = true;
                        out.push(b'!');
                    }
                    b'?' => {
                        out.push(b'#');
                        return Err(SessionError::Failed("a question".into()));
                    }
                    byte => plain.push(byte - 1),
                }
            }
            Ok(())
        }

        fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
            out.extend(plain.iter().map(|byte| byte + 1));
            Ok(())
        }

        fn finish(&mut self, out: &mut Vec<u8>) {
            out.push(b'$');
        }

        fn is_open(&self) -> bool {
            self.open
        }

        fn peer_finished(&self) -> bool {
            false
        }

        fn agreed(&self) -> Option<Agreed<'_>> {
            None
        }

        fn peer_certificate(&self, _: usize) -> Option<&[u8]> {
            None
        }
    }

    #[derive(Debug)]
    struct Foreign;

    impl AsRef<[u8]> for Foreign {
        fn as_ref(&self) -> &[u8] {
            b""
        }
    }

    impl Payload for Foreign {}

    struct Fixture {
        transport: Transport,
        output: OutQueue<Foreign>,
        out_area: OutArea,
        input: Input,
        scratch: Scratch,
        pool: BlockPool,
        wire: Vec<u8>,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                transport: Transport::secure(Box::new(Shift::default()), Vec::new()),
                output: OutQueue::new(),
                out_area: OutArea::new(),
                input: Input::Empty,
                scratch: Scratch::default(),
                pool: BlockPool::new(0),
                wire: Vec::new(),
            }
        }

        fn write(&mut self, bytes: &[u8]) {
            self.output.copy(bytes, &mut self.out_area, &self.pool);
        }

        fn receive(&mut self, bytes: &[u8]) -> Result<Arrived, TransportError> {
            let mut area = bytes.to_vec();
            let all = 0..area.len();
            self.transport.receive(
                &mut area,
                all,
                &mut self.input,
                &mut self.scratch,
                &self.pool,
            )
        }

        /// Sends to a kernel that takes at most `room` bytes.
        fn send(&mut self, mut room: usize) -> Transmitted {
            let wire = &mut self.wire;
            let send = |offer: Offer<'_>| {
                let Offer::Bytes(pieces) = offer else {
                    unreachable!("what is encrypted is no file any more");
                };
                let count = pieces[0].len().min(room);
                room -= count;
                wire.extend_from_slice(&pieces[0][..count]);
                Ok(if count == 0 {
                    Sent::Later
                } else {
                    Sent::Now(count)
                })
            };
            let done = self.transport.send(
                &mut self.output,
                &self.out_area,
                &mut self.scratch,
                &mut Vec::new(),
                send,
            );
            done.expect("this kernel does not fail")
        }
    }

    #[test]
    fn output_waits_for_the_handshake() {
        let mut it = Fixture::new();
        it.write(b"ab");
        assert_eq!(it.send(99), Transmitted::default());
        it.receive(b"!").expect("a good handshake");
        assert_eq!(it.send(99).taken, 2);
        assert_eq!(it.wire, b"!bc");
        assert!(it.transport.is_flushed());
    }

    #[test]
    fn no_buffer_is_left_when_everything_was_sent() {
        let mut it = Fixture::new();
        it.receive(b"!").expect("a good handshake");
        it.write(b"ab");
        it.send(1);
        it.send(99);
        let Transport::Secure(secure) = &it.transport else {
            unreachable!("it is made so");
        };
        assert_eq!(
            (secure.unsent.capacity(), secure.waiting.capacity()),
            (0, 0)
        );
    }

    #[test]
    fn what_the_kernel_does_not_take_goes_first_and_once() {
        let mut it = Fixture::new();
        it.receive(b"!").expect("a good handshake");
        it.write(b"abc");
        assert!(it.send(2).blocked && !it.transport.is_flushed());
        it.write(b"d");
        it.send(99);
        assert_eq!(it.wire, b"!bcde");
    }

    #[test]
    fn what_was_postponed_comes_before_what_arrives() {
        let mut it = Fixture::new();
        assert!(it.transport.postpone(b"!b") && !it.transport.postpone(b"c"));
        it.receive(b"d").expect("a good handshake");
        assert_eq!(it.input.bytes(&[]), b"abc");
        assert!(!it.transport.has_postponed());
    }

    #[test]
    fn the_goodbye_is_said_once_and_not_after_an_alert() {
        let mut it = Fixture::new();
        assert!(it.transport.finish() && !it.transport.finish());
        let mut broken = Fixture::new();
        assert!(broken.receive(b"?").is_err());
        assert!(!broken.transport.finish());
        broken.send(99);
        assert_eq!(broken.wire, b"#");
    }
}
