//! Handing messages off: to threads that wait for them natively, instead of by the batch to the thread of the reactor.
//!
//! # Rules
//! - A message that begins an exchange goes into a queue that all of those threads take from; what belongs to the exchange,
//!   and news of its connection, follows on the exchange's own [`Line`].
//! - Every wait ends: by what was waited for, when the line is cut (the connection takes no more output), or when the
//!   queue ends.
//! - The queue has a bound. Beyond it the protocol refuses.
//! - The reactor never waits: locks are held for a push or a pop.
//!
//! # Theory
//! The reactor's end of a line lies with the state of the protocol, and cuts it when dropped: whatever ends a connection
//! drops that state, so nobody can forget to wake who waits.
//!
//! # Cost
//! Two uncontended locks and one allocation for each exchange; a system call where a thread sleeps.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use floodway_base::{Protocol, Token};
use floodway_sys::SocketAddress;

use crate::batch::take_message;
use crate::message::Host;
use crate::reactor::Reactor;
use crate::read::{Looked, look_at};
use crate::reason::CloseReason;

/// Where a route's messages go.
#[derive(Debug)]
pub struct Outlet<M> {
    /// Who takes them.
    pub queue: Arc<HandOff<M>>,
    /// Whose they are, among those that the queue gets messages from.
    pub source: u32,
}

/// The beginning of an exchange.
#[derive(Debug)]
pub struct Handed<M> {
    /// See [`Outlet::source`].
    pub source: u32,
    /// The connection, which may be gone by now.
    pub token: Token,
    /// Its peer.
    pub peer: SocketAddress,
    /// The message.
    pub message: M,
    /// The bytes that belong to it.
    pub payload: Vec<u8>,
    /// What follows.
    pub line: Arc<Line<M>>,
}

