//! Settling: what a connection's state demands after something happened to it. `deadlines.rs` has what it demands when
//! nothing happens, `ending.rs` the ways to end it.

use std::os::fd::AsFd;
use std::time::Duration;

use floodway_base::Token;
use floodway_sys::socket;

use crate::clock::{is_before, ticks};
use crate::connection::{Active, Marks, Pauses, State};
use crate::deadlines::is_silent;
use crate::driver::Interest;
use crate::message::Host;
use crate::reactor::Reactor;
use crate::reason::CloseReason;
use crate::shared::control;

/// How long, and for how many bytes, a closed connection discards input while it waits for the peer's FIN: closing
/// with unread input would send a reset, which destroys the answer on its way (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u32 = 1 << 20;

impl<H: Host> Reactor<H> {
    pub(crate) fn settle_touched(&mut self) {
        while let Some(index) = self.touched.pop() {
            self.settle(index);
        }
        self.keep_output_budget();
        self.out_area.clear();
    }

    fn settle(&mut self, index: u32) {
        let Some(token) = self.shared.slots.token(index) else {
            if let Some(slot) = self.connections.slots.get_mut(index) {
                slot.marks.clear(Marks::TOUCHED);
            }
            return;
        };
        let Some((slot, _)) = self.connections.parts(index) else {
            return;
        };
        slot.marks.clear(Marks::TOUCHED);
        if !self.flush(index, token) || self.come_to_rest(index, token) {
            return;
        }
        // Before the question whether all is done: reading may go on once output was flushed, and a batch that was
        // full has left frames that nobody has looked for yet.
        self.apply_water_marks(index, token);
        self.look(index);
        if !self.end_if_done(index, token) {
            return;
        }
        self.apply_interest(index, token);
        self.apply_timer(index);
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return;
        };
        if !slot.marks.has(Marks::READY) {
            active.input.shrink();
        }
        if active.pending.any() {
            self.make_ready(index);
        } else if slot.state == State::Open && !slot.marks.has(Marks::PEER_FINISHED | Marks::READY)
        {
            if active.is_idle() {
                self.connections.rest(index);
            } else {
                active.shrink();
            }
        }
    }

    /// What most connections need after an exchange: nothing but dropping their active part. Returns whether that was
    /// all (a third of the time in user space went into finding it out step by step).
    fn come_to_rest(&mut self, index: u32, token: Token) -> bool {
        let draining = self.draining.is_some();
        let Some((slot, active)) = self.connections.parts(index) else {
            return true;
        };
        let route = self.shared.route(slot.route);
        let silence = route.silence_timeout.filter(|_| route.protocol.is_some());
        let waits_for_timer = match slot.timer {
            None => {
                route.idle_timeout.is_some() || silence.is_some() && is_silent(&self.shared, index)
            }
            // One that was armed for a longer silence may come too late.
            Some(timer) => route.idle_timeout.is_some_and(|idle| {
                silence.is_some_and(|silence| idle < silence)
                    && is_before(
                        slot.progress.wrapping_add(ticks(idle)),
                        self.wheel.deadline(timer),
                    )
            }),
        };
        if draining
            || waits_for_timer
            || slot.state != State::Open
            || slot
                .marks
                .has(Marks::PEER_FINISHED | Marks::READY | Marks::END_AHEAD)
            || self.shared.control(token) & (control::WANT_WRITABLE | control::OVERRIDE) != 0
            || active.is_some_and(|active| !active.is_idle())
        {
            return false;
        }
        self.connections.rest(index);
        true
    }

    /// Ends what has nothing left to do. Returns false when the connection is gone.
    fn end_if_done(&mut self, index: u32, token: Token) -> bool {
        let Some((slot, active)) = self.connections.parts(index) else {
            return false;
        };
        let active = active.map(|active| &*active);
        let flushed = active.is_none_or(Active::is_flushed);
        match slot.state {
            // Nothing has begun that could be finished; but a client that shakes hands is about to ask for something.
            State::Opening | State::Handshaking
                if self.draining.is_some_and(|drain| {
                    !slot.marks.has(Marks::UNHEARD)
                        || !is_before(self.now, drain.spare_silent_until)
                }) =>
            {
                self.retire(index, CloseReason::ServerStopping);
                false
            }
            State::Handshaking
                if slot.marks.has(Marks::PEER_FINISHED)
                    && active.is_none_or(|active| !active.transport.has_postponed()) =>
            {
                self.retire(index, CloseReason::Truncated);
                false
            }
            State::Opening | State::Handshaking | State::Lingering => true,
            State::Closed => false,
            State::Closing => {
                !flushed || self.has_goodbye_to_send(index, token) || self.shut_and_linger(index)
            }
            State::Open => self.end_if_both_are_done(index, token, flushed),
        }
    }

    /// The same for an open connection: when the peer has finished, when this side has, when the engine stops.
    fn end_if_both_are_done(&mut self, index: u32, token: Token, flushed: bool) -> bool {
        let Some((slot, active)) = self.connections.parts(index) else {
            return false;
        };
        let delivered = active.as_ref().is_none_or(|active| {
            active.input.len() == 0 || active.found.is_none() && !active.pauses.any()
        });
        let quiet = active.as_ref().is_none_or(|active| {
            !active.pauses.any()
                && !active.pending.any()
                && !active.held
                && !active.busy
                && !active.owes()
        }) && flushed
            && delivered;
        let speaks = self.shared.route(slot.route).protocol.is_some();
        let peer_finished = slot.marks.has(Marks::PEER_FINISHED);
        let shuts = flushed
            && !slot.marks.has(Marks::SHUT)
            && active.as_ref().is_some_and(|active| active.finishing);
        let holds_half_a_frame = active.is_some_and(|active| active.input.len() > 0);
        if (peer_finished && quiet || shuts) && self.has_goodbye_to_send(index, token) {
            return true;
        }
        if peer_finished && quiet {
            let reason = self.reason_of_end(index);
            self.retire(index, reason);
            return false;
        }
        if shuts {
            let Some((slot, _)) = self.connections.parts(index) else {
                return false;
            };
            slot.marks.set(Marks::SHUT);
            if let Some(fd) = &slot.socket
                && let Err(errno) = socket::shutdown_write(fd.as_fd())
            {
                self.retire(index, CloseReason::System(errno));
                return false;
            }
            return true;
        }
        if let Some(drain) = self.draining
            && quiet
        {
            let may_be_asked = is_silent(&self.shared, index) || speaks;
            let may_wait = may_be_asked && is_before(self.now, drain.spare_silent_until);
            if !may_wait && !holds_half_a_frame {
                self.shared.finish(token);
                self.begin_close(index, CloseReason::ServerStopping);
                return self.end_if_done(index, token);
            }
        }
        true
    }

    /// Says, encrypted, that nothing follows. Returns whether the kernel has yet to take it, or the connection is gone.
    fn has_goodbye_to_send(&mut self, index: u32, token: Token) -> bool {
        let Some((_, Some(active))) = self.connections.parts(index) else {
            return false;
        };
        if !active.transport.finish() {
            return false;
        }
        if !self.flush(index, token) {
            return true;
        }
        let parts = self.connections.parts(index);
        matches!(parts, Some((_, Some(active))) if !active.is_flushed())
    }

    /// Why a connection ends whose peer has finished.
    fn reason_of_end(&mut self, index: u32) -> CloseReason {
        match self.connections.parts(index) {
            // A protocol with nothing half said knows itself that nothing is missing, and most clients of HTTP just leave.
            Some((slot, Some(active)))
                if !active.transport.is_plain()
                    && !active.transport.peer_finished()
                    && (self.shared.route(slot.route).protocol.is_none()
                        || !active.conversation_rests()) =>
            {
                CloseReason::Truncated
            }
            _ => CloseReason::Finished,
        }
    }

    /// Everything is sent: says so to the peer, and waits for its end. Returns false when the connection is gone.
    fn shut_and_linger(&mut self, index: u32) -> bool {
        let deadline = self.now.wrapping_add(ticks(LINGER));
        let Some((slot, active)) = self.connections.busy(index) else {
            return false;
        };
        let reason = active.reason.clone();
        let shut = slot.marks.has(Marks::SHUT)
            || slot
                .socket
                .as_ref()
                .is_some_and(|fd| socket::shutdown_write(fd.as_fd()).is_ok());
        if slot.marks.has(Marks::PEER_FINISHED) || !shut {
            self.retire(index, reason);
            return false;
        }
        slot.marks.set(Marks::SHUT);
        slot.state = State::Lingering;
        self.shared.publish_state(index, State::Lingering);
        active.deadline = Some(deadline);
        active.discard_left = LINGER_BYTES;
        self.apply_interest_of(index);
        self.apply_timer(index);
        true
    }

    fn apply_water_marks(&mut self, index: u32, token: Token) {
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return;
        };
        let route = self.shared.route(slot.route);
        if active.output.is_behind(route.high_water) {
            active.pauses.set(Pauses::OUTPUT, true);
        } else if active.output.len() as u32 <= route.low_water {
            active.pauses.set(Pauses::OUTPUT, false);
            if self.shared.pending(token) <= route.low_water {
                self.tell_writable(index, token);
            }
        }
    }

    fn apply_interest_of(&mut self, index: u32) {
        if let Some(token) = self.shared.slots.token(index) {
            self.apply_interest(index, token);
        }
    }

    /// Asks the driver for what the state demands.
    fn apply_interest(&mut self, index: u32, token: Token) {
        let Some((slot, active)) = self.connections.parts(index) else {
            return;
        };
        let finished = slot.marks.has(Marks::PEER_FINISHED);
        let receive = match slot.state {
            State::Open => {
                let route = self.shared.route(slot.route);
                let backlog = route.thread_backlog;
                let ahead = route.protocol.as_ref().map(|_| route.high_water as usize);
                let buffered = slot.marks.has(Marks::BUFFERED);
                !finished
                    && active.as_ref().is_none_or(|active| {
                        let len = active.input.len();
                        let full = backlog.is_some_and(|bytes| len >= bytes);
                        !active.pauses.any()
                            && !(active.busy && (buffered || full))
                            && ahead.is_none_or(|bytes| len < bytes)
                    })
            }
            State::Handshaking => {
                !finished
                    && active
                        .as_ref()
                        .is_none_or(|active| !active.transport.has_postponed())
            }
            State::Lingering => !finished,
            State::Opening | State::Closing | State::Closed => false,
        };
        if receive {
            slot.marks.clear(Marks::END_AHEAD);
        }
        let wanted = Interest {
            receive,
            send: slot.state == State::Opening
                || active.as_ref().is_some_and(|active| active.blocked),
            end: receive
                || !(finished || slot.marks.has(Marks::END_AHEAD) || slot.state == State::Opening),
        };
        let before = active
            .as_ref()
            .map_or(Interest::RECEIVE, |active| active.interest);
        if before == wanted || slot.socket.is_none() {
            return;
        }
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        active.interest = wanted;
        if let Some(fd) = &slot.socket
            && let Err(errno) = self.driver.change(token, fd.as_fd(), wanted)
        {
            self.fail(index, CloseReason::System(errno));
        }
    }
}
