//! `View` and `WritableView`: blocks of a `LinkBuffer` as Python's buffer protocol shows them.
//!
//! # Rules
//! - A view owns what it shows: a `Slice`, or a `Reservation`. Its memory stays while the view lives, and an export (a
//!   `memoryview`, or whatever else asked for the buffer) keeps its view alive.
//! - Exports are counted under the same lock that guards the memory. With the count above zero nothing is released and
//!   nothing committed; with the memory gone nothing is exported.
//! - No Python code runs while a lock of this file is held, and none of them is held while another is waited for,
//!   except a `LinkBuffer`'s, which is always taken first.
//!
//! # Theory
//! The buffer protocol hands out a bare pointer that is used without asking, from any thread. Rust's rule of one writer
//! or many readers then rests on three facts: blocks never move; the bytes of a `Slice` never change; and the bytes of
//! a `Reservation` belong to nobody else until `commit`, which the count of exports forbids for as long as somebody
//! holds a pointer to them.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use floodway_base::{Reservation, Slice};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyTuple};

/// Locks without keeping other threads out of the interpreter while waiting. What a panic left behind is used on: every
/// state in this file is consistent between any two statements.
pub(crate) fn lock<'a, T>(mutex: &'a Mutex<T>, py: Python<'_>) -> MutexGuard<'a, T> {
    mutex
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}

/// Bytes taken out of a `LinkBuffer` without a copy, read-only.
///
/// A view has the buffer protocol: give it to `memoryview`, `struct.unpack_from`, `int.from_bytes`, `hash.update`,
/// `file.write` or `Connection.write` as it is; `bytes(view)` copies. It owns a reference to the block in which its
/// bytes lie and stays valid, its bytes unchanged, for as long as it lives, whatever becomes of the buffer, the
/// connection or the reactor.
///
/// It keeps the whole block, 4 to 64 KiB for most, so what is kept for long is better kept as `bytes(view)`. `release`,
/// or leaving a `with` block, gives the block back before the view itself is collected. A released view raises
/// `ValueError` whatever is asked of it.
///
/// Views compare by identity, as they cost nothing: compare their content with `bytes(view) == ...`.
///
/// Threads: any thread may use a view, several at a time.
///
/// Memory: some 50 bytes, and the block.
///
/// >>> import floodway
/// >>> buffer = floodway.LinkBuffer(b"\x00\x05hello")
/// >>> int.from_bytes(buffer.next(2), "big")
/// 5
/// >>> with buffer.next(5) as view:
/// ...     len(view), bytes(view)
/// (5, b'hello')
#[pyclass(frozen, module = "floodway")]
pub(crate) struct View {
    shown: Mutex<Shown>,
}

struct Shown {
    /// None once released.
    slice: Option<Slice>,
    exports: usize,
}

impl From<Slice> for View {
    fn from(slice: Slice) -> Self {
        let shown = Shown {
            slice: Some(slice),
            exports: 0,
        };
        Self {
            shown: Mutex::new(shown),
        }
    }
}

impl View {
    /// What it shows, by reference. `ValueError` once released.
    pub(crate) fn slice(&self, py: Python<'_>) -> PyResult<Slice> {
        lock(&self.shown, py).slice.clone().ok_or_else(released)
    }
}

