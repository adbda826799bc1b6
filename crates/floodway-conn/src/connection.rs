//! The record of one connection: a slot that every connection has, and a part that only busy ones have.
//!
//! A million idle connections are a million slots, so a field of `Slot` has to be worth a million of its size;
//! everything that an idle connection can do without lives in `Active`, which is dropped when it is empty.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use floodway_base::{BlockMut, BlockPool, LinkBuffer, Protocol, TimerId};
use floodway_sys::SocketAddress;

use crate::driver::Interest;
use crate::hand_off::LineEnd;
use crate::message::Host;
use crate::output::OutQueue;
use crate::reason::CloseReason;
use crate::transport::Transport;

/// Where a connection is in its life. `Shared::state` knows the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Its address is being resolved or the kernel is connecting.
    Opening,
    /// The socket is connected; what it is to be encrypted with is being agreed on.
    Handshaking,
    /// Bytes travel. Either direction may be finished: see `Marks`.
    Open,
    /// Closed here: output is being flushed.
    Closing,
    /// Everything was sent and the direction is shut; what still arrives is discarded until the peer finishes.
    Lingering,
    /// The descriptor is closed. The slot remains until Python has seen the end.
    Closed,
}

/// Facts about a connection that are either so or not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    /// The peer's FIN was received: there is no more input.
    pub const PEER_FINISHED: u8 = 1;
    /// Our direction was shut with `SHUT_WR`.
    pub const SHUT: u8 = 1 << 1;
    /// Counted in `Admission`.
    pub const ADMITTED: u8 = 1 << 2;
    /// In the ready list.
    pub const READY: u8 = 1 << 3;
    /// In the list of connections to settle.
    pub const TOUCHED: u8 = 1 << 4;
    /// Its input goes to a link buffer that the handler consumes.
    pub const BUFFERED: u8 = 1 << 6;
    /// Accepted, but not open yet: nobody has heard of it, so nobody is told of its end.
    pub const UNHEARD: u8 = 1 << 7;
    /// The peer's FIN was announced while receiving was off; input may precede it.
    pub const END_AHEAD: u8 = 1 << 5;

    pub fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    /// Sets a mark; returns whether it was set before.
    pub fn set(&mut self, mark: u8) -> bool {
        let before = self.has(mark);
        self.0 |= mark;
        before
    }

    pub fn clear(&mut self, mark: u8) {
        self.0 &= !mark;
    }
}

/// What every connection costs, beside its `SharedSlot`, which has what any thread may read.
#[derive(Debug)]
pub(crate) struct Slot {
    /// None while the address is being resolved, and once closed.
    pub socket: Option<OwnedFd>,
    /// The number of its `Active` plus one; 0: none.
    pub active: u32,
    pub timer: Option<TimerId>,
    /// The tick of the last byte received, delivered or sent.
    pub progress: u32,
    pub route: u16,
    pub state: State,
    pub marks: Marks,
}

impl Slot {
    /// Puts the connection on the list of those to settle, once.
    pub fn touch(&mut self, index: u32, touched: &mut Vec<u32>) {
        if !self.marks.set(Marks::TOUCHED) {
            touched.push(index);
        }
    }

    /// Puts the connection on the list of those with something for Python, once.
    pub fn make_ready(&mut self, index: u32, ready: &mut VecDeque<u32>) {
        if !self.marks.set(Marks::READY) {
            ready.push_back(index);
        }
    }
}

const _: () = assert!(
    size_of::<Option<Slot>>() + size_of::<floodway_base::SharedSlot>() <= 60,
    "a million connections pay for this"
);

/// Reasons not to read from a connection, and not to deliver what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses(u8);

impl Pauses {
    /// `pause_reading`.
    pub const USER: u8 = 1;
    /// Its own output is above the high-water mark.
    pub const OUTPUT: u8 = 1 << 1;

    pub fn any(self) -> bool {
        self.0 != 0
    }

    pub fn set(&mut self, pause: u8, on: bool) {
        if on {
            self.0 |= pause;
        } else {
            self.0 &= !pause;
        }
    }
}

/// Input that was received and not yet delivered.
#[derive(Debug)]
pub(crate) enum Input {
    Empty,
    /// In the driver's receive area, until the next wait.
    Area {
        start: u32,
        end: u32,
    },
    /// In a block of its own, from `start` on.
    Own {
        block: BlockMut,
        start: u32,
    },
    /// In the buffer that the handler consumes.
    Chain(Box<LinkBuffer>),
}

