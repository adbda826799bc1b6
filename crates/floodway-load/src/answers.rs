//! The answers of HTTP servers, on all connections: which are complete, and what is wrong with them.
//!
//! An answer that comes whole, as nearly all do, leaves nothing behind but counts. One that does not is kept in a table
//! beside the connections until the rest has come.

use std::collections::{BTreeMap, HashMap};

use crate::answer::{Answer, Fault};
use crate::connection::Connection;
use crate::message::Message;
use crate::pattern::{Pattern, compare};
use crate::plan::Plan;
use crate::request::Expected;
use crate::sum::{count_wrong_bytes, sum_of_body};

const OK: u16 = 200;

/// Everything known of the answers of a run.
#[derive(Debug)]
pub(crate) struct Answers {
    /// By the number of the connection: answers of which a part has come.
    unfinished: HashMap<usize, Arriving>,
    expected: Expected,
    /// Of every body: what was sent if that or its sum has to come back, otherwise what the first answer had.
    body_bytes: Option<u64>,
    /// Statuses other than 200, and how often they came.
    other_statuses: BTreeMap<u16, u64>,
    /// Answers whose body had another length.
    pub(crate) wrong_lengths: u64,
    first_wrong_length: u64,
    /// Answers of the right length that had not the sum that was asked for.
    pub(crate) wrong_sums: u64,
    malformed: BTreeMap<Fault, u64>,
}

/// An answer, and what is known of its body.
#[derive(Debug)]
struct Arriving {
    answer: Answer,
    has_wrong_sum: bool,
}

/// What some bytes brought.
#[derive(Debug)]
pub(crate) struct Heard {
    /// How many bytes of them belong to a body.
    pub(crate) body_bytes: u64,
    /// How many of these are wrong, and the offset of the first in all that this connection's bodies were.
    pub(crate) corrupt: Option<(u64, u64)>,
    /// Whether the answer is complete.
    pub(crate) outcome: Result<bool, Fault>,
}

impl Answers {
    pub(crate) fn new(plan: &Plan) -> Self {
        let request = plan.request.as_ref();
        let expected = request.map_or(Expected::OneLength, |request| request.expected);
        Self {
            unfinished: HashMap::new(),
            expected,
            body_bytes: (expected != Expected::OneLength).then_some(plan.size as u64),
            other_statuses: BTreeMap::new(),
            wrong_lengths: 0,
            first_wrong_length: 0,
            wrong_sums: 0,
            malformed: BTreeMap::new(),
        }
    }

    /// Takes what a connection has received, all of it of one answer.
    pub(crate) fn hear(
        &mut self,
        number: usize,
        connection: &Connection,
        message: &Message,
        pattern: &Pattern,
        bytes: &[u8],
    ) -> Heard {
        let (mut body_bytes, mut corrupt) = (0, None::<(u64, u64)>);
        let known = self.unfinished.remove(&number);
        if known.is_none() && connection.received >= connection.sent {
            return Heard {
                body_bytes,
                corrupt,
                outcome: Err(Fault::Unasked),
            };
        }
        let mut arriving = known.unwrap_or_else(|| Arriving {
            answer: Answer::new(),
            has_wrong_sum: false,
        });
        // In the connection's stream; an answer's number is that of its request.
        let base = connection.received / message.bytes() * message.body_bytes();
        let mut on_body = |offset: u64, piece: &[u8]| {
            body_bytes += piece.len() as u64;
            let size = message.body_bytes();
            match self.expected {
                Expected::OneLength => {}
                Expected::Echo => {
                    let possible = size.saturating_sub(offset);
                    let at = base + offset;
                    let wrong = compare_echo(pattern, connection.start, at, possible, piece);
                    if let Some((count, first)) = wrong {
                        let (before, earliest) = corrupt.unwrap_or((0, first));
                        corrupt = Some((before + count, earliest));
                    }
                }
                Expected::Sum(additions) => {
                    let sum = sum_of_body(pattern, connection.start, base, size, additions);
                    arriving.has_wrong_sum |= count_wrong_bytes(sum, offset, piece) > 0;
                }
            }
        };
        let outcome = match arriving.answer.push(bytes, &mut on_body) {
            Ok(None) => {
                self.unfinished.insert(number, arriving);
                Ok(false)
            }
            Ok(Some(0)) => {
                self.judge(&arriving);
                Ok(true)
            }
            Ok(Some(_)) => Err(Fault::Unasked),
            Err(fault) => Err(fault),
        };
        Heard {
            body_bytes,
            corrupt,
            outcome,
        }
    }

