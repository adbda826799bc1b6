//! Delivering: what Python consumes between two polls, one event at a time.
//!
//! # Rules
//! - The connection at the front of the ready list is served until it has nothing more, is paused, or the batch is
//!   full; then it goes behind the others. One with thousands of frames fills at most one batch before they had theirs.
//! - A frame is cut when it is asked for, so what a handler does (close, pause, another framing) holds for the rest.

use floodway_base::{LinkBuffer, Token};

use crate::acceptor::Newcomer;
use crate::connection::{Closed, Input, Marks, Pauses, Pending, State};
use crate::message::Host;
use crate::notice::Notice;
use crate::reactor::Reactor;

/// Something for Python.
#[derive(Debug)]
pub enum Event<'a, H: Host> {
    /// Make this call: it was posted, or its time has come.
    Call(H::Call),
    /// A listener accepted; choose a reactor.
    Accepted {
        /// The socket.
        newcomer: Newcomer,
        /// The listener's number.
        listener: u32,
    },
    /// Log this.
    Notice(Notice),
    /// A connection is open.
    Open {
        /// The connection.
        token: Token,
        /// Its route.
        route: u16,
    },
    /// A frame has come.
    Data {
        /// The connection.
        token: Token,
        /// Its route.
        route: u16,
        /// The frame's payload, valid until the reactor is used again: to be copied, and counted as that already.
        payload: &'a [u8],
    },
    /// Input has come into the connection's buffer.
    Buffer {
        /// The connection.
        token: Token,
        /// Its route.
        route: u16,
        /// The buffer; what the handler leaves goes back through `restore_buffer`.
        buffer: LinkBuffer,
    },
    /// There is room to write again.
    Writable {
        /// The connection.
        token: Token,
        /// Its route.
        route: u16,
    },
    /// A connection has ended. Its slot is given back by `release_closed`.
    Close {
        /// The connection, stale by now; its slot is not used again before `release_closed`.
        token: Token,
        /// Its route.
        route: u16,
        /// Whether a handler wants to know.
        wanted: bool,
        /// What remains of it.
        closed: Box<Closed>,
    },
}

/// What the connection at the front has next.
enum Next {
    Nothing,
    Later,
    Open,
    Frame { start: usize, end: usize },
    Buffer(LinkBuffer),
    Writable,
    Close(Box<Closed>),
}

impl<H: Host> Reactor<H> {
    /// The next event of the running batch; None at its end.
    pub fn next_event(&mut self) -> Option<Event<'_, H>> {
        if self.events_left == 0 {
            return None;
        }
        self.events_left -= 1;
        self.events_given += 1;
        if let Some(call) = self.calls.pop_front() {
            return Some(Event::Call(call));
        }
        if let Some((newcomer, listener)) = self.newcomers.pop_front() {
            return Some(Event::Accepted { newcomer, listener });
        }
        if let Some(notice) = self.notices.pop() {
            return Some(Event::Notice(notice));
        }
        while self.connections_left > 0 {
            let index = *self.ready.front()?;
            let next = self.next_of(index);
            if matches!(next, Next::Nothing | Next::Later) {
                self.connections_left -= 1;
                self.ready.pop_front();
                if let Some(slot) = self.connections.slots.get_mut(index) {
                    slot.marks.clear(Marks::READY);
                }
                if matches!(next, Next::Later) {
                    self.make_ready(index);
                }
                continue;
            }
            let slot = self.connections.slots.get(index)?;
            let route = slot.route;
            if let Next::Close(closed) = next {
                let wanted = self.shared.route(route).wanted.close;
                return Some(Event::Close {
                    token: self.shared.slots.last_token(index),
                    route,
                    wanted,
                    closed,
                });
            }
            let token = self.shared.slots.last_token(index);
            if self.shared.route(route).thread_backlog.is_some()
                && let Some((_, active)) = self.connections.busy(index)
            {
                active.busy = true;
            }
            let slot = self.connections.slots.get(index)?;
            return Some(match next {
                Next::Open => Event::Open { token, route },
                Next::Writable => Event::Writable { token, route },
                Next::Buffer(buffer) => Event::Buffer {
                    token,
                    route,
                    buffer,
                },
                Next::Frame { start, end } => {
                    let active = self.connections.actives.get(slot.active - 1)?;
                    let payload = match &active.input {
                        Input::Area { .. } => &self.driver.area()[start..end],
                        Input::Own { block, .. } => &block.filled()[start..end],
                        Input::Empty | Input::Chain(_) => &[],
                    };
                    Event::Data {
                        token,
                        route,
                        payload,
                    }
                }
                Next::Nothing | Next::Later | Next::Close(_) => return None,
            });
        }
        self.events_given -= 1;
        None
    }

    fn next_of(&mut self, index: u32) -> Next {
        self.touch(index);
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return Next::Nothing;
        };
        if active.busy {
            return Next::Nothing;
        }
        if active.pending.take(Pending::OPEN) {
            return Next::Open;
        }
        if slot.state == State::Closed {
            if active.pending.take(Pending::CLOSE)
                && let Some(closed) = active.closed.take()
            {
                return Next::Close(closed);
            }
            return Next::Nothing;
        }
        if active.held {
            active.held = false;
            return Next::Later;
        }
        let route = self.shared.route(slot.route);
        if slot.state == State::Open && active.output.len() > route.high_water as usize {
            // What it has answered so far is flushed before it is asked for more.
            active.pauses.set(Pauses::OUTPUT, true);
        }
        if active.found.is_none() {
            self.look(index);
        }
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return Next::Nothing;
        };
        if slot.state == State::Open
            && !active.pauses.any()
            && let Some(found) = active.found.take()
        {
            if let Input::Chain(_) = active.input {
                active.scanned = 0;
                let Input::Chain(buffer) = std::mem::replace(&mut active.input, Input::Empty)
                else {
                    return Next::Nothing;
                };
                return Next::Buffer(*buffer);
            }
            let start = match active.input {
                Input::Area { start, .. } | Input::Own { start, .. } => start,
                Input::Empty | Input::Chain(_) => 0,
            };
            active.input.consume(found.consumed as usize);
            let len = u64::from(found.payload_end - found.payload_start);
            self.shared.stats.bytes_copied.add(len);
            return Next::Frame {
                start: (start + found.payload_start) as usize,
                end: (start + found.payload_end) as usize,
            };
        }
        if active.pending.take(Pending::WRITABLE) {
            return Next::Writable;
        }
        Next::Nothing
    }

    /// Gives back the slot of an `Event::Close`.
    pub fn release_closed(&mut self, token: Token) {
        self.release(token.slot);
    }

    /// Ends the running batch: what was not consumed is kept, and comes in the next one.
    pub(crate) fn end_batch(&mut self) {
        self.events_left = 0;
        if self.connections_left > 0
            && let Some(interrupted) = self.ready.pop_front()
        {
            self.ready.push_back(interrupted);
        }
        self.connections_left = 0;
    }
}
