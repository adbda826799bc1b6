//! Settling: what a connection's state demands after something happened to it, and the ways to end one.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use floodway_base::{Protocol, Refusal, Token};
use floodway_sys::{Errno, socket};

use crate::acceptor::ip_of;
use crate::clock::{is_before, ticks};
use crate::connection::{Active, Input, Marks, Pauses, Pending, State};
use crate::driver::Interest;
use crate::message::Host;
use crate::reactor::{Owner, Reactor};
use crate::reason::CloseReason;
use crate::shared::{Admitted, IdleOverride, Shared, control};
use crate::transport::Transport;

/// How long, and for how many bytes, a closed connection discards input while it waits for the peer's FIN: closing
/// with unread input would send a reset, which destroys the answer on its way (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u32 = 1 << 20;

/// How often within `write_timeout` the peer's acknowledgements are looked at.
const WRITE_CHECKS: u32 = 4;

/// Connections are being closed as they become idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Until this tick, connections that never sent a byte are left alone.
    pub spare_silent_until: u32,
}

/// Applies socket options to an outgoing connection; accepted ones inherit those of their listener.
pub(crate) fn configure_socket(
    fd: BorrowedFd<'_>,
    nodelay: bool,
    keepalive: Option<Duration>,
) -> Result<(), Errno> {
    if socket::is_tcp(fd)? {
        socket::set_nodelay(fd, nodelay)?;
        socket::set_keepalive(fd, keepalive)?;
    }
    Ok(())
}

