//! The reactor: one thread's poller, its connections, their timers and buffers.
//!
//! # How a byte travels
//! `poll` waits (`driver`), takes what arrived into its connection (`read`), looks for a whole frame, and puts the
//! connection on the ready list. Python then consumes the batch (`batch`), and its writes are queued (`write`).
//! The next `poll` settles every connection that was touched (`settle`): flush, water marks, interest, timers.
//!
//! # Invariants
//! - Everything here belongs to one thread. Others reach it through `Shared` only.
//! - A connection with something for Python is on the ready list once; one that changed is on the touched list once.
//! - The receive area is valid until the next wait, of which one poll may make several: `wait` first moves what
//!   nobody consumed.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use floodway_base::{BlockPool, Slab, TimerId, TimerWheel, Token, limits as base_limits};
use floodway_sys::{Errno, SocketAddress, Waker};

use crate::acceptor::{Acceptor, Newcomer, Source};
use crate::admission::Admission;
use crate::budget::Counted;
use crate::clock::Clock;
use crate::connection::{Active, Input, Marks, Slot, State};
use crate::driver::{
    self, Completion, Driver, DriverKind, DriverLimits, ForeignReady, Interest, Sockets, Target,
    Waited,
};
use crate::handshakes::Handshakes;
use crate::message::Host;
use crate::notice::Notices;
use crate::output::OutArea;
use crate::shared::Shared;
use crate::transport::Scratch;
use crate::wake::InboxWaker;

/// Bytes of payloads that were sent but not yet dropped, above which Python is visited before a blocking wait.
const SPENT_HIGH_BYTES: usize = 1 << 20;

/// Limits of one reactor.
#[derive(Clone, Copy, Debug)]
pub struct ReactorLimits {
    /// The most bytes of one read.
    pub read_chunk: usize,
    /// The most descriptors of one wait.
    pub max_ready: usize,
    /// The most events of one batch.
    pub max_batch: usize,
    /// Bytes of pending output of all connections together.
    pub max_reactor_output: u64,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Consume the batch, which may be empty, then poll again.
    Batch,
    /// The reactor was stopped.
    Stopped,
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Connection(u32),
    Listener(u32),
    Call(u32),
    /// Connections that never sent a byte have had their time to do so.
    Drain,
}

/// The connections of a reactor.
#[derive(Debug)]
pub(crate) struct Connections<H: Host> {
    pub slots: Slab<Slot>,
    pub actives: Slab<Active<H>>,
    /// Active parts as new that no connection has: the next batch wants most of them again.
    spare: Vec<u32>,
}

/// Numbers below this one may be spare. Only those, or the spare ones would hold on to the memory of a burst.
const SPARE_ACTIVES: u32 = 256;

impl<H: Host> Connections<H> {
    /// The slots in use.
    pub fn indices(&self) -> Vec<u32> {
        self.slots.iter().map(|(index, _)| index).collect()
    }

    /// The slot and, when the connection is busy, its active part.
    pub fn parts(&mut self, index: u32) -> Option<(&mut Slot, Option<&mut Active<H>>)> {
        let slot = self.slots.get_mut(index)?;
        let active = match slot.active {
            0 => None,
            number => self.actives.get_mut(number - 1),
        };
        Some((slot, active))
    }

    /// The slot and its active part, which is made if there is none.
    pub fn busy(&mut self, index: u32) -> Option<(&mut Slot, &mut Active<H>)> {
        let slot = self.slots.get_mut(index)?;
        if slot.active == 0 {
            let spare = self.spare.pop();
            let number =
                spare.unwrap_or_else(|| self.actives.insert(Active::new(Interest::RECEIVE)));
            slot.active = number + 1;
        }
        let active = self.actives.get_mut(slot.active - 1)?;
        Some((slot, active))
    }

    /// Whether a connection's bytes travel encrypted.
    pub fn is_secure(&mut self, index: u32) -> bool {
        matches!(self.parts(index), Some((_, Some(active))) if !active.transport.is_plain())
    }

    /// Takes the active part, which is idle, from a connection.
    pub fn rest(&mut self, index: u32) {
        let Some((slot, Some(active))) = self.parts(index) else {
            return;
        };
        let number = std::mem::take(&mut slot.active) - 1;
        if number < SPARE_ACTIVES {
            active.renew();
            self.spare.push(number);
        } else {
            self.actives.take(number);
        }
    }
}

