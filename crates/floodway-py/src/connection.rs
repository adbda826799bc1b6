//! `Connection`: the user's handle. Every method works from every thread, and after close.
//!
//! 48 bytes: a million of them are paid for. What only a closed connection needs lies in a `Summary` of its own.

use std::time::Duration;

use floodway_app::http1::{Command, Http1};
use floodway_base::{Token, limits};
use floodway_conn::{
    Admitted, CloseReason, Closed, Framing as NativeFraming, Message, Outgoing, OutputPolicy,
    Route, Security, State, ticks,
};
use floodway_sys::SocketAddress;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::batch::state_name;
use crate::cell::ObjectCell;
use crate::framing::Framing;
use crate::host::PyHost;
use crate::link_buffer::LinkBuffer;
use crate::payload::BytesPayload;
use crate::reactor::{Core, Reactor, abort};
use crate::tls::TlsInfo;
use crate::view::View;
use crate::{address, errors, options};

/// What remains of a closed connection.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Summary(Closed);

impl Summary {
    pub(crate) fn new(closed: Closed) -> Self {
        Self(closed)
    }
}

/// One connection. Every method may be called from every thread, and after close; none touches another connection.
///
/// There is one object for a connection, so identity holds; while nobody refers to it and nothing is in `user_data` there
/// may be none, else it costs 48 bytes beside the native record. The garbage collector does not see it: break cycles
/// through `user_data` in `on_close`, or let Floodway do so, which drops `user_data` when `on_close` has returned.
#[pyclass(frozen, module = "floodway")]
pub(crate) struct Connection {
    reactor: Py<Reactor>,
    pub(crate) token: Token,
    user_data: ObjectCell,
    summary: ObjectCell,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// Output in the forms that `write` takes.
enum Piece<'py> {
    Bytes(Bound<'py, PyBytes>),
    Buffer(floodway_base::LinkBuffer),
    View(floodway_base::Slice),
    Foreign(PyBuffer<u8>),
}

impl<'py> Piece<'py> {
    fn new(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = data.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        if let Ok(buffer) = data.cast::<LinkBuffer>() {
            return Ok(Self::Buffer(buffer.get().take(data.py())));
        }
        if let Ok(view) = data.cast::<View>() {
            return Ok(Self::View(view.get().slice(data.py())?));
        }
        match PyBuffer::get(data) {
            Ok(buffer) if buffer.is_c_contiguous() => Ok(Self::Foreign(buffer)),
            Ok(_) => Err(PyValueError::new_err(
                "the buffer is not contiguous; write bytes(data) instead",
            )),
            Err(_) => Err(PyTypeError::new_err(format!(
                "a connection writes bytes and buffers of bytes, not {}; encode text with .encode()",
                data.get_type().name()?
            ))),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.len(),
            Self::View(slice) => slice.len(),
            Self::Foreign(buffer) => buffer.len_bytes(),
        }
    }

    /// In one piece.
    fn into_bytes(self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(match self {
            Self::Bytes(bytes) => bytes,
            Self::Foreign(buffer) => PyBytes::new(py, &buffer.to_vec(py)?),
            Self::View(slice) => PyBytes::new(py, &slice),
            Self::Buffer(buffer) => {
                let gathered: Vec<u8> = buffer.chunks().flatten().copied().collect();
                PyBytes::new(py, &gathered)
            }
        })
    }

    /// Queues it on the owner's thread.
    fn queue(self, py: Python<'_>, core: &mut Core, token: Token) -> PyResult<()> {
        match self {
            Self::Bytes(bytes) if bytes.as_bytes().len() < floodway_conn::REFERENCE_BYTES => {
                core.write_copy(token, bytes.as_bytes());
            }
            Self::Bytes(bytes) => core.write_payload(token, BytesPayload::new(&bytes)),
            Self::Buffer(buffer) => core.write_buffer(token, buffer),
            Self::View(slice) => {
                let mut buffer = floodway_base::LinkBuffer::new(core.pool().clone());
                buffer.push(slice);
                core.write_buffer(token, buffer);
            }
            Self::Foreign(buffer) => core.write_copy(token, &buffer.to_vec(py)?),
        }
        Ok(())
    }

