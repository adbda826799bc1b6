//! Lines of text: LF or CRLF ends one, and neither is part of it.
//!
//! # Rules
//! - CR is content unless LF follows.
//! - `max_bytes` counts the content. A line fails as soon as none of its possible ends is within
//!   the limit, so a peer that never sends LF costs at most `max_bytes + 1` bytes.
//! - We send LF. A payload that holds one, or ends in CR (the peer would take it for half a CRLF),
//!   is refused.
//!
//! # Theory
//! Only LF is searched for; whether CR stands before it is a look back by one byte. What was
//! searched in vain is remembered, so each byte is searched once however small the pieces are.

use memchr::memchr;

use super::{InvalidFraming, check_max_bytes, check_payload, found};
use crate::codec::{Codec, EncodeError, Envelope, FrameTooLong, Step, Suffix};

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    max_bytes: usize,
}

impl Lines {
    /// Lines of at most `max_bytes` bytes, which must be 1 to
    /// [`MAX_INPUT_BYTES`](crate::limits::MAX_INPUT_BYTES).
    pub fn new(max_bytes: usize) -> Result<Self, InvalidFraming> {
        Ok(Self {
            max_bytes: check_max_bytes(max_bytes)?,
        })
    }
}

impl Codec for Lines {
    fn decode(&self, scanned: &mut u32, input: &[u8]) -> Result<Step, FrameTooLong> {
        let limit = self.max_bytes;
        let from = (*scanned as usize).min(input.len());
        // A line within the limit ends in the first `limit + 2` bytes; searching on would not be
        // linear in new bytes.
        let window = &input[..input.len().min(limit + 2)];
        if let Some(at) = memchr(b'\n', window.get(from..).unwrap_or_default()) {
            let end = from + at;
            let size = end - usize::from(input[..end].ends_with(b"\r"));
            return found(scanned, size, end + 1 - size, limit);
        }
        let size = input.len();
        let may_end = size <= limit || size == limit + 1 && input[limit] == b'\r';
        if !may_end {
            return Err(FrameTooLong { size, limit });
        }
        *scanned = size as u32;
        Ok(Step::More { needed: size + 1 })
    }

    fn envelope(&self, payload: &[u8]) -> Result<Envelope, EncodeError> {
        check_payload(payload, self.max_bytes)?;
        if let Some(at) = memchr(b'\n', payload) {
            return Err(EncodeError::ContainsDelimiter { at });
        }
        if payload.ends_with(b"\r") {
            return Err(EncodeError::ContainsDelimiter {
                at: payload.len() - 1,
            });
        }
        Ok(Envelope::new(b"", Suffix::Static(b"\n")))
    }

    fn max_frame(&self) -> Option<usize> {
        Some(self.max_bytes)
    }
}
