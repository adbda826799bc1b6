//! The budget of bodies: what those hold together that are kept until they are complete.
//!
//! # Rules
//! - A body counts as it comes, not as it was announced, and until its [`Share`] is dropped.
//! - Whoever brings more than there is room for is refused. Nobody waits for room: if all did that have a part of their body,
//!   none would ever have the rest.
//! - A body that comes in one piece with its head does not count: it is never kept here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes all may hold, and do.
#[derive(Debug)]
pub struct Bodies {
    most: u64,
    held: AtomicU64,
}

/// What one body holds of them.
#[derive(Debug)]
pub struct Share {
    bodies: Arc<Bodies>,
    bytes: u64,
}

impl Bodies {
    /// Room for `most` bytes.
    pub fn new(most: u64) -> Self {
        Self {
            most,
            held: AtomicU64::new(0),
        }
    }

    /// How many bytes there is room for.
    pub fn most(&self) -> u64 {
        self.most
    }
}

impl Share {
    pub(super) fn new(bodies: &Arc<Bodies>) -> Self {
        Self {
            bodies: Arc::clone(bodies),
            bytes: 0,
        }
    }

    /// Counts so many bytes more. Returns whether there was room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.bytes += bytes;
        let before = self.bodies.held.fetch_add(bytes, Ordering::Relaxed);
        before + bytes <= self.bodies.most
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bodies.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
