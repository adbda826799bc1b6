//! Every interleaving of small cases, found by loom: `RUSTFLAGS="--cfg loom" cargo test -p
//! floodway-base --test loom --release`.
//!
//! Loom replaces the types of `src/sync.rs`. The cells inside the messages are loom's too, so a
//! message that is read without having been handed over properly is found as a data race.
#![cfg(loom)]

use floodway_base::{BlockPool, Inbox, LinkBuffer, Wake};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Runs `model` under all interleavings with at most so many preemptions; mistakes of this kind
/// show with two.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
    times: AtomicUsize,
}

impl Bell {
    fn new() -> Self {
        Self {
            is_rung: Mutex::new(false),
            rung: Condvar::new(),
            times: AtomicUsize::new(0),
        }
    }

    /// Loom reports a deadlock if nobody ever rings.
    fn wait(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.rung.wait(is_rung).unwrap();
        }
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

type Message = UnsafeCell<u32>;

fn message(value: u32) -> Message {
    let cell = UnsafeCell::new(0);
    // SAFETY: nobody else has the cell yet.
    cell.with_mut(|inside| unsafe { *inside = value });
    cell
}

fn value(message: &Message) -> u32 {
    // SAFETY: the owner of the message is the only one who has it; loom checks just that.
    message.with(|inside| unsafe { *inside })
}

/// The owner's loop of `inbox.rs`, until `done`; returns how often it slept.
fn serve<M>(inbox: &Inbox<M, Bell>, mut done: impl FnMut(&Inbox<M, Bell>) -> bool) -> usize {
    let mut sleeps = 0;
    while !done(inbox) {
        if inbox.prepare_to_sleep() {
            sleeps += 1;
            inbox.waker().wait();
        }
        inbox.awake();
    }
    sleeps
}

#[test]
fn no_message_is_lost_and_no_sleep_is_ended_twice() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new(Bell::new()));
        let senders: Vec<_> = [1, 2]
            .into_iter()
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || assert!(inbox.push(message(number))))
            })
            .collect();
        let mut received = Vec::new();
        serve(&inbox, |inbox| {
            received.extend(inbox.drain().map(|message| value(&message)));
            received.len() == 2
        });
        for sender in senders {
            sender.join().unwrap();
        }
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
    });
}

#[test]
fn a_sleep_costs_at_most_one_wake_up() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new(Bell::new()));
        let asleep = inbox.prepare_to_sleep();
        assert!(asleep);
        let senders: Vec<_> = [1, 2]
            .into_iter()
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || assert!(inbox.push(number)))
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(inbox.waker().times.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn what_was_written_before_a_wake_up_is_seen_after_it() {
    explore(3, || {
        let inbox = Arc::new(Inbox::<(), Bell>::new(Bell::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let stopper = {
            let (inbox, stop) = (Arc::clone(&inbox), Arc::clone(&stop));
            thread::spawn(move || {
                stop.store(true, Ordering::Relaxed);
                inbox.wake();
            })
        };
        serve(&inbox, |_| stop.load(Ordering::Relaxed));
        stopper.join().unwrap();
    });
}

#[test]
fn pushes_that_happen_after_each_other_come_out_in_that_order() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new(Bell::new()));
        let sender = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                assert!(inbox.push(1));
                let second = {
                    let inbox = Arc::clone(&inbox);
                    thread::spawn(move || assert!(inbox.push(2)))
                };
                second.join().unwrap();
                assert!(inbox.push(3));
            })
        };
        let mut received = Vec::new();
        serve(&inbox, |inbox| {
            received.extend(inbox.drain());
            received.len() == 3
        });
        sender.join().unwrap();
        assert_eq!(received, [1, 2, 3]);
    });
}

#[test]
fn a_message_that_meets_the_end_comes_out_once_and_none_stays() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new(Bell::new()));
        let senders: Vec<_> = [1, 2]
            .into_iter()
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || -> Vec<u32> {
                    match inbox.push(message(number)) {
                        true => Vec::new(),
                        false => inbox.drain().map(|message| value(&message)).collect(),
                    }
                })
            })
            .collect();
        let waker = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.wake())
        };
        inbox.awake();
        inbox.end();
        let mut received: Vec<u32> = inbox.drain().map(|message| value(&message)).collect();
        for sender in senders {
            received.extend(sender.join().unwrap());
        }
        waker.join().unwrap();
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
        assert!(inbox.is_empty());
        assert!(!inbox.push(message(3)), "the end is for good");
        drop(inbox.drain());
    });
}

#[test]
fn blocks_come_home_from_two_threads_while_the_owner_takes() {
    explore(3, || {
        let pool = BlockPool::new(1 << 20);
        let block = pool.take(1).freeze();
        let other = pool.take(1).freeze();
        let threads = [block.clone(), other].map(|block| thread::spawn(move || drop(block)));
        drop(block);
        let taken = [pool.take(1), pool.take(1)];
        assert_ne!(taken[0].filled().as_ptr(), taken[1].filled().as_ptr());
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(pool.blocks_in_use(), 2);
        drop(taken);
        assert_eq!(pool.blocks_in_use(), 0);
        let idle = pool.idle_bytes();
        assert!((2 * 4_096..=4 * 4_096).contains(&idle), "{idle}");
    });
}

#[test]
fn a_view_may_be_dropped_while_its_buffer_and_its_pool_are() {
    explore(3, || {
        let pool = BlockPool::new(4_096);
        let mut buffer = LinkBuffer::new(pool.clone());
        buffer.write(b"payload");
        let view = buffer.next(3).unwrap();
        let reader = thread::spawn(move || assert_eq!(&view[..], b"pay"));
        buffer.write(b"more");
        drop((buffer, pool));
        reader.join().unwrap();
    });
}