/// What a connection needs while it is being opened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Whom it is for, if it is to be encrypted.
    pub server_name: Option<Box<str>>,
    /// Addresses to try if this one does not answer, the next one last.
    pub fallbacks: Vec<SocketAddress>,
}

/// What a driver may see while it waits.
struct View<'a, H: Host> {
    connections: &'a mut Connections<H>,
    acceptors: &'a [Option<Acceptor>],
    shared: &'a Shared<H>,
    pool: &'a BlockPool,
    admission: &'a Admission,
}

/// Whether a connection that is ready to be received from has to wait, since Python has not seen all that came before.
fn is_behind<H: Host>(slot: &Slot, active: &Active<H>) -> bool {
    slot.state == State::Open && slot.marks.has(Marks::READY) && active.input.len() > 0
}

impl<H: Host> Sockets for View<'_, H> {
    fn target(&mut self, token: Token) -> Option<Target<'_>> {
        if !self.shared.is_live(token) {
            self.shared.stats.stale_events.add(1);
            return None;
        }
        let is_buffered =
            |slot: &Slot| slot.state == State::Open && slot.marks.has(Marks::BUFFERED);
        if self
            .connections
            .slots
            .get(token.slot)
            .is_some_and(is_buffered)
            && !self.connections.is_secure(token.slot)
        {
            let (slot, active) = self.connections.busy(token.slot)?;
            if matches!(active.input, Input::Empty) {
                let buffer = floodway_base::LinkBuffer::new(self.pool.clone());
                active.input = Input::Chain(Box::new(buffer));
            }
            let behind = is_behind(slot, active);
            return Some(Target {
                fd: slot.socket.as_ref()?.as_fd(),
                receive: active.interest.receive,
                behind,
                send: active.interest.send,
                into: match &mut active.input {
                    Input::Chain(buffer) => Some(buffer),
                    Input::Empty | Input::Area { .. } | Input::Own { .. } => None,
                },
            });
        }
        let (slot, active) = self.connections.parts(token.slot)?;
        let interest = active
            .as_ref()
            .map_or(Interest::RECEIVE, |active| active.interest);
        let behind = active.is_some_and(|active| is_behind(slot, active));
        Some(Target {
            fd: slot.socket.as_ref()?.as_fd(),
            receive: interest.receive,
            behind,
            send: interest.send,
            into: None,
        })
    }

    fn listener(&mut self, listener: u32) -> Option<(BorrowedFd<'_>, Source, usize)> {
        let acceptor = self.acceptors.get(listener as usize)?.as_ref()?;
        acceptor
            .is_accepting()
            .then(|| (acceptor.fd(), acceptor.source, self.admission.room()))
    }
}

/// See the module text.
#[derive(Debug)]
pub struct Reactor<H: Host> {
    pub(crate) driver: Box<dyn Driver>,
    /// Gone once the reactor has ended.
    waker: Option<Arc<Waker>>,
    pub(crate) shared: Arc<Shared<H>>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) limits: ReactorLimits,
    pub(crate) connections: Connections<H>,
    pub(crate) acceptors: Vec<Option<Acceptor>>,
    /// Connections with something for Python, by slot.
    pub(crate) ready: VecDeque<u32>,
    /// Connections to settle before the next wait, by slot.
    pub(crate) touched: Vec<u32>,
    /// Connections whose input lies in the receive area, by slot.
    pub(crate) in_area: Vec<u32>,
    pub(crate) calls: VecDeque<H::Call>,
    pub(crate) newcomers: VecDeque<(Newcomer, u32)>,
    pub(crate) notices: Notices,
    /// Descriptors of others that the last wait found ready.
    pub(crate) foreign_ready: VecDeque<ForeignReady>,
    pub(crate) wheel: TimerWheel<Owner>,
    /// Calls to make later. The serial tells a timer from its successor under the same number.
    pub(crate) timers: Slab<(u32, Option<TimerId>, H::Call)>,
    timer_serial: u32,
    pub(crate) pool: BlockPool,
    /// Small writes since the last settling.
    pub(crate) out_area: OutArea,
    /// What is pending, as it was last counted.
    pub(crate) counted: Counted,
    /// Payloads that were sent, for `take_spent`.
    pub(crate) spent: Vec<H::Payload>,
    /// What secure connections use in turn.
    pub(crate) scratch: Scratch,
    pub(crate) handshakes: Handshakes,
    /// What connections need while they are being opened, by slot.
    pub(crate) openings: HashMap<u32, Opening>,
    pub(crate) clock: Clock,
    pub(crate) now: u32,
    pub(crate) draining: Option<crate::ending::Drain>,
    /// Events and connections that the running batch may still deliver.
    pub(crate) events_left: usize,
    pub(crate) connections_left: usize,
    /// Whether the connection at the front of `ready` was served in this batch, and has more.
    pub(crate) is_amid: bool,
    /// Whether the batch goes on after this poll.
    pub(crate) is_paused: bool,
    /// When the batch began or went on, on the coarse clock.
    pub(crate) slice_began: u64,
    pub(crate) events_given: usize,
    completions: Vec<Completion>,
    expired: Vec<(TimerId, Owner)>,
    polled_at: Instant,
}

