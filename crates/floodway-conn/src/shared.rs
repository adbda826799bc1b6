//! The part of a reactor that every thread may touch: the inbox, the counts, each connection's control bits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use floodway_base::{Inbox, OnceTable, SlotTable, Token};
use floodway_sys::{SocketAddress, UnixName};

use crate::admission::Paused;
use crate::connection::{Closed, State};
use crate::message::{Host, Message};
use crate::peer::{self, PeerTable};
use crate::reason::CloseReason;
use crate::route::{Framing, OutputPolicy, Route};
use crate::stats::Stats;
use crate::wake::InboxWaker;

/// Routes of one reactor; a server has one per listener and connector.
pub const MAX_ROUTES: usize = 256;

/// Bits of a connection's control word: what was asked of it, wherever that came from.
/// The upper half of the word is the number of its route.
pub(crate) mod control {
    /// `write_eof`, `close` or `abort` was called: writes are refused.
    pub const FINISHED: u32 = 1;
    /// `pause_reading` was called last, and not `resume_reading`.
    pub const PAUSED: u32 = 1 << 1;
    /// A `Refresh` is in the inbox.
    pub const REFRESH: u32 = 1 << 2;
    /// A write has returned False: tell when there is room.
    pub const WANT_WRITABLE: u32 = 1 << 3;
    /// Python has an object for this connection.
    pub const HAS_OBJECT: u32 = 1 << 4;
    /// `Override` has something for this connection.
    pub const OVERRIDE: u32 = 1 << 5;
    /// Where the number of the state begins, and its bits.
    pub const STATE_SHIFT: u32 = 8;
    pub const STATE: u32 = 0xF << STATE_SHIFT;
    /// Where the route's number begins.
    pub const ROUTE_SHIFT: u32 = 16;
}

/// A connection's own idle timeout, if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IdleOverride {
    /// As its route has it.
    #[default]
    None,
    /// No timeout.
    Never,
    /// So many ticks.
    Ticks(u32),
}

/// What one connection has that its route does not give.
#[derive(Clone, Debug, Default)]
pub(crate) struct Override {
    pub framing: Option<Framing>,
    /// The framing was changed, and the owner has not applied it yet.
    pub reframe: bool,
    pub idle: IdleOverride,
}

/// What `Shared::admit` says of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Counted; `roomy`: at or below the high-water mark.
    Yes {
        /// Whether the writer may go on.
        roomy: bool,
    },
    /// The connection takes no more output.
    Closed,
    /// `max_output` was reached before this write: bytes pending, and what to do.
    Breach(u32, OutputPolicy),
}

/// See the module text.
#[derive(Debug)]
pub struct Shared<H: Host> {
    pub(crate) slots: SlotTable,
    /// Requests to the owner.
    pub inbox: Inbox<Message<H>, InboxWaker>,
    /// What was counted.
    pub stats: Stats,
    routes: OnceTable<Route<H::Protocol>, 16>,
    route_count: AtomicUsize,
    overrides: Mutex<HashMap<u32, Override>>,
    peers: Mutex<PeerTable>,
    /// Unix time of tick 0, in seconds.
    epoch: f64,
    /// Counted by whatever thread writes, unlike `stats`.
    writes_dropped: AtomicU64,
    bytes_dropped: AtomicU64,
    stopped: AtomicBool,
    draining: AtomicBool,
    woken: AtomicBool,
    load: AtomicUsize,
    /// Nanoseconds on the monotonic clock at which the current batch was given to Python; 0 while polling.
    busy_since_nanos: AtomicU64,
}

impl<H: Host> Paused for Shared<H> {
    fn resume(&self) {
        // A reactor that has ended accepts nothing. The message refers to nobody and may stay; it is not for this thread,
        // which may be detached, to drop what others have left beside it.
        let _ = self.inbox.push(Message::DescriptorFreed);
    }
}

