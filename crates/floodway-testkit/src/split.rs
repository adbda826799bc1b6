//! Split invariance: however a stream is cut into pieces, a codec yields the same frames, and a protocol the same
//! messages.

use std::fmt::Debug;

use floodway_base::{Codec, Progress, Protocol, Refusal, Step};

/// Inputs up to this length are tried in every one of their 2^(n-1) divisions.
const EVERY_DIVISION_BYTES: usize = if cfg!(miri) { 6 } else { 11 };

/// In which pieces an input is fed.
#[derive(Clone, Copy, Debug)]
pub enum Divisions {
    /// Whole, byte by byte, in every pair of pieces and, if it is short, in every division there is.
    Every,
    /// Whole, byte by byte, and in pieces of a few bytes: for inputs by the million.
    Few,
}

impl Divisions {
    fn of(self, input: &[u8], mut check: impl FnMut(&[&[u8]])) {
        check(&[input]);
        check(&input.chunks(1).collect::<Vec<_>>());
        match self {
            Self::Few => check(&input.chunks(7).collect::<Vec<_>>()),
            Self::Every => {
                for at in 0..=input.len() {
                    let (front, back) = input.split_at(at);
                    check(&[front, back]);
                }
                if (2..=EVERY_DIVISION_BYTES).contains(&input.len()) {
                    for cuts in 0..1_u32 << (input.len() - 1) {
                        check(&divide(input, cuts));
                    }
                }
            }
        }
    }
}

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

/// Feeds `input` in [every division](Divisions::Every); each of them once with a look after every piece and once only when as much is there as
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
    Divisions::Every.of(input, |pieces| {
        for look in [Look::AfterEachPiece, Look::WhenWorthwhile] {
            assert_eq!(
                run(codec, pieces, look),
                whole,
                "{codec:?} depends on the cut: {input:?} in pieces of {:?}, looking {look:?}",
                lengths(pieces)
            );
        }
    });
    whole
}

/// What became of a peer's bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Conversation<T> {
    /// What the application made of the messages.
    pub transcript: T,
    /// What was left over before the peer finished; nothing after a refusal.
    pub rest: Vec<u8>,
    /// How the protocol ended the connection, if it did.
    pub refusal: Option<Refusal>,
}

/// Feeds `input` to a protocol in all of `divisions`, and then its end. `react` is the application: it gets each message with its
/// payload, and writes down what it is to be compared by.
///
/// Returns what the divisions agree on.
///
/// # Panics
/// If two divisions differ, or if the protocol breaks a rule of its trait: it must consume no more than there is, and keep the
/// payload within what it consumed.
#[track_caller]
pub fn check_conversation<P: Protocol, T: Debug + Default + PartialEq>(
    divisions: Divisions,
    new: impl Fn() -> P,
    input: &[u8],
    react: impl Fn(&mut P, P::Message, &[u8], &mut T),
) -> Conversation<T> {
    let whole = converse(new(), &[input], &react);
    divisions.of(input, |pieces| {
        assert_eq!(
            converse(new(), pieces, &react),
            whole,
            "the protocol depends on the cut: {:?} in pieces of {:?}",
            String::from_utf8_lossy(input),
            lengths(pieces)
        );
    });
    whole
}

fn converse<P: Protocol, T: Default>(
    mut protocol: P,
    pieces: &[&[u8]],
    react: impl Fn(&mut P, P::Message, &[u8], &mut T),
) -> Conversation<T> {
    let mut conversation = Conversation {
        transcript: T::default(),
        rest: Vec::new(),
        refusal: None,
    };
    let mut input = Vec::new();
    let ends = pieces.iter().map(|piece| (*piece, false));
    for (piece, ended) in ends.chain([(&b""[..], true)]) {
        input.extend_from_slice(piece);
        if ended {
            conversation.rest.clone_from(&input);
        }
        loop {
            let received = protocol.receive(&input, ended, 0);
            assert!(
                received.consumed <= input.len(),
                "{protocol:?} consumed {}",
                received.consumed
            );
            match received.step {
                Progress::Message(message, payload) => {
                    assert!(
                        payload.end <= received.consumed,
                        "{protocol:?} took a payload beyond what it consumed"
                    );
                    let payload = &input[payload];
                    react(
                        &mut protocol,
                        message,
                        payload,
                        &mut conversation.transcript,
                    );
                    input.drain(..received.consumed);
                }
                Progress::More => {
                    input.drain(..received.consumed);
                    break;
                }
                Progress::Refuse(refusal) => {
                    conversation.refusal = Some(refusal);
                    if !ended {
                        conversation.rest.clear();
                    }
                    return conversation;
                }
            }
        }
    }
    conversation
}

fn lengths(pieces: &[&[u8]]) -> Vec<usize> {
    pieces.iter().map(|piece| piece.len()).collect()
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
