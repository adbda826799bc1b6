//! `LinkBuffer`: the base layer's byte queue as a Python class.
//!
//! # Rules
//! - Every method holds the buffer's lock once, so each call is atomic; nothing that could run Python code happens
//!   meanwhile: arguments are converted before, and what they hold is let go afterwards.
//! - At most one reservation is open. It lives in its `WritableView`; the buffer refers to that, not the reverse.
//!
//! # Cost
//! 104 bytes of state. A buffer made in Python takes its blocks from a pool that its thread keeps for all of them; one
//! that a reactor made goes on using the reactor's, also after the reactor is gone.

use std::borrow::Cow;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::Mutex;

use floodway_base::limits::MAX_OUTPUT_BYTES;
use floodway_base::{BlockPool, LinkBuffer as Chain, Slice};
use pyo3::exceptions::{PyAssertionError, PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::view::{Refusal, View, WritableView, lock, still_exported};

/// Idle blocks that a thread keeps for the buffers it makes, in bytes: 16 of the largest. Less than a reactor keeps,
/// since there may be many threads, and each that makes buffers keeps as much.
const THREAD_IDLE_BYTES: usize = 1 << 20;

/// From this size on a view that is written goes in by reference, as in a connection's output: below it a copy is
/// cheaper than another piece in the chain.
const BY_REFERENCE_BYTES: usize = 16 << 10;

/// How much of an argument that may change under our hands is copied aside at a time.
const ASIDE_BYTES: usize = 8 << 10;

thread_local! {
    static POOL: BlockPool = BlockPool::new(THREAD_IDLE_BYTES);
}

/// Where this thread's own blocks come from.
pub(crate) fn thread_pool() -> BlockPool {
    // A thread that is ending has no pool any more; a buffer that some finaliser makes then does without.
    POOL.try_with(BlockPool::clone)
        .unwrap_or_else(|_| BlockPool::new(0))
}

/// A queue of bytes made of shared blocks: take from the front, add at the end, copy only when you ask for `bytes`.
///
/// `LinkBuffer(data)` starts with a copy of data, any object with the buffer protocol. A handler with
/// `framing = Buffered()` gets one: what it leaves is offered again when more has come.
///
/// Nothing waits and nothing comes up short: asking for more bytes than there are raises `ValueError` and takes
/// nothing. Sizes are bytes. What was handed out never changes and stays valid for as long as it is kept; there is no
/// "valid until the next call".
///
/// Threads: every call is atomic and may come from any thread, but a parser that looks and then takes makes two calls:
/// let one thread at a time work with a buffer.
///
/// Memory: some 120 bytes, and blocks of 4, 16 or 64 KiB. Buffers made in Python share a pool of idle blocks with all
/// others made by the same thread (at most 1 MiB); those that a reactor made use the reactor's. They cannot be pickled
/// or copied: `slice(len(buffer))` shares, `peek(len(buffer))` copies.
///
/// >>> import floodway
/// >>> buffer = floodway.LinkBuffer(b"GET key\r\nGET")
/// >>> bytes(buffer.until(b"\r\n"))
/// b'GET key'
/// >>> buffer.find(b"\r\n")                         # the rest of the line has not come yet
/// -1
/// >>> buffer.write(b" other\r\n")
/// >>> bytes(buffer.until(b"\r\n")), len(buffer)
/// (b'GET other', 0)
#[pyclass(frozen, module = "floodway")]
pub(crate) struct LinkBuffer {
    state: Mutex<State>,
}

struct State {
    chain: Chain,
    /// Reserved and not yet committed.
    reserved: Option<Py<WritableView>>,
}

impl From<Chain> for LinkBuffer {
    fn from(chain: Chain) -> Self {
        let state = State {
            chain,
            reserved: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl LinkBuffer {
    /// A Python object around `chain`.
    pub(crate) fn from_base(py: Python<'_>, chain: Chain) -> PyResult<Py<Self>> {
        Py::new(py, Self::from(chain))
    }

    /// Moves the whole content out. What is left is empty and can be used on; a reservation stays open here.
    pub(crate) fn take(&self, py: Python<'_>) -> Chain {
        let mut state = lock(&self.state, py);
        let empty = state
            .chain
            .slice(0)
            .expect("every buffer has at least 0 bytes");
        mem::replace(&mut state.chain, empty)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 hands over what it extracted; dropping that may run Python code, so it happens when the lock is gone"
)]
#[pymethods]
impl LinkBuffer {
    #[new]
    #[pyo3(signature = (data = Input::Bytes(b""), /), text_signature = "(data=b'', /)")]
    fn new(data: Input<'_, '_>) -> Self {
        let mut chain = Chain::new(thread_pool());
        data.write_to(&mut chain);
        Self::from(chain)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        lock(&self.state, py).chain.len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = lock(&self.state, py);
        let len = state.chain.len();
        match &state.reserved {
            Some(view) => format!(
                "<floodway.LinkBuffer {len} bytes, {} reserved>",
                view.get().size(py)
            ),
            None => format!("<floodway.LinkBuffer {len} bytes>"),
        }
    }

    /// The first n bytes, copied, without taking them.
    ///
    /// Raises `ValueError` if there are fewer, or n is negative.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"hello")
    /// >>> buffer.peek(2), len(buffer)
    /// (b'he', 5)
    #[pyo3(signature = (n, /))]
    fn peek<'py>(&self, py: Python<'py>, n: isize) -> PyResult<Bound<'py, PyBytes>> {
        let mut state = lock(&self.state, py);
        let n = state.available("peek", n)?;
        state.copy(py, n)
    }

    /// Take the first n bytes as a view: without a copy if they lie in one block, copied once if they do not.
    ///
    /// Raises `ValueError` if there are fewer, n is negative, or n is more than 1 GiB, the most one view can show.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"\x00\x05hello")
    /// >>> bytes(buffer.next(int.from_bytes(buffer.next(2), "big")))
    /// b'hello'
    #[pyo3(signature = (n, /))]
    fn next(&self, py: Python<'_>, n: isize) -> PyResult<View> {
        let mut state = lock(&self.state, py);
        let n = state.available("next", n)?;
        state.next("next", n)
    }

    /// Take the first n bytes as `bytes`; all there are if n is -1.
    ///
    /// Raises `ValueError`, and takes nothing, if there are fewer or n is below -1: unlike a file's `read` it never
    /// comes up short, so that a field that has not arrived is not mistaken for a short one.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"hello, world")
    /// >>> buffer.read(5), buffer.read()
    /// (b'hello', b', world')
    #[pyo3(signature = (n = -1, /), text_signature = "($self, n=-1, /)")]
    fn read<'py>(&self, py: Python<'py>, n: isize) -> PyResult<Bound<'py, PyBytes>> {
        let mut state = lock(&self.state, py);
        let n = match n {
            -1 => state.chain.len(),
            n => state.available("read", n)?,
        };
        let copy = state.copy(py, n)?;
        state.chain.skip(n);
        Ok(copy)
    }

    /// Drop the first n bytes.
    ///
    /// Raises `ValueError`, and drops nothing, if there are fewer or n is negative.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"\r\nhello")
    /// >>> buffer.skip(2)
    /// >>> buffer.read()
    /// b'hello'
    #[pyo3(signature = (n, /))]
    fn skip(&self, py: Python<'_>, n: isize) -> PyResult<()> {
        let mut state = lock(&self.state, py);
        let n = state.available("skip", n)?;
        state.chain.skip(n);
        Ok(())
    }

    /// Where delimiter begins first, counted from the front, or -1; also if it lies across blocks.
    ///
    /// As with `bytes.find`, an empty delimiter is found at 0. It looks from the front each time.
    ///
    /// >>> import floodway
    /// >>> floodway.LinkBuffer(b"key: value").find(b": ")
    /// 3
    #[pyo3(signature = (delimiter, /))]
    fn find(&self, py: Python<'_>, delimiter: Input<'_, '_>) -> isize {
        let delimiter = delimiter.to_needle();
        let found = lock(&self.state, py).chain.find(delimiter.as_ref());
        // Content is memory, and no memory is larger than isize::MAX bytes.
        found.map_or(-1, usize::cast_signed)
    }

    /// Take everything in front of delimiter as a view, and drop the delimiter itself.
    ///
    /// Raises `ValueError`, and takes nothing, if delimiter is not there (ask `find` first, or wait for more), if it is
    /// empty, or if more than 1 GiB lies in front of it.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"one\r\ntwo")
    /// >>> bytes(buffer.until(b"\r\n")), buffer.read()
    /// (b'one', b'two')
    #[pyo3(signature = (delimiter, /))]
    fn until(&self, py: Python<'_>, delimiter: Input<'_, '_>) -> PyResult<View> {
        let delimiter = delimiter.to_needle();
        let delimiter = delimiter.as_ref();
        if delimiter.is_empty() {
            return Err(PyValueError::new_err(
                "until(b''): the delimiter is empty, so nothing would ever be taken; name at least one byte",
            ));
        }
        let mut state = lock(&self.state, py);
        let Some(end) = state.chain.find(delimiter) else {
            let len = state.chain.len();
            return Err(PyValueError::new_err(format!(
                "until: the delimiter ({} bytes) is not in the {len} bytes that are there; wait for more, \
                 find() tells beforehand",
                delimiter.len()
            )));
        };
        let view = state.next("until", end)?;
        state.chain.skip(delimiter.len());
        Ok(view)
    }

    /// A buffer of the first n bytes that shares the blocks: nothing is copied and nothing taken.
    ///
    /// From then on the two go their own ways. Raises `ValueError` if there are fewer, or n is negative.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"hello")
    /// >>> head = buffer.slice(2)
    /// >>> head.read(), buffer.read()
    /// (b'he', b'hello')
    #[pyo3(signature = (n, /))]
    fn slice(&self, py: Python<'_>, n: isize) -> PyResult<Self> {
        let state = lock(&self.state, py);
        let n = state.available("slice", n)?;
        let shared = state.chain.slice(n).ok_or_else(vanished)?;
        Ok(Self::from(shared))
    }

    /// Room for n bytes at the end, to be filled through the view that is returned and added with `commit`.
    ///
    /// Raises `BufferError` while an earlier reservation is not committed, `ValueError` if n is negative or more than 1
    /// GiB. The buffer can be read and written meanwhile: what is committed goes where the end is then.
    ///
    /// >>> import floodway, io
    /// >>> buffer = floodway.LinkBuffer()
    /// >>> n = io.BytesIO(b"hello").readinto(buffer.reserve(4096))
    /// >>> buffer.commit(n)
    /// >>> buffer.read()
    /// b'hello'
    #[pyo3(signature = (n, /))]
    fn reserve(&self, py: Python<'_>, n: isize) -> PyResult<Py<WritableView>> {
        let n = not_negative("reserve", n)?;
        let view = Py::new(py, WritableView::dead())?;
        let mut state = lock(&self.state, py);
        if let Some(open) = &state.reserved {
            return Err(PyBufferError::new_err(format!(
                "reserve({n}): {} bytes are reserved already; commit them first, commit(0) gives them back",
                open.get().size(py)
            )));
        }
        let Some(reservation) = state.chain.reserve(n) else {
            return Err(too_long("reserve", n));
        };
        view.get().show(reservation, py);
        state.reserved = Some(view.clone_ref(py));
        Ok(view)
    }

    /// Add the first n bytes of what was reserved; its view is dead from then on. `commit(0)` gives the room back.
    ///
    /// Raises `BufferError` if nothing is reserved, or while exports of the view exist (a `memoryview` that is not
    /// released), and `ValueError` if n is negative or more than was reserved. The reservation then stays open.
    ///
    /// >>> import floodway
    /// >>> buffer = floodway.LinkBuffer(b"> ")
    /// >>> with memoryview(buffer.reserve(10)) as room:
    /// ...     room[:3] = b"yes"
    /// >>> buffer.commit(3)
    /// >>> buffer.read()
    /// b'> yes'
    #[pyo3(signature = (n, /))]
    fn commit(&self, py: Python<'_>, n: isize) -> PyResult<()> {
        let n = not_negative("commit", n)?;
        let mut state = lock(&self.state, py);
        let State { chain, reserved } = &mut *state;
        let Some(view) = reserved else {
            return Err(PyBufferError::new_err(format!(
                "commit({n}): nothing is reserved; call reserve(n) and fill what it returns first"
            )));
        };
        let reservation = view.get().end(n, py).map_err(|refusal| match refusal {
            Refusal::Exported(exports) => still_exported("reserved view", exports, "commit()"),
            Refusal::TooShort(size) => PyValueError::new_err(format!(
                "commit({n}): only {size} bytes were reserved; reserve as many as you fill"
            )),
        })?;
        let view = reserved.take();
        if let Some(reservation) = reservation {
            // All of it counts as filled, and `end` has compared `n` with all of it.
            chain.commit(reservation, n).map_err(|_| vanished())?;
        }
        drop(state);
        drop(view);
        Ok(())
    }

    /// Move everything that other holds to the end, without a copy; other is empty afterwards and can be used on.
    ///
    /// Raises `ValueError` if other is this very buffer (`append(buffer.slice(len(buffer)))` doubles it). What other
    /// has reserved stays there.
    ///
    /// >>> import floodway
    /// >>> head, body = floodway.LinkBuffer(b"head "), floodway.LinkBuffer(b"body")
    /// >>> head.append(body)
    /// >>> head.read(), len(body)
    /// (b'head body', 0)
    #[pyo3(signature = (other, /))]
    fn append(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> PyResult<()> {
        if slf.is(other) {
            return Err(PyValueError::new_err(
                "append: a buffer cannot take over its own content; append(buffer.slice(len(buffer))) doubles it",
            ));
        }
        let py = slf.py();
        // One lock at a time: two threads that append in opposite directions do not wait for each other.
        let taken = other.get().take(py);
        lock(&slf.get().state, py).chain.append(taken);
        Ok(())
    }

    /// Add a copy of data, any object with the buffer protocol whose memory is contiguous.
    ///
    /// A `View` of 16 KiB or more is added by reference. Raises `TypeError` for what is no buffer (to add a
    /// `LinkBuffer` there is `append`), `BufferError` if it is not contiguous.
    ///
    /// >>> import array, floodway
    /// >>> buffer = floodway.LinkBuffer(b"in order: ")
    /// >>> buffer.write(array.array("B", [65, 66, 67]))
    /// >>> buffer.read()
    /// b'in order: ABC'
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: Input<'_, '_>) {
        data.write_to(&mut lock(&self.state, py).chain);
    }
}

