//! Python `bytes` queued for sending by reference, readable without the interpreter.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A `bytes` object, kept alive, and where its content lies.
#[derive(Debug)]
pub(crate) struct BytesPayload {
    start: *const u8,
    len: usize,
    /// Dropped only by a thread that is attached: reactors hand spent payloads back for that.
    _owner: Py<PyBytes>,
}

// SAFETY: a `bytes` object never changes and never moves, and `_owner` keeps it alive, so any thread may read its
// content. The reference itself may be sent between threads, as `Py` is.
unsafe impl Send for BytesPayload {}
// SAFETY: as above; there is no way to change anything through `&BytesPayload`.
unsafe impl Sync for BytesPayload {}

impl BytesPayload {
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>) -> Self {
        let content = bytes.as_bytes();
        Self {
            start: content.as_ptr(),
            len: content.len(),
            _owner: bytes.clone().unbind(),
        }
    }
}

impl AsRef<[u8]> for BytesPayload {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start` and `len` came from this object's content, which is immutable and lives as long as `_owner`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl floodway_conn::Payload for BytesPayload {}