#[pymethods]
impl View {
    /// Give the block back. Without effect the second time.
    ///
    /// Raises `BufferError` while exports exist, such as a `memoryview` that is not released: they point into the
    /// block. Any thread.
    ///
    /// >>> import floodway
    /// >>> view = floodway.LinkBuffer(b"hello").next(5)
    /// >>> view.release()
    /// >>> len(view)
    /// Traceback (most recent call last):
    /// ValueError: this view was released; take what you need before release()
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let mut shown = lock(&self.shown, py);
        if shown.exports > 0 {
            return Err(still_exported("view", shown.exports, "release()"));
        }
        let slice = shown.slice.take();
        drop(shown);
        drop(slice);
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().slice(slf.py())?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exc), text_signature = "($self, *exc)")]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.release(py)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let shown = lock(&self.shown, py);
        shown
            .slice
            .as_ref()
            .map(|slice| slice.len())
            .ok_or_else(released)
    }

    /// A copy of the content.
    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let slice = self.slice(py)?;
        Ok(PyBytes::new(py, &slice))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match &lock(&self.shown, py).slice {
            Some(slice) => format!("<floodway.View {} bytes>", slice.len()),
            None => "<floodway.View released>".to_owned(),
        }
    }

    /// # Safety
    /// As the protocol has it: `view` is null or may be written to.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let py = slf.py();
        let (start, len) = {
            let mut shown = lock(&slf.get().shown, py);
            let (start, len) = match &shown.slice {
                Some(slice) => (slice.as_ptr(), slice.len()),
                None => return Err(released()),
            };
            // Counted before the lock is given up: from here on `release` refuses.
            shown.exports += 1;
            (start, len)
        };
        let export = Export {
            start: start.cast_mut(),
            len,
            is_read_only: true,
        };
        // SAFETY: `view` is what our caller promises. `start` and `len` are a slice's, whose bytes are initialised,
        // never change and never move (its block is one allocation, which the slice keeps). They stay until the slice
        // is dropped: by `release`, which the export just counted forbids, or with this object, to which `fill` adds a
        // reference that is given up with the export. Threads need no more than that: nobody writes to these bytes,
        // this export included, since it is read-only.
        let filled = unsafe { export.fill(slf.as_any(), view, flags) };
        if filled.is_err() {
            lock(&slf.get().shown, py).exports -= 1;
        }
        filled
    }

    /// # Safety
    /// As the protocol has it: called once for each export that was handed out.
    unsafe fn __releasebuffer__(&self, py: Python<'_>, _view: *mut ffi::Py_buffer) {
        lock(&self.shown, py).exports -= 1;
    }
}

/// Room at the end of a `LinkBuffer`, made by its `reserve`, to be filled and then committed.
///
/// It has the buffer protocol, writable: `socket.recv_into(view)`, `file.readinto(view)`, `struct.pack_into`, or
/// `memoryview(view)[:n] = ...`. It starts as zeros. What is written into it is no part of the buffer until
/// `LinkBuffer.commit(n)` adds its first n bytes; after that the view is dead and raises `ValueError` whatever is asked
/// of it. Release every `memoryview` of it before you commit.
///
/// It owns its memory: filling it stays safe even when the buffer is gone.
///
/// Threads: any thread may fill it; who commits has to know that it is filled.
///
/// Memory: some 70 bytes, and the block.
///
/// >>> import floodway
/// >>> buffer = floodway.LinkBuffer()
/// >>> with memoryview(buffer.reserve(4096)) as room:
/// ...     room[:5] = b"hello"
/// >>> buffer.commit(5)
/// >>> buffer.read()
/// b'hello'
#[pyclass(frozen, module = "floodway.base.buffer")]
pub(crate) struct WritableView {
    /// None once committed.
    room: Mutex<Option<Room>>,
}

struct Room {
    reservation: Reservation,
    /// The reservation's memory, asked for once: asking again would make a second mutable borrow of bytes to which
    /// Python may hold a pointer.
    start: NonNull<u8>,
    exports: usize,
}

// SAFETY: `start` points into the block that the reservation beside it owns, and the reservation is `Send`. Through it
// bytes are changed by holders of exports only, who are ordered before `commit` by the lock that counts them; between
// each other they are as free, and as responsible, as those who share a `bytearray`.
unsafe impl Send for Room {}

/// Why a view could not be committed.
pub(crate) enum Refusal {
    Exported(usize),
    TooShort(usize),
}

impl WritableView {
    /// A view without memory, which is how it ends as well: made first, so that no Python object has to be made while a
    /// buffer is locked.
    pub(crate) fn dead() -> Self {
        Self {
            room: Mutex::new(None),
        }
    }

    /// Shows `reservation`, all of it, zeroed.
    pub(crate) fn show(&self, mut reservation: Reservation, py: Python<'_>) {
        let start = NonNull::from(reservation.as_mut_slice()).cast();
        *lock(&self.room, py) = Some(Room {
            reservation,
            start,
            exports: 0,
        });
    }

    /// Bytes it has room for; none once committed.
    pub(crate) fn size(&self, py: Python<'_>) -> usize {
        let room = lock(&self.room, py);
        room.as_ref().map_or(0, |room| room.reservation.size())
    }

