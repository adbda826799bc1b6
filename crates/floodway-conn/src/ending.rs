//! The ways to end a connection, and to end them all.

use std::os::fd::AsFd;
use std::time::Duration;

use floodway_base::Refusal;
use floodway_sys::socket;

use crate::acceptor::ip_of;
use crate::clock::ticks;
use crate::connection::{Input, Marks, Pending, State};
use crate::message::Host;
use crate::reactor::{Owner, Reactor};
use crate::reason::CloseReason;
use crate::shared::{Admitted, control};
use crate::transport::Transport;

/// Connections are being closed as they become idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Until this tick, connections that never sent a byte are left alone.
    pub spare_silent_until: u32,
}

impl<H: Host> Reactor<H> {
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
