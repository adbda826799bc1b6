//! Timers: a hashed wheel that costs no allocation per timer.
//!
//! # Rules
//! - A timer never fires early. It fires in the first [`advance`](TimerWheel::advance) whose `now`
//!   is at or after its deadline.
//! - Ticks wrap around. A deadline less than 2^31 ticks (248 days) ahead of now is in the future,
//!   anything else has passed and fires at the next `advance`.
//! - A [`TimerId`] is valid from `arm` until `cancel`, or until `advance` has handed it back. Using
//!   it later is the owner's mistake and may meet another timer.
//!
//! # Theory
//! 8,192 buckets of one tick; a timer lies in the bucket of its deadline modulo 8,192, in a
//! circular list through the nodes themselves. Timers of later revolutions lie in the same lists
//! and are passed over. One bit for each bucket tells the occupied ones, so time that passes
//! without timers costs a word for 64 ticks (Varghese and Lauck 1987, scheme 6).
//!
//! Nothing is re-armed per byte of traffic: who has an idle timeout arms it once, compares with the
//! time of last progress when it fires, and arms it again for what is left.
//!
//! # Cost
//! 1 KiB a wheel, 32 KiB more from its first timer on, and `size_of::<T>()` + 16 bytes a timer. `arm` and `cancel` are constant; `advance`
//! visits the occupied buckets of the ticks that passed, each at most once.

use std::num::NonZeroU32;

use crate::slab::Slab;

const BUCKETS: usize = 8_192;
const WORDS: usize = BUCKETS / 64;
/// No node: the lists' null. A slab has fewer than 2^32 - 1 values.
const NONE: u32 = u32::MAX;

const _: () = assert!(
    BUCKETS.is_power_of_two(),
    "ticks wrap at 2^32, so bucket numbers have to divide it"
);
const _: () = assert!(size_of::<Option<TimerId>>() == 4);

/// The name of an armed timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(NonZeroU32);

impl TimerId {
    fn from_node(node: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(node))
    }

    fn node(self) -> u32 {
        self.0.get() - 1
    }
}

/// See the module's text. `T` says whom a timer belongs to.
///
/// ```
/// use floodway_base::TimerWheel;
///
/// let mut wheel = TimerWheel::new(100);
/// let id = wheel.arm(105, "idle timeout");
/// let mut expired = Vec::new();
/// wheel.advance(104, &mut expired);
/// assert!(expired.is_empty());
/// wheel.advance(105, &mut expired);
/// assert_eq!(expired, [(id, "idle timeout")]);
/// ```
#[derive(Debug)]
pub struct TimerWheel<T: Copy> {
    nodes: Slab<Node<T>>,
    /// The first node of each bucket's circular list. None at all before the first timer, which many wheels never see.
    heads: Box<[u32]>,
    occupied: [u64; WORDS],
    now: u32,
}

#[derive(Debug)]
struct Node<T> {
    owner: T,
    deadline: u32,
    next: u32,
    previous: u32,
}

impl<T: Copy> TimerWheel<T> {
    /// A wheel without timers, at tick `now`.
    pub fn new(now: u32) -> Self {
        Self {
            nodes: Slab::new(),
            heads: Box::default(),
            occupied: [0; WORDS],
            now,
        }
    }

    /// Armed timers.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Arms a timer.
    pub fn arm(&mut self, deadline: u32, owner: T) -> TimerId {
        if self.heads.is_empty() {
            self.heads = vec![NONE; BUCKETS].into();
        }
        let unlinked = Node {
            owner,
            deadline,
            next: NONE,
            previous: NONE,
        };
        let node = self.nodes.insert(unlinked);
        self.link(node, deadline);
        TimerId::from_node(node)
    }

    /// Disarms a timer and returns whose it was.
    ///
    /// # Panics
    /// If `id` is not armed (and not in use for another timer by now).
    pub fn cancel(&mut self, id: TimerId) -> T {
        self.unlink(id.node());
        self.nodes
            .take(id.node())
            .expect("a cancelled timer is armed")
            .owner
    }

    /// Gives a timer another deadline; it keeps its name.
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn rearm(&mut self, id: TimerId, deadline: u32) {
        self.unlink(id.node());
        self.link(id.node(), deadline);
    }

    /// The deadline it was armed for, or the tick in which it was armed if that was later.
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn deadline(&self, id: TimerId) -> u32 {
        self.node(id.node()).deadline
    }

