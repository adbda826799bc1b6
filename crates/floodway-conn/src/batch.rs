//! Delivering: what Python consumes between two polls, one event at a time.
//!
//! # Rules
//! - The connection at the front of the ready list is served until it has nothing more, is paused, or the batch is
//!   over; then it goes behind the others. One with thousands of frames fills at most one batch before they had theirs.
//! - A batch is over after `max_batch` events. It pauses with the one that makes it last `SLICE_NANOS`: what handlers have
//!   answered is sent, and timers fire; then it goes on, and nothing is received before its end.
//! - A frame is cut when it is asked for, so what a handler does (close, pause, another framing) holds for the rest.

use std::ops::Range;

use floodway_base::limits::TICK_MILLIS;
use floodway_base::{LinkBuffer, Protocol, Token};
use floodway_sys::limits::coarse_nanos;

use crate::acceptor::Newcomer;
use crate::connection::{Active, Closed, Input, Marks, Pauses, Pending, State};
use crate::driver::ForeignReady;
use crate::message::Host;
use crate::notice::Notice;
use crate::reactor::Reactor;
use crate::read::{Looked, look_at};
use crate::reason::CloseReason;

/// As long as a tick of the timers, which would be late without a pause.
const SLICE_NANOS: u64 = TICK_MILLIS as u64 * 1_000_000;

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
    /// What was found of a descriptor that is not the reactor's.
    Foreign(ForeignReady),
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
    /// The protocol has a message.
    Message {
        /// The connection.
        token: Token,
        /// Its route.
        route: u16,
        /// The message.
        message: MessageOf<H>,
        /// The bytes that belong to it; as those of `Data`.
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

/// What the host's protocol makes of input.
type MessageOf<H> = <<H as Host>::Protocol as Protocol>::Message;

/// What the connection at the front has next.
enum Next<M> {
    Nothing,
    Later,
    Open,
    /// A frame at this place of the receive area or, if `own`, of the input's own block.
    Frame {
        range: Range<usize>,
        own: bool,
        message: Option<M>,
    },
    Buffer(LinkBuffer),
    Writable,
    Close(Box<Closed>),
}

impl<H: Host> Reactor<H> {
    /// The next event of the running batch; None at its end, and where it pauses.
    pub fn next_event(&mut self) -> Option<Event<'_, H>> {
        if self.events_left == 0 {
            return self.next_foreign();
        }
        if self.events_given > 0 && coarse_nanos() - self.slice_began > SLICE_NANOS {
            self.is_paused = true;
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
            let (next, has_more) = self.next_of(index);
            self.is_amid = has_more;
            if !has_more {
                self.connections_left -= 1;
                self.ready.pop_front();
            }
            let Some(slot) = self.connections.slots.get_mut(index) else {
                continue; // it has ended, and nobody wanted to know
            };
            if !has_more {
                slot.marks.clear(Marks::READY);
            }
            let route = slot.route;
            let heard = !slot.marks.has(Marks::UNHEARD);
            let token = self.shared.slots.last_token(index);
            return Some(match next {
                Next::Nothing => continue,
                Next::Later => {
                    slot.make_ready(index, &mut self.ready);
                    continue;
                }
                Next::Open => Event::Open { token, route },
                Next::Writable => Event::Writable { token, route },
                Next::Buffer(buffer) => Event::Buffer {
                    token,
                    route,
                    buffer,
                },
                Next::Frame {
                    range,
                    own,
                    message,
                } => {
                    let payload = if own {
                        let (_, active) = self.connections.parts(index)?;
                        let Input::Own { block, .. } = &active?.input else {
                            return None;
                        };
                        &block.filled()[range]
                    } else {
                        &self.driver.area()[range]
                    };
                    match message {
                        None => Event::Data {
                            token,
                            route,
                            payload,
                        },
                        Some(message) => Event::Message {
                            token,
                            route,
                            message,
                            payload,
                        },
                    }
                }
                Next::Close(closed) => Event::Close {
                    token,
                    route,
                    wanted: heard && self.shared.route(route).wanted.close,
                    closed,
                },
            });
        }
        self.events_given -= 1;
        self.next_foreign()
    }

    /// What a connection has next, and whether it may have more.
    fn next_of(&mut self, index: u32) -> (Next<MessageOf<H>>, bool) {
        let Some((slot, active)) = self.connections.parts(index) else {
            return (Next::Nothing, false);
        };
        slot.touch(index, &mut self.touched);
        let Some(active) = active.filter(|active| !active.busy) else {
            return (Next::Nothing, false);
        };
        let route = self.shared.route(slot.route);
        // With worker threads the next event waits until this one was handled.
        let waits = route.thread_backlog.is_some();
        if active.pending.take(Pending::OPEN) {
            active.busy = waits;
            return (Next::Open, true);
        }
        if slot.state == State::Closed {
            return match active.closed.take() {
                Some(closed) if active.pending.take(Pending::CLOSE) => (Next::Close(closed), false),
                _ => (Next::Nothing, false),
            };
        }
        if active.held {
            active.held = false;
            return (Next::Later, false);
        }
        if slot.state == State::Open && active.output.is_behind(route.high_water) {
            // What it has answered so far is flushed before it is asked for more.
            active.pauses.set(Pauses::OUTPUT, true);
        }
        let area = self.driver.area();
        match look_at(index, slot, active, &self.shared, area, self.now) {
            Looked::Nothing if active.pending.take(Pending::WRITABLE) => {
                active.busy = waits;
                (Next::Writable, true)
            }
            Looked::Nothing => (Next::Nothing, false),
            Looked::TooLong(error) => {
                self.begin_close(index, CloseReason::FrameTooLong(error));
                (Next::Nothing, false)
            }
            Looked::Refused(refusal) => {
                self.refuse(index, &refusal);
                (Next::Nothing, false)
            }
            Looked::Frame if route.outlet.is_some() => {
                self.found(index);
                (Next::Nothing, false)
            }
            Looked::Frame => {
                active.busy = waits;
                slot.progress = self.now; // whose input had to wait is not idle
                let next = take_frame(active);
                if let Next::Frame { range, .. } = &next {
                    self.shared.stats.bytes_copied.add(range.len() as u64);
                }
                (next, active.input.len() > 0 || active.pending.any())
            }
        }
    }

    /// Gives back the slot of an `Event::Close`.
    pub fn release_closed(&mut self, token: Token) {
        self.release(token.slot);
    }

    /// Ends the running batch: what was not consumed is kept, and comes in the next one. Returns false if it only pauses.
    pub(crate) fn end_batch(&mut self) -> bool {
        if std::mem::take(&mut self.is_paused) {
            return false;
        }
        self.events_left = 0;
        self.foreign_ready.clear(); // the next wait tells them again
        if self.is_amid
            && let Some(interrupted) = self.ready.pop_front()
        {
            self.ready.push_back(interrupted);
        }
        self.is_amid = false;
        self.connections_left = 0;
        true
    }
}

