//! The inbox between real threads; `tests/loom.rs` tries every interleaving of small cases.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use floodway_base::{Inbox, Wake};

/// An eventfd made of a lock.
#[derive(Default)]
struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
    times: AtomicUsize,
}

impl Bell {
    fn wait(&self) {
        let mut is_rung = self
            .rung
            .wait_while(self.is_rung.lock().unwrap(), |rung| !*rung)
            .unwrap();
        *is_rung = false;
    }
}

impl Wake for Bell {
    fn wake(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
        *self.is_rung.lock().unwrap() = true;
        self.rung.notify_one();
    }
}

#[test]
fn messages_come_out_in_the_order_of_pushing() {
    let inbox = Inbox::new(Bell::default());
    assert!(inbox.is_empty());
    assert!((0..5).all(|message| inbox.push(message)));
    assert!(inbox.drain().eq(0..5));
    assert!(inbox.is_empty());
}

#[test]
fn a_message_or_a_wake_up_prevents_sleeping_once() {
    let inbox = Inbox::new(Bell::default());
    assert!(inbox.push(()));
    assert!(!inbox.prepare_to_sleep());
    inbox.drain().for_each(drop);
    inbox.wake();
    assert!(!inbox.prepare_to_sleep());
    assert!(inbox.prepare_to_sleep());
    assert_eq!(
        inbox.waker().times.load(Ordering::Relaxed),
        0,
        "nobody slept"
    );
}

#[test]
fn a_sleep_is_ended_by_one_wake_up_whatever_number_of_messages() {
    let inbox = Inbox::new(Bell::default());
    assert!(inbox.prepare_to_sleep());
    assert!((0..100).all(|message| inbox.push(message)));
    inbox.wake();
    assert_eq!(inbox.waker().times.load(Ordering::Relaxed), 1);
}

#[test]
fn messages_that_nobody_drained_are_dropped() {
    let message = Arc::new(());
    let inbox = Inbox::new(Bell::default());
    assert!((0..4).all(|_| inbox.push(Arc::clone(&message))));
    let mut drain = inbox.drain();
    drop(drain.next());
    drop(drain);
    assert!(inbox.push(Arc::clone(&message)));
    drop(inbox);
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn after_the_end_whoever_pushes_drains() {
    let inbox = Inbox::new(Bell::default());
    assert!(inbox.push(1));
    inbox.end();
    assert!(inbox.drain().eq([1]));
    assert!(!inbox.prepare_to_sleep(), "nobody would end the sleep");
    inbox.awake();
    inbox.wake();
    assert!(!inbox.push(2));
    assert!(!inbox.push(3));
    assert!(inbox.drain().eq([2, 3]));
    assert_eq!(inbox.waker().times.load(Ordering::Relaxed), 0);
}

#[test]
fn no_message_is_lost_or_overtaken_between_threads() {
    let each = if cfg!(miri) { 50 } else { 20_000 };
    let inbox = Inbox::new(Bell::default());
    let senders = 3;
    let mut latest = [None; 3];
    thread::scope(|scope| {
        for sender in 0..senders {
            let inbox = &inbox;
            scope.spawn(move || assert!((0..each).all(|number| inbox.push((sender, number)))));
        }
        let mut count = 0;
        while count < senders * each {
            for (sender, number) in inbox.drain() {
                assert!(latest[sender].replace(number) < Some(number));
                count += 1;
            }
            if count < senders * each && inbox.prepare_to_sleep() {
                inbox.waker().wait();
            }
            inbox.awake();
        }
    });
    assert_eq!(latest, [Some(each - 1); 3]);
}
