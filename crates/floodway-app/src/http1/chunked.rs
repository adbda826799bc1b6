//! Taking the chunks off a body (RFC 9112 section 7.1).
//!
//! # Rules
//! - A size is 1 to 16 hexadecimal digits, and CRLF or an extension follows at once; CRLF ends every line and every chunk.
//! - Extensions are dropped. They may be `MAX_SURPLUS` bytes longer than the payload so far: that is plenty for signed chunks,
//!   and not enough to keep a server reading for nothing.
//! - Trailers are dropped, and are `MAX_SURPLUS` bytes at most. One that would say where a message ends or goes is refused all
//!   the same: somebody behind or before us may not drop it.
//!
//! # Cost
//! A step for each byte that is not payload.

use super::octets::{is_text_byte, is_token_byte};
use super::refusal::Refused;

/// See the rules.
const MAX_SURPLUS: u64 = 4 << 10;

/// How far a body has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    place: Place,
    /// In `Size`: the value so far. In `Data`: what is missing of the chunk.
    left: u64,
    /// Payload announced so far.
    total: u64,
    /// Bytes of extensions beyond those that payload has paid for; of trailers, all.
    surplus: u16,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Size { digits: u8 },
    SpaceBeforeExtension,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName(Name),
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

/// The part of a trailer's name that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    length: u8,
    /// For each of the forbidden names a bit, if it begins like that.
    candidates: u8,
}

/// Names that no trailer may have (RFC 9110 6.5.1).
const FORBIDDEN: [&[u8]; 3] = [b"content-length", b"host", b"transfer-encoding"];

impl Name {
    const EMPTY: Self = Self {
        length: 0,
        candidates: 0b111,
    };

    fn with(self, byte: u8) -> Self {
        let mut candidates = self.candidates;
        for (bit, name) in FORBIDDEN.iter().enumerate() {
            if name.get(usize::from(self.length)) != Some(&byte.to_ascii_lowercase()) {
                candidates &= !(1 << bit);
            }
        }
        Self {
            length: self.length.saturating_add(1),
            candidates,
        }
    }

    fn is_forbidden(self) -> bool {
        let is = |(bit, name): (usize, &&[u8])| {
            self.candidates >> bit & 1 == 1 && name.len() == usize::from(self.length)
        };
        FORBIDDEN.iter().enumerate().any(is)
    }
}

const MALFORMED: Refused = Refused::bad("malformed chunk");

impl Chunked {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Size { digits: 0 },
            left: 0,
            total: 0,
            surplus: 0,
        }
    }

    /// Whether the body is complete.
    pub(super) fn is_done(&self) -> bool {
        self.place == Place::End
    }

    /// Reads what there is, up to the body's end, to `room` bytes of payload, which `take` gets in pieces, and to a byte that
    /// cannot stand where it stands. Says how many bytes were read, and what is wrong with the next: so it is found again.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        mut room: usize,
        max_body: Option<u64>,
        mut take: impl FnMut(&[u8]),
    ) -> (usize, Result<(), Refused>) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.place {
                Place::End => break,
                Place::Data => {
                    let ready = &input[at..];
                    let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                    let count = ready.len().min(most).min(room);
                    if count == 0 {
                        break;
                    }
                    take(&ready[..count]);
                    at += count;
                    room -= count;
                    self.left -= count as u64;
                    if self.left == 0 {
                        self.place = Place::DataCr;
                    }
                }
                _ => {
                    let mut next = *self;
                    match next.step(byte, max_body) {
                        Ok(place) => *self = Self { place, ..next },
                        Err(refused) => return (at, Err(refused)),
                    }
                    at += 1;
                }
            }
        }
        (at, Ok(()))
    }

    /// Where the byte behind `byte` belongs, which is not payload.
    fn step(&mut self, byte: u8, max_body: Option<u64>) -> Result<Place, Refused> {
        match (self.place, byte) {
            (Place::Size { digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                self.left = self.left << 4 | u64::from(digit);
                Ok(Place::Size { digits: digits + 1 })
            }
            (Place::Size { digits: 1.. } | Place::Extension, b'\r') => Ok(Place::SizeLf),
            (Place::Size { digits: 1.. } | Place::SpaceBeforeExtension, b' ' | b'\t') => {
                self.spend()?;
                Ok(Place::SpaceBeforeExtension)
            }
            (Place::Size { digits: 1.. } | Place::SpaceBeforeExtension, b';') => {
                self.spend()?;
                Ok(Place::Extension)
            }
            (Place::Extension, _) if is_text_byte(byte) => {
                self.spend()?;
                Ok(Place::Extension)
            }
            (Place::SizeLf, b'\n') => self.begin_chunk(max_body),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::Size { digits: 0 }),
            (Place::TrailerStart, b'\r') => Ok(Place::EndLf),
            (Place::TrailerStart, _) if is_token_byte(byte) => {
                self.spend_on_trailers()?;
                Ok(Place::TrailerName(Name::EMPTY.with(byte)))
            }
            (Place::TrailerName(name), _) if is_token_byte(byte) => {
                self.spend_on_trailers()?;
                Ok(Place::TrailerName(name.with(byte)))
            }
            (Place::TrailerName(name), b':') if !name.is_forbidden() => {
                self.spend_on_trailers()?;
                Ok(Place::TrailerValue)
            }
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerLf),
            (Place::TrailerValue, _) if is_text_byte(byte) => {
                self.spend_on_trailers()?;
                Ok(Place::TrailerValue)
            }
            (Place::TrailerLf, b'\n') => Ok(Place::TrailerStart),
            (Place::EndLf, b'\n') => Ok(Place::End),
            _ => Err(MALFORMED),
        }
    }

    /// What follows a whole line with a size.
    fn begin_chunk(&mut self, max_body: Option<u64>) -> Result<Place, Refused> {
        if self.left == 0 {
            self.surplus = 0;
            return Ok(Place::TrailerStart);
        }
        self.total = self.total.checked_add(self.left).ok_or(MALFORMED)?;
        if max_body.is_some_and(|most| self.total > most) {
            return Err(BODY_TOO_LONG);
        }
        self.surplus = u64::from(self.surplus).saturating_sub(self.left) as u16;
        Ok(Place::Data)
    }

    fn spend(&mut self) -> Result<(), Refused> {
        self.surplus += 1;
        if u64::from(self.surplus) > MAX_SURPLUS {
            return Err(Refused::bad("the extensions of chunks are too long"));
        }
        Ok(())
    }

    fn spend_on_trailers(&mut self) -> Result<(), Refused> {
        self.surplus += 1;
        if u64::from(self.surplus) > MAX_SURPLUS {
            return Err(Refused::new(431, "the request's trailers are too long"));
        }
        Ok(())
    }
}

pub(super) const BODY_TOO_LONG: Refused = Refused::new(413, "the request's body is too long");