    /// Ends the view and hands back what it was filled with, if nobody points into it and it has room for `n` bytes.
    pub(crate) fn end(&self, n: usize, py: Python<'_>) -> Result<Option<Reservation>, Refusal> {
        let mut room = lock(&self.room, py);
        match &*room {
            Some(open) if open.exports > 0 => Err(Refusal::Exported(open.exports)),
            Some(open) if open.reservation.size() < n => {
                Err(Refusal::TooShort(open.reservation.size()))
            }
            Some(_) | None => Ok(room.take().map(|room| room.reservation)),
        }
    }
}

#[pymethods]
impl WritableView {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let room = lock(&self.room, py);
        room.as_ref()
            .map(|room| room.reservation.size())
            .ok_or_else(committed)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match &*lock(&self.room, py) {
            Some(room) => format!(
                "<floodway.base.buffer.WritableView {} bytes>",
                room.reservation.size()
            ),
            None => "<floodway.base.buffer.WritableView committed>".to_owned(),
        }
    }

    /// # Safety
    /// As the protocol has it: `view` is null or may be written to.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let py = slf.py();
        let export = {
            let mut room = lock(&slf.get().room, py);
            let room = room.as_mut().ok_or_else(committed)?;
            // Counted before the lock is given up: from here on `end` refuses.
            room.exports += 1;
            Export {
                start: room.start.as_ptr(),
                len: room.reservation.size(),
                is_read_only: false,
            }
        };
        // SAFETY: `view` is what our caller promises. `start` was taken from the reservation's one mutable slice, which
        // is `size()` initialised bytes long and does not move with the reservation: it lies in the block. No reference
        // to these bytes exists on our side while an export does: `show` has dropped the slice, nothing but the
        // reservation's lengths is looked at until `end` hands it back, and `end` refuses while exports are counted.
        // Slices of the same block lie in front of these bytes. The memory is dropped by `end`, or with this object, to
        // which `fill` adds a reference that is given up with the export.
        let filled = unsafe { export.fill(slf.as_any(), view, flags) };
        if filled.is_err() {
            slf.get().drop_export(py);
        }
        filled
    }

    /// # Safety
    /// As the protocol has it: called once for each export that was handed out.
    unsafe fn __releasebuffer__(&self, py: Python<'_>, _view: *mut ffi::Py_buffer) {
        self.drop_export(py);
    }
}

impl WritableView {
    /// The lock makes everything the export's holder wrote visible to who commits.
    fn drop_export(&self, py: Python<'_>) {
        if let Some(room) = lock(&self.room, py).as_mut() {
            room.exports -= 1;
        }
    }
}

/// Memory to be shown.
struct Export {
    start: *mut u8,
    len: usize,
    is_read_only: bool,
}

impl Export {
    /// Fills `view` as a row of bytes owned by `owner`, or says why `flags` cannot be met.
    ///
    /// # Safety
    /// `view` is null or may be written to. `start` is valid for `len` bytes, for reads (and for writes unless it is
    /// read-only), until `owner` was told that the export has ended.
    unsafe fn fill(
        self,
        owner: &Bound<'_, PyAny>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // A slice never exceeds isize::MAX bytes.
        let len = self.len.cast_signed();
        // SAFETY: we are attached (`owner` is bound), `owner` is alive, and `view` is null, which this function
        // answers with an error, or writable. It writes what `flags` ask for, with `shape` and `strides` pointing into
        // `view` itself and a format that is a constant, so there is nothing to free later.
        let outcome = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                owner.as_ptr(),
                self.start.cast(),
                len,
                c_int::from(self.is_read_only),
                flags,
            )
        };
        if outcome == 0 {
            return Ok(());
        }
        let error = PyErr::fetch(owner.py());
        if !view.is_null() {
            // SAFETY: not null, hence writable by contract. After a failure the protocol wants null here.
            unsafe { (*view).obj = std::ptr::null_mut() };
        }
        Err(error)
    }
}

pub(crate) fn still_exported(what: &str, exports: usize, call: &str) -> PyErr {
    PyBufferError::new_err(format!(
        "the {what} has {exports} exports, such as a memoryview; release them before {call}"
    ))
}

fn released() -> PyErr {
    PyValueError::new_err("this view was released; take what you need before release()")
}

fn committed() -> PyErr {
    PyValueError::new_err(
        "this view was committed, its bytes are the buffer's now; call reserve(n) for new room",
    )
}
