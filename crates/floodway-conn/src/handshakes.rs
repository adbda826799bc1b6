//! Which handshakes may go on: a few in each poll, so that a storm of them does not starve live connections.
//!
//! A step of a handshake costs as much as a hundred echoes: signing is dear. Those that have to wait are not read from
//! meanwhile, and come in the order of their arrival.

use std::collections::VecDeque;

/// Steps of handshakes in one poll: some milliseconds of work.
const STEPS_PER_POLL: u32 = 8;

#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    steps_left: u32,
    /// Connections with bytes that wait, by slot.
    waiting: VecDeque<u32>,
}

impl Handshakes {
    /// Another poll begins.
    pub fn renew(&mut self) {
        self.steps_left = STEPS_PER_POLL;
    }

    /// Takes a step, if there is one left.
    pub fn take_step(&mut self) -> bool {
        let left = self.steps_left > 0;
        self.steps_left = self.steps_left.saturating_sub(1);
        left
    }

    pub fn wait(&mut self, index: u32) {
        self.waiting.push_back(index);
    }

    /// The next one that has waited, if there is a step left for it.
    pub fn next(&mut self) -> Option<u32> {
        if self.waiting.is_empty() || !self.take_step() {
            return None;
        }
        self.waiting.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