    /// As a message to the owner.
    fn outgoing(self, py: Python<'_>) -> PyResult<Outgoing<BytesPayload>> {
        Ok(match self {
            Self::Bytes(bytes) => Outgoing::Payload(BytesPayload::new(&bytes)),
            Self::Buffer(buffer) => Outgoing::Buffer(buffer),
            Self::View(slice) => Outgoing::Copied(slice),
            Self::Foreign(buffer) => {
                Outgoing::Payload(BytesPayload::new(&PyBytes::new(py, &buffer.to_vec(py)?)))
            }
        })
    }
}

impl Connection {
    pub(crate) fn new(reactor: Py<Reactor>, token: Token) -> Self {
        Self {
            reactor,
            token,
            user_data: ObjectCell::new(None),
            summary: ObjectCell::new(None),
        }
    }

    /// The connection is closed: keeps what remains of it.
    pub(crate) fn closed(&self, object: &Bound<'_, Self>, summary: Summary) -> PyResult<()> {
        let summary = Py::new(object.py(), summary)?.into_any();
        self.summary.replace(object.as_any(), Some(summary));
        Ok(())
    }

    pub(crate) fn set_user_data_now(&self, object: &Bound<'_, Self>, value: Option<Py<PyAny>>) {
        drop(self.user_data.replace(object.as_any(), value));
    }

    /// Whether somebody keeps something in it.
    pub(crate) fn has_user_data(&self, object: &Bound<'_, Self>) -> bool {
        self.user_data.get(object.as_any()).is_some()
    }

    pub(crate) fn forget_user_data(&self, object: &Bound<'_, Self>) {
        self.set_user_data_now(object, None);
    }

    /// Ends the connection because a handler raised.
    pub(crate) fn fail(&self, py: Python<'_>, error: Py<PyAny>) {
        let reactor = self.reactor.get();
        if reactor.shared.is_live(self.token) {
            reactor.note_failure(py, self.token, error);
            abort(reactor, self.token, CloseReason::Host);
        }
    }

    /// The plain fields, now or as they were at the end; None for a connection whose end Python has not been told of.
    fn describe(slf: &Bound<'_, Self>) -> Closed {
        let this = slf.get();
        let shared = &this.reactor.get().shared;
        if shared.is_live(this.token) {
            let snapshot = shared.snapshot(this.token);
            if shared.is_live(this.token) {
                return snapshot;
            }
        }
        if let Some(summary) = this.summary.get(slf.as_any())
            && let Ok(summary) = summary.bind(slf.py()).cast::<Summary>()
        {
            return summary.get().0.clone();
        }
        // Ended, and its last event is still to come: the slot is kept until then.
        shared.snapshot(this.token)
    }

    /// Judges and queues pieces that are `len` bytes together.
    fn send(&self, py: Python<'_>, pieces: Vec<Piece<'_>>) -> PyResult<bool> {
        let len: usize = pieces.iter().map(Piece::len).sum();
        let reactor = self.reactor.get();
        let core = reactor.core_here();
        let Some(roomy) = self.admit(py, len)? else {
            return Ok(false);
        };
        if len == 0 {
            return Ok(roomy);
        }
        if let Some(mut core) = core {
            for piece in pieces {
                piece.queue(py, &mut core, self.token)?;
            }
        } else {
            let pieces = pieces
                .into_iter()
                .map(|piece| piece.outgoing(py))
                .collect::<PyResult<Vec<_>>>()?;
            reactor.post(Message::Write(self.token, pieces));
        }
        Ok(roomy)
    }

    /// Judges and queues bytes that were made here for this connection. Returns whether there is room for more.
    pub(crate) fn send_bytes(&self, py: Python<'_>, bytes: Vec<u8>) -> PyResult<bool> {
        let reactor = self.reactor.get();
        let core = reactor.core_here();
        let Some(roomy) = self.admit(py, bytes.len())? else {
            return Ok(false);
        };
        match core {
            _ if bytes.is_empty() => {}
            Some(mut core) => core.write_copy(self.token, &bytes),
            None => reactor.post(Message::Write(self.token, vec![Outgoing::Owned(bytes)])),
        }
        Ok(roomy)
    }

    /// The same for what does not fit into one piece.
    pub(crate) fn send_pieces(
        &self,
        py: Python<'_>,
        pieces: Vec<Outgoing<BytesPayload>>,
    ) -> PyResult<bool> {
        let reactor = self.reactor.get();
        let core = reactor.core_here();
        let len = pieces.iter().map(Outgoing::len).sum();
        let Some(roomy) = self.admit(py, len)? else {
            return Ok(false);
        };
        match core {
            Some(mut core) => core.write_pieces(self.token, pieces),
            None => reactor.post(Message::Write(self.token, pieces)),
        }
        Ok(roomy)
    }

