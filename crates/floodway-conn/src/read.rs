//! Receiving: from a completion to a whole frame at the front of a connection's input.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use floodway_base::{
    FrameTooLong, LinkBuffer, Progress, Protocol, Refusal, SessionError, Step, Token,
};
use floodway_sys::{Errno, socket};

use crate::connection::{Active, Conversation, Found, Input, Marks, Pending, Slot, State};
use crate::message::Host;
use crate::reactor::Reactor;
use crate::reason::CloseReason;
use crate::route::Framing;
use crate::shared::{Shared, control};
use crate::transport::{Arrived, Transport, TransportError};

impl<H: Host> Reactor<H> {
    pub(crate) fn on_received(&mut self, token: Token, range: Range<usize>) {
        let index = token.slot;
        if !self.count_received(index, range.len()) {
            return;
        }
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        if slot.state == State::Handshaking && !self.handshakes.take_step() {
            if active.transport.postpone(&self.driver.area()[range]) {
                self.handshakes.wait(index);
            }
            return;
        }
        self.take_in(token, range);
    }

    /// Takes bytes that arrived through the transport into the input.
    pub(crate) fn take_in(&mut self, token: Token, range: Range<usize>) {
        let index = token.slot;
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        if slot.marks.has(Marks::BUFFERED) && matches!(active.input, Input::Empty) {
            active.input = Input::Chain(Box::new(LinkBuffer::new(self.pool.clone())));
        }
        let arrived = active.transport.receive(
            self.driver.area_mut(),
            range,
            &mut active.input,
            &mut self.scratch,
            &self.pool,
        );
        match arrived {
            Ok(Arrived::InArea) => self.in_area.push(index),
            Ok(Arrived::Copied(count)) => self.shared.stats.bytes_copied.add(count as u64),
            Ok(Arrived::Decrypted { plain, copied }) => {
                self.shared.stats.bytes_in.add(plain as u64);
                self.shared.stats.bytes_copied.add(copied as u64);
                add_owned(&self.shared.slots.shared(index).bytes_in, plain as u64);
            }
            Err(error) => return self.end_for(token, error),
        }
        if active.transport.peer_finished() {
            slot.marks.set(Marks::PEER_FINISHED);
        }
        if !self.shared.route(slot.route).wanted.data {
            active.input = Input::Empty;
        }
        if slot.state == State::Handshaking && active.transport.is_open() {
            return self.opened(index);
        }
        let area = self.driver.area();
        match look_at(index, slot, active, &self.shared, area, self.now) {
            Looked::Nothing => {}
            Looked::Frame => self.found(index),
            Looked::TooLong(error) => self.begin_close(index, CloseReason::FrameTooLong(error)),
            Looked::Refused(refusal) => self.refuse(index, &refusal),
        }
    }

    /// Goes on with handshakes whose bytes had to wait.
    pub(crate) fn go_on_with_handshakes(&mut self) {
        self.handshakes.renew();
        while let Some(index) = self.handshakes.next() {
            if let Some(token) = self.shared.slots.token(index)
                && let Some(slot) = self.connections.slots.get_mut(index)
                && slot.state == State::Handshaking
            {
                slot.touch(index, &mut self.touched);
                self.take_in(token, 0..0);
            }
        }
    }

    /// Tells a peer that speaks the route's protocol, but not encrypted, that it must be. False: the route has none.
    fn rebuke_plain(&mut self, index: u32) -> bool {
        let Some((slot, active)) = self.connections.busy(index) else {
            return false;
        };
        if self.shared.route(slot.route).protocol.is_none() {
            return false;
        }
        active.transport = Transport::Plain;
        self.refuse(index, &H::Protocol::rebuke_plain());
        true
    }

    /// Ends a connection whose transport has failed; what it has to say about that is sent, if the kernel takes it now.
    pub(crate) fn end_for(&mut self, token: Token, error: TransportError) {
        let index = token.slot;
        let reason = match error {
            TransportError::System(errno) => CloseReason::System(errno),
            TransportError::FileCut => return self.fail(index, CloseReason::FileCut),
            TransportError::Session(SessionError::PlainHttp) => {
                if self.rebuke_plain(index) {
                    return;
                }
                CloseReason::Session(SessionError::PlainHttp.to_string().into())
            }
            TransportError::Session(error) => CloseReason::Session(error.to_string().into()),
        };
        if let (CloseReason::Session(_), Some((slot, Some(active)))) =
            (&reason, self.connections.parts(index))
        {
            // What was to be sent cannot be any more; the alert still can.
            let stats = &self.shared.stats;
            let lost = active.output.len();
            stats
                .output_queued
                .set(stats.output_queued.get() - lost as u64);
            self.shared.slots.sub_pending(token, lost as u32);
            active.output.clear(&mut self.spent);
            if slot.state != State::Closing {
                return self.begin_close(index, reason);
            }
        }
        self.retire(index, reason);
    }

