//! What a reactor wants logged: told at most once per second and kind, with a count of what happened since.

use std::collections::VecDeque;

use floodway_base::limits::TICK_MILLIS;
use floodway_sys::Errno;

/// Ticks between two notices of one kind.
const INTERVAL_TICKS: u32 = 1_000 / TICK_MILLIS;

/// Something worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Accepting failed and pauses.
    AcceptPaused {
        /// Why.
        errno: Errno,
        /// How often since the last notice.
        count: u64,
    },
    /// Connections were closed at once because a limit was reached.
    Shed {
        /// How many since the last notice.
        count: u64,
    },
    /// All output together is above its budget: the largest consumer is ended.
    OutputBudget {
        /// How many were ended since the last notice.
        count: u64,
    },
}

#[derive(Debug, Default)]
struct Rate {
    count: u64,
    told: Option<u32>,
}

impl Rate {
    /// Counts one; returns the count when it is time to tell.
    fn count(&mut self, now: u32) -> Option<u64> {
        self.count += 1;
        if self
            .told
            .is_some_and(|told| now.wrapping_sub(told) < INTERVAL_TICKS)
        {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Notices {
    accept_paused: Rate,
    shed: Rate,
    output_budget: Rate,
    queue: VecDeque<Notice>,
}

impl Notices {
    pub fn accept_paused(&mut self, errno: Errno, now: u32) {
        let count = self.accept_paused.count(now);
        self.queue
            .extend(count.map(|count| Notice::AcceptPaused { errno, count }));
    }

    pub fn shed(&mut self, now: u32) {
        let count = self.shed.count(now);
        self.queue.extend(count.map(|count| Notice::Shed { count }));
    }

    pub fn output_budget(&mut self, now: u32) {
        let count = self.output_budget.count(now);
        self.queue
            .extend(count.map(|count| Notice::OutputBudget { count }));
    }

    pub fn pop(&mut self) -> Option<Notice> {
        self.queue.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