impl<H: Host> Reactor<H> {
    pub(crate) fn settle_touched(&mut self) {
        if self.shared.stats.output_queued.get() > self.limits.max_reactor_output {
            self.keep_output_budget();
        }
        while let Some(index) = self.touched.pop() {
            self.settle(index);
        }
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

    /// The idle timeout of a connection, in ticks.
    fn idle_ticks(&self, index: u32, route: u16) -> Option<u32> {
        let word = self
            .shared
            .slots
            .shared(index)
            .control
            .load(std::sync::atomic::Ordering::Acquire);
        let own = if word & control::OVERRIDE == 0 {
            IdleOverride::None
        } else {
            self.shared.override_of(index).idle
        };
        match own {
            IdleOverride::None => {
                let route = self.shared.route(route);
                let timeout = if route.protocol.is_some() && is_silent(&self.shared, index) {
                    route.silence_timeout
                } else {
                    route.idle_timeout
                };
                timeout.map(ticks)
            }
            IdleOverride::Never => None,
            IdleOverride::Ticks(ticks) => Some(ticks),
        }
    }

    /// The tick at which a connection's state has to be looked at even if nothing happens.
    fn next_deadline(&mut self, index: u32) -> Option<u32> {
        let route = self.connections.slots.get(index)?.route;
        let idle = self.idle_ticks(index, route);
        let write = self.shared.route(route).write_timeout.map(ticks);
        let speaks = self.shared.route(route).protocol.is_some();
        let (slot, active) = self.connections.parts(index)?;
        match slot.state {
            State::Opening | State::Handshaking | State::Lingering => active?.deadline,
            State::Closed => None,
            State::Open | State::Closing => {
                let active = active.map(|active| &*active);
                let flush = match (write, active) {
                    (Some(write), Some(active)) if !active.is_flushed() => {
                        Some(self.now.wrapping_add((write / WRITE_CHECKS).max(1)))
                    }
                    _ => None,
                };
                let open = slot.state == State::Open;
                let rests = may_idle(active, speaks);
                let idle = idle
                    .filter(|_| open && rests)
                    .map(|idle| slot.progress.wrapping_add(idle));
                let asked = active
                    .filter(|_| open)
                    .and_then(|active| active.conversation.as_ref()?.state.deadline());
                [flush, idle, asked]
                    .into_iter()
                    .flatten()
                    .reduce(|one, other| if is_before(other, one) { other } else { one })
            }
        }
    }

    /// Makes sure that the timer fires no later than the deadline. It may fire earlier, since progress does not move
    /// it: what is due is judged when it fires.
    fn apply_timer(&mut self, index: u32) {
        let Some(deadline) = self.next_deadline(index) else {
            return;
        };
        let Some(slot) = self.connections.slots.get_mut(index) else {
            return;
        };
        match slot.timer {
            None => slot.timer = Some(self.wheel.arm(deadline, Owner::Connection(index))),
            Some(timer) if is_before(deadline, self.wheel.deadline(timer)) => {
                self.wheel.rearm(timer, deadline);
            }
            Some(_) => {}
        }
    }

    pub(crate) fn on_connection_timer(&mut self, index: u32) {
        let now = self.now;
        let Some(slot) = self.connections.slots.get_mut(index) else {
            return;
        };
        slot.timer = None;
        let route = slot.route;
        let idle = self.idle_ticks(index, route);
        let write = self.shared.route(route).write_timeout.map(ticks);
        let speaks = self.shared.route(route).protocol.is_some();
        let Some((slot, mut active)) = self.connections.parts(index) else {
            return;
        };
        let is_due = |deadline: u32| !is_before(now, deadline);
        let due = active
            .as_ref()
            .and_then(|active| active.deadline)
            .is_some_and(is_due);
        match slot.state {
            State::Opening if due => return self.retire(index, CloseReason::ConnectTimeout),
            State::Handshaking if due => return self.retire(index, CloseReason::HandshakeTimeout),
            State::Lingering if due => {
                let reason = active.map_or(CloseReason::Closed, |active| active.reason.clone());
                return self.retire(index, reason);
            }
            State::Open | State::Closing => {
                if let (Some(write), Some(active)) = (write, &mut active)
                    && !active.is_flushed()
                {
                    let unacknowledged = slot
                        .socket
                        .as_ref()
                        .and_then(|fd| socket::unacknowledged(fd.as_fd()).ok())
                        .unwrap_or(0);
                    if active.unacknowledged != u32::MAX && unacknowledged != active.unacknowledged
                    {
                        active.output_progress = now;
                    }
                    active.unacknowledged = unacknowledged;
                    if is_due(active.output_progress.wrapping_add(write)) {
                        return self.fail(index, CloseReason::WriteTimeout);
                    }
                }
                if slot.state == State::Open
                    && let Some(active) = &mut active
                    && let Some(conversation) = &mut active.conversation
                    && conversation.state.deadline().is_some_and(is_due)
                    && let Some(refusal) = conversation.state.expire(now)
                {
                    return self.refuse(index, &refusal);
                }
                let rests = may_idle(active.as_deref(), speaks);
                if slot.state == State::Open
                    && rests
                    && idle.is_some_and(|idle| is_due(slot.progress.wrapping_add(idle)))
                {
                    let has_output = active.is_some_and(|active| !active.is_flushed());
                    return if has_output {
                        self.fail(index, CloseReason::IdleTimeout);
                    } else {
                        self.begin_close(index, CloseReason::IdleTimeout);
                    };
                }
            }
            State::Opening | State::Handshaking | State::Lingering | State::Closed => {}
        }
        self.touch(index);
    }

    /// Flush, then close.
    pub(crate) fn begin_close(&mut self, index: u32, reason: CloseReason) {
        let Some(token) = self.shared.slots.token(index) else {
            return;
        };
        self.shared.finish(token);
        self.touch(index);
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        match slot.state {
            State::Opening => self.retire(index, reason),
            State::Handshaking | State::Open => {
                slot.state = State::Closing;
                self.shared.publish_state(index, State::Closing);
                active.reason = reason;
                active.input = Input::Empty;
                active.found = None;
                active.conversation = None;
                active.pending.take(Pending::WRITABLE);
            }
            State::Closing | State::Lingering | State::Closed => {}
        }
    }

    /// Ends a connection whose protocol demands it, after what it has to say to the peer.
    pub(crate) fn refuse(&mut self, index: u32, refusal: &Refusal) {
        if let Some(token) = self.shared.slots.token(index) {
            let len = refusal.farewell.len();
            if let Admitted::Yes { .. } = self.shared.admit(token, len) {
                self.write_copy(token, &refusal.farewell);
            }
            self.begin_close(index, CloseReason::Refused(refusal.reason));
        }
    }

    /// Close at once and send a reset: what is pending is lost, and the kernel keeps nothing.
    pub(crate) fn fail(&mut self, index: u32, reason: CloseReason) {
        if let Some(slot) = self.connections.slots.get(index)
            && let Some(fd) = &slot.socket
        {
            // A Unix socket knows no reset; nothing else can fail here.
            let _ = socket::set_linger_zero(fd.as_fd());
        }
        self.retire(index, reason);
    }

    /// Ends a connection: the token becomes stale, the driver forgets the descriptor, the descriptor is closed. In
    /// this order, so that no event and no other thread can mistake its successor for it.
    pub(crate) fn retire(&mut self, index: u32, reason: CloseReason) {
        let Some(token) = self.shared.slots.token(index) else {
            return;
        };
        let word = self.shared.control(token);
        let mut closed = Box::new(self.shared.snapshot(token));
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        if slot.state == State::Closed {
            return;
        }
        let was_opening = slot.state == State::Opening;
        if was_opening {
            self.openings.remove(&index);
        }
        slot.state = State::Closed;
        self.shared.publish_state(index, State::Closed);
        let wanted = self.shared.route(slot.route).wanted;
        let heard = !slot.marks.has(Marks::UNHEARD);
        let tell = heard && (wanted.close || active.pending.has(Pending::OPEN))
            || word & control::HAS_OBJECT != 0;
        let local = match (&slot.socket, tell) {
            (Some(fd), true) => socket::local_address(fd.as_fd()).ok(),
            _ => None,
        };
        self.shared.slots.retire(token);
        if let Some(fd) = slot.socket.take() {
            self.driver.close(fd.as_fd());
        }
        if let Some(timer) = slot.timer.take() {
            self.wheel.cancel(timer);
        }
        let stats = &self.shared.stats;
        stats.closed[reason.index()].add(1);
        stats
            .output_queued
            .set(stats.output_queued.get() - active.output.len() as u64);
        active.output.clear(&mut self.spent);
        active.transport = Transport::Plain;
        active.input = Input::Empty;
        active.found = None;
        active.conversation = None;
        active.deadline = None;
        active.pending.take(Pending::WRITABLE);
        if was_opening {
            active.pending.take(Pending::OPEN);
        }
        if slot.marks.has(Marks::ADMITTED) {
            self.admission.leave(ip_of(&closed.peer));
        } else {
            self.admission.descriptor_freed();
        }
        if tell {
            active.pending.set(Pending::CLOSE);
            closed.reason = reason;
            closed.local = local.unwrap_or(closed.local);
            active.closed = Some(closed);
            self.make_ready(index);
        } else {
            self.release(index);
        }
    }

    /// Gives the slot of a retired connection back.
    pub(crate) fn release(&mut self, index: u32) {
        if let Some(slot) = self.connections.slots.take(index) {
            if slot.active != 0 {
                self.connections.actives.take(slot.active - 1);
            }
            self.shared.forget_peer(index);
            self.shared.forget_override(index);
            self.shared.slots.release(index);
            self.shared.count_out();
        }
    }

    /// Closes idle connections now and busy ones once they are idle; those that never sent a byte after `spare`. What is
    /// still opening is given up at once.
    pub fn drain(&mut self, spare: Duration) {
        let until = self.clock.tick().wrapping_add(ticks(spare));
        self.shared.set_draining();
        self.draining = Some(Drain {
            spare_silent_until: until,
        });
        self.wheel.arm(until, Owner::Drain);
        self.touch_all();
    }

    pub(crate) fn on_drain_timer(&mut self) {
        self.touch_all();
    }

    fn touch_all(&mut self) {
        for index in self.connections.indices() {
            self.touch(index);
        }
    }

    /// Aborts every connection because the engine stops.
    pub fn abort_all(&mut self) {
        for index in self.connections.indices() {
            self.fail(index, CloseReason::ServerStopping);
        }
    }
}

/// Whether the time counts in which a connection is idle. Where a protocol is spoken, it does between exchanges alone: an
/// answer that the peer takes slowly has a timeout of its own.
fn may_idle<H: Host>(active: Option<&Active<H>>, speaks: bool) -> bool {
    active.is_none_or(|active| active.conversation_rests() && (!speaks || active.is_flushed()))
}

/// Whether a connection has never sent a byte.
fn is_silent<H: Host>(shared: &Shared<H>, index: u32) -> bool {
    let shared = shared.slots.shared(index);
    shared.bytes_in.load(std::sync::atomic::Ordering::Relaxed) == 0
}

pub(crate) fn seconds(ticks: u32) -> f64 {
    f64::from(ticks) * f64::from(floodway_base::limits::TICK_MILLIS) / 1e3
}