    /// The server has ended its direction; returns whether that completes an answer.
    pub(crate) fn end(&mut self, number: usize) -> bool {
        match self.unfinished.remove(&number) {
            Some(arriving) if arriving.answer.ends_with_connection() => {
                self.judge(&arriving);
                true
            }
            _ => false,
        }
    }

    /// A connection broke: nothing more comes.
    pub(crate) fn forget(&mut self, number: usize) {
        self.unfinished.remove(&number);
    }

    /// A connection is ended because of this.
    pub(crate) fn note_fault(&mut self, fault: Fault) {
        *self.malformed.entry(fault).or_default() += 1;
    }

    /// How many connections brought something that is no answer.
    pub(crate) fn malformed(&self) -> u64 {
        self.malformed.values().sum()
    }

    /// Statuses other than 200, and how often they came.
    pub(crate) fn other_statuses(&self) -> Vec<(u16, u64)> {
        self.other_statuses
            .iter()
            .map(|(&status, &count)| (status, count))
            .collect()
    }

    /// What is wrong with the answers, a part of a sentence each.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if !self.other_statuses.is_empty() {
            let counts = self.other_statuses.iter();
            let counts: Vec<_> = counts
                .map(|(status, count)| format!("{status}: {count}"))
                .collect();
            complaints.push(format!(
                "answers with another status than 200 ({})",
                counts.join(", ")
            ));
        }
        if self.wrong_lengths > 0 {
            complaints.push(format!(
                "{} answers with a body of another length than {} bytes (the first had {})",
                self.wrong_lengths,
                self.body_bytes.unwrap_or_default(),
                self.first_wrong_length
            ));
        }
        if let (Expected::Sum(additions), 1..) = (self.expected, self.wrong_sums) {
            complaints.push(format!(
                "{} answers with another sum than that of {additions} additions",
                self.wrong_sums
            ));
        }
        let faults = self.malformed.iter();
        complaints
            .extend(faults.map(|(fault, count)| format!("{count} connections brought {fault}")));
        complaints
    }

    fn judge(&mut self, arriving: &Arriving) {
        let answer = &arriving.answer;
        if answer.status != OK {
            *self.other_statuses.entry(answer.status).or_default() += 1;
            return;
        }
        if *self.body_bytes.get_or_insert(answer.body_bytes) != answer.body_bytes {
            if self.wrong_lengths == 0 {
                self.first_wrong_length = answer.body_bytes;
            }
            self.wrong_lengths += 1;
        } else if arriving.has_wrong_sum {
            self.wrong_sums += 1;
        }
    }
}

/// How many bytes of a piece of an echo are not those of the stream from `at` on, and the first one's place there.
/// `possible` is how many may come.
fn compare_echo(
    pattern: &Pattern,
    start: u32,
    at: u64,
    possible: u64,
    piece: &[u8],
) -> Option<(u64, u64)> {
    let possible = possible.min(piece.len() as u64) as usize;
    let (echo, invented) = piece.split_at(possible);
    let wrong = compare(pattern.slice(start, at, possible), echo);
    let (mut count, mut first) =
        wrong.map_or((0, u64::MAX), |(count, first)| (count, at + first as u64));
    if !invented.is_empty() {
        count += invented.len() as u64;
        first = first.min(at + possible as u64);
    }
    (count > 0).then_some((count, first))
}
