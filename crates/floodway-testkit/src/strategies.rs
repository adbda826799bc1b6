//! Bytes for property tests.

use proptest::collection::vec;
use proptest::prelude::*;

/// Several blocks of the largest class; of the smallest one under Miri, which takes its time.
const LARGE_BYTES: usize = if cfg!(miri) { 10_000 } else { 150_000 };

/// Bytes of which few kinds exist, so that what is searched for occurs, nearly occurs and overlaps.
pub fn repetitive(max_len: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(&b"ab\r\n"[..]), 0..=max_len)
}

/// Mostly a few bytes; sometimes enough to fill blocks of every class, in a pattern that does not
/// repeat with the size of a block.
pub fn small_or_large() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => repetitive(40),
        1 => (1..LARGE_BYTES).prop_map(|len| (0..len).map(|i| (i % 251) as u8).collect()),
    ]
}
