//! Bytes as they come.
//!
//! # Rules
//! All input there is makes one frame. The only framing whose frames depend on how the stream was
//! cut; joined, they do not.

use crate::codec::{Codec, EncodeError, Envelope, FrameTooLong, Step};

/// No framing: see the module's text.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Codec for Raw {
    fn decode(&self, _scanned: &mut u32, input: &[u8]) -> Result<Step, FrameTooLong> {
        Ok(match input.len() {
            0 => Step::More { needed: 1 },
            n => Step::Frame {
                payload: 0..n,
                consumed: n,
            },
        })
    }

    fn envelope(&self, _payload: &[u8]) -> Result<Envelope, EncodeError> {
        Ok(Envelope::default())
    }

    fn max_frame(&self) -> Option<usize> {
        None
    }
}
