//! A reactor's inbox: messages from any thread, and at most one wake-up per sleep.
//!
//! # Rules
//! - Any thread pushes; the owner drains, in the order of pushing: what was pushed after another
//!   push had returned comes out after it, whichever threads pushed.
//! - The owner sleeps like this, and no message and no wake-up is lost: `if
//!   inbox.prepare_to_sleep() { wait } else { look without waiting }`, then `inbox.awake()`, then
//!   drain and look at whatever flags go with `wake`.
//! - An owner that will drain no more says so with `end`, and drains once more. Whoever pushes later is told, and
//!   drains what nobody else will.
//!
//! # Theory
//! Messages are a [`Stack`] that the owner takes whole and reverses. Whether to wake is decided by
//! a state: *awake*, *asleep* (from `prepare_to_sleep` to `awake`), *woken* (somebody asked while
//! either) or, for good, *ended*.
//!
//! Pusher and sleeper each write one thing and then read the other's: the pusher writes the stack
//! and reads the state, the sleeper writes the state and reads the stack. A sequentially consistent
//! fence between each write and read makes it impossible that both read the old value; so the
//! sleeper sees the message, or the pusher sees the sleeper. Whoever changes *asleep* to *woken* is
//! the one who calls [`Wake::wake`]. The end is the same once more: the owner writes *ended* and then
//! takes the stack, the pusher writes the stack and then reads the state; so one of them finds the
//! message, and if both drain, each message comes out at one of them.
//!
//! # Cost
//! One allocation, one exchange and one fence per message; a system call per sleep that is cut
//! short. A message holds its memory until it is drained: the bound on how many there are is the
//! sender's.

use crate::stack::{Chain, Entry, Stack};
use crate::sync::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const WOKEN: u32 = 2;
/// A bit that none of the others has, and above them: `awake` and `wake` leave it.
const ENDED: u32 = 4;

/// What ends the owner's wait: an eventfd, say. The wake-up has to stick if the owner is not
/// waiting yet.
pub trait Wake: Send + Sync {
    /// Ends the present wait, or else the next one.
    fn wake(&self);
}

/// See the module's text.
pub struct Inbox<M, W: Wake> {
    messages: Stack<Box<Entry<M>>>,
    state: AtomicU32,
    waker: W,
}

impl<M, W: Wake> Inbox<M, W> {
    /// An empty inbox whose owner is awake.
    pub fn new(waker: W) -> Self {
        Self {
            messages: Stack::new(),
            state: AtomicU32::new(AWAKE),
            waker,
        }
    }

    /// Leaves a message, and wakes the owner if it sleeps. False: the owner has gone for good
    /// ([`end`](Self::end)), and the caller has to drain in its stead.
    #[must_use = "what is pushed after the end stays until somebody drains"]
    pub fn push(&self, message: M) -> bool {
        self.messages.push(Entry::boxed(message));
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Relaxed) {
            ASLEEP => self.wake(),
            ENDED => return false,
            _ => {}
        }
        true
    }

    /// Says that the owner is going to drain once more, and never again.
    pub fn end(&self) {
        // An exchange, as every other change of the state is: none of them can come between.
        self.state.swap(ENDED, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// Takes what is there, the oldest first. Dropping the iterator drops what it has not yielded.
    ///
    /// For the owner: two threads that drained at once would each get a part. After the end for
    /// anybody, who is to drop the messages.
    pub fn drain(&self) -> Drain<M> {
        Drain(self.messages.take_all().reversed())
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Announces that the owner is going to wait. False: it must not, since a message has arrived,
    /// [`wake`](Self::wake) was called, or the inbox has ended.
    #[must_use = "waiting in spite of `false` would sleep through a message"]
    pub fn prepare_to_sleep(&self) -> bool {
        let asleep =
            self.state
                .compare_exchange(AWAKE, ASLEEP, Ordering::Acquire, Ordering::Acquire);
        fence(Ordering::SeqCst);
        if matches!(asleep, Ok(_) | Err(ASLEEP)) && self.messages.is_empty() {
            return true;
        }
        self.awake();
        false
    }

    /// Says that the owner has stopped waiting. To be called before it drains or looks at flags: a
    /// wake-up from before is forgotten, and what its caller wrote before is visible.
    pub fn awake(&self) {
        self.state.fetch_and(ENDED, Ordering::Acquire);
    }

    /// Makes the owner's present or next wait end at once, without a message.
    pub fn wake(&self) {
        // Release: the owner sees what was written before.
        if self.state.fetch_max(WOKEN, Ordering::AcqRel) == ASLEEP {
            self.waker.wake();
        }
    }

    /// What ends the wait.
    pub fn waker(&self) -> &W {
        &self.waker
    }
}

impl<M, W: Wake> std::fmt::Debug for Inbox<M, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}

/// Messages that were drained, the oldest first.
pub struct Drain<M>(Chain<Box<Entry<M>>>);

impl<M> Iterator for Drain<M> {
    type Item = M;

    fn next(&mut self) -> Option<M> {
        Some(self.0.next()?.into_value())
    }
}

impl<M> std::fmt::Debug for Drain<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drain")
    }
}