    /// Tells the protocol what the application says.
    pub(crate) fn command(&self, command: Command) {
        let token = self.token;
        self.ask(
            |core| core.command(token, command),
            || Message::Command(token, command),
        );
    }

    /// What TLS has agreed on, where it is open.
    pub(crate) fn security(&self, py: Python<'_>) -> PyResult<Option<Security>> {
        let reactor = self.reactor.get();
        if !reactor.shared.is_live(self.token) {
            return Ok(None);
        }
        match reactor.core_here() {
            Some(mut core) => Ok(core.security(self.token)),
            None => reactor.ask_security(py, self.token),
        }
    }

    /// Whether TLS protects it.
    pub(crate) fn is_secure(&self) -> bool {
        let shared = &self.reactor.get().shared;
        shared.route_of(self.token).sessions.is_some()
    }

    /// What it has in common with the other connections of its listener.
    pub(crate) fn route(&self) -> &Route<Http1> {
        self.reactor.get().shared.route_of(self.token)
    }

    /// The peer's address, of a closed connection too.
    pub(crate) fn peer_address(slf: &Bound<'_, Self>) -> SocketAddress {
        Self::describe(slf).peer
    }

    /// Whether the engine is stopping: an answer is the last one.
    pub(crate) fn is_stopping(&self) -> bool {
        self.reactor.get().shared.is_draining()
    }

    /// Whether no more than `high_water` bytes are pending.
    pub(crate) fn has_room(&self) -> bool {
        self.reactor.get().shared.pending(self.token) <= self.route().high_water
    }

    /// Counts `len` bytes of output, and returns whether there is room for more. None: not to be queued, by the output
    /// policy.
    fn admit(&self, py: Python<'_>, len: usize) -> PyResult<Option<bool>> {
        if len > limits::MAX_OUTPUT_BYTES {
            return Err(PyValueError::new_err(format!(
                "one write of {len} bytes is above the ceiling of {}; write it in parts as on_writable allows",
                limits::MAX_OUTPUT_BYTES
            )));
        }
        let reactor = self.reactor.get();
        match reactor.shared.admit(self.token, len) {
            Admitted::Yes { roomy } => Ok(Some(roomy)),
            refused => self.refused(py, refused, len).map(|()| None),
        }
    }

    /// Does what a refusal of `len` bytes of output demands.
    fn refused(&self, py: Python<'_>, refused: Admitted, len: usize) -> PyResult<()> {
        let reactor = self.reactor.get();
        match refused {
            Admitted::Yes { .. } => Ok(()),
            Admitted::Closed => Err(errors::closed(py, "write")),
            Admitted::Breach(pending, OutputPolicy::Error) => {
                Err(errors::slow_consumer(py, pending))
            }
            Admitted::Breach(_, OutputPolicy::Drop) => {
                reactor.shared.count_dropped(len);
                Ok(())
            }
            Admitted::Breach(pending, OutputPolicy::Close) => {
                reactor.shared.finish(self.token);
                // The core may be in use right now, by this very write: the inbox serves both cases.
                let reason = CloseReason::SlowConsumer(pending);
                reactor.post(Message::Abort(self.token, reason));
                Ok(())
            }
        }
    }

    /// Does `here` on the owner's thread, else sends the message.
    fn ask(&self, here: impl FnOnce(&mut Core), message: impl FnOnce() -> Message<PyHost>) {
        let reactor = self.reactor.get();
        match reactor.core_here() {
            Some(mut core) => here(&mut core),
            None => reactor.post(message()),
        }
    }

    fn refresh(&self, needed: bool) {
        if needed {
            let token = self.token;
            self.ask(
                |core| core.refresh_if_live(token),
                || Message::Refresh(token),
            );
        }
    }
}

#[pymethods]
impl Connection {
    /// A number that no other connection of this process has or had: of every engine and reactor, closed ones included.
    /// A forked child goes on counting where its parent was.
    #[getter]
    fn id(&self) -> u128 {
        self.reactor.get().id_of(self.token)
    }

    /// The peer's address as `socket` shapes it: (host, port), (host, port, flow, scope), or a path.
    #[getter]
    pub(crate) fn peer(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        address::to_python(slf.py(), &Self::describe(slf).peer)
    }