/// The queue. Any thread.
#[derive(Debug)]
pub struct HandOff<M> {
    waiting: Mutex<Waiting<M>>,
    arrived: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct Waiting<M> {
    messages: VecDeque<Handed<M>>,
    /// Threads that wait and that nobody has woken.
    sleepers: usize,
    has_ended: bool,
}

impl<M> HandOff<M> {
    /// An empty queue for `capacity` messages.
    pub fn new(capacity: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                messages: VecDeque::new(),
                sleepers: 0,
                has_ended: false,
            }),
            arrived: Condvar::new(),
            capacity,
        }
    }

    /// Leaves a message. False: there are too many.
    fn put(&self, handed: Handed<M>) -> bool {
        let mut waiting = self.lock();
        if waiting.messages.len() >= self.capacity {
            waiting.messages.retain(|one| !one.line.is_cut());
            if waiting.messages.len() >= self.capacity {
                return false;
            }
        }
        waiting.messages.push_back(handed);
        let wakes = waiting.sleepers > 0;
        waiting.sleepers -= usize::from(wakes);
        drop(waiting);
        if wakes {
            self.arrived.notify_one();
        }
        true
    }

    /// The next message of a connection that is still there, if one waits.
    pub fn try_next(&self) -> Option<Handed<M>> {
        self.lock().take()
    }

    /// Waits for the next message. None: the queue has ended, and nothing is left in it.
    pub fn next(&self) -> Option<Handed<M>> {
        let mut waiting = self.lock();
        loop {
            if let Some(handed) = waiting.take() {
                return Some(handed);
            }
            if waiting.has_ended {
                return None;
            }
            waiting.sleepers += 1;
            waiting = self
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the threads go that wait, once nothing is left in the queue.
    pub fn end(&self) {
        self.lock().has_ended = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<M>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Waiting<M> {
    fn take(&mut self) -> Option<Handed<M>> {
        while let Some(handed) = self.messages.pop_front() {
            if !handed.line.is_cut() {
                return Some(handed);
            }
        }
        None
    }
}

/// What a thread hears of the exchange that it has. One thread waits at a time.
#[derive(Debug)]
pub struct Line<M> {
    news: Mutex<News<M>>,
    changed: Condvar,
}

#[derive(Debug)]
struct News<M> {
    messages: VecDeque<(M, Vec<u8>)>,
    has_room: bool,
    is_cut: bool,
    is_waited_for: bool,
}

impl<M> Line<M> {
    fn new() -> Self {
        Self {
            news: Mutex::new(News {
                messages: VecDeque::new(),
                has_room: false,
                is_cut: false,
                is_waited_for: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for the next message of the exchange, and the bytes that belong to it. None: the connection is gone.
    pub fn next(&self) -> Option<(M, Vec<u8>)> {
        self.wait(|news| news.messages.pop_front().map(Some))
    }

    /// Waits until the connection has room for more output: `is_roomy` looks. False: it takes none any more.
    pub fn wait_for_room(&self, is_roomy: impl Fn() -> bool) -> bool {
        // Room that was told of may have been filled meanwhile; then it is told of again.
        self.wait(|news| (std::mem::take(&mut news.has_room) && is_roomy()).then_some(true))
    }

    /// Whether the connection takes no more output.
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// Waits until `take` finds something. The default, if the line is cut before.
    fn wait<T: Default>(&self, mut take: impl FnMut(&mut News<M>) -> Option<T>) -> T {
        let mut news = self.lock();
        loop {
            if let Some(found) = take(&mut news) {
                return found;
            }
            if news.is_cut {
                return T::default();
            }
            news.is_waited_for = true;
            news = self
                .changed
                .wait(news)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn tell(&self, change: impl FnOnce(&mut News<M>)) {
        let mut news = self.lock();
        change(&mut news);
        let wakes = std::mem::take(&mut news.is_waited_for);
        drop(news);
        if wakes {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, News<M>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reactor's end of a line.
#[derive(Debug)]
pub(crate) struct LineEnd<M>(Arc<Line<M>>);

impl<M> LineEnd<M> {
    pub fn tell_room(&self) {
        self.0.tell(|news| news.has_room = true);
    }
}

impl<M> Drop for LineEnd<M> {
    fn drop(&mut self) {
        self.0.tell(|news| news.is_cut = true);
    }
}

impl<H: Host> Reactor<H> {
    /// A message was found that may be delivered: to the threads that wait for such, or with the next batch.
    pub(crate) fn found(&mut self, index: u32) {
        let Some(slot) = self.connections.slots.get_mut(index) else {
            return;
        };
        if self.shared.route(slot.route).outlet.is_none() {
            return slot.make_ready(index, &mut self.ready);
        }
        while self.hand_off(index) {}
    }

    /// Hands off the message that was found. Returns whether there is another.
    fn hand_off(&mut self, index: u32) -> bool {
        let Some((slot, Some(active))) = self.connections.parts(index) else {
            return false;
        };
        let Some(outlet) = &self.shared.route(slot.route).outlet else {
            return false;
        };
        let Some((message, payload)) = take_message(active, self.driver.area()) else {
            return false;
        };
        self.shared.stats.bytes_copied.add(payload.len() as u64);
        let Some(conversation) = &mut active.conversation else {
            return false;
        };
        if <H::Protocol as Protocol>::begins(&message) {
            let line = Arc::new(Line::new());
            conversation.line = Some(LineEnd(Arc::clone(&line)));
            let token = self.shared.slots.last_token(index);
            let has_found_room = outlet.queue.put(Handed {
                source: outlet.source,
                token,
                peer: self.shared.snapshot(token).peer,
                message,
                payload,
                line,
            });
            if !has_found_room {
                let refusal = conversation.state.overloaded();
                self.refuse(index, &refusal);
                return false;
            }
        } else if let Some(LineEnd(line)) = &conversation.line {
            line.tell(|news| news.messages.push_back((message, payload)));
        }
        match look_at(
            index,
            slot,
            active,
            &self.shared,
            self.driver.area(),
            self.now,
        ) {
            Looked::Nothing => return false,
            Looked::Frame => return true,
            Looked::TooLong(error) => self.begin_close(index, CloseReason::FrameTooLong(error)),
            Looked::Refused(refusal) => self.refuse(index, &refusal),
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    type End = LineEnd<usize>;

    /// A message for a queue, and the reactor's end of its line.
    fn handed(message: usize) -> (Handed<usize>, End) {
        let line = Arc::new(Line::new());
        let end = LineEnd(Arc::clone(&line));
        let handed = Handed {
            source: 0,
            token: Token {
                slot: 0,
                generation: 0,
            },
            peer: std::net::SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1)).into(),
            message,
            payload: Vec::new(),
            line,
        };
        (handed, end)
    }

    fn put(queue: &HandOff<usize>, message: usize) -> Option<End> {
        let (handed, end) = handed(message);
        queue.put(handed).then_some(end)
    }

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn messages_come_in_order_up_to_the_capacity() {
        let queue = HandOff::new(2);
        let ends = [put(&queue, 1), put(&queue, 2)];
        assert!(ends.iter().all(Option::is_some));
        assert!(put(&queue, 3).is_none());
        assert_eq!(queue.next().map(|it| it.message), Some(1));
        let third = put(&queue, 3);
        assert!(third.is_some());
        assert_eq!(queue.try_next().map(|it| it.message), Some(2));
        assert_eq!(queue.try_next().map(|it| it.message), Some(3));
        assert!(queue.try_next().is_none());
    }

    #[test]
    fn those_of_connections_that_are_gone_take_no_room_and_are_not_given() {
        let queue = HandOff::new(2);
        let (first, second) = (put(&queue, 1), put(&queue, 2));
        drop(first);
        let third = put(&queue, 3);
        assert!(third.is_some());
        drop(second);
        assert_eq!(queue.try_next().map(|it| it.message), Some(3));
        assert!(queue.try_next().is_none());
    }

    #[test]
    fn what_is_in_an_ended_queue_is_given_first() {
        let queue = HandOff::new(2);
        let _end = put(&queue, 1);
        queue.end();
        assert_eq!(queue.next().map(|it| it.message), Some(1));
        assert!(queue.next().is_none());
    }

    #[test]
    fn every_message_wakes_a_thread_and_the_end_wakes_all() {
        const MESSAGES: usize = 1_000;
        let queue = HandOff::new(MESSAGES);
        thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| std::iter::from_fn(|| queue.next()).count()))
                .collect();
            until(|| queue.lock().sleepers == 4);
            let ends: Vec<_> = (0..MESSAGES).map(|number| put(&queue, number)).collect();
            assert!(ends.iter().all(Option::is_some));
            // Without the end: whoever sleeps while there is a message would sleep for ever.
            until(|| queue.lock().messages.is_empty());
            until(|| queue.lock().sleepers >= 4);
            queue.end();
            let taken: usize = takers
                .into_iter()
                .map(|taker| taker.join().unwrap_or(0))
                .sum();
            assert_eq!(taken, MESSAGES);
        });
    }

    #[test]
    fn a_thread_hears_what_follows_and_then_that_the_connection_is_gone() {
        let (Handed { line, .. }, end) = handed(0);
        thread::scope(|scope| {
            let listener = scope.spawn(|| {
                let heard: Vec<_> = std::iter::from_fn(|| line.next()).collect();
                (heard, line.is_cut(), line.wait_for_room(|| true))
            });
            for number in 1..=3 {
                until(|| line.lock().is_waited_for);
                end.0
                    .tell(|news| news.messages.push_back((number, vec![number as u8])));
            }
            // What was said before the end is heard.
            until(|| line.lock().is_waited_for);
            end.0.tell(|news| news.messages.push_back((4, Vec::new())));
            drop(end);
            let (heard, is_cut, has_room) = listener.join().expect("the listener ends");
            let expected = vec![(1, vec![1]), (2, vec![2]), (3, vec![3]), (4, Vec::new())];
            assert_eq!((heard, is_cut, has_room), (expected, true, false));
        });
    }

    #[test]
    fn room_that_was_filled_again_is_waited_for_again() {
        let (Handed { line, .. }, end) = handed(0);
        let is_roomy = AtomicBool::new(false);
        end.tell_room(); // of what was sent before
        thread::scope(|scope| {
            let waiter = scope.spawn(|| line.wait_for_room(|| is_roomy.load(Ordering::Relaxed)));
            until(|| line.lock().is_waited_for);
            assert!(!line.lock().has_room && !waiter.is_finished());
            is_roomy.store(true, Ordering::Relaxed);
            end.tell_room();
            assert!(waiter.join().unwrap_or(false));
        });
    }
}
