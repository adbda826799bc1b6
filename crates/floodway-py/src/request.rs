//! `Request`: one HTTP request and the way to answer it.
//!
//! # Rules
//! - What a request says never changes, and any thread may look at it at any time.
//! - Its answer has a lock, which whoever answers holds from the call to its end, also while it waits for the client, detached.
//!   So the lock is tried and never waited for: who finds it taken is a second one who answers, and is told so. A wait would
//!   be one for a client, and with the interpreter held one without end. Who only looks does not even try: the one who answers
//!   could find the lock taken by that.
//! - Nothing that could run Python code happens meanwhile: arguments are converted before.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

use floodway_app::http1::{
    self, Command, Date, Exchange, Fault, Head, Message, Share, Version, Wrapped,
};
use floodway_conn::{FilePart, Line, Outgoing, REFERENCE_BYTES};
use floodway_sys::SocketAddress;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::connection::Connection;
use crate::headers::Headers;
use crate::intake::{Desk, Visit};
use crate::octets::{Field, fields, latin1, no_bytes, percent_decoded, piece};
use crate::payload::BytesPayload;
use crate::wsgi::{self, Prepared};
use crate::{address, errors, gate, link_buffer, octets};

/// What a client is told when too many requests are under way.
const BUSY: &[u8] = b"Too many requests are under way\n";

thread_local! {
    /// The second that the date was made for, and the date.
    static DATE: Cell<Option<(u64, Date)>> = const { Cell::new(None) };
}

/// The value of the Date header now. Made once a second and thread.
fn date() -> Date {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    match DATE.get() {
        Some((second, date)) if second == now => date,
        _ => {
            let date = Date::at(now);
            DATE.set(Some((now, date)));
            date
        }
    }
}

/// One HTTP request. Any thread may look at it, at any time; one at a time answers it, and another that tries to meanwhile
/// gets a RuntimeError.
#[pyclass(frozen, module = "floodway")]
pub(crate) struct Request {
    connection: Py<Connection>,
    head: Head,
    body: Py<PyBytes>,
    more: bool,
    /// Where a thread has it that is not the reactor's.
    away: Option<Away>,
    /// With an intake only.
    visit: Option<Box<Visit>>,
    answer: Mutex<Answer>,
    /// What `answer` says of itself, for those who only look.
    is_started: AtomicBool,
    is_finished: AtomicBool,
}

/// How far the answer is.
struct Answer {
    exchange: Exchange,
    /// WSGI: what it will begin with.
    prepared: Option<Prepared>,
    /// What the request's body counts for until then.
    share: Option<Share>,
}

impl Drop for Request {
    /// An answer that was not completed will never be.
    fn drop(&mut self) {
        self.end_visit();
    }
}

/// What a thread needs that has a request away from its reactor.
pub(crate) struct Away {
    /// What else comes of the request and its connection.
    pub(crate) line: Arc<Line<Message>>,
    /// The client, as it was when the request came: the connection may be gone.
    pub(crate) peer: SocketAddress,
}

impl Request {
    /// Takes a request in. None: there are too many, and this one was answered with 503.
    pub(crate) fn admit(
        py: Python<'_>,
        connection: Py<Connection>,
        request: http1::Request,
        payload: Py<PyBytes>,
        away: Option<Away>,
        desk: Option<&Arc<Desk>>,
    ) -> PyResult<Option<Self>> {
        let mut made = Self::new(py, connection, request, payload, away);
        let Some(desk) = desk else {
            return Ok(Some(made));
        };
        let (visit, has_room) = desk.admit(&made.peer_address(py), &made.head);
        made.visit = Some(Box::new(visit));
        if has_room {
            if let Some(spent) = desk.count() {
                spent.call0(py)?;
            }
            return Ok(Some(made));
        }
        let body = PyBytes::new(py, BUSY);
        let plain = (
            ("content-type", "text/plain; charset=utf-8"),
            ("retry-after", "1"),
        );
        let headers = plain.into_pyobject(py)?;
        let sent = made.respond(py, 503, headers.as_any(), body.as_any());
        errors::unless_closed(py, sent).map(|()| None)
    }

    fn end_visit(&self) {
        if let Some(visit) = &self.visit {
            visit.end(&self.head);
        }
    }

