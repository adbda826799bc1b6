//! `Batch`: what one poll found, cut as it is consumed.

use floodway_app::http1::{Exchange, Message};
use floodway_base::Token;
use floodway_conn::{CloseReason, Closed, Event, Notice, State};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::connection::{Connection, Summary};
use crate::errors;
use crate::host::PyCall;
use crate::link_buffer::LinkBuffer;
use crate::newcomer::Newcomer;
use crate::options::{ROUTE_CLOSE, ROUTE_DATA, ROUTE_EVENTS, ROUTE_OPEN, ROUTE_WRITABLE};
use crate::reactor::{Core, Reactor};
use crate::request::Request;

pub(crate) const EVENT_CALL: u32 = 0;
pub(crate) const EVENT_ACCEPTED: u32 = 1;
pub(crate) const EVENT_NOTICE: u32 = 2;
pub(crate) const EVENT_FOREIGN: u32 = 3;
/// What can be done with a foreign descriptor, as Python's `selectors` names it.
pub(crate) const FOREIGN_READ: u32 = 1;
pub(crate) const FOREIGN_WRITE: u32 = 2;
/// The first number of the first route.
pub(crate) const FIRST_ROUTE: u32 = 4;

/// What one `poll` found: (kind, target, payload), at most `max_batch` of them. The reactor's thread only.
#[pyclass(module = "floodway")]
pub(crate) struct Batch {
    reactor: Py<Reactor>,
    /// What the handler of the last event has and the core wants back, or that ends with it.
    last: Last,
}

enum Last {
    Nothing,
    /// A buffered connection's input.
    Lent(Py<Connection>, Py<LinkBuffer>),
    /// A connection whose `on_close` is running.
    Closing(Py<Connection>),
}

type Triple = (u32, Py<PyAny>, Py<PyAny>);

impl Batch {
    pub(crate) fn new(reactor: Py<Reactor>) -> Self {
        Self {
            reactor,
            last: Last::Nothing,
        }
    }

    /// Takes back what the last event's handler has left.
    fn finish_last(&mut self, py: Python<'_>) {
        match std::mem::replace(&mut self.last, Last::Nothing) {
            Last::Nothing => {}
            Last::Lent(connection, buffer) => {
                let left = buffer.get().take(py);
                if let Some(mut core) = self.reactor.get().core_of_batch() {
                    core.restore_buffer(connection.get().token, left);
                }
            }
            Last::Closing(connection) => connection.get().forget_user_data(connection.bind(py)),
        }
    }
}

#[pymethods]
impl Batch {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Triple>> {
        self.finish_last(py);
        let reactor = self.reactor.bind(py).clone();
        loop {
            let Some(mut core) = reactor.get().core_of_batch() else {
                return Err(PyRuntimeError::new_err(
                    "a batch is consumed by the thread that polled it, before the next poll",
                ));
            };
            let (token, kind, payload) = match core.next_event() {
                None => return Ok(None),
                Some(Event::Data {
                    token,
                    route,
                    payload,
                }) => (
                    token,
                    base(route) + ROUTE_DATA,
                    PyBytes::new(py, payload).into_any().unbind(),
                ),
                Some(Event::Message {
                    token,
                    route,
                    message,
                    payload,
                }) => {
                    let payload = PyBytes::new(py, payload);
                    drop(core);
                    match Self::message(&reactor, token, route, message, payload)? {
                        Some(triple) => return Ok(Some(triple)),
                        None => continue,
                    }
                }
                Some(Event::Open { token, route }) => (token, base(route) + ROUTE_OPEN, py.None()),
                Some(Event::Writable { token, route }) => {
                    (token, base(route) + ROUTE_WRITABLE, py.None())
                }
                Some(Event::Buffer {
                    token,
                    route,
                    buffer,
                }) => {
                    drop(core);
                    return self.lend(&reactor, token, route, buffer).map(Some);
                }
                Some(Event::Close {
                    token,
                    route,
                    wanted,
                    closed,
                }) => {
                    core.release_closed(token);
                    drop(core);
                    match self.close(&reactor, token, route, wanted, *closed)? {
                        Some(triple) => return Ok(Some(triple)),
                        None => continue,
                    }
                }
                Some(Event::Accepted { newcomer, listener }) => {
                    drop(core);
                    let newcomer = Py::new(py, Newcomer::new(py, newcomer)?)?;
                    let listener = listener.into_pyobject(py)?.into_any().unbind();
                    return Ok(Some((EVENT_ACCEPTED, newcomer.into_any(), listener)));
                }
                Some(Event::Notice(notice)) => {
                    drop(core);
                    let (name, value) = describe(py, notice)?;
                    return Ok(Some((EVENT_NOTICE, name, value)));
                }
                Some(Event::Foreign(ready)) => {
                    drop(core);
                    let mut mask = if ready.readable { FOREIGN_READ } else { 0 };
                    mask |= if ready.writable { FOREIGN_WRITE } else { 0 };
                    let fd = ready.fd.into_pyobject(py)?.into_any().unbind();
                    let mask = mask.into_pyobject(py)?.into_any().unbind();
                    return Ok(Some((EVENT_FOREIGN, fd, mask)));
                }
                Some(Event::Call(call)) => match due(py, call, &mut core) {
                    Some((function, arguments)) => {
                        drop(core);
                        return Ok(Some((EVENT_CALL, function, arguments)));
                    }
                    None => continue,
                },
            };
            drop(core);
            let connection = Reactor::object(&reactor, token)?;
            return Ok(Some((kind, connection.into_any().unbind(), payload)));
        }
    }
}