impl State {
    /// `n` as a number of bytes that are there.
    fn available(&self, call: &str, n: isize) -> PyResult<usize> {
        let len = self.chain.len();
        let n = not_negative(call, n)?;
        if n > len {
            return Err(PyValueError::new_err(format!(
                "{call}({n}): only {len} bytes are there; ask for at most len(buffer), or wait for more"
            )));
        }
        Ok(n)
    }

    /// The first `n` bytes, of which there are as many. Creating `bytes` runs no Python code, so the lock may be held.
    fn copy<'py>(&mut self, py: Python<'py>, n: usize) -> PyResult<Bound<'py, PyBytes>> {
        if n == 0 {
            return Ok(PyBytes::new(py, b""));
        }
        if let Some(whole) = self.chain.front_to_copy(n) {
            return Ok(PyBytes::new(py, whole));
        }
        PyBytes::new_with(py, n, |out| {
            self.chain.copy_to_slice(out);
            Ok(())
        })
    }

    /// Takes the first `n` bytes, of which there are as many.
    fn next(&mut self, call: &str, n: usize) -> PyResult<View> {
        if n > MAX_OUTPUT_BYTES {
            return Err(too_long(call, n));
        }
        self.chain.next(n).map(View::from).ok_or_else(vanished)
    }
}

