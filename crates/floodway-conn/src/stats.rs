//! Counters that the owner writes and any thread reads.
//!
//! Only one thread writes, so a plain load and store do what a locked addition would do, at the price of a move.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::reason::CloseReason;

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Owner only.
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get() + n);
    }

    /// Replaces the value. Owner only.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Raises the value to at least `value`. Owner only.
    pub(crate) fn raise(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    /// The value. Any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A reactor's counters.
        #[derive(Debug, Default)]
        pub struct Stats {
            $($(#[$doc])* pub $name: Counter,)*
            /// Accepts that failed, by errno.
            pub accept_errors: std::sync::Mutex<std::collections::BTreeMap<i32, u64>>,
            /// Connections closed, by `CloseReason::index`.
            pub closed: [Counter; CloseReason::KINDS],
        }

        impl Stats {
            /// Every plain counter with its name.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + use<'_> {
                [$((stringify!($name), self.$name.get()),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Sockets accepted by this reactor's listeners.
    accepted,
    /// Sockets accepted and closed at once, because a limit was reached.
    shed,
    /// Sockets handed over by another process for which this one had no descriptor: their peers were reset.
    lost,
    /// Outgoing connections that opened.
    connected,
    /// Payload bytes received.
    bytes_in,
    /// Payload bytes sent.
    bytes_out,
    /// Payload bytes copied between receiving and sending.
    bytes_copied,
    /// Bytes of pending output now.
    output_queued,
    /// Events given to Python.
    events,
    /// Batches given to Python.
    batches,
    /// Events of the largest batch.
    largest_batch,
    /// Waits of the driver.
    waits,
    /// Events of the kernel for connections that were gone.
    stale_events,
    /// Blocks in use now.
    blocks_in_use,
    /// Nanoseconds in Python, between two polls.
    python_nanos,
    /// Nanoseconds in polls, without the time blocked in waits.
    io_nanos,
    /// Nanoseconds of the longest batch in Python.
    longest_batch_nanos,
}