impl Batch {
    /// What the protocol has for the handler, if it is for the handler: a request, (piece of a body, whether more follows),
    /// or None for a peer that has finished.
    fn message(
        reactor: &Bound<'_, Reactor>,
        token: Token,
        route: u16,
        message: Message,
        payload: Bound<'_, PyBytes>,
    ) -> PyResult<Option<Triple>> {
        let py = reactor.py();
        let connection = Reactor::object(reactor, token)?;
        let payload = match message {
            Message::Request(request) => {
                let desk = reactor.get().intake(route);
                let connection = connection.clone().unbind();
                match Request::admit(py, connection, *request, payload.unbind(), None, desk)? {
                    Some(request) => Py::new(py, request)?.into_any(),
                    None => return Ok(None),
                }
            }
            Message::Body { bytes, more } => {
                let payload = if bytes.is_empty() {
                    payload
                } else {
                    PyBytes::new(py, &bytes)
                };
                (payload, more).into_pyobject(py)?.into_any().unbind()
            }
            Message::Continue => {
                connection
                    .get()
                    .send_bytes(py, Exchange::CONTINUE.to_vec())?;
                return Ok(None);
            }
            Message::Left => py.None(),
        };
        let kind = base(route) + ROUTE_DATA;
        Ok(Some((kind, connection.into_any().unbind(), payload)))
    }

    /// Lends a buffered connection's input to its handler.
    fn lend(
        &mut self,
        reactor: &Bound<'_, Reactor>,
        token: Token,
        route: u16,
        buffer: floodway_base::LinkBuffer,
    ) -> PyResult<Triple> {
        let py = reactor.py();
        let connection = Reactor::object(reactor, token)?;
        let buffer = LinkBuffer::from_base(py, buffer)?;
        if !is_serialized(reactor, route) {
            self.last = Last::Lent(connection.clone().unbind(), buffer.clone_ref(py));
        }
        Ok((
            base(route) + ROUTE_DATA,
            connection.into_any().unbind(),
            buffer.into_any(),
        ))
    }

    /// Brings a connection's object to its end. None when no handler wants to know.
    fn close(
        &mut self,
        reactor: &Bound<'_, Reactor>,
        token: Token,
        route: u16,
        wanted: bool,
        closed: Closed,
    ) -> PyResult<Option<Triple>> {
        let py = reactor.py();
        let object = reactor.get().take_object(py, token);
        let failure = reactor.get().take_failure(py, token);
        let connection = match object {
            Some(object) => object.into_bound(py),
            None if wanted => Bound::new(py, Connection::new(self.reactor.clone_ref(py), token))?,
            None => return Ok(None),
        };
        let error = match (failure, &closed.reason) {
            (Some(error), CloseReason::Host) => Some(error),
            (_, reason) => errors::of_reason(py, reason, &closed.peer)?,
        };
        connection.get().closed(&connection, Summary::new(closed))?;
        if !wanted {
            connection.get().forget_user_data(&connection);
            return Ok(None);
        }
        if !is_serialized(reactor, route) {
            self.last = Last::Closing(connection.clone().unbind());
        }
        let error = error.unwrap_or_else(|| py.None());
        Ok(Some((
            base(route) + ROUTE_CLOSE,
            connection.into_any().unbind(),
            error,
        )))
    }
}

/// The number of a route's first event.
pub(crate) fn base(route: u16) -> u32 {
    FIRST_ROUTE + u32::from(route) * ROUTE_EVENTS
}

/// Whether a route's handlers run in worker threads.
fn is_serialized(reactor: &Bound<'_, Reactor>, route: u16) -> bool {
    reactor.get().shared.route(route).thread_backlog.is_some()
}

/// What to call now. None for a timer that was cancelled, and for one that is armed only now.
fn due(py: Python<'_>, call: PyCall, core: &mut Core) -> Option<(Py<PyAny>, Py<PyAny>)> {
    match call {
        PyCall::Posted(function, arguments) => Some((function, arguments.into_any())),
        PyCall::Due(timer) => {
            let timer = timer.get();
            let function = timer.function.clone_ref(py);
            timer
                .end()
                .then(|| (function, timer.arguments.clone_ref(py).into_any()))
        }
        PyCall::Arm(timer, posted) => {
            if timer.get().is_waiting() {
                let left = timer.get().delay.saturating_sub(posted.elapsed());
                let number = core.call_later(left, PyCall::Due(timer.clone_ref(py)));
                timer.get().armed(number);
            }
            None
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Left early, by a break or an exception: the core still gets back what it lent. A batch is dropped attached.
        if !matches!(self.last, Last::Nothing) {
            crate::gate::attached(|py| self.finish_last(py));
        }
    }
}

/// A notice as a name and a text or number.
fn describe(py: Python<'_>, notice: Notice) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
    let (name, value) = match notice {
        Notice::AcceptPaused { errno, count } => {
            let text = std::io::Error::from(errno).to_string();
            ("accept-paused", (text, count).into_pyobject(py)?.into_any())
        }
        Notice::Shed { count } => ("shed", count.into_pyobject(py)?.into_any()),
        Notice::OutputBudget { count } => ("output-budget", count.into_pyobject(py)?.into_any()),
    };
    Ok((PyString::new(py, name).into_any().unbind(), value.unbind()))
}

/// A state as Python names it.
pub(crate) fn state_name(state: State, half_closed: bool) -> &'static str {
    match state {
        State::Opening | State::Handshaking => "opening",
        State::Open if half_closed => "half-closed",
        State::Open => "open",
        State::Closing | State::Lingering => "closing",
        State::Closed => "closed",
    }
}
