//! What is unread of a body.

use super::chunked::Chunked;
use super::framing::Framing;
use super::refusal::Refused;

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unread {
    Length(u64),
    Chunked(Chunked),
}

impl From<Framing> for Unread {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::new()),
        }
    }
}

impl Unread {
    pub(super) fn is_chunked(&self) -> bool {
        matches!(self, Self::Chunked(_))
    }

    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
        }
    }

    /// See [`Chunked::decode`].
    pub(super) fn read(
        &mut self,
        input: &[u8],
        room: usize,
        max_body: Option<u64>,
        mut take: impl FnMut(&[u8]),
    ) -> (usize, Result<(), Refused>) {
        match self {
            Self::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let count = input.len().min(most).min(room);
                *left -= count as u64;
                take(&input[..count]);
                (count, Ok(()))
            }
            Self::Chunked(chunks) => chunks.decode(input, room, max_body, take),
        }
    }
}