impl Input {
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Area { start, end } => (end - start) as usize,
            Self::Own { block, start } => block.len() - *start as usize,
            Self::Chain(buffer) => buffer.len(),
        }
    }

    /// The bytes, when they lie in one piece: always, except in a chain.
    pub fn bytes<'a>(&'a self, area: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Empty | Self::Chain(_) => &[],
            Self::Area { start, end } => &area[*start as usize..*end as usize],
            Self::Own { block, start } => &block.filled()[*start as usize..],
        }
    }

    /// Forgets the first `n` bytes. Their memory stays as it is until the next change.
    pub fn consume(&mut self, n: usize) {
        match self {
            Self::Empty => debug_assert!(n == 0, "consuming what is not there"),
            Self::Area { start, .. } | Self::Own { start, .. } => *start += n as u32,
            Self::Chain(buffer) => {
                let skipped = buffer.skip(n);
                debug_assert!(skipped, "consuming what is not there");
            }
        }
    }

    /// Appends bytes to the chain, or to a block of its own, the smallest that fits. Returns how many bytes were copied.
    pub fn save(&mut self, bytes: &[u8], pool: &BlockPool) -> usize {
        if let Self::Chain(buffer) = self {
            buffer.write(bytes);
            return bytes.len();
        }
        if let Self::Own { block, start } = self {
            let start = *start as usize;
            let room = block.capacity() - block.len();
            if room >= bytes.len() {
                block.extend(bytes);
                return bytes.len();
            }
            // Twice of what is there, so that a frame that grows byte by byte is copied a constant number of times.
            let left = block.len() - start;
            let mut larger = pool.take((left + bytes.len()).max(2 * left));
            larger.extend(&block.filled()[start..]);
            larger.extend(bytes);
            *self = Self::Own {
                block: larger,
                start: 0,
            };
            return left + bytes.len();
        }
        let mut block = pool.take(bytes.len());
        block.extend(bytes);
        *self = Self::Own { block, start: 0 };
        bytes.len()
    }

    /// Drops a buffer that holds nothing.
    pub fn shrink(&mut self) {
        if self.len() == 0 {
            *self = Self::Empty;
        }
    }
}

/// A frame at the front of the input that Python has not seen yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub payload_start: u32,
    pub payload_end: u32,
    pub consumed: u32,
}

/// The state of a connection's protocol, and the message whose payload is `Active::found`.
#[derive(Debug)]
pub(crate) struct Conversation<P: Protocol> {
    pub state: P,
    pub message: Option<P::Message>,
    /// Nothing is looked at, since something keeps the connection from being read: its time stands still.
    pub is_held: bool,
    /// To the thread that has the exchange, where messages are handed off.
    pub line: Option<LineEnd<P::Message>>,
}

/// Events of a connection, apart from input, that Python has not seen yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending(u8);

impl Pending {
    pub const OPEN: u8 = 1;
    pub const WRITABLE: u8 = 1 << 1;
    pub const CLOSE: u8 = 1 << 2;

    pub fn any(self) -> bool {
        self.0 != 0
    }

    pub fn has(self, event: u8) -> bool {
        self.0 & event != 0
    }

    pub fn set(&mut self, event: u8) {
        self.0 |= event;
    }

    /// Takes an event out; returns whether it was there.
    pub fn take(&mut self, event: u8) -> bool {
        let had = self.has(event);
        self.0 &= !event;
        had
    }
}

/// What remains of a connection for Python once it is closed.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// The peer's address.
    pub peer: SocketAddress,
    /// Our address.
    pub local: SocketAddress,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Unix time at which it was accepted or connected, in seconds.
    pub opened_at: f64,
}

/// What a connection needs while it is busy.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "facts that hold independently of each other"
)]
pub(crate) struct Active<H: Host> {
    pub transport: Transport,
    pub input: Input,
    pub found: Option<Found>,
    /// What its protocol remembers, where the route has one.
    pub conversation: Option<Box<Conversation<H::Protocol>>>,
    /// Bytes at the front of the input that were searched in vain.
    pub scanned: u32,
    pub output: OutQueue<H::Payload>,
    /// What the driver was asked for.
    pub interest: Interest,
    pub pauses: Pauses,
    pub pending: Pending,
    /// The kernel took no more: `Completion::Room` comes.
    pub blocked: bool,
    /// Shut our direction once the output is flushed.
    pub finishing: bool,
    /// `set_framing` or the like: the running batch delivers nothing more.
    pub held: bool,
    /// A worker thread is handling an event: the next one waits.
    pub busy: bool,
    /// While opening, shaking hands or lingering: the tick at which that ends.
    pub deadline: Option<u32>,
    /// The tick at which pending output last made progress, and the bytes the peer had not acknowledged then.
    pub output_progress: u32,
    pub unacknowledged: u32,
    /// Bytes that may still be discarded while lingering.
    pub discard_left: u32,
    /// Why it is being closed.
    pub reason: CloseReason,
    pub closed: Option<Box<Closed>>,
}

