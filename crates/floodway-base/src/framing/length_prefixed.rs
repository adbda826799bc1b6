//! Frames that begin with their length.
//!
//! # Rules
//! - The length is an unsigned integer of 1 to 8 bytes and counts the payload, or, with
//!   `includes_header`, also itself.
//! - A length above the limit fails when its last byte is there, before any payload is: a peer
//!   cannot make us wait, or hold memory, for what we are going to refuse.
//! - A length smaller than the header it includes cannot be and fails too.

use super::{InvalidFraming, check_max_bytes, check_payload};
use crate::codec::{Codec, EncodeError, Envelope, FrameTooLong, Step, Suffix};

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The most significant: network byte order.
    Big,
    /// The least significant.
    Little,
}

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub struct LengthPrefixed {
    /// Bytes of the length field.
    size: usize,
    byte_order: ByteOrder,
    /// The limit asked for, or what the field can express if that is less.
    max_bytes: usize,
    includes_header: bool,
}

impl LengthPrefixed {
    /// Frames of at most `max_bytes` bytes of payload behind a length of `size` bytes.
    ///
    /// `size` must be 1 to 8, `max_bytes` 1 to [`MAX_INPUT_BYTES`](crate::limits::MAX_INPUT_BYTES).
    pub fn new(
        size: usize,
        byte_order: ByteOrder,
        max_bytes: usize,
        includes_header: bool,
    ) -> Result<Self, InvalidFraming> {
        if !(1..=8).contains(&size) {
            return Err(InvalidFraming::PrefixSize { value: size });
        }
        let max_bytes = check_max_bytes(max_bytes)?;
        let largest = u64::MAX >> (64 - 8 * size);
        let counted = if includes_header { size as u64 } else { 0 };
        let expressible = usize::try_from(largest - counted).unwrap_or(usize::MAX);
        Ok(Self {
            size,
            byte_order,
            max_bytes: max_bytes.min(expressible),
            includes_header,
        })
    }

    fn announced(&self, header: &[u8]) -> u64 {
        let mut bytes = [0; 8];
        match self.byte_order {
            ByteOrder::Big => {
                bytes[8 - self.size..].copy_from_slice(header);
                u64::from_be_bytes(bytes)
            }
            ByteOrder::Little => {
                bytes[..self.size].copy_from_slice(header);
                u64::from_le_bytes(bytes)
            }
        }
    }
}

impl Codec for LengthPrefixed {
    fn decode(&self, _scanned: &mut u32, input: &[u8]) -> Result<Step, FrameTooLong> {
        let (size, limit) = (self.size, self.max_bytes);
        let Some(header) = input.get(..size) else {
            return Ok(Step::More { needed: size });
        };
        let announced = usize::try_from(self.announced(header)).unwrap_or(usize::MAX);
        let payload = if self.includes_header {
            announced.checked_sub(size)
        } else {
            Some(announced)
        };
        let payload = payload.ok_or(FrameTooLong {
            size: announced,
            limit: limit.max(size),
        })?;
        if payload > limit {
            return Err(FrameTooLong {
                size: payload,
                limit,
            });
        }
        let end = size + payload;
        Ok(if input.len() < end {
            Step::More { needed: end }
        } else {
            Step::Frame {
                payload: size..end,
                consumed: end,
            }
        })
    }

    fn envelope(&self, payload: &[u8]) -> Result<Envelope, EncodeError> {
        check_payload(payload, self.max_bytes)?;
        let counted = if self.includes_header { self.size } else { 0 };
        let announced = (payload.len() + counted) as u64;
        Ok(match self.byte_order {
            ByteOrder::Big => {
                Envelope::new(&announced.to_be_bytes()[8 - self.size..], Suffix::default())
            }
            ByteOrder::Little => {
                Envelope::new(&announced.to_le_bytes()[..self.size], Suffix::default())
            }
        })
    }

    fn max_frame(&self) -> Option<usize> {
        Some(self.max_bytes)
    }
}
