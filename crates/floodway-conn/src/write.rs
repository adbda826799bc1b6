//! Sending: queueing what Python writes, and flushing it once per batch.

use std::os::fd::AsFd;

use floodway_base::{LinkBuffer, Token};

use crate::connection::State;
use crate::message::{FilePart, Host, Outgoing};
use crate::reactor::Reactor;
use crate::transport::Offer;

/// Bytes from which a payload is queued by reference. Below, a copy is faster than a segment of its own, and the
/// head and body of an answer become one packet (measured: equal at 16 KiB).
pub const REFERENCE_BYTES: usize = 16 * 1024;

impl<H: Host> Reactor<H> {
    /// Readies a connection for `len` more bytes of output, which were admitted. False: it takes none any more.
    fn takes_output(&mut self, token: Token, len: usize) -> bool {
        let index = token.slot;
        if self.shared.is_live(token)
            && let Some((slot, active)) = self.connections.busy(index)
            && matches!(
                slot.state,
                State::Opening | State::Handshaking | State::Open
            )
        {
            slot.touch(index, &mut self.touched);
            self.shared.stats.output_queued.add(len as u64);
            if active.output.is_empty() {
                active.output_progress = self.now;
                active.unacknowledged = u32::MAX;
            }
            return true;
        }
        self.shared.slots.sub_pending(token, len as u32);
        false
    }

    /// Queues a copy of `bytes`, which were admitted.
    pub fn write_copy(&mut self, token: Token, bytes: &[u8]) {
        self.shared.stats.bytes_copied.add(bytes.len() as u64);
        if self.takes_output(token, bytes.len())
            && let Some((_, Some(active))) = self.connections.parts(token.slot)
        {
            active.output.copy(bytes, &mut self.out_area, &self.pool);
        }
    }

    /// Queues a payload, which was admitted, by reference.
    pub fn write_payload(&mut self, token: Token, payload: H::Payload) {
        if self.takes_output(token, payload.as_ref().len())
            && let Some((_, Some(active))) = self.connections.parts(token.slot)
        {
            active.output.push(payload, &self.out_area, &self.pool);
        } else {
            self.spent.push(payload);
        }
    }

    /// Queues the blocks of a buffer, which was admitted, by reference; a short one is copied.
    pub fn write_buffer(&mut self, token: Token, mut buffer: LinkBuffer) {
        self.shared.stats.bytes_copied.add(buffer.take_copied());
        let len = buffer.len();
        if self.takes_output(token, len)
            && let Some((_, Some(active))) = self.connections.parts(token.slot)
        {
            if len >= REFERENCE_BYTES {
                active.output.append(buffer, &self.out_area, &self.pool);
                return;
            }
            self.shared.stats.bytes_copied.add(len as u64);
            for chunk in buffer.chunks() {
                active.output.copy(chunk, &mut self.out_area, &self.pool);
            }
        }
    }

    /// Queues a part of a file, which needs no admission: it is no memory.
    fn write_file(&mut self, token: Token, part: FilePart) {
        if self.takes_output(token, 0)
            && let Some((_, Some(active))) = self.connections.parts(token.slot)
        {
            active.output.push_file(part, &self.out_area, &self.pool);
        }
    }

    /// Queues pieces that were admitted together.
    pub fn write_pieces(&mut self, token: Token, pieces: Vec<Outgoing<H::Payload>>) {
        for piece in pieces {
            self.write_outgoing(token, piece);
        }
    }

    fn write_outgoing(&mut self, token: Token, outgoing: Outgoing<H::Payload>) {
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
            Outgoing::Owned(bytes) => self.write_copy(token, &bytes),
            Outgoing::File(part) => self.write_file(token, part),
        }
    }

    /// Sends what is pending, in one system call; what is left no longer lies in the area. Returns false when that
    /// ended the connection.
    pub(crate) fn flush(&mut self, index: u32, token: Token) -> bool {
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return true;
        };
        if active.is_flushed() {
            return true;
        }
        let may_send = matches!(
            slot.state,
            State::Open | State::Closing | State::Handshaking
        );
        if let Some(socket) = &slot.socket
            && may_send
            && !active.blocked
        {
            let driver = &mut self.driver;
            let sent = active.transport.send(
                &mut active.output,
                &self.out_area,
                &mut self.scratch,
                &mut self.spent,
                |offer| match offer {
                    Offer::Bytes(pieces) => driver.send(token, socket.as_fd(), pieces),
                    Offer::File(part, most) => {
                        let file = part.file.as_fd();
                        driver.send_file(token, socket.as_fd(), file, part.offset, most)
                    }
                },
            );
            let sent = match sent {
                Ok(sent) => sent,
                Err(error) => {
                    self.end_for(token, error);
                    return false;
                }
            };
            active.blocked = sent.blocked;
            if sent.moved {
                active.output_progress = self.now;
                active.unacknowledged = u32::MAX;
                slot.progress = self.now;
            }
            if sent.taken + sent.read > 0 {
                let count = (sent.taken + sent.read) as u64;
                let shared = self.shared.slots.shared(index);
                crate::read::add_owned(&shared.bytes_out, count);
                let stats = &self.shared.stats;
                stats.bytes_out.add(count);
                let queued = stats.output_queued.get() - sent.taken as u64;
                stats.output_queued.set(queued);
                self.shared.slots.sub_pending(token, sent.taken as u32);
            }
        }
        active.output.leave_area(&self.out_area, &self.pool);
        true
    }
}
