//! What [`Http1::receive`] does in each phase.

use std::ops::Range;

use floodway_base::{Progress, Received, Refusal};

use super::bodies::Share;
use super::chunked::Chunked;
use super::exchange::Exchange;
use super::framing::Framing;
use super::message::{Message, Request};
use super::meter::Meter;
use super::parse::{Parsed, parse};
use super::refusal::Refused;
use super::scan::Scan;
use super::server::{Answering, Http1, Phase};
use super::unread::Unread;

/// Most bytes of a chunked body in one message.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

const LEFT_IN_HEAD: Refused = Refused::bad("the peer left within the request's head");
const LEFT_IN_BODY: Refused = Refused::bad("the peer left within the request's body");
const TOO_MANY_BODIES: Refused = Refused::new(503, "the bodies of too many requests are under way");
const TOO_MUCH_UNREAD: Refused = Refused::bad("the unread rest of the request's body is too long");

impl Http1 {
    pub(super) fn receive_head(
        &mut self,
        input: &[u8],
        ended: bool,
        now: u32,
    ) -> Received<Message> {
        let Phase::Head(scan, deadline) = &mut self.phase else {
            return more(0);
        };
        if input.is_empty() {
            return more(0);
        }
        let (start, end) = match scan.find(input, &self.config) {
            Ok(Some(found)) => found,
            Ok(None) if ended => return self.end(LEFT_IN_HEAD),
            Ok(None) => {
                let since = self.since.take().unwrap_or(now);
                deadline.get_or_insert(since.wrapping_add(self.config.head_ticks));
                return more(0);
            }
            Err(refused) => return self.refuse(refused),
        };
        match parse(&input[start..end], &self.config) {
            Ok(parsed) => self.begin(parsed, input, end, ended, now),
            Err(refused) => self.refuse(refused),
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
        self.since = None;
        let rest = &input[end..];
        let mut body = Vec::new();
        let mut payload = end..end;
        self.unread = Unread::from(parsed.framing);
        match parsed.framing {
            Framing::Length(length) if rest.len() as u64 >= length => {
                self.unread = Unread::Length(0);
                payload.end += length as usize;
            }
            Framing::Length(_) => {}
            Framing::Chunked => payload = self.read_whole(rest, &mut body, end),
        }
        let is_whole = self.unread.is_done();
        let collects = self.config.whole_bodies;
        let awaits_continue = parsed.head.expects_continue() && !is_whole && rest.is_empty();
        let mut request = Box::new(Request {
            exchange: Exchange::new(
                &self.config,
                &parsed.head,
                parsed.keep_alive,
                awaits_continue && !collects,
            ),
            head: parsed.head,
            body,
            more: !is_whole,
            share: None,
        });
        if is_whole || !collects {
            return self.deliver(request, payload.end, payload);
        }
        request.share = Some(Share::new(&self.config.bodies));
        self.phase = Phase::Collecting(request);
        self.meter = Meter::starting(now);
        if awaits_continue && !ended {
            return message(end, Message::Continue, 0..0);
        }
        self.collect(input, ended, now, end)
    }

    /// Reads a chunked body into `body` if all of it is there; otherwise nothing: it may not be wanted. Returns an empty range
    /// behind what was read, which begins at `end`.
    fn read_whole(&mut self, rest: &[u8], body: &mut Vec<u8>, end: usize) -> Range<usize> {
        // Unless something follows already, a body that is all there ends like that.
        if rest.ends_with(b"\r\n\r\n") {
            let mut chunks = Chunked::new();
            let (count, _) =
                chunks.decode(rest, MAX_MESSAGE_BYTES, self.config.max_body, |piece| {
                    body.extend_from_slice(piece);
                });
            if chunks.is_done() {
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
        self.phase = Phase::Answering(Answering::new(&request.exchange));
        self.meter = Meter::default();
        message(consumed, Message::Request(request), payload)
    }

    /// Adds to the request's body what stands behind `from` in the input.
    pub(super) fn collect(
        &mut self,
        input: &[u8],
        ended: bool,
        now: u32,
        from: usize,
    ) -> Received<Message> {
        let Phase::Collecting(request) = &mut self.phase else {
            return more(from);
        };
        let body = &mut request.body;
        let before = body.len();
        let most = self.config.max_body;
        let (count, read) = self.unread.read(&input[from..], usize::MAX, most, |piece| {
            body.extend_from_slice(piece);
        });
        let added = body.len() - before;
        let has_room = request.share.as_mut().is_none_or(|share| share.grow(added));
        let read = read.and_then(|()| has_room.then_some(()).ok_or(TOO_MANY_BODIES));
        let consumed = from + count;
        if let Err(refused) = read.and_then(|()| self.judge(count, now)) {
            return self.refuse(refused);
        }
        if self.unread.is_done()
            && let Phase::Collecting(mut request) = std::mem::replace(&mut self.phase, Phase::Over)
        {
            request.more = false;
            return self.deliver(request, consumed, consumed..consumed);
        }
        if ended {
            return self.end(LEFT_IN_BODY);
        }
        more(consumed)
    }

    /// Whether a body of which `count` bytes have come is fast enough, unless these were the last.
    fn judge(&mut self, count: usize, now: u32) -> Result<(), Refused> {
        if count > 0 && !self.unread.is_done() {
            self.meter.progress(count, now, &self.config)?;
        }
        Ok(())
    }

    pub(super) fn receive_body(
        &mut self,
        input: &[u8],
        ended: bool,
        now: u32,
    ) -> Received<Message> {
        let Phase::Answering(answering) = &mut self.phase else {
            return more(0);
        };
        if !answering.wants {
            return self.receive_nothing(input, ended, 0);
        }
        let is_chunked = self.unread.is_chunked();
        let room = if is_chunked {
            MAX_MESSAGE_BYTES
        } else {
            usize::MAX
        };
        let most = self.config.max_body;
        let mut bytes = Vec::new();
        let (consumed, read) = self.unread.read(input, room, most, |piece| {
            if is_chunked {
                bytes.extend_from_slice(piece);
            }
        });
        let has_some = !bytes.is_empty() || !is_chunked && consumed > 0;
        let is_done = self.unread.is_done();
        if has_some || is_done {
            answering.wants = false;
        }
        // What came before a mistake is delivered first, wherever the input was cut: the next look finds it again.
        let read = if has_some { Ok(()) } else { read };
        if let Err(refused) = read.and_then(|()| self.judge(consumed, now)) {
            return self.refuse(refused);
        }
        if has_some || is_done {
            let payload = if is_chunked { 0..0 } else { 0..consumed };
            let more = !is_done;
            return message(consumed, Message::Body { bytes, more }, payload);
        }
        self.receive_nothing(input, ended, consumed)
    }

    /// The application cannot get any of the input now.
    fn receive_nothing(
        &mut self,
        input: &[u8],
        ended: bool,
        mut consumed: usize,
    ) -> Received<Message> {
        let Phase::Answering(answering) = &mut self.phase else {
            return more(consumed);
        };
        if !answering.keep_alive && self.unread.is_done() {
            consumed = input.len(); // no request follows one that ends the connection
        }
        let can_leave = !self.config.whole_bodies && !answering.has_left;
        if ended && can_leave && (answering.wants || self.unread.is_done()) {
            answering.has_left = true;
            answering.wants = false;
            return message(consumed, Message::Left, 0..0);
        }
        more(consumed)
    }

    pub(super) fn drain(&mut self, input: &[u8], ended: bool, now: u32) -> Received<Message> {
        let Phase::Draining(allowed) = &mut self.phase else {
            return more(0);
        };
        let mut payload = 0;
        let room = usize::try_from(*allowed).unwrap_or(usize::MAX);
        let most = self.config.max_body;
        let (consumed, read) = self.unread.read(input, room, most, |piece| {
            payload += piece.len();
        });
        *allowed -= payload as u64;
        if let Err(refused) = read.and_then(|()| self.judge(consumed, now)) {
            return self.refuse(refused);
        }
        if self.unread.is_done() {
            self.phase = Phase::Head(Scan::default(), None);
            let next = self.receive_head(&input[consumed..], ended, now);
            return behind(consumed, next);
        }
        if consumed < input.len() {
            return self.refuse(TOO_MUCH_UNREAD);
        }
        if ended {
            return self.end(LEFT_IN_BODY);
        }
        more(consumed)
    }

    /// The end of the connection, and of this: with a word to the peer unless it would stand within an answer, or behind one.
    pub(super) fn refusal(&mut self, refused: Refused) -> Refusal {
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

    fn refuse(&mut self, refused: Refused) -> Received<Message> {
        let refusal = self.refusal(refused);
        Received {
            consumed: 0,
            step: Progress::Refuse(refusal),
        }
    }

    /// The peer has gone: there is nobody to tell why.
    fn end(&mut self, refused: Refused) -> Received<Message> {
        self.phase = Phase::Over;
        Received {
            consumed: 0,
            step: Progress::Refuse(refused.untold()),
        }
    }
}

pub(super) fn more(consumed: usize) -> Received<Message> {
    Received {
        consumed,
        step: Progress::More,
    }
}

fn message(consumed: usize, message: Message, payload: Range<usize>) -> Received<Message> {
    Received {
        consumed,
        step: Progress::Message(message, payload),
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
