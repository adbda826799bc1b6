//! `Request`: one HTTP request and the way to answer it.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use floodway_app::http1::{self, Command, Date, Exchange, Fault, Head, Version};
use floodway_conn::{Outgoing, REFERENCE_BYTES};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::connection::Connection;
use crate::headers::Headers;
use crate::payload::BytesPayload;

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

/// One HTTP request. It belongs to whoever answers it: one thread at a time.
#[pyclass(module = "floodway")]
pub(crate) struct Request {
    connection: Py<Connection>,
    head: Head,
    exchange: Exchange,
    body: Py<PyBytes>,
    more: bool,
}

impl Request {
    pub(crate) fn new(
        py: Python<'_>,
        connection: Py<Connection>,
        request: http1::Request,
        payload: Py<PyBytes>,
    ) -> Self {
        let http1::Request {
            head,
            body,
            more,
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
            exchange,
            body,
            more,
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    fn begin(
        &mut self,
        py: Python<'_>,
        out: &mut Vec<u8>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        length: Option<u64>,
    ) -> PyResult<()> {
        if self.connection.bind(py).get().is_stopping() {
            self.exchange.close();
        }
        let headers = fields(headers)?;
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()));
        self.exchange
            .start(out, status, None, pairs, length, &date())
            .map_err(fault)
    }

    pub(crate) fn more(&self) -> bool {
        self.more
    }

    pub(crate) fn is_started(&self) -> bool {
        self.exchange.started()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.exchange.finished()
    }

    /// See `_read`.
    pub(crate) fn read(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(word) = self.exchange.continues() {
            let connection = self.connection.bind(py).get();
            connection.send_owned(py, vec![Outgoing::Owned(word.to_vec())])?;
        }
        self.tell(py, Command::WantBody);
        Ok(())
    }

    /// See `_respond`.
    pub(crate) fn respond(
        &mut self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let body = piece(body)?;
        let content = body.as_bytes();
        let mut out = Vec::with_capacity(256 + content.len().min(REFERENCE_BYTES));
        self.begin(py, &mut out, status, headers, Some(content.len() as u64))?;
        let wrapped = self.exchange.body(content.len(), false).map_err(fault)?;
        let body = if wrapped.send {
            body
        } else {
            PyBytes::new(py, b"")
        };
        let roomy = self.send(py, out, &body, wrapped.suffix)?;
        self.finish(py);
        Ok(roomy)
    }

    /// See `_start`.
    pub(crate) fn start(
        &mut self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        length: Option<u64>,
    ) -> PyResult<bool> {
        let mut out = Vec::with_capacity(256);
        self.begin(py, &mut out, status, headers, length)?;
        self.tell(py, Command::AnswerStarted);
        let connection = self.connection.bind(py).get();
        connection.send_owned(py, vec![Outgoing::Owned(out)])
    }

    /// See `_send`.
    pub(crate) fn send_piece(
        &mut self,
        py: Python<'_>,
        content: &Bound<'_, PyAny>,
        more: bool,
    ) -> PyResult<bool> {
        let content = piece(content)?;
        let wrapped = self
            .exchange
            .body(content.as_bytes().len(), more)
            .map_err(fault)?;
        let roomy = if wrapped.send {
            self.send(py, wrapped.prefix().to_vec(), &content, wrapped.suffix)?
        } else {
            true
        };
        if !more {
            self.finish(py);
        }
        Ok(roomy)
    }

    fn finish(&self, py: Python<'_>) {
        let keep_alive = self.exchange.keep_alive();
        self.tell(py, Command::Finish { keep_alive });
    }

    fn tell(&self, py: Python<'_>, command: Command) {
        self.connection.bind(py).get().command(command);
    }

    /// Queues `out`, then the piece, then `suffix`. Returns whether there is room for more.
    fn send(
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
            return connection.send_owned(py, vec![Outgoing::Owned(out)]);
        }
        let mut pieces = vec![
            Outgoing::Owned(out),
            Outgoing::Payload(BytesPayload::new(piece)),
        ];
        if !suffix.is_empty() {
            pieces.push(Outgoing::Owned(suffix.to_vec()));
        }
        connection.send_owned(py, pieces)
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
            b"GET" => pyo3::intern!(py, "GET").clone(),
            b"POST" => pyo3::intern!(py, "POST").clone(),
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

