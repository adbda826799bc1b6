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

const OK: u16 = 200;

/// Everything known of the answers of a run.
#[derive(Debug)]
pub(crate) struct Answers {
    /// By the number of the connection: answers of which a part has come.
    unfinished: HashMap<usize, Answer>,
    is_echo: bool,
    /// Of every body: what was sent if that has to come back, otherwise what the first answer had.
    body_bytes: Option<u64>,
    /// Statuses other than 200, and how often they came.
    other_statuses: BTreeMap<u16, u64>,
    /// Answers whose body had another length.
    pub(crate) wrong_lengths: u64,
    first_wrong_length: u64,
    malformed: BTreeMap<Fault, u64>,
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
        let is_echo = plan
            .request
            .as_ref()
            .is_some_and(|request| request.expects_echo);
        Self {
            unfinished: HashMap::new(),
            is_echo,
            body_bytes: is_echo.then_some(plan.size as u64),
            other_statuses: BTreeMap::new(),
            wrong_lengths: 0,
            first_wrong_length: 0,
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
        let mut answer = known.unwrap_or_else(Answer::new);
        // In the connection's stream; an answer's number is that of its request.
        let base = connection.received / message.bytes() * message.body_bytes();
        let mut on_body = |offset: u64, piece: &[u8]| {
            body_bytes += piece.len() as u64;
            if !self.is_echo {
                return;
            }
            let possible = message
                .body_bytes()
                .saturating_sub(offset)
                .min(piece.len() as u64) as usize;
            let (echo, invented) = piece.split_at(possible);
            let at = base + offset;
            let wrong = compare(pattern.slice(connection.start, at, possible), echo);
            let (mut count, mut first) =
                wrong.map_or((0, u64::MAX), |(count, first)| (count, at + first as u64));
            if !invented.is_empty() {
                count += invented.len() as u64;
                first = first.min(at + possible as u64);
            }
            if count > 0 {
                let (before, earliest) = corrupt.unwrap_or((0, first));
                corrupt = Some((before + count, earliest));
            }
        };
        let outcome = match answer.push(bytes, &mut on_body) {
            Ok(None) => {
                self.unfinished.insert(number, answer);
                Ok(false)
            }
            Ok(Some(0)) => {
                self.judge(&answer);
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
            Some(answer) if answer.ends_with_connection() => {
                self.judge(&answer);
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
        let faults = self.malformed.iter();
        complaints
            .extend(faults.map(|(fault, count)| format!("{count} connections brought {fault}")));
        complaints
    }

    fn judge(&mut self, answer: &Answer) {
        if answer.status != OK {
            *self.other_statuses.entry(answer.status).or_default() += 1;
            return;
        }
        if *self.body_bytes.get_or_insert(answer.body_bytes) != answer.body_bytes {
            if self.wrong_lengths == 0 {
                self.first_wrong_length = answer.body_bytes;
            }
            self.wrong_lengths += 1;
        }
    }
}
