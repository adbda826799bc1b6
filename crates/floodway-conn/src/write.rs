//! Sending: queueing what Python writes, and flushing it once per batch.

use std::os::fd::AsFd;

use floodway_base::{LinkBuffer, Token};

use crate::connection::State;
use crate::driver::Sent;
use crate::message::{Host, Outgoing};
use crate::output::OutQueue;
use crate::reactor::{Connections, Reactor};
use crate::reason::CloseReason;

/// Bytes from which a payload is queued by reference. Below, a copy is faster than a segment of its own, and the
/// head and body of an answer become one packet (measured: equal at 16 KiB).
pub const REFERENCE_BYTES: usize = 16 * 1024;

impl<H: Host> Reactor<H> {
    /// The queue for output of a connection that still takes some. The bytes must have been admitted.
    fn queue(&mut self, token: Token, len: usize) -> Option<&mut OutQueue<H::Payload>> {
        let index = token.slot;
        let takes = self.shared.is_live(token)
            && matches!(
                self.connections.slots.get(index)?.state,
                State::Opening | State::Open
            );
        if !takes {
            self.shared.slots.sub_pending(token, len as u32);
            return None;
        }
        self.touch(index);
        let now = self.now;
        self.shared.stats.output_queued.add(len as u64);
        let (_, active) = self.connections.busy(index)?;
        if active.output.is_empty() {
            active.output_progress = now;
            active.unacknowledged = u32::MAX;
        }
        Some(&mut active.output)
    }

    /// Queues a copy of `bytes`, which were admitted.
    pub fn write_copy(&mut self, token: Token, bytes: &[u8]) {
        self.shared.stats.bytes_copied.add(bytes.len() as u64);
        let pool = self.pool.clone();
        if let Some(output) = self.queue(token, bytes.len()) {
            output.copy(bytes, &pool);
        }
    }

    /// Queues a payload, which was admitted, by reference.
    pub fn write_payload(&mut self, token: Token, payload: H::Payload) {
        match self.queue(token, payload.as_ref().len()) {
            Some(output) => output.push(payload),
            None => self.spent.push(payload),
        }
    }

    /// Queues the blocks of a buffer, which was admitted, by reference; a short one is copied.
    pub fn write_buffer(&mut self, token: Token, mut buffer: LinkBuffer) {
        self.shared.stats.bytes_copied.add(buffer.take_copied());
        let len = buffer.len();
        if len >= REFERENCE_BYTES {
            if let Some(output) = self.queue(token, len) {
                output.append(buffer);
            }
            return;
        }
        self.shared.stats.bytes_copied.add(len as u64);
        let pool = self.pool.clone();
        if let Some(output) = self.queue(token, len) {
            for chunk in buffer.chunks() {
                output.copy(chunk, &pool);
            }
        }
    }

    /// Queues what another thread wrote; it was admitted there.
    pub(crate) fn write_outgoing(&mut self, token: Token, outgoing: Outgoing<H::Payload>) {
        match outgoing {
            Outgoing::Payload(payload) if payload.as_ref().len() < REFERENCE_BYTES => {
                self.write_copy(token, payload.as_ref());
                self.spent.push(payload);
            }
            Outgoing::Payload(payload) => self.write_payload(token, payload),
            Outgoing::Copied(slice) => {
                let mut buffer = LinkBuffer::new(self.pool.clone());
                buffer.push(slice);
                self.write_buffer(token, buffer);
            }
            Outgoing::Buffer(buffer) => self.write_buffer(token, buffer),
        }
    }

    /// Sends what is pending, in one system call. Returns false when that ended the connection.
    pub(crate) fn flush(&mut self, index: u32, token: Token) -> bool {
        let Connections { slots, actives, .. } = &mut self.connections;
        let Some(slot) = slots.get_mut(index) else {
            return false;
        };
        if slot.active == 0 || !matches!(slot.state, State::Open | State::Closing) {
            return true;
        }
        let (Some(active), Some(socket)) = (actives.get_mut(slot.active - 1), &slot.socket) else {
            return true;
        };
        if active.blocked || active.output.is_empty() {
            return true;
        }
        let driver = &mut self.driver;
        let sent = active
            .output
            .with_segments(|segments| driver.send(token, socket.as_fd(), segments));
        match sent {
            Ok(Sent::Now(count)) => {
                active.output.advance(count, &mut self.spent);
                active.output_progress = self.now;
                active.unacknowledged = u32::MAX;
                let shared = self.shared.slots.shared(index);
                crate::read::add_owned(&shared.bytes_out, count as u64);
                slot.progress = self.now;
                active.blocked = !active.output.is_empty();
                let stats = &self.shared.stats;
                stats.bytes_out.add(count as u64);
                stats
                    .output_queued
                    .set(stats.output_queued.get() - count as u64);
                self.shared.slots.sub_pending(token, count as u32);
                true
            }
            Ok(Sent::Later) => {
                active.blocked = true;
                true
            }
            Err(errno) => {
                self.retire(index, CloseReason::System(errno));
                false
            }
        }
    }

    /// Ends the connections with the most pending output while all of it together is above the budget.
    pub(crate) fn keep_output_budget(&mut self) {
        let budget = self.limits.max_reactor_output;
        while self.shared.stats.output_queued.get() > budget {
            let largest = self
                .connections
                .indices()
                .into_iter()
                .filter_map(|index| {
                    let slot = self.connections.slots.get(index)?;
                    let active = self.connections.actives.get(slot.active.checked_sub(1)?)?;
                    Some((active.output.len(), index))
                })
                .max();
            let Some((pending, index)) = largest.filter(|(pending, _)| *pending > 0) else {
                return;
            };
            self.notices.output_budget(self.now);
            self.fail(index, CloseReason::SlowConsumer(pending as u32));
        }
    }
}
