//! Putting chunks around a body.

/// What surrounds a piece of a body on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Wrapped {
    prefix: [u8; Self::MAX_PREFIX],
    prefix_len: u8,
    /// Whether the piece itself is sent.
    pub send: bool,
    /// What comes after it.
    pub suffix: &'static [u8],
}

impl Wrapped {
    /// The digits of any length, and CRLF.
    const MAX_PREFIX: usize = 2 * size_of::<usize>() + 2;

    pub(super) fn plain(send: bool) -> Self {
        Self {
            prefix: [0; Self::MAX_PREFIX],
            prefix_len: 0,
            send,
            suffix: b"",
        }
    }

    pub(super) fn chunk(len: usize, more: bool) -> Self {
        if len == 0 {
            let suffix: &[u8] = if more { b"" } else { b"0\r\n\r\n" };
            return Self {
                suffix,
                ..Self::plain(true)
            };
        }
        let mut wrapped = Self::plain(true);
        let digits = (len.ilog2() / 4 + 1) as usize;
        for (at, place) in wrapped.prefix[..digits].iter_mut().enumerate() {
            *place = b"0123456789abcdef"[len >> (4 * (digits - 1 - at)) & 15];
        }
        wrapped.prefix[digits..digits + 2].copy_from_slice(b"\r\n");
        wrapped.prefix_len = digits as u8 + 2;
        wrapped.suffix = if more { b"\r\n" } else { b"\r\n0\r\n\r\n" };
        wrapped
    }

    /// What comes before the piece.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_len)]
    }
}