    /// Our address, in the same shape. From another thread than the reactor's it is known once the connection is closed;
    /// until then the reactor is asked, which waits for the callback that it is in.
    #[getter]
    pub(crate) fn local(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let this = slf.get();
        let reactor = this.reactor.get();
        let local = if reactor.shared.is_live(this.token) {
            match reactor.core_here() {
                Some(mut core) => core
                    .local_and_half_closed(this.token)
                    .and_then(|(local, _)| local),
                None => reactor.ask_local(slf.py(), this.token)?,
            }
        } else {
            None
        };
        let local: SocketAddress = local.unwrap_or_else(|| Self::describe(slf).local);
        address::to_python(slf.py(), &local)
    }

    /// What a TLS connection has agreed on, from `on_open` until it is closed; None for a plain one. From another thread
    /// than the reactor's the reactor is asked, as for `local`.
    #[getter]
    fn tls(&self, py: Python<'_>) -> PyResult<Option<TlsInfo>> {
        if !self.is_secure() {
            return Ok(None);
        }
        Ok(self.security(py)?.map(TlsInfo::new))
    }

    /// The reactor that owns this connection, for `call_later` and `call_soon`.
    #[getter]
    fn reactor(&self, py: Python<'_>) -> Py<Reactor> {
        self.reactor.clone_ref(py)
    }

    /// Whatever you want to keep with the connection; None at first, and again once `on_close` has returned.
    #[getter]
    fn user_data(slf: &Bound<'_, Self>) -> Py<PyAny> {
        slf.get()
            .user_data
            .get(slf.as_any())
            .unwrap_or_else(|| slf.py().None())
    }

    #[setter]
    fn set_user_data(slf: &Bound<'_, Self>, value: Py<PyAny>) {
        let value = (!value.is_none(slf.py())).then_some(value);
        slf.get().set_user_data_now(slf, value);
    }

    /// Bytes that were written and that the kernel has not taken yet; 0 once closed.
    #[getter]
    fn pending_output(&self) -> u32 {
        self.reactor.get().shared.pending(self.token)
    }

    /// Bytes received.
    #[getter]
    fn bytes_in(slf: &Bound<'_, Self>) -> u64 {
        Self::describe(slf).bytes_in
    }

    /// Bytes that the kernel has taken.
    #[getter]
    fn bytes_out(slf: &Bound<'_, Self>) -> u64 {
        Self::describe(slf).bytes_out
    }

    /// When it was accepted or connected, in seconds of `time.time()`.
    #[getter]
    fn opened_at(slf: &Bound<'_, Self>) -> f64 {
        Self::describe(slf).opened_at
    }

    /// Whether writes are refused: closed, closing, or `write_eof` was called.
    #[getter]
    pub(crate) fn is_closed(&self) -> bool {
        let shared = &self.reactor.get().shared;
        !shared.is_live(self.token)
            || matches!(
                shared.state(self.token),
                State::Closing | State::Lingering | State::Closed
            )
    }

    /// "opening", "open", "half-closed", "closing" or "closed".
    #[getter]
    fn state(&self) -> &'static str {
        let reactor = self.reactor.get();
        if !reactor.shared.is_live(self.token) {
            return state_name(State::Closed, false);
        }
        let half_closed = match reactor.core_here() {
            Some(mut core) => core
                .local_and_half_closed(self.token)
                .is_some_and(|(_, half_closed)| half_closed),
            None => reactor.shared.is_finished(self.token),
        };
        state_name(reactor.shared.state(self.token), half_closed)
    }

