//! The framings: five ways to cut a stream into frames.
//!
//! | framing | a frame ends | use it for |
//! | --- | --- | --- |
//! | [`Raw`] | wherever a read did | protocols that are parsed elsewhere |
//! | [`Lines`] | at LF or CRLF | text protocols |
//! | [`Delimited`] | at a byte string | other terminators |
//! | [`Fixed`] | after n bytes | records |
//! | [`LengthPrefixed`] | where its first bytes say | binary protocols; the one to choose for a new one |
//!
//! Constructors check their arguments, so that decoding can rely on them.

mod delimited;
mod fixed;
mod length_prefixed;
mod lines;
mod raw;

use std::fmt;

pub use delimited::Delimited;
pub use fixed::Fixed;
pub use length_prefixed::{ByteOrder, LengthPrefixed};
pub use lines::Lines;
pub use raw::Raw;

use crate::codec::{EncodeError, FrameTooLong, Step};
use crate::limits::MAX_INPUT_BYTES;

/// Arguments no framing can be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidFraming {
    /// A limit or frame size outside of 1 ..= [`MAX_INPUT_BYTES`].
    MaxBytes {
        /// The value seen.
        value: usize,
    },
    /// A delimiter without bytes, or longer than [`MAX_INPUT_BYTES`].
    Delimiter {
        /// Bytes it has.
        length: usize,
    },
    /// A length field outside of 1 ..= 8 bytes.
    PrefixSize {
        /// The value seen.
        value: usize,
    },
}

impl fmt::Display for InvalidFraming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxBytes { value } => write!(
                f,
                "a frame of {value} bytes cannot be asked for: the core holds 1 to {MAX_INPUT_BYTES} bytes of input; \
                 choose a size in that range"
            ),
            Self::Delimiter { length } => write!(
                f,
                "a delimiter of {length} bytes ends no frame: it needs 1 to {MAX_INPUT_BYTES} bytes; use Raw() if there \
                 are no frames"
            ),
            Self::PrefixSize { value } => {
                write!(
                    f,
                    "a length field of {value} bytes is not supported; choose 1 to 8"
                )
            }
        }
    }
}

impl std::error::Error for InvalidFraming {}

fn check_max_bytes(value: usize) -> Result<usize, InvalidFraming> {
    if (1..=MAX_INPUT_BYTES).contains(&value) {
        Ok(value)
    } else {
        Err(InvalidFraming::MaxBytes { value })
    }
}

fn check_payload(payload: &[u8], limit: usize) -> Result<(), EncodeError> {
    let size = payload.len();
    if size > limit {
        Err(EncodeError::TooLong { size, limit })
    } else {
        Ok(())
    }
}

/// The frame `payload` that ends a search, or the error that it is too long.
fn found(
    scanned: &mut u32,
    size: usize,
    terminator: usize,
    limit: usize,
) -> Result<Step, FrameTooLong> {
    if size > limit {
        return Err(FrameTooLong { size, limit });
    }
    *scanned = 0;
    Ok(Step::Frame {
        payload: 0..size,
        consumed: size + terminator,
    })
}
