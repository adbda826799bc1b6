//! Frames that end at a byte string.
//!
//! # Rules
//! - The delimiter ends a frame at its first occurrence and is not part of it.
//! - `max_bytes` counts the content. A frame fails as soon as no delimiter can begin within the
//!   limit.
//! - A payload is refused if the peer would see a delimiter before the one that we add: inside of
//!   it, or begun by its last bytes (`a` before the delimiter `aa` reads as an empty frame).
//!
//! # Theory
//! After a search in vain only the last `delimiter - 1` bytes can belong to a delimiter; everything
//! before them is remembered as searched.

use std::sync::Arc;

use memchr::memmem;

use super::{InvalidFraming, check_max_bytes, check_payload, found};
use crate::codec::{Codec, EncodeError, Envelope, FrameTooLong, Step, Suffix};
use crate::limits::MAX_INPUT_BYTES;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Delimited {
    delimiter: Arc<[u8]>,
    finder: memmem::Finder<'static>,
    max_bytes: usize,
}

impl Delimited {
    /// Frames of at most `max_bytes` bytes that end at `delimiter`. Both must have 1 to
    /// [`MAX_INPUT_BYTES`] bytes.
    pub fn new(delimiter: &[u8], max_bytes: usize) -> Result<Self, InvalidFraming> {
        let length = delimiter.len();
        if length == 0 || length > MAX_INPUT_BYTES {
            return Err(InvalidFraming::Delimiter { length });
        }
        Ok(Self {
            delimiter: delimiter.into(),
            finder: memmem::Finder::new(delimiter).into_owned(),
            max_bytes: check_max_bytes(max_bytes)?,
        })
    }

    /// Where delimiters may have begun that `bytes` do not complete.
    fn begun(&self, bytes: &[u8]) -> impl Iterator<Item = usize> {
        let first = (bytes.len() + 1).saturating_sub(self.delimiter.len());
        (first..bytes.len()).filter(|&at| self.delimiter.starts_with(&bytes[at..]))
    }
}

impl Codec for Delimited {
    fn decode(&self, scanned: &mut u32, input: &[u8]) -> Result<Step, FrameTooLong> {
        let limit = self.max_bytes;
        let length = self.delimiter.len();
        let from = (*scanned as usize).min(input.len());
        // A frame within the limit ends in the first `limit + length` bytes.
        let window = &input[..input.len().min(limit + length)];
        if let Some(at) = self.finder.find(window.get(from..).unwrap_or_default()) {
            return found(scanned, from + at, length, limit);
        }
        let size = input.len();
        let may_end = size <= limit || self.begun(input).any(|at| at <= limit);
        if !may_end {
            return Err(FrameTooLong { size, limit });
        }
        *scanned = (size + 1).saturating_sub(length) as u32;
        Ok(Step::More { needed: size + 1 })
    }

    fn envelope(&self, payload: &[u8]) -> Result<Envelope, EncodeError> {
        check_payload(payload, self.max_bytes)?;
        let ends_in_delimiter = |at: &usize| {
            self.delimiter
                .starts_with(&self.delimiter[payload.len() - at..])
        };
        if let Some(at) = self
            .finder
            .find(payload)
            .or_else(|| self.begun(payload).find(ends_in_delimiter))
        {
            return Err(EncodeError::ContainsDelimiter { at });
        }
        Ok(Envelope::new(
            b"",
            Suffix::Shared(Arc::clone(&self.delimiter)),
        ))
    }

    fn max_frame(&self) -> Option<usize> {
        Some(self.max_bytes)
    }
}