impl<H: Host> Reactor<H> {
    /// A reactor without connections.
    ///
    /// # Errors
    /// When the driver does not exist here, or the kernel refuses its descriptors.
    pub fn new(
        kind: DriverKind,
        limits: ReactorLimits,
        admission: Arc<Admission>,
        clock: Clock,
    ) -> Result<Self, Errno> {
        let waker = Arc::new(Waker::new()?);
        let mut driver = driver::open(
            kind,
            DriverLimits {
                read_chunk: limits.read_chunk,
                max_ready: limits.max_ready,
            },
        )?;
        driver.watch_wake(waker.as_fd())?;
        let now = clock.tick();
        let unix_seconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |elapsed| elapsed.as_secs_f64());
        Ok(Self {
            driver,
            shared: Arc::new(Shared::new(
                InboxWaker::of(&waker),
                unix_seconds - crate::clock::seconds(now),
            )),
            waker: Some(waker),
            admission,
            limits,
            connections: Connections {
                slots: Slab::new(),
                actives: Slab::new(),
                spare: Vec::new(),
            },
            acceptors: Vec::new(),
            ready: VecDeque::new(),
            touched: Vec::new(),
            in_area: Vec::new(),
            calls: VecDeque::new(),
            newcomers: VecDeque::new(),
            notices: Notices::default(),
            foreign_ready: VecDeque::new(),
            wheel: TimerWheel::new(now),
            timers: Slab::new(),
            timer_serial: 0,
            pool: BlockPool::new(base_limits::POOL_IDLE_BYTES),
            out_area: OutArea::new(),
            counted: Counted::default(),
            spent: Vec::new(),
            scratch: Scratch::default(),
            handshakes: Handshakes::default(),
            openings: HashMap::new(),
            clock,
            now,
            draining: None,
            events_left: 0,
            connections_left: 0,
            is_amid: false,
            is_paused: false,
            slice_began: 0,
            events_given: 0,
            completions: Vec::new(),
            expired: Vec::new(),
            polled_at: Instant::now(),
        })
    }

    /// The part that other threads may use.
    pub fn shared(&self) -> &Arc<Shared<H>> {
        &self.shared
    }

    /// The driver that runs.
    pub fn driver_name(&self) -> &'static str {
        self.driver.name()
    }

    /// The pool of this reactor's blocks.
    pub fn pool(&self) -> &BlockPool {
        &self.pool
    }

    /// Waits until Python is wanted: for events, at the deadline, at a wake-up, at a signal, or at a stop. Everything
    /// that does not need Python happens in here. Call it detached from the interpreter.
    ///
    /// # Errors
    /// What the driver's wait fails with: a defect, not a condition.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<Polled, Errno> {
        let started = Instant::now();
        let deadline = timeout.and_then(|timeout| started.checked_add(timeout));
        self.end_python(started);
        let is_over = self.end_batch();
        let mut blocked_nanos = 0;
        let polled = loop {
            self.take_messages();
            self.run_timers();
            self.settle_touched();
            if self.shared.take_stop() {
                break Polled::Stopped;
            }
            if !is_over {
                break Polled::Batch;
            }
            let may_block = !self.has_events()
                && self.handshakes.is_empty()
                && self.shared.inbox.prepare_to_sleep();
            if may_block && self.spent_bytes() > SPENT_HIGH_BYTES {
                self.shared.inbox.awake();
                break Polled::Batch;
            }
            let timeout = if may_block {
                self.wait_time(deadline)
            } else {
                Some(Duration::ZERO)
            };
            let before = Instant::now();
            let waited = self.wait(timeout)?;
            let after = Instant::now();
            if may_block {
                blocked_nanos += (after - before).as_nanos() as u64;
            }
            self.shared.inbox.awake();
            self.go_on_with_handshakes();
            self.run_completions();
            self.take_messages();
            self.run_timers();
            if self.has_events()
                || waited == Waited::Interrupted
                || self.shared.take_wake()
                || deadline.is_some_and(|deadline| after >= deadline)
            {
                break Polled::Batch;
            }
        };
        self.begin_python(started, blocked_nanos);
        if is_over {
            self.events_left = self.limits.max_batch;
            self.connections_left = self.ready.len();
        }
        Ok(polled)
    }

    fn spent_bytes(&self) -> usize {
        self.spent
            .iter()
            .map(|payload| payload.as_ref().len())
            .sum()
    }

    /// Payloads that were sent: to be dropped while attached to the interpreter.
    pub fn take_spent(&mut self) -> Vec<H::Payload> {
        std::mem::take(&mut self.spent)
    }

    fn has_events(&self) -> bool {
        !self.ready.is_empty()
            || !self.calls.is_empty()
            || !self.newcomers.is_empty()
            || !self.notices.is_empty()
            || !self.foreign_ready.is_empty()
    }

    fn wait_time(&self, deadline: Option<Instant>) -> Option<Duration> {
        let timer = self.wheel.next_wake().map(|tick| self.clock.until(tick));
        let caller = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match (timer, caller) {
            (Some(timer), Some(caller)) => Some(timer.min(caller)),
            (one, other) => one.or(other),
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Waited, Errno> {
        self.shared.stats.waits.add(1);
        self.save_area();
        let mut view = View {
            connections: &mut self.connections,
            acceptors: &self.acceptors,
            shared: &self.shared,
            pool: &self.pool,
            admission: &self.admission,
        };
        self.driver.wait(timeout, &mut view, &mut self.completions)
    }

    fn run_completions(&mut self) {
        self.now = self.clock.tick();
        let mut completions = std::mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            self.run_completion(completion);
        }
        self.completions = completions;
    }

    pub(crate) fn run_completion(&mut self, completion: Completion) {
        match completion {
            Completion::Received { token, range } => self.on_received(token, range),
            Completion::ReceivedInPlace { token, count } => {
                self.on_received_in_place(token, count);
            }
            Completion::EndOfInput { token } => self.on_end_of_input(token),
            Completion::EndAhead { token } => self.on_end_ahead(token),
            Completion::Room { token } => self.on_room(token),
            Completion::Failed { token, errno } => self.on_failed(token, errno),
            Completion::Woken => {
                if let Some(waker) = &self.waker {
                    waker.drain();
                }
            }
            Completion::Accepted {
                listener,
                socket,
                peer,
            } => self.on_accepted(listener, socket, peer),
            Completion::AcceptFailed { listener, errno } => {
                self.on_accept_failed(listener, errno);
            }
            Completion::NotTaken {
                listener,
                count,
                lost,
            } => self.on_not_taken(listener, count, lost),
            Completion::Foreign(ready) => self.foreign_ready.push_back(ready),
        }
    }

    fn run_timers(&mut self) {
        self.now = self.clock.tick();
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.advance(self.now, &mut expired);
        for (_, owner) in expired.drain(..) {
            match owner {
                Owner::Connection(index) => self.on_connection_timer(index),
                Owner::Listener(listener) => self.retry_listener(listener),
                Owner::Call(number) => {
                    if let Some((_, _, call)) = self.timers.take(number) {
                        self.calls.push_back(call);
                    }
                }
                Owner::Drain => self.on_drain_timer(),
            }
        }
        self.expired = expired;
    }

    /// Makes this call after so many ticks. Returns the timer's number for `cancel_timer`.
    pub fn call_later(&mut self, delay: Duration, call: H::Call) -> u64 {
        let deadline = self.clock.tick().wrapping_add(crate::clock::ticks(delay));
        self.timer_serial = self.timer_serial.wrapping_add(1);
        let serial = self.timer_serial;
        let number = self.timers.insert((serial, None, call));
        let id = self.wheel.arm(deadline, Owner::Call(number));
        if let Some(timer) = self.timers.get_mut(number) {
            timer.1 = Some(id);
        }
        u64::from(serial) << 32 | u64::from(number)
    }

    /// Forgets a timer and hands its call back; None when it has fired or was cancelled.
    pub fn cancel_timer(&mut self, number: u64) -> Option<H::Call> {
        let index = number as u32;
        let (serial, id, _) = self.timers.get(index)?;
        if u64::from(*serial) != number >> 32 {
            return None;
        }
        if let Some(id) = *id {
            self.wheel.cancel(id);
        }
        self.timers.take(index).map(|(_, _, call)| call)
    }

    fn end_python(&mut self, now: Instant) {
        self.shared.set_busy_since(0);
        let nanos = (now - self.polled_at).as_nanos() as u64;
        let stats = &self.shared.stats;
        stats.python_nanos.add(nanos);
        if self.events_given > 0 {
            stats.longest_batch_nanos.raise(nanos);
            stats.batches.add(1);
            stats.events.add(self.events_given as u64);
            stats.largest_batch.raise(self.events_given as u64);
        }
    }

    fn begin_python(&mut self, started: Instant, blocked_nanos: u64) {
        let now = Instant::now();
        let stats = &self.shared.stats;
        let nanos = (now - started).as_nanos() as u64;
        stats.io_nanos.add(nanos.saturating_sub(blocked_nanos));
        stats.blocks_in_use.set(self.pool.blocks_in_use() as u64);
        self.polled_at = now;
        self.events_given = 0;
        self.slice_began = floodway_sys::limits::coarse_nanos();
        self.shared
            .set_busy_since(floodway_sys::limits::monotonic_nanos());
    }

    /// Accepts on a socket that listens: it is owned from now on. Its options are inherited by what it accepts.
    /// `shared`: others accept on it as well.
    pub fn listen(
        &mut self,
        socket: OwnedFd,
        route: u16,
        delivery: crate::acceptor::Delivery,
        source: Source,
    ) -> Result<u32, Errno> {
        let number = self.acceptors.len() as u32;
        self.driver.open_listener(number, socket.as_fd(), source)?;
        self.acceptors
            .push(Some(Acceptor::new(socket, route, delivery, source)));
        Ok(number)
    }

    /// Ends the reactor: closes its descriptors and gives its memory back at once, however long the object is still
    /// referred to. Its counters can still be asked for. A message that another thread sends from now on is refused, for
    /// that thread to drop: it may refer to this reactor.
    ///
    /// Returns the calls that nobody will make, of which one may refer to this reactor: the host drops them.
    #[must_use = "a call is to be dropped by the host's rules"]
    pub fn end(&mut self) -> Vec<H::Call> {
        self.shared.inbox.end();
        self.take_messages(); // of threads that were still told it would be
        self.close_descriptors();
        self.driver = driver::closed();
        self.waker = None; // after the driver, which waited on it
        self.pool = BlockPool::new(0);
        let timers: Vec<u32> = self.timers.iter().map(|(number, _)| number).collect();
        let timed = timers
            .into_iter()
            .filter_map(|number| self.timers.take(number).map(|(_, _, call)| call));
        self.calls.drain(..).chain(timed).collect()
    }

    /// Closes every descriptor without telling anybody. Nothing but dropping may follow. In a forked child nothing
    /// else is safe: the epoll instance and the connections are the parent's.
    pub fn close_descriptors(&mut self) {
        self.acceptors.clear();
        self.newcomers.clear();
        for index in self.connections.indices() {
            if let Some(slot) = self.connections.slots.get_mut(index) {
                slot.socket = None;
            }
        }
    }
}
