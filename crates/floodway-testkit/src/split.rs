//! Split invariance: however a stream is cut into pieces, a codec yields the same frames.

use floodway_base::{Codec, Step};

/// Inputs up to this length are tried in every one of their 2^(n-1) divisions.
const EVERY_DIVISION_BYTES: usize = if cfg!(miri) { 6 } else { 11 };

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The payloads, in order. Of a codec without frames (`Raw`) all bytes, joined.
    pub frames: Vec<Vec<u8>>,
    /// What is left over, waiting for more; nothing after a failure.
    pub rest: Vec<u8>,
    /// Whether the input ended in an error. How much was seen by then depends on the cut and is not
    /// compared.
    pub has_failed: bool,
}

/// Feeds `input` whole, byte by byte, in every pair of pieces and, if it is short, in every division
/// there is; each of them once with a look after every piece and once only when as much is there as
/// the codec has asked for.
///
/// Returns what all of them agree on.
///
/// # Panics
/// If two divisions differ, or if the codec breaks a rule of its trait: it must ask for more than
/// there is, consume something and not more than there is, keep the payload within what it consumed,
/// and reset `scanned` with a frame.
#[track_caller]
pub fn check_every_split(codec: &dyn Codec, input: &[u8]) -> Outcome {
    let whole = run(codec, &[input], Look::AfterEachPiece);
    let check = |pieces: &[&[u8]]| {
        for look in [Look::AfterEachPiece, Look::WhenWorthwhile] {
            let lengths: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
            assert_eq!(
                run(codec, pieces, look),
                whole,
                "{codec:?} depends on the cut: {input:?} in pieces of {lengths:?}, looking {look:?}"
            );
        }
    };
    check(&[input]);
    check(&input.chunks(1).collect::<Vec<_>>());
    for at in 0..=input.len() {
        let (front, back) = input.split_at(at);
        check(&[front, back]);
    }
    if (2..=EVERY_DIVISION_BYTES).contains(&input.len()) {
        for cuts in 0..1_u32 << (input.len() - 1) {
            check(&divide(input, cuts));
        }
    }
    whole
}

#[derive(Clone, Copy, Debug)]
enum Look {
    AfterEachPiece,
    WhenWorthwhile,
}

/// The pieces of `input` with a cut behind byte `i` for each bit `i` of `cuts`.
fn divide(input: &[u8], cuts: u32) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in 1..=input.len() {
        if end == input.len() || cuts >> (end - 1) & 1 == 1 {
            pieces.push(&input[start..end]);
            start = end;
        }
    }
    pieces
}

fn run(codec: &dyn Codec, pieces: &[&[u8]], look: Look) -> Outcome {
    let mut outcome = Outcome {
        frames: Vec::new(),
        rest: Vec::new(),
        has_failed: false,
    };
    let (mut scanned, mut wanted) = (0, 0);
    for piece in pieces {
        outcome.rest.extend_from_slice(piece);
        loop {
            let input = &outcome.rest;
            if matches!(look, Look::WhenWorthwhile) && input.len() < wanted {
                break;
            }
            match codec.decode(&mut scanned, input) {
                Ok(Step::Frame { payload, consumed }) => {
                    assert!(
                        (1..=input.len()).contains(&consumed),
                        "{codec:?} consumed {consumed}"
                    );
                    assert!(
                        payload.end <= consumed,
                        "{codec:?} took a payload beyond the frame"
                    );
                    assert_eq!(scanned, 0, "{codec:?} kept `scanned` beyond a frame");
                    outcome.frames.push(input[payload].to_vec());
                    outcome.rest.drain(..consumed);
                    wanted = 0;
                }
                Ok(Step::More { needed }) => {
                    assert!(needed > input.len(), "{codec:?} asked for {needed} bytes");
                    assert!(
                        scanned as usize <= input.len(),
                        "{codec:?} scanned the future"
                    );
                    wanted = needed;
                    break;
                }
                Err(_) => {
                    outcome.rest.clear();
                    outcome.has_failed = true;
                    return outcome;
                }
            }
        }
    }
    if codec.max_frame().is_none() {
        outcome.frames = vec![outcome.frames.concat()];
    }
    outcome
}