    /// Queue bytes, any buffer of bytes, or a `LinkBuffer`, which is left empty; sent when the running batch ends.
    ///
    /// Returns False when more than `high_water` bytes are pending: stop, and go on in `on_writable`. Exact `bytes` and
    /// `LinkBuffer`s from 16 KiB on are sent without a copy; other buffers are copied before this returns. Raises
    /// ConnectionClosed after close, and what `output_policy` says at `max_output`.
    #[pyo3(signature = (data, /))]
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = data.py();
        if let Ok(bytes) = data.cast_exact::<PyBytes>() {
            let reactor = self.reactor.get();
            let content = bytes.as_bytes();
            if content.len() < floodway_conn::REFERENCE_BYTES
                && let Some(mut core) = reactor.core_here()
            {
                return match reactor.shared.admit(self.token, content.len()) {
                    Admitted::Yes { roomy } => {
                        core.write_copy(self.token, content);
                        Ok(roomy)
                    }
                    refused => {
                        drop(core);
                        self.refused(py, refused, content.len()).map(|()| false)
                    }
                };
            }
        }
        if !data.is_instance_of::<LinkBuffer>() {
            return self.send(py, vec![Piece::new(data)?]);
        }
        if self.reactor.get().shared.is_finished(self.token) {
            return Err(errors::closed(py, "write"));
        }
        self.send(py, vec![Piece::new(data)?])
    }

    /// Queue several pieces as one write: judged once, sent together.
    #[pyo3(signature = (pieces, /))]
    fn writelines(&self, pieces: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = pieces.py();
        if self.reactor.get().shared.is_finished(self.token) {
            return Err(errors::closed(py, "write"));
        }
        let pieces = pieces
            .try_iter()?
            .map(|piece| Piece::new(&piece?))
            .collect::<PyResult<Vec<_>>>()?;
        self.send(py, pieces)
    }

    /// Queue a payload with the prefix or terminator of the connection's framing. Raises ValueError for a payload that
    /// the framing cannot carry.
    #[pyo3(signature = (payload, /))]
    fn write_frame(&self, payload: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = payload.py();
        let framing = self.reactor.get().shared.framing(self.token);
        let NativeFraming::Codec(codec) = framing else {
            return self.write(payload);
        };
        let content = Piece::new(payload)?.into_bytes(py)?;
        let envelope = codec.envelope(content.as_bytes()).map_err(errors::encode)?;
        let mut pieces = vec![];
        if !envelope.prefix().is_empty() {
            pieces.push(Piece::Bytes(PyBytes::new(py, envelope.prefix())));
        }
        pieces.push(Piece::Bytes(content));
        if !envelope.suffix().is_empty() {
            pieces.push(Piece::Bytes(PyBytes::new(py, envelope.suffix())));
        }
        self.send(py, pieces)
    }

    /// Half-close: the peer sees the end of input after everything pending; reading goes on.
    fn write_eof(&self) {
        if self.reactor.get().shared.finish(self.token) {
            let token = self.token;
            self.ask(|core| core.finish(token), || Message::Finish(token));
        }
    }

    /// Flush what is pending, then close. `on_close` gets None, or `ConnectionClosed` with the reason if one is given.
    /// A connection that is still opening is given up at once, with what was written to it.
    #[pyo3(signature = (reason = None))]
    fn close(&self, py: Python<'_>, reason: Option<&str>) -> PyResult<()> {
        let reactor = self.reactor.get();
        if !reactor.shared.is_live(self.token) {
            return Ok(());
        }
        let token = self.token;
        let why = match reason {
            None => CloseReason::Closed,
            Some(reason) => {
                if matches!(
                    reactor.shared.state(token),
                    State::Opening | State::Handshaking | State::Open
                ) {
                    reactor.note_failure(py, token, errors::closed_for(py, reason)?);
                }
                CloseReason::Host
            }
        };
        reactor.shared.finish(token);
        match reactor.core_here() {
            Some(mut core) => core.close(token, why),
            None => reactor.post(Message::Close(token, why)),
        }
        Ok(())
    }

    /// Close at once; what is pending is lost and the peer sees a reset. `on_close` gets ConnectionAbortedError.
    fn abort(&self) {
        abort(self.reactor.get(), self.token, CloseReason::Aborted);
    }

    /// Stop reading: the peer is slowed down by TCP. What was read already waits too.
    fn pause_reading(&self) {
        self.refresh(self.reactor.get().shared.want_paused(self.token, true));
    }

    /// Go on reading after `pause_reading`.
    fn resume_reading(&self) {
        self.refresh(self.reactor.get().shared.want_paused(self.token, false));
    }

    /// Cut what has not been delivered yet, and all further input, in another way.
    #[pyo3(signature = (framing, /))]
    fn set_framing(&self, framing: &Bound<'_, PyAny>) -> PyResult<()> {
        let native = framing.call_method0("native")?;
        let native = native.cast::<Framing>()?.get().0.clone();
        self.refresh(self.reactor.get().shared.want_framing(self.token, native));
        Ok(())
    }

    /// Close the connection with IdleTimeout after so many seconds without a byte in either direction; None: never.
    #[pyo3(signature = (seconds))]
    fn set_idle_timeout(&self, seconds: Option<f64>) -> PyResult<()> {
        if seconds.is_some_and(|seconds| seconds <= 0.0) {
            return Err(PyValueError::new_err(format!(
                "seconds is {}; it has to be above 0, or None for no timeout",
                seconds.unwrap_or_default()
            )));
        }
        let ticks: Option<u32> = options::duration("seconds", seconds)?.map(|d: Duration| ticks(d));
        self.refresh(self.reactor.get().shared.want_idle_ticks(self.token, ticks));
        Ok(())
    }

    /// Take the socket out of Floodway, with the bytes that were received and not delivered. Reactor's thread only; the
    /// connection then counts as closed. Raises RuntimeError elsewhere, while opening or closing, with output pending, and
    /// for TLS.
    fn take_socket(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, Py<PyBytes>)> {
        use std::os::fd::IntoRawFd;
        let py = slf.py();
        let this = slf.get();
        let taken = this
            .reactor
            .get()
            .core_here()
            .ok_or_else(|| {
                PyRuntimeError::new_err(
                    "take_socket works on the reactor's own thread; use reactor.call_soon to get there",
                )
            })?
            .take_socket(this.token);
        let Some((socket, unread)) = taken else {
            if this.is_secure() {
                return Err(PyRuntimeError::new_err(
                    "cannot take the socket of a TLS connection: its keys would stay behind",
                ));
            }
            return Err(PyRuntimeError::new_err(format!(
                "cannot take the socket of a connection that is {}; wait until it is open and its output was sent",
                this.state()
            )));
        };
        let unread = PyBytes::new(py, &unread).unbind();
        let module = py.import("socket")?;
        let kwargs = pyo3::types::PyDict::new(py);
        kwargs.set_item("fileno", socket.into_raw_fd())?;
        let object = module.getattr("socket")?.call((), Some(&kwargs))?;
        Ok((object.unbind(), unread))
    }

    /// The addresses that a name stands for, tried in order until one answers; or why there are none. Any thread.
    #[pyo3(signature = (addresses, error))]
    fn _resolved(
        &self,
        py: Python<'_>,
        addresses: Vec<Bound<'_, PyAny>>,
        error: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        if let Some(error) = error {
            self.fail(py, error);
            return Ok(());
        }
        let addresses = addresses
            .iter()
            .map(address::from_python)
            .collect::<PyResult<Vec<_>>>()?;
        let reactor = self.reactor.get();
        match reactor.core_here() {
            Some(mut core) => core.resolved(self.token, addresses),
            None => reactor.post(Message::Resolved(self.token, addresses)),
        }
        Ok(())
    }

    /// Worker threads: an event of this connection has been handled, and this was its payload; offer the next.
    #[pyo3(signature = (payload, /))]
    fn _done(slf: &Bound<'_, Self>, payload: &Bound<'_, PyAny>) {
        let this = slf.get();
        let py = slf.py();
        let left = payload
            .cast::<LinkBuffer>()
            .ok()
            .map(|buffer| buffer.get().take(py));
        if !this.reactor.get().shared.is_live(this.token)
            && this.summary.get(slf.as_any()).is_some()
        {
            this.forget_user_data(slf);
        }
        this.reactor.get().post(Message::Done(this.token, left));
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        let peer = Self::describe(slf).peer;
        let state = slf.get().state();
        format!(
            "<floodway.Connection {} {state}, peer {peer}>",
            slf.get().id()
        )
    }
}

/// Queue the same bytes on many connections, once in memory if there are 16 KiB or more. Returns how many took them:
/// closed ones, and those whose output policy refused, are passed over. Any thread.
#[pyfunction]
#[pyo3(signature = (connections, data, /))]
pub(crate) fn write_many(
    connections: &Bound<'_, PyAny>,
    data: &Bound<'_, PyAny>,
) -> PyResult<usize> {
    let py = data.py();
    let bytes = Piece::new(data)?.into_bytes(py)?;
    let mut taken = 0;
    for connection in connections.try_iter()? {
        let connection = connection?;
        let connection = connection.cast::<Connection>()?.get();
        if connection
            .reactor
            .get()
            .shared
            .is_finished(connection.token)
        {
            continue;
        }
        let before = connection.reactor.get().shared.is_live(connection.token);
        match connection.write(bytes.as_any()) {
            Ok(_) if before => taken += 1,
            Ok(_) => {}
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyOSError>(py) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}
