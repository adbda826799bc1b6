//! What happens to a connection that is readable: bytes or answers are checked, counted, and followed by the next message.

use std::ops::Range;

use crate::area::Arrived;
use crate::connection::Received;
use crate::generator::{Generator, Pace};
use crate::report::Corruption;

impl Generator<'_> {
    /// Receives once on a readable connection.
    pub(crate) fn receive(&mut self, number: usize) {
        if self.message.is_request() {
            self.receive_answer(number);
        } else {
            self.receive_echo(number);
        }
        // Encrypted, an end may come with the last bytes, and the socket's own much later.
        let secure = self.connections[number].secure.as_ref();
        if secure.is_some_and(|secure| secure.peer_finished()) {
            self.finish(number);
        }
    }

    /// The server has ended its direction.
    fn finish(&mut self, number: usize) {
        if self.answers.end(number) {
            self.count_answer(number);
        }
        self.end(number, None);
    }

    fn receive_echo(&mut self, number: usize) {
        let received = self.connections[number].receive(&self.pattern, &mut self.area);
        match received {
            Ok(Received::Bytes { len, corrupt }) => {
                if let Some((count, offset)) = corrupt {
                    self.note_corruption(number, count, offset);
                }
                self.count(number, len);
            }
            Ok(Received::Nothing) => {}
            Ok(Received::End) => self.finish(number),
            Err(errno) => self.end(number, Some(errno)),
        }
    }

    fn receive_answer(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let bytes = match connection.receive_bytes(&mut self.area) {
            Ok(Arrived::Bytes(bytes)) => bytes,
            Ok(Arrived::Nothing) => return,
            Ok(Arrived::End) => return self.finish(number),
            Err(errno) => return self.end(number, Some(errno)),
        };
        let heard = self
            .answers
            .hear(number, connection, &self.message, &self.pattern, bytes);
        self.total.bytes += heard.body_bytes;
        if let Some((count, offset)) = heard.corrupt {
            self.note_corruption(number, count, offset);
        }
        match heard.outcome {
            Ok(true) => self.count_answer(number),
            Ok(false) => {}
            Err(fault) => {
                self.answers.note_fault(fault);
                self.forget(number);
            }
        }
    }

    /// A request is answered.
    fn count_answer(&mut self, number: usize) {
        let size = self.message.bytes();
        let first = self.connections[number].received / size;
        self.connections[number].received += size;
        self.count_messages(number, first..first + 1);
        let connection = &self.connections[number];
        // What was due while it waited, or is left of a request that was answered before its end.
        if connection.sent < connection.due && !connection.is_blocked {
            self.send(number);
        }
    }

    /// Counts received bytes, and the messages that they complete.
    fn count(&mut self, number: usize, len: u64) {
        let size = self.message.bytes();
        let after = self.connections[number].received;
        let (first, end) = ((after - len) / size, after / size);
        self.total.bytes += len;
        if first < end {
            self.count_messages(number, first..end);
        }
    }

    fn count_messages(&mut self, number: usize, messages: Range<u64>) {
        let now = self.now();
        let count = messages.end - messages.start;
        self.total.messages += count;
        if self.is_counting {
            self.connections[number].answers += count as u32;
        }
        if self.plan.has_first_message() {
            self.record(number, messages, now);
        }
        if self.pace == Pace::ClosedLoop && self.is_active(number) {
            self.send_next(number, now);
        }
    }

    fn record(&mut self, number: usize, messages: Range<u64>, now: u64) {
        for message in messages {
            let latency = now.saturating_sub(self.origin_of(number, message));
            if message == 0 {
                self.connect_latencies.record(latency);
                self.leave_wave(number, now);
            } else if self.is_recording {
                self.latencies.record(latency);
            }
        }
    }

    fn note_corruption(&mut self, connection: usize, count: u64, offset: u64) {
        self.corrupt_bytes += count;
        self.first_corruption
            .get_or_insert(Corruption { connection, offset });
    }
}