/// An argument with the buffer protocol.
enum Input<'a, 'py> {
    /// Of `bytes`, which never change.
    Bytes(&'a [u8]),
    /// Of one of our views, which never change either.
    Shared(Slice),
    /// Of anything else.
    Exported(Exported<'py>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Input<'a, 'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.extract::<&'a [u8]>() {
            return Ok(Self::Bytes(bytes));
        }
        if let Ok(view) = object.cast::<View>() {
            return view.get().slice(object.py()).map(Self::Shared);
        }
        Exported::of(&object).map(Self::Exported)
    }
}

impl Input<'_, '_> {
    fn write_to(&self, chain: &mut Chain) {
        match self {
            Self::Bytes(bytes) => chain.write(bytes),
            Self::Shared(slice) if slice.len() < BY_REFERENCE_BYTES => chain.write(slice),
            Self::Shared(slice) => chain.push(slice.clone()),
            Self::Exported(exported) => exported.each_piece(|piece| chain.write(piece)),
        }
    }

    /// As something to be searched for.
    fn to_needle(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => (*bytes).into(),
            Self::Shared(slice) => (&**slice).into(),
            Self::Exported(exported) => {
                let mut copy = Vec::new();
                exported.each_piece(|piece| copy.extend_from_slice(piece));
                copy.into()
            }
        }
    }
}

