//! What a framing is: bytes in, the range of one frame out, and the bytes that go around a payload.
//!
//! # Rules
//! - A codec makes no system call, knows no clock and allocates nothing whose size a peer decides.
//! - *Any split of the input gives the same frames.* `floodway_testkit::check_every_split` is the
//!   one way codecs are tested.
//! - It is shared by all connections of a listener. What it has to remember for one connection is a
//!   `u32`, kept there.
//! - Input is contiguous: the connection layer sees to it, and can, since a framing says how much
//!   it needs.
//!
//! # Cost
//! Linear in new bytes. A decode copies nothing; an [`Envelope`] is at most one reference count
//! away.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A way to cut a stream of bytes into frames, and to put them together again.
pub trait Codec: Send + Sync + fmt::Debug {
    /// Looks for one frame at the front of `input`.
    ///
    /// `scanned` says how many bytes at the front of `input` an earlier call has searched in vain:
    /// 0 for fresh input. The codec keeps it, and sets it to 0 again when it yields a frame; the
    /// caller only carries it from call to call.
    fn decode(&self, scanned: &mut u32, input: &[u8]) -> Result<Step, FrameTooLong>;

    /// What to send before and after `payload` so that the peer's decoder yields exactly `payload`.
    fn envelope(&self, payload: &[u8]) -> Result<Envelope, EncodeError>;

    /// Most bytes a payload may have; `None` if there is no frame to speak of.
    fn max_frame(&self) -> Option<usize>;
}

/// What [`Codec::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole frame.
    Frame {
        /// Where in the input its payload lies.
        payload: Range<usize>,
        /// Bytes at the front of the input that are done with: payload and envelope.
        consumed: usize,
    },
    /// No whole frame yet.
    More {
        /// Bytes there must be at the front for another look to be worthwhile: more than there are
        /// now.
        needed: usize,
    },
}

/// The peer sent a frame that is longer than the framing allows, or has announced one.
///
/// A `size` of at most `limit` means a length that cannot be: one smaller than the header it
/// includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong {
    /// Payload bytes announced, or seen so far where nothing is announced.
    pub size: usize,
    /// Payload bytes allowed.
    pub limit: usize,
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, limit } = self;
        if size > limit {
            write!(
                f,
                "a frame of at least {size} bytes arrived and the framing allows {limit}; \
                 raise the framing's max_bytes (of Buffered: Limits.max_input), or check that the peer speaks this \
                 framing"
            )
        } else {
            write!(
                f,
                "a frame announced {size} bytes, which is less than the header that is included in it; \
                 check includes_header, size and byteorder of the framing"
            )
        }
    }
}

impl std::error::Error for FrameTooLong {}

/// A payload that the framing cannot carry: a mistake on this side, found before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// It has more bytes than the framing allows.
    TooLong {
        /// Bytes it has.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// It does not have the one size that all frames have.
    WrongSize {
        /// Bytes it has.
        size: usize,
        /// Bytes each frame has.
        expected: usize,
    },
    /// The peer would see its end too early.
    ContainsDelimiter {
        /// Where in the payload the peer would see a delimiter begin.
        at: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { size, limit } => write!(
                f,
                "a payload of {size} bytes is longer than the framing's max_bytes of {limit}; raise it on both sides, or \
                 send smaller frames"
            ),
            Self::WrongSize { size, expected } => write!(
                f,
                "a payload of {size} bytes does not fit a framing of fixed frames of {expected} bytes; pad or cut it"
            ),
            Self::ContainsDelimiter { at } => write!(
                f,
                "a payload contains the framing's delimiter at byte {at}, so the peer would read two frames; escape it, \
                 or use a length-prefixed framing"
            ),
        }
    }
}

impl std::error::Error for EncodeError {}

/// What surrounds a payload on the wire.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    prefix: [u8; 8],
    prefix_len: u8,
    suffix: Suffix,
}

impl Envelope {
    /// An envelope with up to 8 bytes before the payload.
    ///
    /// # Panics
    /// If `prefix` is longer than that.
    pub fn new(prefix: &[u8], suffix: Suffix) -> Self {
        let mut inline = [0; 8];
        inline[..prefix.len()].copy_from_slice(prefix);
        Self {
            prefix: inline,
            prefix_len: prefix.len() as u8,
            suffix,
        }
    }

    /// What comes before the payload.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_len)]
    }

    /// What comes after it.
    pub fn suffix(&self) -> &[u8] {
        match &self.suffix {
            Suffix::Static(bytes) => bytes,
            Suffix::Shared(bytes) => bytes,
        }
    }
}

/// The end of an [`Envelope`], which costs no allocation to make.
#[derive(Clone, Debug)]
pub enum Suffix {
    /// Bytes known when this was compiled.
    Static(&'static [u8]),
    /// Bytes that belong to the codec.
    Shared(Arc<[u8]>),
}

impl Default for Suffix {
    fn default() -> Self {
        Self::Static(b"")
    }
}