    fn note_start(&self, status: u16) {
        self.is_started.store(true, Ordering::Release);
        if let Some(visit) = &self.visit {
            visit.started(status);
        }
    }

    fn note_sent(&self, bytes: usize) {
        if let Some(visit) = &self.visit {
            visit.sent(bytes);
        }
    }

    /// The answer, for whoever goes on with it. Raises RuntimeError while another thread does.
    fn answer(&self) -> PyResult<MutexGuard<'_, Answer>> {
        match self.answer.try_lock() {
            Ok(answer) => Ok(answer),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "another thread is answering this request; let one thread at a time answer it",
            )),
        }
    }

    /// What surrounds the next piece of the body.
    fn wrap(&self, answer: &mut Answer, len: usize, more: bool) -> PyResult<Wrapped> {
        let wrapped = answer.exchange.body(len, more).map_err(fault)?;
        let is_finished = answer.exchange.finished();
        self.is_finished.store(is_finished, Ordering::Release);
        Ok(wrapped)
    }

    /// What a trusted proxy says: whether its client speaks TLS.
    pub(crate) fn told_secure(&self) -> Option<bool> {
        self.visit.as_ref().and_then(|visit| visit.secure())
    }

    fn new(
        py: Python<'_>,
        connection: Py<Connection>,
        request: http1::Request,
        payload: Py<PyBytes>,
        away: Option<Away>,
    ) -> Self {
        let http1::Request {
            head,
            body,
            more,
            share,
            exchange,
        } = request;
        let body = if body.is_empty() {
            payload
        } else {
            PyBytes::new(py, &body).unbind()
        };
        Self {
            connection,
            head,
            body,
            more,
            away,
            visit: None,
            answer: Mutex::new(Answer {
                exchange,
                prepared: None,
                share,
            }),
            is_started: AtomicBool::new(false),
            is_finished: AtomicBool::new(false),
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn on<'py>(&self, py: Python<'py>) -> &Bound<'py, Connection> {
        self.connection.bind(py)
    }

    /// The client's address: the one that a trusted proxy names, or the peer's.
    pub(crate) fn peer_address(&self, py: Python<'_>) -> SocketAddress {
        if let Some(ip) = self.visit.as_ref().and_then(|visit| visit.forwarded()) {
            return std::net::SocketAddr::new(ip, 0).into();
        }
        match &self.away {
            Some(away) => away.peer.clone(),
            None => Connection::peer_address(self.connection.bind(py)),
        }
    }

    /// The body if all of it came with the request.
    pub(crate) fn whole_body<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyBytes>> {
        (!self.more).then(|| self.body.bind(py))
    }

    /// Appends status line and headers to `out`.
    fn begin(
        &self,
        py: Python<'_>,
        answer: &mut Answer,
        out: &mut Vec<u8>,
        status: u16,
        headers: &[Field<'_>],
        length: Option<u64>,
    ) -> PyResult<()> {
        self.judge_stopping(py, answer);
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()));
        answer
            .exchange
            .start(out, status, None, pairs, length, &date())
            .map_err(fault)?;
        self.note_start(status);
        Ok(())
    }

    /// See `_respond_file`.
    pub(crate) fn respond_file(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        path: &Path,
    ) -> PyResult<()> {
        let headers = fields(headers)?;
        let (file, len) = gate::detached(py, || floodway_sys::file::open(path))
            .map_err(|errno| errors::of_file(errno, path))?;
        let answer = &mut *self.answer()?;
        let mut out = answer_of(0);
        self.begin(py, answer, &mut out, status, &headers, Some(len))?;
        let offset = 0;
        self.complete_by_file(py, answer, out, FilePart { file, offset, len })
    }

    /// Queues an answer's head and the file that is all of its body.
    fn complete_by_file(
        &self,
        py: Python<'_>,
        answer: &mut Answer,
        head: Vec<u8>,
        part: FilePart,
    ) -> PyResult<()> {
        let len = part.len as usize;
        let wrapped = self.wrap(answer, len, false)?;
        let mut pieces = vec![Outgoing::Owned(head)];
        if wrapped.send {
            pieces.push(Outgoing::File(part));
        }
        let connection = self.connection.bind(py).get();
        connection.send_pieces(py, pieces)?;
        if wrapped.send {
            self.note_sent(len);
        }
        self.finish(py, answer);
        Ok(())
    }

    fn finish(&self, py: Python<'_>, answer: &mut Answer) {
        let keep_alive = answer.exchange.keep_alive();
        self.tell(py, Command::Finish { keep_alive });
        drop(answer.share.take());
        self.end_visit();
    }

    /// Begins the answer that was prepared, whose first piece has `len` bytes. Returns the head.
    fn begin_prepared(
        &self,
        py: Python<'_>,
        answer: &mut Answer,
        len: usize,
        length: Option<u64>,
    ) -> PyResult<Vec<u8>> {
        self.judge_stopping(py, answer);
        let Answer {
            exchange, prepared, ..
        } = answer;
        let Some(prepared) = prepared else {
            return Err(PyRuntimeError::new_err(
                "a body came before start_response was called; call it first",
            ));
        };
        let mut out = answer_of(len);
        exchange
            .start(
                &mut out,
                prepared.status,
                Some(prepared.reason()),
                prepared.fields(),
                length,
                &date(),
            )
            .map_err(fault)?;
        self.note_start(prepared.status);
        Ok(out)
    }

    /// While the engine stops, an answer is the connection's last.
    fn judge_stopping(&self, py: Python<'_>, answer: &mut Answer) {
        if self.connection.bind(py).get().is_stopping() {
            answer.exchange.close();
        }
    }

    fn tell(&self, py: Python<'_>, command: Command) {
        self.connection.bind(py).get().command(command);
    }

    /// Asks for more of the body.
    fn want_body(&self, py: Python<'_>, answer: &mut Answer) -> PyResult<()> {
        if let Some(word) = answer.exchange.continues() {
            let connection = self.connection.bind(py).get();
            connection.send_bytes(py, word.to_vec())?;
        }
        self.tell(py, Command::WantBody);
        Ok(())
    }

    /// Sends `out`, then a piece of the body, which is the last one unless more follows. Returns whether there is room for
    /// more.
    fn send(
        &self,
        py: Python<'_>,
        answer: &mut Answer,
        mut out: Vec<u8>,
        piece: &Bound<'_, PyBytes>,
        more: bool,
    ) -> PyResult<bool> {
        let content = piece.as_bytes();
        let wrapped = self.wrap(answer, content.len(), more)?;
        let mut is_roomy = true;
        if wrapped.send {
            out.extend_from_slice(wrapped.prefix());
            is_roomy = self.queue(py, out, piece, wrapped.suffix)?;
            self.note_sent(content.len());
        } else if !out.is_empty() {
            is_roomy = self.connection.bind(py).get().send_bytes(py, out)?;
        }
        if !more {
            self.finish(py, answer);
        }
        Ok(is_roomy)
    }

    /// Queues `out`, then the piece, then `suffix`. Returns whether there is room for more.
    fn queue(
        &self,
        py: Python<'_>,
        mut out: Vec<u8>,
        piece: &Bound<'_, PyBytes>,
        suffix: &[u8],
    ) -> PyResult<bool> {
        let connection = self.connection.bind(py).get();
        let content = piece.as_bytes();
        if content.len() < REFERENCE_BYTES {
            out.extend_from_slice(content);
            out.extend_from_slice(suffix);
            return connection.send_bytes(py, out);
        }
        if self.away.is_some() {
            return self.queue_copies(py, out, content, suffix);
        }
        let mut pieces = vec![
            Outgoing::Owned(out),
            Outgoing::Payload(BytesPayload::new(piece)),
        ];
        if !suffix.is_empty() {
            pieces.push(Outgoing::Owned(suffix.to_vec()));
        }
        connection.send_pieces(py, pieces)
    }

    /// The same for a thread that is not the reactor's: copies, since the reactor could not drop a reference without
    /// attaching to the interpreter, and as many at a time as there is room for.
    fn queue_copies(
        &self,
        py: Python<'_>,
        out: Vec<u8>,
        content: &[u8],
        suffix: &[u8],
    ) -> PyResult<bool> {
        let connection = self.connection.bind(py).get();
        let mut pieces = vec![Outgoing::Owned(out)];
        let mut parts = content
            .chunks(connection.route().high_water as usize)
            .peekable();
        while let Some(part) = parts.next() {
            pieces.push(Outgoing::Buffer(copied(part)));
            if parts.peek().is_none() {
                pieces.push(Outgoing::Owned(suffix.to_vec()));
            }
            let is_roomy = connection.send_pieces(py, std::mem::take(&mut pieces))?;
            if parts.peek().is_none() {
                return Ok(is_roomy);
            }
            if !is_roomy {
                self.wait_for_room(py)?;
            }
        }
        Ok(true)
    }

    /// Where a thread has the request that may wait: does so, detached, until there is room for more. Raises
    /// ConnectionClosed if there never will be.
    fn wait_for_room(&self, py: Python<'_>) -> PyResult<()> {
        let Some(away) = &self.away else {
            return Ok(());
        };
        let connection = self.connection.bind(py).get();
        if gate::detached(py, || away.line.wait_for_room(|| connection.has_room())) {
            Ok(())
        } else {
            Err(errors::closed(py, "write"))
        }
    }
}