    /// Moves the wheel to tick `now` and appends to `expired` the timers that are due, disarmed;
    /// bucket by bucket in the order of time, within a bucket in the order in which they were
    /// armed.
    ///
    /// A `now` before the previous one counts as that.
    pub fn advance(&mut self, now: u32, expired: &mut Vec<(TimerId, T)>) {
        let passed = now.wrapping_sub(self.now);
        let passed = if is_past(now, self.now) { 0 } else { passed };
        // The present bucket is looked at again each time: what was due when it was armed lies there.
        let mut tick = self.now;
        let mut left = (passed as usize).min(BUCKETS - 1) + 1;
        self.now = self.now.wrapping_add(passed);
        while let Some(ahead) = self.next_occupied(tick).filter(|&ahead| ahead < left) {
            let bucket = bucket_of(tick.wrapping_add(ahead as u32));
            self.expire(bucket, expired);
            left -= ahead + 1;
            tick = tick.wrapping_add(ahead as u32 + 1);
        }
    }

    /// When to call [`advance`](Self::advance) next: not later than the earliest deadline, perhaps
    /// whole revolutions (82 seconds) before it. `None` without timers.
    pub fn next_wake(&self) -> Option<u32> {
        let ahead = self.next_occupied(self.now)?;
        Some(self.now.wrapping_add(ahead as u32))
    }

    /// Takes what is due out of one bucket.
    fn expire(&mut self, bucket: usize, expired: &mut Vec<(TimerId, T)>) {
        let head = self.heads[bucket];
        let last = self.node(head).previous;
        let mut node = head;
        loop {
            let Node {
                owner,
                deadline,
                next,
                ..
            } = *self.node(node);
            if !is_past(self.now, deadline) {
                let id = TimerId::from_node(node);
                self.cancel(id);
                expired.push((id, owner));
            }
            if node == last {
                break;
            }
            node = next;
        }
    }

    fn link(&mut self, node: u32, deadline: u32) {
        // What has passed is due now. Left as it is, it would look like the future again in 248 days,
        // or at once if it had passed that long ago.
        let deadline = if is_past(deadline, self.now) {
            self.now
        } else {
            deadline
        };
        let bucket = bucket_of(deadline);
        let head = self.heads[bucket];
        let (next, previous) = if head == NONE {
            self.heads[bucket] = node;
            self.occupied[bucket / 64] |= 1 << (bucket % 64);
            (node, node)
        } else {
            let last = self.node(head).previous;
            self.node_mut(head).previous = node;
            self.node_mut(last).next = node;
            (head, last)
        };
        let linked = self.node_mut(node);
        linked.deadline = deadline;
        (linked.next, linked.previous) = (next, previous);
    }

    fn unlink(&mut self, node: u32) {
        let &Node {
            deadline,
            next,
            previous,
            ..
        } = self.node(node);
        let bucket = bucket_of(deadline);
        if next == node {
            self.heads[bucket] = NONE;
            self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            return;
        }
        self.node_mut(previous).next = next;
        self.node_mut(next).previous = previous;
        if self.heads[bucket] == node {
            self.heads[bucket] = next;
        }
    }

    /// Ticks from `tick` to the next one whose bucket is occupied, at most one revolution.
    fn next_occupied(&self, tick: u32) -> Option<usize> {
        let start = bucket_of(tick);
        let (first, shift) = (start / 64, start % 64);
        let rest = self.occupied[first] >> shift;
        if rest != 0 {
            return Some(rest.trailing_zeros() as usize);
        }
        // All other words, and then the front of the first one again.
        (1..=WORDS).find_map(|step| {
            let word = self.occupied[(first + step) % WORDS];
            (word != 0).then(|| step * 64 - shift + word.trailing_zeros() as usize)
        })
    }

    fn node(&self, node: u32) -> &Node<T> {
        self.nodes.get(node).expect("a linked timer is armed")
    }

    fn node_mut(&mut self, node: u32) -> &mut Node<T> {
        self.nodes.get_mut(node).expect("a linked timer is armed")
    }
}

/// Whether `tick` lies before `now`.
fn is_past(tick: u32, now: u32) -> bool {
    tick.wrapping_sub(now) > u32::MAX / 2
}

fn bucket_of(tick: u32) -> usize {
    tick as usize % BUCKETS
}
