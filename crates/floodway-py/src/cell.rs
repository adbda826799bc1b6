//! A Python reference that costs eight bytes and that every thread may change.
//!
//! A mutex around it would double its size, and every connection has two of them. The lock is Python's own: the
//! interpreter's on builds that have it, the owning object's critical section on free-threaded ones.

use std::cell::UnsafeCell;

use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;

/// See the module text.
pub(crate) struct ObjectCell(UnsafeCell<Option<Py<PyAny>>>);

// SAFETY: the content is touched in `get` and `replace` only. Both hold the interpreter's lock, or on free-threaded
// builds the critical section of the one object that owns the cell, for as long as they touch it, and neither runs
// Python code or releases the lock meanwhile: an incref, or a move of a pointer.
unsafe impl Sync for ObjectCell {}

impl ObjectCell {
    pub(crate) fn new(value: Option<Py<PyAny>>) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The content. `owner` is the object that this cell is part of.
    pub(crate) fn get(&self, owner: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
        let py = owner.py();
        with_critical_section(owner, || {
            // SAFETY: as for `Sync` above: nobody writes meanwhile.
            let content = unsafe { &*self.0.get() };
            content.as_ref().map(|value| value.clone_ref(py))
        })
    }

    /// Replaces the content and hands back what was there, for the caller to drop outside of the lock.
    pub(crate) fn replace(
        &self,
        owner: &Bound<'_, PyAny>,
        value: Option<Py<PyAny>>,
    ) -> Option<Py<PyAny>> {
        with_critical_section(owner, || {
            // SAFETY: as for `Sync` above: nobody reads or writes meanwhile.
            let content = unsafe { &mut *self.0.get() };
            std::mem::replace(content, value)
        })
    }
}
