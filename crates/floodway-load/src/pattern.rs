//! Which bytes a connection sends.
//!
//! All streams are windows into one endless repetition of a random table: connection c begins at a random point of its
//! own, and the byte at offset o is `table[(start(c) + o) mod PERIOD]`. Nothing is generated per message: sending is a
//! slice of the table, checking is one comparison with the slice that belongs there.
//!
//! The period is prime, so no block size, message size or ring divides it: bytes that were lost, repeated, moved or
//! handed to another connection do not fit by accident. Only an error that shifts a stream by a whole multiple of the
//! period is invisible.

/// Length of the table: prime, and the table stays in a level-2 cache.
const PERIOD: usize = 262_139;

/// The longest slice handed out: what one system call sends or receives.
pub(crate) const SLICE_BYTES_MAX: usize = 256 * 1024;

/// The table, repeated far enough that a slice never has to wrap.
#[derive(Debug)]
pub(crate) struct Pattern {
    bytes: Box<[u8]>,
}

impl Pattern {
    pub(crate) fn new() -> Self {
        let mut bytes = Vec::with_capacity(PERIOD + SLICE_BYTES_MAX + 8);
        for word in 0.. {
            if bytes.len() >= PERIOD {
                break;
            }
            bytes.extend_from_slice(&scramble(word).to_ne_bytes());
        }
        bytes.truncate(PERIOD);
        while bytes.len() < PERIOD + SLICE_BYTES_MAX {
            let more = (PERIOD + SLICE_BYTES_MAX - bytes.len()).min(PERIOD);
            bytes.extend_from_within(..more);
        }
        Self {
            bytes: bytes.into_boxed_slice(),
        }
    }

    /// Where the stream of a connection begins.
    pub(crate) fn start_of(connection: usize) -> u32 {
        (scramble(!(connection as u64)) % PERIOD as u64) as u32
    }

    /// The bytes of a stream at `offset`, at most [`SLICE_BYTES_MAX`] of them.
    pub(crate) fn slice(&self, start: u32, offset: u64, len: usize) -> &[u8] {
        let from = ((u64::from(start) + offset) % PERIOD as u64) as usize;
        &self.bytes[from..from + len.min(SLICE_BYTES_MAX)]
    }
}

/// How many bytes of `received` are not what was `expected`, and where the first one is.
pub(crate) fn compare(expected: &[u8], received: &[u8]) -> Option<(u64, usize)> {
    if expected == received {
        return None;
    }
    let differ = || {
        expected
            .iter()
            .zip(received)
            .map(|(one, other)| one != other)
    };
    let first = differ().position(|different| different)?;
    Some((
        differ().filter(|&different| different).count() as u64,
        first,
    ))
}

/// `SplitMix64` (Steele, Lea, Flood 2014): spreads consecutive numbers over all 64 bits.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_does_not_depend_on_how_it_is_cut() {
        let pattern = Pattern::new();
        let start = Pattern::start_of(7);
        let whole = pattern.slice(start, 100, 5_000);
        let mut cut = Vec::new();
        for len in [1, 2, 997, 4_000] {
            cut.extend_from_slice(pattern.slice(start, 100 + cut.len() as u64, len));
        }
        assert!(whole == cut);
        let period = PERIOD as u64;
        assert!(whole == pattern.slice(start, 100 + 3 * period, 5_000));
        assert_eq!(
            pattern.slice(start, period - 1, SLICE_BYTES_MAX).len(),
            SLICE_BYTES_MAX
        );
    }

    #[test]
    fn streams_of_neighbours_and_shifted_streams_differ() {
        let pattern = Pattern::new();
        let own = pattern.slice(Pattern::start_of(3), 0, 1_024);
        for other in 4..1_000 {
            assert!(own != pattern.slice(Pattern::start_of(other), 0, 1_024));
        }
        for shift in [1, 64, 1_024, 4_096, 65_536, 1 << 20] {
            assert!(own != pattern.slice(Pattern::start_of(3), shift, 1_024));
        }
    }

    #[test]
    fn differences_are_counted_and_located() {
        assert_eq!(compare(b"abcdef", b"abcdef"), None);
        assert_eq!(compare(b"abcdef", b"abXdeX"), Some((2, 2)));
    }
}