#[pymethods]
impl Request {
    /// The connection that it came on.
    #[getter]
    pub(crate) fn connection(&self, py: Python<'_>) -> Py<Connection> {
        self.connection.clone_ref(py)
    }

    /// The method, such as "GET".
    #[getter]
    pub(crate) fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match self.head.method() {
            b"GET" => intern!(py, "GET").clone(),
            b"POST" => intern!(py, "POST").clone(),
            other => latin1(py, other),
        }
    }

    /// The target as it was sent, such as "/items/a%20b?page=2".
    #[getter]
    fn target<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        latin1(py, self.head.target())
    }

    /// The path, percent-decoded as UTF-8, such as "/items/a b"; what is no UTF-8 becomes U+FFFD.
    #[getter]
    pub(crate) fn path<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let path = self.head.path();
        if path.is_ascii() && !path.contains(&b'%') {
            return latin1(py, path);
        }
        PyString::new(py, &String::from_utf8_lossy(&percent_decoded(path)))
    }

    /// The query without the question mark, percent-encoded as it was sent; empty if there is none.
    #[getter]
    fn query<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        latin1(py, self.head.query())
    }

    /// "https" where TLS protects the connection, or a proxy that is trusted says so, else "http".
    #[getter]
    pub(crate) fn scheme<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        if self
            .told_secure()
            .unwrap_or_else(|| self.connection.bind(py).get().is_secure())
        {
            intern!(py, "https").clone()
        } else {
            intern!(py, "http").clone()
        }
    }

    /// The client's address, as `Connection.peer`; behind a proxy that is trusted the one that it names, with port 0.
    #[getter]
    pub(crate) fn peer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        address::to_python(py, &self.peer_address(py))
    }

    /// The path without the query, percent-encoded as it was sent, such as "/items/a%20b".
    #[getter]
    pub(crate) fn raw_path<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.head.path())
    }

    /// The same as bytes.
    #[getter]
    pub(crate) fn raw_query<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.head.query())
    }

    /// The host that an absolute target names, which goes before the header (RFC 9112, section 3.2.2); None without one.
    #[getter]
    fn authority<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.head.authority().map(|host| latin1(py, host))
    }

    /// "1.1" or "1.0".
    #[getter]
    pub(crate) fn http_version<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match self.head.version() {
            Version::Http11 => intern!(py, "1.1").clone(),
            Version::Http10 => intern!(py, "1.0").clone(),
        }
    }

    /// The headers, looked up without regard to case.
    #[getter]
    fn headers(slf: &Bound<'_, Self>) -> Headers {
        Headers::new(slf.clone().unbind())
    }

    /// The headers as pairs of bytes, names in lower case, in the order in which they came.
    #[getter]
    fn raw_headers<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        self.head
            .headers()
            .map(|(name, value)| (PyBytes::new(py, name), PyBytes::new(py, value)))
            .collect()
    }

    /// The body: all of it, or in a function that asked to stream it as much as came with the head.
    #[getter]
    pub(crate) fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        self.body.clone_ref(py)
    }

    /// The body piece by piece, as it comes: an asynchronous iterator, for a coroutine function that asked for it
    /// (`floodway.streaming`). A body that is there already is one piece.
    ///
    /// What the client is behind with is waited for, and what is not asked for stays with it. Raises ConnectionClosed where
    /// the client leaves before the end.
    fn stream(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let body = slf.py().import("floodway.app.body")?;
        Ok(body.call_method1("pieces_of", (slf,))?.unbind())
    }

    /// Whether more of the body follows, on demand.
    #[getter(_more)]
    pub(crate) fn more(&self) -> bool {
        self.more
    }

    /// Whether the answer has been started.
    #[getter(_started)]
    pub(crate) fn is_started(&self) -> bool {
        self.is_started.load(Ordering::Acquire)
    }

    /// Whether the answer is complete.
    #[getter(_finished)]
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Acquire)
    }

    /// Ask for more of the body: it comes as the connection's next data, (bytes, whether more follows).
    #[pyo3(name = "_read")]
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<()> {
        self.want_body(py, &mut *self.answer()?)
    }

    /// Answer at once. Headers are pairs of bytes or str. Raises ValueError for what no HTTP message can carry, and
    /// ConnectionClosed if the client has gone.
    #[pyo3(name = "_respond")]
    pub(crate) fn respond(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let body = piece(body)?;
        let headers = fields(headers)?;
        let answer = &mut *self.answer()?;
        let len = body.as_bytes().len();
        let mut out = answer_of(len);
        self.begin(py, answer, &mut out, status, &headers, Some(len as u64))?;
        self.send(py, answer, out, &body, false)
    }

    /// Answer with what a file has now, which is read as it is sent. Raises OSError if it cannot be opened, and what `_respond`
    /// raises.
    fn _respond_file(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        path: PathBuf,
    ) -> PyResult<()> {
        self.respond_file(py, status, headers, &path)
    }

    /// Begin an answer whose body follows by `_send`. `length`: of the body, if it is known.
    #[pyo3(name = "_start", signature = (status, headers, length = None))]
    pub(crate) fn start(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        length: Option<u64>,
    ) -> PyResult<bool> {
        let headers = fields(headers)?;
        let answer = &mut *self.answer()?;
        let mut out = answer_of(0);
        self.begin(py, answer, &mut out, status, &headers, length)?;
        self.tell(py, Command::AnswerStarted);
        self.connection.bind(py).get().send_bytes(py, out)
    }

    /// Send a piece of the body; `more` False: the last. Returns False when more than `high_water` bytes are pending.
    #[pyo3(name = "_send", signature = (piece, more))]
    pub(crate) fn send_piece(
        &self,
        py: Python<'_>,
        piece: &Bound<'_, PyAny>,
        more: bool,
    ) -> PyResult<bool> {
        let piece = octets::piece(piece)?;
        self.send(py, &mut *self.answer()?, Vec::new(), &piece, more)
    }

    /// WSGI: call an application. Returns what it has returned, or None if that was a list or tuple and so the answer is
    /// complete.
    fn _call<'py>(
        slf: &Bound<'py, Self>,
        application: &Bound<'py, PyAny>,
        environ: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let start_response = slf.getattr(intern!(py, "_start_response"))?;
        let result = application.call1((environ, start_response))?;
        if result.is_none() {
            return Err(PyTypeError::new_err(
                "the application returned None; a WSGI application returns an iterable of bytes",
            ));
        }
        let Some(body) = wsgi::whole(&result)? else {
            return Ok(Some(result));
        };
        slf.get().complete(py, &body)?;
        Ok(None)
    }

    /// WSGI: take status and headers, which go out with the first piece of the body; see PEP 3333. Returns `write`.
    ///
    /// With `exc_info` they replace those of an earlier call; once a piece has gone out, its exception is raised. Raises
    /// TypeError, ValueError or RuntimeError for what PEP 3333 forbids.
    #[pyo3(signature = (status, headers, exc_info = None))]
    fn _start_response<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let request = slf.get();
        let is_started = request.is_started();
        if let (Some(info), true) = (exc_info, is_started)
            && let error = info.get_item(1)?
            && !error.is_none()
        {
            let error = error.call_method1("with_traceback", (info.get_item(2)?,))?;
            return Err(PyErr::from_value(error));
        }
        let prepared = Prepared::new(status, headers)?;
        let mut answer = request.answer()?;
        if answer.exchange.started() || answer.prepared.is_some() && exc_info.is_none() {
            return Err(PyRuntimeError::new_err(
                "start_response was called twice; a second call has to give exc_info, before the body begins",
            ));
        }
        answer.prepared = Some(prepared);
        drop(answer);
        slf.getattr(intern!(py, "_write"))
    }

    /// WSGI: send a piece of the body at once: for applications from before iterables.
    fn _write(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        if piece.is_truthy()? {
            self.put(py, piece)?;
        }
        Ok(())
    }

    /// WSGI: send a piece of the body that is not the last, and before the first what was prepared. When more than
    /// `high_water` bytes are pending: on the reactor's thread returns False, on another waits.
    #[pyo3(name = "_put")]
    fn put(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(piece) = piece.cast_exact::<PyBytes>() else {
            return Err(no_bytes(piece));
        };
        let answer = &mut *self.answer()?;
        let mut out = Vec::new();
        if !answer.exchange.started() {
            out = self.begin_prepared(py, answer, piece.as_bytes().len(), None)?;
            self.tell(py, Command::AnswerStarted);
        }
        let is_roomy = self.send(py, answer, out, piece, true)?;
        if is_roomy || self.away.is_none() {
            return Ok(is_roomy);
        }
        self.wait_for_room(py)?;
        Ok(true)
    }

    /// WSGI, on a thread that is not the reactor's: wait for more of the body. Returns it, and whether more follows. Raises
    /// ConnectionClosed if the client leaves before.
    fn _receive(&self, py: Python<'_>) -> PyResult<(Py<PyBytes>, bool)> {
        let answer = &mut *self.answer()?; // until the end: one thread waits at a time
        self.want_body(py, answer)?;
        let message = match &self.away {
            Some(away) => gate::detached(py, || away.line.next()),
            None => None,
        };
        match message {
            Some((Message::Body { bytes, more }, payload)) => {
                let piece = if bytes.is_empty() { payload } else { bytes };
                Ok((PyBytes::new(py, &piece).unbind(), more))
            }
            _ => Err(errors::closed(py, "read")),
        }
    }

    /// WSGI: complete the answer: by its last piece or, if none was sent yet, its whole body.
    #[pyo3(name = "_complete")]
    fn complete(&self, py: Python<'_>, body: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(body) = body.cast_exact::<PyBytes>() else {
            return Err(no_bytes(body));
        };
        let answer = &mut *self.answer()?;
        let mut out = Vec::new();
        if !answer.exchange.started() {
            let len = body.as_bytes().len();
            out = self.begin_prepared(py, answer, len, Some(len as u64))?;
        }
        self.send(py, answer, out, body, false).map(drop)
    }

    /// WSGI: complete an answer that has not begun by `length` bytes of an open file, which is duplicated, or by as many as its
    /// `content-length` says if those are fewer.
    fn _complete_file(&self, py: Python<'_>, fd: i32, offset: u64, length: u64) -> PyResult<()> {
        let file = floodway_sys::file::duplicate(fd).map_err(errors::system_error)?;
        let answer = &mut *self.answer()?;
        let announced = answer.prepared.as_ref().and_then(Prepared::content_length);
        let len = announced.map_or(length, |most| length.min(most));
        let out = self.begin_prepared(py, answer, 0, Some(len))?;
        self.complete_by_file(py, answer, out, FilePart { file, offset, len })
    }

    fn __repr__(&self) -> String {
        format!(
            "<floodway.Request {} {}>",
            String::from_utf8_lossy(self.head.method()),
            String::from_utf8_lossy(self.head.target())
        )
    }
}

/// Memory for an answer whose first piece has `len` bytes: its head, and the piece if it is copied.
fn answer_of(len: usize) -> Vec<u8> {
    Vec::with_capacity(256 + len.min(REFERENCE_BYTES))
}

/// A copy in blocks of this thread's.
fn copied(bytes: &[u8]) -> floodway_base::LinkBuffer {
    let mut buffer = floodway_base::LinkBuffer::new(link_buffer::thread_pool());
    buffer.write(bytes);
    buffer
}

/// What an answer that cannot be sent raises.
pub(crate) fn fault(fault: Fault) -> PyErr {
    match fault {
        Fault::StartedTwice | Fault::NotStarted | Fault::Finished => {
            PyRuntimeError::new_err(fault.to_string())
        }
        fault => PyValueError::new_err(fault.to_string()),
    }
}
