//! The reading side of a connection: [`Http1`].

use std::sync::Arc;

use floodway_base::{Protocol, Received, Refusal};

use super::config::Config;
use super::exchange::Exchange;
use super::message::{Command, Message, Next, Request};
use super::meter::Meter;
use super::receive::more;
use super::refusal::Refused;
use super::scan::Scan;
use super::unread::Unread;

/// The state of one connection.
#[derive(Debug)]
pub struct Http1 {
    pub(super) config: Arc<Config>,
    pub(super) phase: Phase,
    /// The tick from which the time for the first head counts, until there is one.
    pub(super) since: Option<u32>,
    /// What is unread of the body of the current request.
    pub(super) unread: Unread,
    pub(super) meter: Meter,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Between requests, or in a head; then with the tick at which it has to be complete.
    Head(Scan, Option<u32>),
    /// A request whose body is being collected.
    Collecting(Box<Request>),
    /// The application has a request.
    Answering(Answering),
    /// The rest of a body that nobody wanted is read: so many more bytes of it.
    Draining(u64),
    /// Whatever comes is ignored.
    Over,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(super) struct Answering {
    /// The application wants more of the body.
    pub(super) wants: bool,
    /// It has begun to answer.
    pub(super) has_started: bool,
    pub(super) has_left: bool,
    pub(super) keep_alive: bool,
    /// The peer waits for a 100 that nobody had a reason to send.
    awaits_continue: bool,
}

impl Answering {
    pub(super) fn new(exchange: &Exchange) -> Self {
        Self {
            wants: false,
            has_started: false,
            has_left: false,
            keep_alive: exchange.keep_alive(),
            awaits_continue: exchange.expects_continue,
        }
    }
}

impl Protocol for Http1 {
    type Config = Config;
    type Message = Message;
    type Command = Command;

    fn new(config: &Arc<Config>, since: u32) -> Self {
        Self {
            config: Arc::clone(config),
            phase: Phase::Head(Scan::default(), None),
            since: Some(since),
            unread: Unread::Length(0),
            meter: Meter::default(),
        }
    }

    fn receive(&mut self, input: &[u8], ended: bool, now: u32) -> Received<Message> {
        match self.phase {
            Phase::Head(..) => self.receive_head(input, ended, now),
            Phase::Collecting(_) => self.collect(input, ended, now, 0),
            Phase::Answering(_) => self.receive_body(input, ended, now),
            Phase::Draining(_) => self.drain(input, ended, now),
            Phase::Over => more(input.len()),
        }
    }

    fn obey(&mut self, command: Command, now: u32) -> bool {
        match command {
            Command::WantBody => self.want_body(now),
            Command::AnswerStarted => self.answer_started(),
            Command::Finish { keep_alive } => return self.finish(keep_alive, now) == Next::Close,
        }
        false
    }

    fn deadline(&self) -> Option<u32> {
        let waits = match &self.phase {
            Phase::Head(_, deadline) => return *deadline,
            Phase::Collecting(_) | Phase::Draining(_) => true,
            Phase::Answering(answering) => answering.wants,
            Phase::Over => false,
        };
        waits.then(|| self.meter.deadline(&self.config))
    }

    fn expire(&mut self, now: u32) -> Option<Refusal> {
        let deadline = self.deadline()?;
        if now.wrapping_sub(deadline).cast_signed() < 0 {
            return None;
        }
        let reason = match self.phase {
            Phase::Head(..) => "the request's head did not come in time",
            _ => "the request's body stopped coming",
        };
        Some(self.refusal(Refused::new(408, reason)))
    }

    fn resume(&mut self, now: u32) {
        match &mut self.phase {
            Phase::Head(_, Some(deadline)) => *deadline = now.wrapping_add(self.config.head_ticks),
            Phase::Collecting(_) | Phase::Answering(_) | Phase::Draining(_) => self.meter.wait(now),
            Phase::Head(_, None) | Phase::Over => {}
        }
    }

    fn rebuke_plain() -> Refusal {
        Refused::new(400, "this port speaks HTTP over TLS only; use https://").told()
    }

    fn owes(&self) -> bool {
        matches!(self.phase, Phase::Collecting(_) | Phase::Answering(_))
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.phase, Phase::Head(_, None))
    }

    fn begins(message: &Message) -> bool {
        matches!(message, Message::Request(_))
    }

    fn overloaded(&mut self) -> Refusal {
        self.refusal(Refused::new(503, "too many requests are waiting"))
    }
}

impl Http1 {
    /// The application wants more of the body of the current request. Until then what has come stays in the input, and
    /// nobody is slow.
    pub fn want_body(&mut self, now: u32) {
        if let Phase::Answering(answering) = &mut self.phase
            && !answering.wants
            && !answering.has_left
            && !self.unread.is_done()
        {
            answering.wants = true;
            answering.awaits_continue = false;
            self.meter.wait(now);
        }
    }

    /// The first bytes of the answer are on their way: if the rest of the request is refused, the connection ends without a
    /// word, since that would be read as part of the answer.
    pub fn answer_started(&mut self) {
        if let Phase::Answering(answering) = &mut self.phase {
            answering.has_started = true;
        }
    }

    /// The answer to the current request is complete. `keep_alive`: whether it told the peer that the connection stays.
    ///
    /// The connection stays if the peer wants it too, and no more of the body is unread than may be drained.
    pub fn finish(&mut self, keep_alive: bool, now: u32) -> Next {
        let Phase::Answering(answering) = &self.phase else {
            return Next::Close;
        };
        // A peer that was not told to continue may send the body or not, and one that has left sends no more of it.
        let is_lost = answering.awaits_continue || answering.has_left;
        let is_clear = self.unread.is_done() || !is_lost;
        let allowed = self.config.drain_bytes;
        let is_short = !matches!(self.unread, Unread::Length(left) if left > allowed);
        if !(keep_alive && answering.keep_alive && is_clear && is_short) {
            self.phase = Phase::Over;
            return Next::Close;
        }
        if self.unread.is_done() {
            self.phase = Phase::Head(Scan::default(), None);
        } else {
            self.phase = Phase::Draining(allowed);
            self.meter = Meter::starting(now);
        }
        Next::Keep
    }
}