/// Takes the protocol's message that was found out of the input, with a copy of the bytes that belong to it.
pub(crate) fn take_message<H: Host>(
    active: &mut Active<H>,
    area: &[u8],
) -> Option<(MessageOf<H>, Vec<u8>)> {
    let Next::Frame {
        range,
        own,
        message,
    } = take_frame(active)
    else {
        return None;
    };
    let payload = match &active.input {
        Input::Own { block, .. } if own => block.filled()[range].to_vec(),
        _ => area[range].to_vec(),
    };
    Some((message?, payload))
}

/// Takes the frame that was found out of the input.
fn take_frame<H: Host>(active: &mut Active<H>) -> Next<MessageOf<H>> {
    let Some(found) = active.found.take() else {
        return Next::Nothing;
    };
    let (start, own) = match &active.input {
        Input::Chain(_) => {
            active.scanned = 0;
            return match std::mem::replace(&mut active.input, Input::Empty) {
                Input::Chain(buffer) => Next::Buffer(*buffer),
                Input::Empty | Input::Area { .. } | Input::Own { .. } => Next::Nothing,
            };
        }
        Input::Area { start, .. } => (*start, false),
        Input::Own { start, .. } => (*start, true),
        Input::Empty => (0, false),
    };
    active.input.consume(found.consumed as usize);
    let range = (start + found.payload_start) as usize..(start + found.payload_end) as usize;
    let conversation = active.conversation.as_mut();
    let message = conversation.and_then(|it| it.message.take());
    Next::Frame {
        range,
        own,
        message,
    }
}