impl<H: Host> Shared<H> {
    pub(crate) fn new(waker: InboxWaker, epoch: f64) -> Self {
        Self {
            slots: SlotTable::new(),
            inbox: Inbox::new(waker),
            stats: Stats::default(),
            routes: OnceTable::new(MAX_ROUTES),
            route_count: AtomicUsize::new(0),
            overrides: Mutex::default(),
            peers: Mutex::default(),
            epoch,
            writes_dropped: AtomicU64::new(0),
            bytes_dropped: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            load: AtomicUsize::new(0),
            busy_since_nanos: AtomicU64::new(0),
        }
    }

    /// Adds a route. None: there are `MAX_ROUTES` already.
    pub fn add_route(&self, route: Route<H::Protocol>) -> Option<u16> {
        let number = self.route_count.fetch_add(1, Ordering::Relaxed);
        self.routes.set(number, route).ok()?;
        u16::try_from(number).ok()
    }

    /// The route with this number, which `add_route` has returned.
    ///
    /// # Panics
    /// When there is none.
    pub fn route(&self, number: u16) -> &Route<H::Protocol> {
        self.routes
            .get(usize::from(number))
            .expect("route numbers come from add_route")
    }

    /// Whether a route with this number exists.
    pub fn has_route(&self, number: u16) -> bool {
        self.routes.get(usize::from(number)).is_some()
    }

    /// Makes a token for a connection that `Message::Connect` will open. None: no slots are left.
    pub fn reserve(&self, route: u16) -> Option<Token> {
        let token = self.reserve_counted(route)?;
        self.count_in();
        Some(token)
    }

    /// Makes a token for a connection that `count_in` has counted already.
    pub(crate) fn reserve_counted(&self, route: u16) -> Option<Token> {
        let token = self.slots.reserve()?;
        self.slots
            .shared(token.slot)
            .control
            .store(u32::from(route) << control::ROUTE_SHIFT, Ordering::SeqCst);
        Some(token)
    }

    /// Whether this connection still exists.
    pub fn is_live(&self, token: Token) -> bool {
        self.slots.is_live(token)
    }

