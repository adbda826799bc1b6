//! The answer of a server that was asked to add up what it was sent.

use crate::pattern::{Pattern, SLICE_BYTES_MAX};

/// The sum of the first `additions` bytes of the endless repetition of a body: `size` bytes of a stream from `offset` on.
pub(crate) fn sum_of_body(
    pattern: &Pattern,
    start: u32,
    offset: u64,
    size: u64,
    additions: u64,
) -> u64 {
    let up_to = |end| sum_of_bytes(pattern, start, offset, end);
    additions / size * up_to(size) + up_to(additions % size)
}

/// How many bytes of a piece of an answer, which begins at `offset` in it, are not what has to stand there: the sum, then
/// spaces.
pub(crate) fn count_wrong_bytes(sum: u64, offset: u64, piece: &[u8]) -> usize {
    let digits = sum.to_string();
    let skipped = digits.len().min(offset as usize);
    let (in_digits, padding) = piece.split_at(piece.len().min(digits.len() - skipped));
    let wrong_digits = in_digits.iter().zip(&digits.as_bytes()[skipped..]);
    let wrong_padding = padding.iter().filter(|&&byte| byte != b' ');
    wrong_digits.filter(|(one, other)| one != other).count() + wrong_padding.count()
}

fn sum_of_bytes(pattern: &Pattern, start: u32, offset: u64, len: u64) -> u64 {
    let (mut sum, mut done) = (0, 0);
    while done < len {
        let most = (len - done).min(SLICE_BYTES_MAX as u64) as usize;
        let bytes = pattern.slice(start, offset + done, most);
        sum += bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        done += bytes.len() as u64;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_literal_loop() {
        let (pattern, start) = (Pattern::new(), Pattern::start_of(3));
        let body = |offset: u64, size: u64| -> Vec<u8> {
            let at = |index| pattern.slice(start, offset + index, 1)[0];
            (0..size).map(at).collect()
        };
        for (offset, size, additions) in [
            (0, 1, 0),
            (5, 1, 9),
            (700, 1_024, 100_000),
            (9, 1_000, 7),
            (1, 300_000, 300_001),
        ] {
            let body = body(offset, size);
            let literal: u64 = (0..additions)
                .map(|index: u64| u64::from(body[(index % size) as usize]))
                .sum();
            let sum = sum_of_body(&pattern, start, offset, size, additions);
            assert_eq!(sum, literal, "{offset} {size} {additions}");
        }
    }

    #[test]
    fn wrong_bytes_are_found_wherever_the_answer_is_cut() {
        let whole = b"1234    ";
        for end in 0..=whole.len() {
            for begin in 0..=end {
                let piece = &whole[begin..end];
                assert_eq!(count_wrong_bytes(1_234, begin as u64, piece), 0);
                let wrong: Vec<_> = piece.iter().map(|byte| byte ^ 1).collect();
                assert_eq!(count_wrong_bytes(1_234, begin as u64, &wrong), piece.len());
            }
        }
        assert_eq!(count_wrong_bytes(1_234, 0, b"12345   "), 1);
    }
}
