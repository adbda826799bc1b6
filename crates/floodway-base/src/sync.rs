//! The concurrency types of this crate, so that loom can replace them.
//!
//! Under `--cfg loom` the model checker's types stand here and `tests/loom.rs` runs the inbox and
//! the blocks' way home through every interleaving. What is not modelled (`Arc`, `Weak`,
//! `OnceLock`) comes from `std` where it is used.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Locks `mutex` even if a holder panicked: what our locks guard is consistent between any two
/// statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