    /// "https" where TLS protects the connection, else "http".
    #[getter]
    pub(crate) fn scheme<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        if self.connection.bind(py).get().is_secure() {
            pyo3::intern!(py, "https").clone()
        } else {
            pyo3::intern!(py, "http").clone()
        }
    }

    /// The client's address, as `Connection.peer`.
    #[getter]
    fn peer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.connection.bind(py).getattr("peer")
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
            Version::Http11 => pyo3::intern!(py, "1.1").clone(),
            Version::Http10 => pyo3::intern!(py, "1.0").clone(),
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

    /// The body, as far as it came with the request: all of it, unless `_more`.
    #[getter]
    pub(crate) fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        self.body.clone_ref(py)
    }

    /// Whether more of the body follows, on demand.
    #[getter]
    fn _more(&self) -> bool {
        self.more
    }

    /// Whether the answer has been started.
    #[getter]
    fn _started(&self) -> bool {
        self.exchange.started()
    }

    /// Whether the answer is complete.
    #[getter]
    fn _finished(&self) -> bool {
        self.exchange.finished()
    }

    /// Ask for more of the body: it comes as the connection's next data, (bytes, whether more follows).
    fn _read(&mut self, py: Python<'_>) -> PyResult<()> {
        self.read(py)
    }

    /// Answer at once. Headers are pairs of bytes or str. Raises ValueError for what no HTTP message can carry, and
    /// ConnectionClosed if the client has gone.
    fn _respond(
        &mut self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        self.respond(py, status, headers, body)
    }

    /// Begin an answer whose body follows by `_send`. `length`: of the body, if it is known.
    #[pyo3(signature = (status, headers, length = None))]
    fn _start(
        &mut self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        length: Option<u64>,
    ) -> PyResult<bool> {
        self.start(py, status, headers, length)
    }

    /// Send a piece of the body; `more` False: the last. Returns False when more than `high_water` bytes are pending.
    fn _send(&mut self, py: Python<'_>, piece: &Bound<'_, PyAny>, more: bool) -> PyResult<bool> {
        self.send_piece(py, piece, more)
    }

    fn __repr__(&self) -> String {
        format!(
            "<floodway.Request {} {}>",
            String::from_utf8_lossy(self.head.method()),
            String::from_utf8_lossy(self.head.target())
        )
    }
}

/// Bytes as text, as HTTP reads its own (RFC 9110, section 5.5).
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => PyString::new(py, text),
        _ => PyString::new(
            py,
            &bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>(),
        ),
    }
}

/// Bytes with every `%` and two digits as the byte they stand for; what is no such triple stays.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        let byte = *bytes.get(at)?;
        char::from(byte).to_digit(16).map(|digit| digit as u8)
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            decoded.push(high << 4 | low);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    decoded
}

/// A name or value of a header.
enum Octets<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copied(Vec<u8>),
}

impl AsRef<[u8]> for Octets<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'py> Octets<'py> {
    fn new(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        match value.cast_exact::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.clone())),
            Err(_) => octets(value).map(Self::Copied),
        }
    }
}

/// A piece of a body as bytes.
fn piece<'py>(content: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    match content.cast_exact::<PyBytes>() {
        Ok(bytes) => Ok(bytes.clone()),
        Err(_) if content.is_instance_of::<PyString>() => Err(PyTypeError::new_err(
            "a body is made of bytes, not str; encode text with .encode()",
        )),
        Err(_) => octets(content).map(|bytes| PyBytes::new(content.py(), &bytes)),
    }
}

/// The bytes of text in latin-1, or of a buffer of bytes.
fn octets(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_str()?;
        return text
            .chars()
            .map(|letter| u8::try_from(letter).ok())
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| {
                PyValueError::new_err(format!(
                    "{text:?} has letters that a header cannot carry (beyond latin-1); percent-encode them"
                ))
            });
    }
    match pyo3::buffer::PyBuffer::<u8>::get(value) {
        Ok(buffer) => buffer.to_vec(value.py()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "an answer is made of bytes, not {}; encode text with .encode()",
            value.get_type().name()?
        ))),
    }
}

fn fields<'py>(headers: &Bound<'py, PyAny>) -> PyResult<Vec<(Octets<'py>, Octets<'py>)>> {
    headers
        .try_iter()?
        .map(|pair| {
            let pair = pair?;
            if let Ok(pair) = pair.cast_exact::<PyTuple>()
                && pair.len() == 2
            {
                let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
                return Ok((Octets::new(&name)?, Octets::new(&value)?));
            }
            let [name, value]: [Bound<'py, PyAny>; 2] = pair.extract()?;
            Ok((Octets::new(&name)?, Octets::new(&value)?))
        })
        .collect()
}

/// What an answer that cannot be sent raises.
fn fault(fault: Fault) -> PyErr {
    match fault {
        Fault::StartedTwice | Fault::NotStarted | Fault::Finished => {
            PyRuntimeError::new_err(fault.to_string())
        }
        fault => PyValueError::new_err(fault.to_string()),
    }
}
