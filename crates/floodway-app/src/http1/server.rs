//! The reading side of a connection: [`Http1`].

use std::ops::Range;
use std::sync::Arc;

use floodway_base::{Progress, Protocol, Received, Refusal};

use super::chunked::{BODY_TOO_LONG, Chunked};
use super::config::Config;
use super::exchange::Exchange;
use super::framing::Framing;
use super::head::Head;
use super::meter::Meter;
use super::parse::{Parsed, parse};
use super::refusal::Refused;
use super::scan::Scan;

/// Most bytes of a chunked body in one message.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// What the application gets.
#[derive(Debug)]
pub enum Message {
    /// A request. Its payload is the body if that lies whole in the input; see [`Request::body`] for the other case.
    Request(Box<Request>),
    /// More of the body that was asked for by [`Http1::want_body`]: the payload, or `bytes` if it came in chunks.
    Body {
        /// What came in chunks.
        bytes: Vec<u8>,
        /// Whether this is not all.
        more: bool,
    },
    /// With whole bodies only, before the request: the peer waits for `HTTP/1.1 100 Continue` ([`Exchange::CONTINUE`]), which
    /// is to be sent to it, and the body to be collected.
    Continue,
    /// Without whole bodies only, and once: the peer has finished. What it sent before has been delivered, or (if the body was
    /// not complete) as much of it as was asked for.
    Left,
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Method, target and headers.
    pub head: Head,
    /// The body if it was collected or came in chunks; otherwise it is the message's payload.
    pub body: Vec<u8>,
    /// Whether a body follows, on demand.
    pub more: bool,
    /// How it is answered.
    pub exchange: Exchange,
}

/// What the connection is to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look for the next request.
    Keep,
    /// Close once the answer has been flushed.
    Close,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Http1 {
    config: Arc<Config>,
    phase: Phase,
    /// What is unread of the body of the current request.
    unread: Unread,
    meter: Meter,
}