    pub(crate) fn on_received_in_place(&mut self, token: Token, count: usize) {
        let index = token.slot;
        if !self.count_received(index, count) {
            if let Some((_, Some(active))) = self.connections.parts(index) {
                active.input = Input::Empty;
            }
            return;
        }
        self.look(index);
    }

    /// Counts bytes that arrived, unless they have to be decrypted first. Returns whether anybody wants them.
    fn count_received(&mut self, index: u32, count: usize) -> bool {
        let Some((slot, active)) = self.connections.parts(index) else {
            return false;
        };
        let is_secure = active.is_some_and(|active| !active.transport.is_plain());
        slot.touch(index, &mut self.touched);
        slot.progress = self.now;
        if !is_secure {
            self.shared.stats.bytes_in.add(count as u64);
            add_owned(&self.shared.slots.shared(index).bytes_in, count as u64);
        }
        match slot.state {
            State::Open => is_secure || self.shared.route(slot.route).wanted.data,
            State::Handshaking => true,
            State::Lingering => {
                if let Some((_, Some(active))) = self.connections.parts(index) {
                    active.discard_left = active.discard_left.saturating_sub(count as u32);
                    if active.discard_left == 0 {
                        let reason = active.reason.clone();
                        self.retire(index, reason);
                    }
                }
                false
            }
            State::Opening | State::Closing | State::Closed => false,
        }
    }