/// Memory that somebody else owns and may change at any time; held in place until this is dropped.
struct Exported<'py> {
    /// In a box, since exporters let pointers of the structure point into it: it must not move.
    buffer: Box<ffi::Py_buffer>,
    _attached: Python<'py>,
}

impl<'py> Exported<'py> {
    fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let mut buffer = Box::new(ffi::Py_buffer::new());
        // SAFETY: we are attached, `object` is alive, and the structure is ours to be filled. PyBUF_SIMPLE asks for one
        // contiguous row of bytes, and who cannot give that refuses.
        let outcome = unsafe {
            ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *buffer, ffi::PyBUF_SIMPLE)
        };
        if outcome == 0 {
            return Ok(Self {
                buffer,
                _attached: py,
            });
        }
        let error = PyErr::fetch(py);
        if object.cast::<LinkBuffer>().is_ok() {
            return Err(PyTypeError::new_err(
                "a LinkBuffer is no buffer of one piece; append(other) moves its content",
            ));
        }
        Err(error)
    }

    /// Calls `take` with the memory's content, a piece at a time, as it was when that piece was copied aside.
    fn each_piece(&self, mut take: impl FnMut(&[u8])) {
        let len = self.buffer.len.cast_unsigned();
        let mut aside = [MaybeUninit::<u8>::uninit(); ASIDE_BYTES];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(ASIDE_BYTES);
            let start = self.buffer.buf.cast::<u8>();
            // SAFETY: the exporter promises `len` readable bytes from `buf` on until the export ends, which is when
            // this is dropped, and `done + n` is at most `len`. No reference is made to that memory, since its owner,
            // or another holder, may write to it at this moment from another thread or without the interpreter: as in
            // every extension, what such a program reads is its own concern, and it gets bytes, old or new.
            unsafe { ptr::copy_nonoverlapping(start.add(done), aside.as_mut_ptr().cast(), n) };
            // SAFETY: the line above initialised `n` bytes, and nobody else knows of them.
            take(unsafe { std::slice::from_raw_parts(aside.as_ptr().cast(), n) });
            done += n;
        }
    }
}

impl Drop for Exported<'_> {
    fn drop(&mut self) {
        // SAFETY: filled by PyObject_GetBuffer, not moved since, released once, and we are attached: this type cannot
        // outlive the attachment nor leave its thread.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.buffer) };
    }
}

fn not_negative(call: &str, n: isize) -> PyResult<usize> {
    usize::try_from(n).map_err(|_| {
        PyValueError::new_err(format!(
            "{call}({n}): a number of bytes is never negative; check how it was computed"
        ))
    })
}

fn too_long(call: &str, n: usize) -> PyErr {
    PyValueError::new_err(format!(
        "{call}: {n} bytes in one piece are more than the {MAX_OUTPUT_BYTES} that are possible; take smaller pieces"
    ))
}

/// For an answer that cannot be: the length was compared under the same lock.
fn vanished() -> PyErr {
    PyAssertionError::new_err(
        "a LinkBuffer's length changed under its lock; this is a bug in floodway",
    )
}