#[derive(Debug)]
enum Phase {
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
struct Answering {
    /// The application wants more of the body.
    wants: bool,
    /// It has begun to answer.
    has_started: bool,
    has_left: bool,
    keep_alive: bool,
    /// The peer waits for a 100 that nobody had a reason to send.
    awaits_continue: bool,
}

#[derive(Clone, Copy, Debug)]
enum Unread {
    Length(u64),
    Chunked(Chunked),
}

impl Unread {
    fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
        }
    }

    /// See [`Chunked::decode`].
    fn read(
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

impl Protocol for Http1 {
    type Config = Config;
    type Message = Message;

    fn new(config: &Arc<Config>) -> Self {
        Self {
            config: Arc::clone(config),
            phase: Phase::Head(Scan::default(), None),
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

    fn owes(&self) -> bool {
        matches!(self.phase, Phase::Answering(_))
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.phase, Phase::Head(_, None))
    }
}

impl Http1 {
    /// The application wants more of the body of the current request. Until then what has come stays in the input, and
    /// nobody is slow.
    pub fn want_body(&mut self, now: u32) {
        if let Phase::Answering(answering) = &mut self.phase
            && !answering.wants
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
        // A peer that was not told to continue may send the body or not: what follows could be either.
        let is_clear = self.unread.is_done() || !answering.awaits_continue;
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
            self.meter = Meter::default();
            self.meter.wait(now);
        }
        Next::Keep
    }

    fn receive_head(&mut self, input: &[u8], ended: bool, now: u32) -> Received<Message> {
        let Phase::Head(scan, deadline) = &mut self.phase else {
            return more(0);
        };
        if input.is_empty() {
            return more(0);
        }
        let found = match scan.find(input, &self.config) {
            Ok(Some((start, end))) => {
                parse(&input[start..end], &self.config).map(|head| (head, end))
            }
            Ok(None) if ended => {
                let left = Refused::bad("the peer left within the request's head");
                return refuse(left.untold());
            }
            Ok(None) => {
                deadline.get_or_insert(now.wrapping_add(self.config.head_ticks));
                return more(0);
            }
            Err(refused) => Err(refused),
        };
        match found.and_then(|(parsed, end)| Ok((self.check_length(parsed)?, end))) {
            Ok((parsed, end)) => self.begin(parsed, input, end, ended, now),
            Err(refused) => refuse(self.refusal(refused)),
        }
    }

    fn check_length(&self, parsed: Parsed) -> Result<Parsed, Refused> {
        match (parsed.framing, self.config.max_body) {
            (Framing::Length(length), Some(most)) if length > most => Err(BODY_TOO_LONG),
            _ => Ok(parsed),
        }
    }

    /// A head has been read, which ends at `end`.
    fn begin(
        &mut self,
        parsed: Parsed,
        input: &[u8],
        end: usize,
        ended: bool,
        now: u32,
    ) -> Received<Message> {
        let Parsed {
            head,
            framing,
            keep_alive,
        } = parsed;
        self.unread = match framing {
            Framing::Length(length) => Unread::Length(length),
            Framing::Chunked => Unread::Chunked(Chunked::new()),
        };
        let rest = &input[end..];
        let mut body = Vec::new();
        let mut payload = end..end;
        match framing {
            Framing::Length(length) if rest.len() as u64 >= length => {
                self.unread = Unread::Length(0);
                payload.end += length as usize;
            }
            Framing::Length(_) => {}
            Framing::Chunked => payload = self.read_whole(rest, &mut body, end),
        }
        let is_whole = self.unread.is_done();
        let expects_continue = head.expects_continue() && !is_whole && rest.is_empty();
        let is_asked_later = expects_continue && !self.config.whole_bodies;
        let exchange = Exchange::new(&self.config, &head, keep_alive, is_asked_later);
        let request = Box::new(Request {
            head,
            body,
            more: !is_whole,
            exchange,
        });
        if is_whole || !self.config.whole_bodies {
            return self.deliver(request, payload.end, payload);
        }
        self.phase = Phase::Collecting(request);
        self.meter = Meter::default();
        self.meter.wait(now);
        if expects_continue && !ended {
            return Received {
                consumed: end,
                step: Progress::Message(Message::Continue, 0..0),
            };
        }
        self.collect(input, ended, now, end)
    }

    /// Reads a chunked body into `body` if all of it is there; otherwise nothing: it may not be wanted. Returns an empty range
    /// behind what was read, which begins at `end`.
    fn read_whole(&mut self, rest: &[u8], body: &mut Vec<u8>, end: usize) -> Range<usize> {
        // Unless something follows already, a body that is all there ends like that.
        if rest.ends_with(b"\r\n\r\n") {
            let mut chunks = Chunked::new();
            let read = chunks.decode(rest, MAX_MESSAGE_BYTES, self.config.max_body, |piece| {
                body.extend_from_slice(piece);
            });
            if chunks.is_done() {
                let count = read.0;
                self.unread = Unread::Chunked(chunks);
                return end + count..end + count;
            }
            body.clear(); // one that is malformed is refused when it is wanted
        }
        end..end
    }

    fn deliver(
        &mut self,
        request: Box<Request>,
        consumed: usize,
        payload: Range<usize>,
    ) -> Received<Message> {
        self.phase = Phase::Answering(Answering {
            wants: false,
            has_started: false,
            has_left: false,
            keep_alive: request.exchange.keep_alive(),
            awaits_continue: request.exchange.expects_continue,
        });
        self.meter = Meter::default();
        Received {
            consumed,
            step: Progress::Message(Message::Request(request), payload),
        }
    }

    /// Adds to the request's body what stands behind `from` in the input.
    fn collect(&mut self, input: &[u8], ended: bool, now: u32, from: usize) -> Received<Message> {
        let Phase::Collecting(request) = &mut self.phase else {
            return more(from);
        };
        let body = &mut request.body;
        let ready = &input[from..];
        let read = self
            .unread
            .read(ready, usize::MAX, self.config.max_body, |piece| {
                body.extend_from_slice(piece);
            });
        let consumed = match self.check(read, now) {
            Ok(count) => from + count,
            Err(refused) => return refuse(self.refusal(refused)),
        };
        if self.unread.is_done() {
            let phase = std::mem::replace(&mut self.phase, Phase::Over);
            if let Phase::Collecting(mut request) = phase {
                request.more = false;
                return self.deliver(request, consumed, consumed..consumed);
            }
        }
        if ended {
            return refuse(Refused::bad("the peer left within the request's body").untold());
        }
        more(consumed)
    }

    /// Judges how fast it came, unless nothing did or it was the last; passes on what else is wrong.
    fn check(
        &mut self,
        (count, read): (usize, Result<(), Refused>),
        now: u32,
    ) -> Result<usize, Refused> {
        if count > 0 && !self.unread.is_done() {
            self.meter.progress(count, now, &self.config)?;
        }
        read.map(|()| count)
    }

    fn receive_body(&mut self, input: &[u8], ended: bool, now: u32) -> Received<Message> {
        let Phase::Answering(answering) = &mut self.phase else {
            return more(0);
        };
        let mut consumed = 0;
        if answering.wants {
            let is_chunked = matches!(self.unread, Unread::Chunked(_));
            let room = if is_chunked {
                MAX_MESSAGE_BYTES
            } else {
                usize::MAX
            };
            let mut bytes = Vec::new();
            let read = self
                .unread
                .read(input, room, self.config.max_body, |piece| {
                    if is_chunked {
                        bytes.extend_from_slice(piece);
                    }
                });
            let is_done = self.unread.is_done();
            let has_some = !bytes.is_empty() || !is_chunked && read.0 > 0;
            // What came before a mistake is delivered first, wherever the input was cut.
            let read = if has_some { (read.0, Ok(())) } else { read };
            consumed = match self.check(read, now) {
                Ok(count) => count,
                Err(refused) => return refuse(self.refusal(refused)),
            };
            if has_some || is_done {
                self.stop_wanting();
                let payload = if is_chunked { 0..0 } else { 0..consumed };
                let more = !is_done;
                return Received {
                    consumed,
                    step: Progress::Message(Message::Body { bytes, more }, payload),
                };
            }
        }
        self.receive_nothing(input, ended, consumed)
    }

    fn stop_wanting(&mut self) {
        if let Phase::Answering(answering) = &mut self.phase {
            answering.wants = false;
        }
    }

    /// The application cannot get any of the input now.
    fn receive_nothing(
        &mut self,
        input: &[u8],
        ended: bool,
        mut consumed: usize,
    ) -> Received<Message> {
        if let Phase::Answering(answering) = &mut self.phase {
            if !answering.keep_alive && self.unread.is_done() {
                consumed = input.len(); // no request follows one that ends the connection
            }
            let can_leave = !self.config.whole_bodies && !answering.has_left;
            if ended && can_leave && (self.unread.is_done() || answering.wants) {
                answering.has_left = true;
                answering.wants = false;
                return Received {
                    consumed,
                    step: Progress::Message(Message::Left, 0..0),
                };
            }
        }
        more(consumed)
    }

    fn drain(&mut self, input: &[u8], ended: bool, now: u32) -> Received<Message> {
        let Phase::Draining(allowed) = &mut self.phase else {
            return more(0);
        };
        let mut count = 0;
        let room = usize::try_from(*allowed).unwrap_or(usize::MAX);
        let read = self
            .unread
            .read(input, room, self.config.max_body, |piece| {
                count += piece.len();
            });
        *allowed -= count as u64;
        let consumed = match self.check(read, now) {
            Ok(consumed) => consumed,
            Err(refused) => return refuse(refused.untold()),
        };
        if self.unread.is_done() {
            self.phase = Phase::Head(Scan::default(), None);
            let next = self.receive_head(&input[consumed..], ended, now);
            return behind(consumed, next);
        }
        if consumed < input.len() {
            return refuse(
                Refused::bad("the unread rest of the request's body is too long").untold(),
            );
        }
        if ended {
            return refuse(Refused::bad("the peer left within the request's body").untold());
        }
        more(consumed)
    }

    /// The end of the connection, and of this: with a word to the peer unless it would stand within an answer.
    fn refusal(&mut self, refused: Refused) -> Refusal {
        let is_heard = match &self.phase {
            Phase::Head(..) | Phase::Collecting(_) => true,
            Phase::Answering(answering) => !answering.has_started,
            Phase::Draining(_) | Phase::Over => false,
        };
        self.phase = Phase::Over;
        if is_heard {
            refused.told()
        } else {
            refused.untold()
        }
    }
}

fn more(consumed: usize) -> Received<Message> {
    Received {
        consumed,
        step: Progress::More,
    }
}

fn refuse(refusal: Refusal) -> Received<Message> {
    Received {
        consumed: 0,
        step: Progress::Refuse(refusal),
    }
}

/// What was found in the input behind its first `offset` bytes.
fn behind(offset: usize, found: Received<Message>) -> Received<Message> {
    let step = match found.step {
        Progress::Message(message, payload) => {
            Progress::Message(message, payload.start + offset..payload.end + offset)
        }
        step => step,
    };
    Received {
        consumed: found.consumed + offset,
        step,
    }
}