    /// Looks for a whole frame at the front of the input; with one, the connection becomes ready.
    pub(crate) fn look(&mut self, index: u32) {
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return;
        };
        let area = self.driver.area();
        match look_at(index, slot, active, &self.shared, area, self.now) {
            Looked::Nothing => {}
            Looked::Frame => self.found(index),
            Looked::TooLong(error) => self.begin_close(index, CloseReason::FrameTooLong(error)),
            Looked::Refused(refusal) => self.refuse(index, &refusal),
        }
    }

    /// Puts a connection on the ready list, once.
    pub(crate) fn make_ready(&mut self, index: u32) {
        if let Some(slot) = self.connections.slots.get_mut(index) {
            slot.make_ready(index, &mut self.ready);
        }
    }

    /// Puts a connection on the list of those to settle, once.
    pub(crate) fn touch(&mut self, index: u32) {
        if let Some(slot) = self.connections.slots.get_mut(index) {
            slot.touch(index, &mut self.touched);
        }
    }

    pub(crate) fn on_end_of_input(&mut self, token: Token) {
        let index = token.slot;
        self.touch(index);
        let Some((slot, active)) = self.connections.parts(index) else {
            return;
        };
        slot.marks.set(Marks::PEER_FINISHED);
        if slot.state == State::Lingering {
            let reason = active.map_or(CloseReason::Closed, |active| active.reason.clone());
            self.retire(index, reason);
        }
    }

    pub(crate) fn on_end_ahead(&mut self, token: Token) {
        self.touch(token.slot);
        if let Some(slot) = self.connections.slots.get_mut(token.slot) {
            slot.marks.set(Marks::END_AHEAD);
        }
    }

    /// Room to send, or the end of a connect.
    pub(crate) fn on_room(&mut self, token: Token) {
        let index = token.slot;
        self.touch(index);
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return;
        };
        active.blocked = false;
        if slot.state != State::Opening {
            return;
        }
        let Some(fd) = &slot.socket else { return };
        match socket::take_error(std::os::fd::AsFd::as_fd(fd)) {
            Ok(None) => self.connected(index),
            Ok(Some(errno)) | Err(errno) => self.connect_next(index, errno),
        }
    }

    pub(crate) fn on_failed(&mut self, token: Token, errno: Errno) {
        let index = token.slot;
        let reason = match self.connections.parts(index) {
            // Nothing that was sent is missing any more, and the end was ours.
            Some((slot, Some(active))) if slot.state == State::Lingering => active.reason.clone(),
            Some((slot, _)) if slot.state == State::Opening => {
                return self.connect_next(index, errno);
            }
            _ => CloseReason::System(errno),
        };
        self.retire(index, reason);
    }

    /// Moves input out of the receive area, which the next wait overwrites.
    pub(crate) fn save_area(&mut self) {
        let mut in_area = std::mem::take(&mut self.in_area);
        for index in in_area.drain(..) {
            let Some((_, Some(active))) = self.connections.parts(index) else {
                continue;
            };
            if let Input::Area { start, end } = active.input {
                active.input = Input::Empty;
                if start < end {
                    let bytes = &self.driver.area()[start as usize..end as usize];
                    let copied = active.input.save(bytes, &self.pool);
                    self.shared.stats.bytes_copied.add(copied as u64);
                }
            }
        }
        self.in_area = in_area;
    }

    /// Applies another framing: what was not delivered stays, in order, and is looked at anew.
    pub(crate) fn apply_framing(&mut self, index: u32, framing: &Framing) {
        let pool = self.pool.clone();
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        active.found = None;
        active.conversation = None;
        active.scanned = 0;
        let input = std::mem::replace(&mut active.input, Input::Empty);
        let mut copied = 0;
        match framing {
            Framing::Buffered => {
                slot.marks.set(Marks::BUFFERED);
                active.input = match input {
                    Input::Chain(buffer) => Input::Chain(buffer),
                    other if other.len() == 0 => Input::Empty,
                    other => {
                        let mut buffer = floodway_base::LinkBuffer::new(pool);
                        let bytes = other.bytes(self.driver.area());
                        copied = bytes.len();
                        buffer.write(bytes);
                        Input::Chain(Box::new(buffer))
                    }
                };
            }
            Framing::Codec(_) | Framing::Protocol => {
                slot.marks.clear(Marks::BUFFERED);
                active.input = match input {
                    Input::Chain(buffer) => {
                        let mut gathered = Input::Empty;
                        for chunk in buffer.chunks() {
                            copied += gathered.save(chunk, &pool);
                        }
                        gathered
                    }
                    other => other,
                };
            }
        }
        self.shared.stats.bytes_copied.add(copied as u64);
        let Some((_, Some(active))) = self.connections.parts(index) else {
            return;
        };
        // The running batch delivers nothing more; the next one begins with the new framing.
        active.held = self.connections_left > 0;
        if active.held {
            self.make_ready(index);
        } else {
            self.look(index);
        }
        self.touch(index);
    }

    /// A worker thread has handled an event of this connection, which may have been closed meanwhile.
    pub fn done(&mut self, token: Token, left: Option<floodway_base::LinkBuffer>) {
        if self.shared.slots.last_token(token.slot) != token {
            return;
        }
        let Some((_, Some(active))) = self.connections.parts(token.slot) else {
            return;
        };
        active.busy = false;
        if active.pending.any() {
            self.make_ready(token.slot);
        }
        if let Some(left) = left {
            self.restore_buffer(token, left);
        }
        self.touch(token.slot);
        self.look(token.slot);
    }

    /// Gives back what a handler left of its link buffer.
    pub fn restore_buffer(&mut self, token: Token, mut buffer: floodway_base::LinkBuffer) {
        self.shared.stats.bytes_copied.add(buffer.take_copied());
        if buffer.is_empty() || !self.shared.is_live(token) {
            return;
        }
        let index = token.slot;
        let pool = self.pool.clone();
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        if slot.state != State::Open {
            return;
        }
        active.scanned = buffer.len() as u32;
        let newer = std::mem::replace(&mut active.input, Input::Chain(Box::new(buffer)));
        match (&mut active.input, newer) {
            (Input::Chain(buffer), Input::Chain(newer)) => buffer.append(*newer),
            (Input::Chain(buffer), newer) if newer.len() > 0 => {
                buffer.write(newer.bytes(self.driver.area()));
            }
            _ => {}
        }
        if !slot.marks.has(Marks::BUFFERED) {
            // The handler has changed the framing: what it left belongs to the new one.
            let Input::Chain(buffer) = std::mem::replace(&mut active.input, Input::Empty) else {
                return;
            };
            for chunk in buffer.chunks() {
                let copied = active.input.save(chunk, &pool);
                self.shared.stats.bytes_copied.add(copied as u64);
            }
            active.scanned = 0;
        }
        self.look(index);
        self.touch(index);
    }

    /// Tells Python once that there is room to write, if it asked.
    pub(crate) fn tell_writable(&mut self, index: u32, token: Token) {
        let before = self.shared.clear_bits(token, control::WANT_WRITABLE);
        if before & control::WANT_WRITABLE == 0 {
            return;
        }
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        if let Some(line) = active.conversation.as_ref().and_then(|it| it.line.as_ref()) {
            return line.tell_room();
        }
        if slot.state == State::Open && self.shared.route(slot.route).wanted.writable {
            active.pending.set(Pending::WRITABLE);
            self.make_ready(index);
        }
    }
}

