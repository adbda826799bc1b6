//! Deadlines: when a connection has to be looked at even if nothing happens to it, and what is due then.

use std::os::fd::AsFd;

use floodway_base::Protocol;
use floodway_sys::socket;

use crate::clock::{is_before, ticks};
use crate::connection::{Active, Marks, State};
use crate::message::Host;
use crate::reactor::{Owner, Reactor};
use crate::reason::CloseReason;
use crate::shared::{IdleOverride, Shared, control};

/// How often within `write_timeout` the peer's acknowledgements are looked at.
const WRITE_CHECKS: u32 = 4;

impl<H: Host> Reactor<H> {
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
                let asked = active.filter(|_| open).and_then(Active::patience);
                [flush, idle, asked]
                    .into_iter()
                    .flatten()
                    .reduce(|one, other| if is_before(other, one) { other } else { one })
            }
        }
    }

    /// Makes sure that the timer fires no later than the deadline. It may fire earlier, since progress does not move
    /// it: what is due is judged when it fires.
    pub(crate) fn apply_timer(&mut self, index: u32) {
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
                    && active.patience().is_some_and(is_due)
                    && let Some(conversation) = &mut active.conversation
                    && let Some(refusal) = conversation.state.expire(now)
                {
                    return self.refuse(index, &refusal);
                }
                let rests = may_idle(active.as_deref(), speaks);
                if slot.state == State::Open
                    && rests
                    && !slot.marks.has(Marks::READY)
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
}

/// Whether the time counts in which a connection is idle. Where a protocol is spoken, it does between exchanges alone: an
/// answer that the peer takes slowly has a timeout of its own.
fn may_idle<H: Host>(active: Option<&Active<H>>, speaks: bool) -> bool {
    active.is_none_or(|active| active.conversation_rests() && (!speaks || active.is_flushed()))
}

/// Whether a connection has never sent a byte.
pub(crate) fn is_silent<H: Host>(shared: &Shared<H>, index: u32) -> bool {
    let shared = shared.slots.shared(index);
    shared.bytes_in.load(std::sync::atomic::Ordering::Relaxed) == 0
}
