//! Frames of one size.

use super::{InvalidFraming, check_max_bytes};
use crate::codec::{Codec, EncodeError, Envelope, FrameTooLong, Step};

/// Every frame has the same number of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    size: usize,
}

impl Fixed {
    /// Frames of `size` bytes, of which there must be 1 to
    /// [`MAX_INPUT_BYTES`](crate::limits::MAX_INPUT_BYTES).
    pub fn new(size: usize) -> Result<Self, InvalidFraming> {
        Ok(Self {
            size: check_max_bytes(size)?,
        })
    }
}

impl Codec for Fixed {
    fn decode(&self, _scanned: &mut u32, input: &[u8]) -> Result<Step, FrameTooLong> {
        let size = self.size;
        Ok(if input.len() < size {
            Step::More { needed: size }
        } else {
            Step::Frame {
                payload: 0..size,
                consumed: size,
            }
        })
    }

    fn envelope(&self, payload: &[u8]) -> Result<Envelope, EncodeError> {
        if payload.len() != self.size {
            return Err(EncodeError::WrongSize {
                size: payload.len(),
                expected: self.size,
            });
        }
        Ok(Envelope::default())
    }

    fn max_frame(&self) -> Option<usize> {
        Some(self.size)
    }
}