/// What is at the front of a connection's input.
pub(crate) enum Looked {
    /// No whole frame, or none that may be delivered now.
    Nothing,
    /// A frame that may be delivered: `Active::found` has it.
    Frame,
    /// No frame of this framing.
    TooLong(FrameTooLong),
    /// Nothing that the protocol allows.
    Refused(Refusal),
}

/// Looks for a whole frame at the front of the input.
pub(crate) fn look_at<H: Host>(
    index: u32,
    slot: &Slot,
    active: &mut Active<H>,
    shared: &Shared<H>,
    area: &[u8],
    now: u32,
) -> Looked {
    // A worker thread's handler may change the framing, or leave bytes that come first: what follows is looked at when
    // it is done.
    if slot.state != State::Open {
        return Looked::Nothing;
    }
    if active.busy {
        active.hold();
        return Looked::Nothing;
    }
    if active.found.is_none() && (active.input.len() > 0 || active.conversation.is_some()) {
        let word = shared
            .slots
            .shared(index)
            .control
            .load(std::sync::atomic::Ordering::Acquire);
        let overridden;
        let route = shared.route(slot.route);
        let framing = if word & control::OVERRIDE == 0 {
            &route.framing
        } else {
            let changed = shared.override_of(index);
            if changed.reframe {
                return Looked::Nothing; // a refresh is on its way
            }
            overridden = changed.framing.unwrap_or_else(|| route.framing.clone());
            &overridden
        };
        match framing {
            Framing::Buffered => {
                // What the handler has seen and left is judged, not what has come since: that is a read more at most, or
                // what a worker thread's backlog may hold.
                let size = active.scanned as usize;
                if size > route.max_input {
                    let limit = route.max_input;
                    return Looked::TooLong(FrameTooLong { size, limit });
                }
                if active.input.len() > size {
                    active.found = Some(Found {
                        payload_start: 0,
                        payload_end: 0,
                        consumed: 0,
                    });
                }
            }
            Framing::Codec(codec) => {
                match codec.decode(&mut active.scanned, active.input.bytes(area)) {
                    Ok(Step::Frame { payload, consumed }) => {
                        active.found = Some(Found {
                            payload_start: payload.start as u32,
                            payload_end: payload.end as u32,
                            consumed: consumed as u32,
                        });
                    }
                    Ok(Step::More { .. }) => {}
                    Err(error) => return Looked::TooLong(error),
                }
            }
            Framing::Protocol => {
                // A peer that is behind with what it was sent is not read, and is not late meanwhile with what it sends.
                if active.pauses.any() || active.output.is_behind(route.high_water) {
                    active.hold();
                    return Looked::Nothing;
                }
                if let Some(refusal) = converse(index, slot, active, shared, area, now) {
                    return Looked::Refused(refusal);
                }
            }
        }
    }
    if active.found.is_some() && !active.pauses.any() {
        Looked::Frame
    } else {
        Looked::Nothing
    }
}

/// Has the protocol look for a message, unless the connection has none. Returns what ends the connection.
fn converse<H: Host>(
    index: u32,
    slot: &Slot,
    active: &mut Active<H>,
    shared: &Shared<H>,
    area: &[u8],
    now: u32,
) -> Option<Refusal> {
    let config = shared.route(slot.route).protocol.as_ref()?;
    let conversation = active.conversation.get_or_insert_with(|| {
        // The time for a connection's first message counts from its beginning: silence is part of it.
        let published = shared.slots.shared(index);
        let is_first = published.bytes_in.load(Relaxed) == active.input.len() as u64;
        let since = if is_first {
            published.opened.load(Relaxed)
        } else {
            now
        };
        Box::new(Conversation {
            state: H::Protocol::new(config, since),
            message: None,
            is_held: false,
            line: None,
        })
    });
    if std::mem::take(&mut conversation.is_held) {
        conversation.state.resume(now);
    }
    let ended = slot.marks.has(Marks::PEER_FINISHED);
    let received = conversation
        .state
        .receive(active.input.bytes(area), ended, now);
    match received.step {
        Progress::More => active.input.consume(received.consumed),
        Progress::Message(message, payload) => {
            conversation.message = Some(message);
            active.found = Some(Found {
                payload_start: payload.start as u32,
                payload_end: payload.end as u32,
                consumed: received.consumed as u32,
            });
        }
        Progress::Refuse(refusal) => return Some(refusal),
    }
    None
}

/// Adds to a number that only the owner writes, which is cheaper than a locked addition.
pub(crate) fn add_owned(number: &std::sync::atomic::AtomicU64, n: u64) {
    number.store(number.load(Relaxed) + n, Relaxed);
}