impl<H: Host> Active<H> {
    pub fn new(interest: Interest) -> Self {
        Self {
            transport: Transport::Plain,
            input: Input::Empty,
            found: None,
            conversation: None,
            scanned: 0,
            output: OutQueue::new(),
            interest,
            pauses: Pauses::default(),
            pending: Pending::default(),
            blocked: false,
            finishing: false,
            held: false,
            busy: false,
            deadline: None,
            output_progress: 0,
            unacknowledged: 0,
            discard_left: 0,
            reason: CloseReason::Finished,
            closed: None,
        }
    }

    /// An idle one as if made anew, for another connection.
    pub fn renew(&mut self) {
        debug_assert!(self.is_idle(), "it belongs to a connection still");
        self.input = Input::Empty;
        self.found = None;
        self.conversation = None;
        self.scanned = 0;
        self.blocked = false;
        self.reason = CloseReason::Finished;
    }

    /// Gives back what can be had again, for a connection that keeps its active part: an encrypted one does so also while
    /// nothing happens.
    pub fn shrink(&mut self) {
        if self.found.is_none() && self.input.len() == 0 && self.conversation_rests() {
            self.conversation = None;
        }
        if self.output.is_empty() {
            self.output.shrink();
        }
    }

    /// Whether the protocol, if there is one, has nothing to remember.
    pub fn conversation_rests(&self) -> bool {
        let state = self.conversation.as_ref().map(|it| &it.state);
        state.is_none_or(Protocol::is_at_rest)
    }

    /// Stops the time of the protocol, if there is one, until it is asked for the next message.
    pub fn hold(&mut self) {
        if let Some(conversation) = &mut self.conversation {
            conversation.is_held = true;
        }
    }

    /// The tick at which the protocol, if there is one, has waited too long for the peer.
    pub fn patience(&self) -> Option<u32> {
        let conversation = self.conversation.as_ref().filter(|it| !it.is_held)?;
        conversation.state.deadline()
    }

    /// Whether the protocol, if there is one, owes the peer something.
    pub fn owes(&self) -> bool {
        let state = self.conversation.as_ref().map(|it| &it.state);
        state.is_some_and(Protocol::owes)
    }

    /// Whether the kernel has all output.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty() && self.transport.is_flushed()
    }

    /// Whether dropping it would lose nothing.
    pub fn is_idle(&self) -> bool {
        self.transport.is_plain()
            && self.input.len() == 0
            && self.conversation_rests()
            && self.output.is_empty()
            && self.interest == Interest::RECEIVE
            && !self.pauses.any()
            && !self.pending.any()
            && !self.finishing
            && !self.held
            && !self.busy
            && self.deadline.is_none()
            && self.closed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use floodway_base::{Progress, Received, Refusal};

    use super::*;

    #[derive(Debug)]
    struct Bytes;

    impl AsRef<[u8]> for Bytes {
        fn as_ref(&self) -> &[u8] {
            &[]
        }
    }

    impl crate::Payload for Bytes {}

    #[derive(Debug)]
    struct Silence;

    impl Protocol for Silence {
        type Config = ();
        type Message = ();
        type Command = ();

        fn new(_: &Arc<()>, _: u32) -> Self {
            Self
        }

        fn receive(&mut self, _: &[u8], _: bool, _: u32) -> Received<()> {
            Received {
                consumed: 0,
                step: Progress::More,
            }
        }

        fn obey(&mut self, (): (), _: u32) -> bool {
            false
        }

        fn deadline(&self) -> Option<u32> {
            None
        }

        fn resume(&mut self, _: u32) {}

        fn rebuke_plain() -> Refusal {
            Refusal {
                farewell: Vec::new(),
                reason: "",
            }
        }

        fn expire(&mut self, _: u32) -> Option<Refusal> {
            None
        }

        fn owes(&self) -> bool {
            false
        }

        fn is_at_rest(&self) -> bool {
            true
        }

        fn begins((): &()) -> bool {
            true
        }

        fn overloaded(&mut self) -> Refusal {
            Refusal {
                farewell: Vec::new(),
                reason: "overloaded",
            }
        }
    }

    #[derive(Debug)]
    struct Nobody;

    impl Host for Nobody {
        type Payload = Bytes;
        type Protocol = Silence;
        type Call = ();
    }

    #[test]
    fn a_busy_connection_costs_little_more_than_its_queues() {
        assert!(
            size_of::<Active<Nobody>>() <= 192,
            "{}",
            size_of::<Active<Nobody>>()
        );
    }
}