    /// The connections that exist now, but for accepted ones that are not open yet, of which nobody has heard.
    pub fn live(&self) -> impl Iterator<Item = Token> + '_ {
        self.slots.iter_live().filter(|token| {
            self.state(*token) != State::Handshaking
                || self.control(*token) & control::HAS_OBJECT != 0
        })
    }

    /// The route of a connection.
    pub fn route_of(&self, token: Token) -> &Route<H::Protocol> {
        self.route((self.control(token) >> control::ROUTE_SHIFT) as u16)
    }

    /// Counts a write that `output_policy="drop"` dropped. Any thread.
    pub fn count_dropped(&self, bytes: usize) {
        self.writes_dropped.fetch_add(1, Ordering::Relaxed);
        self.bytes_dropped
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Writes and bytes that `output_policy="drop"` dropped.
    pub fn dropped(&self) -> (u64, u64) {
        (
            self.writes_dropped.load(Ordering::Relaxed),
            self.bytes_dropped.load(Ordering::Relaxed),
        )
    }

    /// Counts `len` bytes of output for a connection, judged by what was pending before.
    pub fn admit(&self, token: Token, len: usize) -> Admitted {
        let shared = self.slots.shared(token.slot);
        let word = shared.control.load(Ordering::Acquire);
        if word & control::FINISHED != 0 {
            return Admitted::Closed;
        }
        let route = self.route((word >> control::ROUTE_SHIFT) as u16);
        let max = route.max_output.unwrap_or(u32::MAX);
        match self.slots.add_pending(token, len as u32, max) {
            None => Admitted::Closed,
            Some(Err(pending)) => Admitted::Breach(pending, route.output_policy),
            Some(Ok(pending)) => {
                let roomy = pending <= route.high_water;
                if !roomy {
                    shared
                        .control
                        .fetch_or(control::WANT_WRITABLE, Ordering::AcqRel);
                }
                Admitted::Yes { roomy }
            }
        }
    }

    /// Bytes of pending output; 0 once the connection is gone.
    pub fn pending(&self, token: Token) -> u32 {
        self.slots.pending(token)
    }

    /// Sets control bits; returns the word before. The bits of a connection that is gone do no harm: the word is
    /// written anew when its slot is used again.
    fn set_bits(&self, token: Token, bits: u32) -> Option<u32> {
        self.is_live(token).then(|| {
            self.slots
                .shared(token.slot)
                .control
                .fetch_or(bits, Ordering::AcqRel)
        })
    }

    /// Refuses writes from now on. False: they were refused already, or the connection is gone.
    pub fn finish(&self, token: Token) -> bool {
        self.set_bits(token, control::FINISHED)
            .is_some_and(|before| before & control::FINISHED == 0)
    }

    /// Whether writes are refused.
    pub fn is_finished(&self, token: Token) -> bool {
        self.control(token) & control::FINISHED != 0 || !self.is_live(token)
    }

    /// Notes whether reading shall pause. Returns whether the owner must be sent a `Refresh`.
    pub fn want_paused(&self, token: Token, paused: bool) -> bool {
        if !self.is_live(token) {
            return false;
        }
        let word = &self.slots.shared(token.slot).control;
        if paused {
            word.fetch_or(control::PAUSED, Ordering::AcqRel);
        } else {
            word.fetch_and(!control::PAUSED, Ordering::AcqRel);
        }
        self.want_refresh(token)
    }

    /// Notes another framing. Returns whether the owner must be sent a `Refresh`.
    pub fn want_framing(&self, token: Token, framing: Framing) -> bool {
        self.override_with(token, |entry| {
            entry.framing = Some(framing);
            entry.reframe = true;
        })
    }

    /// Notes another idle timeout, in ticks. Returns whether the owner must be sent a `Refresh`.
    pub fn want_idle_ticks(&self, token: Token, ticks: Option<u32>) -> bool {
        let idle = ticks.map_or(IdleOverride::Never, IdleOverride::Ticks);
        self.override_with(token, |entry| entry.idle = idle)
    }

    fn override_with(&self, token: Token, change: impl FnOnce(&mut Override)) -> bool {
        let mut overrides = self.overrides();
        if self.set_bits(token, control::OVERRIDE).is_none() {
            return false;
        }
        change(overrides.entry(token.slot).or_default());
        drop(overrides);
        self.want_refresh(token)
    }

    fn want_refresh(&self, token: Token) -> bool {
        self.set_bits(token, control::REFRESH)
            .is_some_and(|before| before & control::REFRESH == 0)
    }

    /// Notes that Python has an object for this connection. False: the connection is gone.
    pub fn note_object(&self, token: Token) -> bool {
        self.set_bits(token, control::HAS_OBJECT).is_some() && self.is_live(token)
    }

    /// Notes that the object is no more. It will be made again when Python needs one.
    pub fn forget_object(&self, token: Token) {
        if self.is_live(token) {
            self.clear_bits(token, control::HAS_OBJECT);
        }
    }

    /// The framing in force.
    pub fn framing(&self, token: Token) -> Framing {
        let word = self.control(token);
        if word & control::OVERRIDE != 0
            && let Some(framing) = self
                .overrides()
                .get(&token.slot)
                .and_then(|entry| entry.framing.clone())
        {
            return framing;
        }
        self.route((word >> control::ROUTE_SHIFT) as u16)
            .framing
            .clone()
    }

    /// Notes what any thread may read of a new connection. Owner.
    pub(crate) fn publish(&self, token: Token, peer: SocketAddress, opened: u32) {
        let shared = self.slots.shared(token.slot);
        let encoded = peer::encode(peer, token.slot, &mut self.peers());
        shared.peer.store(encoded, Ordering::Release);
        shared.opened.store(opened, Ordering::Relaxed);
        shared.bytes_in.store(0, Ordering::Relaxed);
        shared.bytes_out.store(0, Ordering::Relaxed);
    }

    /// Notes where a connection is in its life. Owner.
    pub(crate) fn publish_state(&self, slot: u32, state: State) {
        // In one step: another thread must not see a state in between. It always succeeds.
        let _ = self.slots.shared(slot).control.fetch_update(
            Ordering::AcqRel,
            Ordering::Acquire,
            |word| Some(word & !control::STATE | (state as u32) << control::STATE_SHIFT),
        );
    }

    /// What any thread may read of a connection. It is of this connection if it is live before and after.
    pub fn snapshot(&self, token: Token) -> Closed {
        let shared = self.slots.shared(token.slot);
        Closed {
            reason: CloseReason::Finished,
            peer: peer::decode(
                shared.peer.load(Ordering::Acquire),
                token.slot,
                &self.peers(),
            ),
            local: SocketAddress::Unix(UnixName::Unnamed),
            bytes_in: shared.bytes_in.load(Ordering::Relaxed),
            bytes_out: shared.bytes_out.load(Ordering::Relaxed),
            opened_at: self.epoch + crate::clock::seconds(shared.opened.load(Ordering::Relaxed)),
        }
    }

    /// Where a live connection is in its life.
    pub fn state(&self, token: Token) -> State {
        match (self.control(token) & control::STATE) >> control::STATE_SHIFT {
            0 => State::Opening,
            1 => State::Handshaking,
            2 => State::Open,
            3 => State::Closing,
            4 => State::Lingering,
            _ => State::Closed,
        }
    }

    pub(crate) fn forget_peer(&self, slot: u32) {
        if peer::is_kept(self.slots.shared(slot).peer.load(Ordering::Relaxed)) {
            self.peers().remove(&slot);
        }
    }

    fn peers(&self) -> MutexGuard<'_, PeerTable> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn control(&self, token: Token) -> u32 {
        self.slots
            .shared(token.slot)
            .control
            .load(Ordering::Acquire)
    }

    pub(crate) fn clear_bits(&self, token: Token, bits: u32) -> u32 {
        self.slots
            .shared(token.slot)
            .control
            .fetch_and(!bits, Ordering::AcqRel)
    }

    pub(crate) fn override_of(&self, slot: u32) -> Override {
        self.overrides().get(&slot).cloned().unwrap_or_default()
    }

    /// The framing to apply, if it was changed. Owner.
    pub(crate) fn take_reframe(&self, slot: u32) -> Option<Framing> {
        let mut overrides = self.overrides();
        let entry = overrides.get_mut(&slot)?;
        std::mem::take(&mut entry.reframe)
            .then(|| entry.framing.clone())
            .flatten()
    }

    pub(crate) fn forget_override(&self, slot: u32) {
        self.overrides().remove(&slot);
    }

    fn overrides(&self) -> MutexGuard<'_, HashMap<u32, Override>> {
        self.overrides
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections owned or on their way here.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Counts a connection that is on its way here.
    pub fn count_in(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_out(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets the next poll end the loop, once.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.inbox.wake();
    }

    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether connections are being closed as they become idle.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Lets a poll return at once, with an empty batch if there is no event.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        self.inbox.wake();
    }

    pub(crate) fn take_wake(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn take_stop(&self) -> bool {
        // The load is for every wait, the exchange for the last one.
        self.stopped.load(Ordering::SeqCst) && self.stopped.swap(false, Ordering::SeqCst)
    }

    /// When the current batch was given to Python, in nanoseconds of the monotonic clock; None while polling.
    pub fn busy_since_nanos(&self) -> Option<u64> {
        match self.busy_since_nanos.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(nanos),
        }
    }

    pub(crate) fn set_busy_since(&self, nanos: u64) {
        self.busy_since_nanos.store(nanos, Ordering::Relaxed);
    }
}
