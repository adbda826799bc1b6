//! What ends the wait of a reactor, from whatever thread, as long as there is a reactor.

use std::sync::{Arc, Weak};

use floodway_base::Wake;
use floodway_sys::Waker;

/// The waker of a reactor that may have ended.
///
/// The reactor holds the only lasting reference to its waker, everybody else a weak one. A thread that wakes holds
/// another for as long as its system call takes; so a reactor that ends closes the descriptor at once, except under
/// such a call, which then closes it when it is done. A wake-up that comes later finds nothing: it can never be
/// written to whatever has the number by then.
///
/// This costs two atomic operations beside a system call, and no lock.
#[derive(Debug)]
pub struct InboxWaker(Weak<Waker>);

impl InboxWaker {
    pub(crate) fn of(waker: &Arc<Waker>) -> Self {
        Self(Arc::downgrade(waker))
    }
}

impl Wake for InboxWaker {
    fn wake(&self) {
        if let Some(waker) = self.0.upgrade() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read};
    use std::os::fd::{AsFd, AsRawFd};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn waker() -> Arc<Waker> {
        Arc::new(Waker::new().expect("a descriptor for the test"))
    }

    /// Whether somebody has woken it.
    fn is_woken(waker: &Waker) -> bool {
        let fd = waker.as_fd().try_clone_to_owned().expect("a descriptor");
        match File::from(fd).read_exact(&mut [0; 8]) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }

    #[test]
    fn a_reactor_is_woken_while_it_exists() {
        let waker = waker();
        let others = InboxWaker::of(&waker);
        assert!(!is_woken(&waker));
        others.wake();
        assert!(is_woken(&waker));
        drop(waker);
        others.wake();
    }

    /// Two threads keep waking a reactor while it ends, and what is opened right afterwards has the number of its
    /// descriptor.
    #[test]
    fn a_late_wake_up_reaches_no_descriptor_that_was_opened_since() {
        const REACTORS: usize = 400;
        let wakers: Vec<_> = (0..REACTORS).map(|_| waker()).collect();
        let others: Vec<_> = wakers.iter().map(InboxWaker::of).collect();
        let (ending, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut reused = 0;
        // Lower numbers that other tests of this process have given back; kept, so that they are found once.
        let mut gaps = Vec::new();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        others[ending.load(Ordering::Relaxed)].wake();
                    }
                });
            }
            for (number, waker) in wakers.into_iter().enumerate() {
                while !is_woken(&waker) {
                    thread::yield_now();
                }
                let fd = waker.as_fd().as_raw_fd();
                drop(waker);
                ending.store((number + 1).min(REACTORS - 1), Ordering::Relaxed);
                while others[number].0.strong_count() > 0 && number + 1 < REACTORS {
                    thread::yield_now();
                }
                let mut newer = Waker::new().expect("the descriptor that was just closed");
                while newer.as_fd().as_raw_fd() < fd {
                    let next = Waker::new().expect("the descriptor that was just closed");
                    gaps.push(std::mem::replace(&mut newer, next));
                }
                reused += usize::from(newer.as_fd().as_raw_fd() == fd);
                thread::yield_now();
                assert!(!is_woken(&newer), "a wake-up went to the wrong descriptor");
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(reused > 0, "no descriptor's number was given again");
    }
}
