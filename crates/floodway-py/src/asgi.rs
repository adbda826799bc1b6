//! ASGI: what an application gets as `receive` and `send` (ASGI, HTTP, spec version 2.4), and the task that it runs in.
//!
//! Here because it runs for every request; what is rare (errors, lifespan) is Python's (`floodway.app.asgi`).
//!
//! # Rules
//! - What changes of an exchange has a lock, which is held for a few lines in which nothing could run Python code: futures are
//!   made and completed, and messages read, before or afterwards. So nobody waits for it whom its holder waits for.

use std::collections::VecDeque;
use std::mem;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use pyo3::exceptions::{PyException, PyKeyError, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::awaitables::{Ready, Waiting};
use crate::errors;
use crate::request::Request;
use crate::scope::Scopes;
use crate::view::lock;

/// What all requests of one event loop have in common.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct AsgiContext {
    /// What answers requests, and how it is called: with the scopes that these make, or with the exchange.
    application: Py<PyAny>,
    scopes: Option<Scopes>,
    create_future: Py<PyAny>,
    /// `asyncio.Task`, and what it is given beside a coroutine.
    task: Py<PyAny>,
    task_options: Py<PyDict>,
    done: Py<Ready>,
}

/// A request that is not over, and its task; or why it has none.
type Begun = (Py<AsgiExchange>, Py<PyAny>);

#[pymethods]
impl AsgiContext {
    #[new]
    #[pyo3(signature = (application, *, template, state, create_future, task, task_options))]
    fn new(
        py: Python<'_>,
        application: Py<PyAny>,
        template: Option<Bound<'_, PyDict>>,
        state: Py<PyDict>,
        create_future: Py<PyAny>,
        task: Py<PyAny>,
        task_options: Py<PyDict>,
    ) -> PyResult<Self> {
        Ok(Self {
            application,
            scopes: template
                .map(|template| Scopes::new(template, state))
                .transpose()?,
            create_future,
            task,
            task_options,
            done: Py::new(py, Ready::new(None))?,
        })
    }

    /// Have a request answered by a task. None: it is over already, and the answer complete.
    ///
    /// In place of the task stands the exception that kept it from being made.
    fn begin(slf: &Bound<'_, Self>, request: Py<Request>) -> PyResult<Option<Begun>> {
        let py = slf.py();
        let exchange = Bound::new(py, AsgiExchange::new(slf.clone().unbind(), request))?;
        let task = match slf.get().start(&exchange) {
            Ok(task) => task,
            Err(error) if error.is_instance_of::<PyException>(py) => {
                return Ok(Some((exchange.unbind(), error.into_value(py).into_any())));
            }
            Err(error) => return Err(error),
        };
        let is_over = exchange.get().request.get().is_finished()
            && task.call_method0(pyo3::intern!(py, "done"))?.is_truthy()?
            && task
                .call_method0(pyo3::intern!(py, "exception"))
                .is_ok_and(|error| error.is_none()); // it raises for one that was cancelled
        Ok((!is_over).then(|| (exchange.unbind(), task.unbind())))
    }
}

impl AsgiContext {
    /// Calls the application, and makes a task of its coroutine.
    fn start<'py>(&self, exchange: &Bound<'py, AsgiExchange>) -> PyResult<Bound<'py, PyAny>> {
        let py = exchange.py();
        let coroutine = if let Some(scopes) = &self.scopes {
            let request = exchange.get().request.get();
            let scope = scopes.of(request, request.on(py))?;
            let receive = exchange.getattr(pyo3::intern!(py, "receive"))?;
            let send = exchange.getattr(pyo3::intern!(py, "send"))?;
            self.application.bind(py).call1((scope, receive, send))?
        } else {
            self.application.bind(py).call1((exchange,))?
        };
        let options = self.task_options.bind(py);
        self.task.bind(py).call((coroutine,), Some(options))
    }
}

/// What becomes of the body of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// Nothing was asked for yet.
    Fresh,
    /// The next part has to be asked for.
    Partial,
    /// The next part was asked for.
    Asked,
    /// The application has all there is.
    Read,
}

/// One request and its answer. The event loop's thread goes on with it; any thread may look at it.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct AsgiExchange {
    context: Py<AsgiContext>,
    request: Py<Request>,
    course: Mutex<Course>,
}

/// How far an exchange is, and who waits.
struct Course {
    body: Body,
    /// A part that came when nobody waited any more.
    arrived: Option<Py<PyDict>>,
    /// Status and headers of an answer that has not been sent.
    head: Option<(u16, Py<PyAny>)>,
    /// Who waits in `receive`.
    receivers: VecDeque<Py<PyAny>>,
    /// Who waits in `send`.
    senders: Vec<Py<PyAny>>,
    /// The client sends no more; it may read on.
    has_left: bool,
    is_closed: bool,
    /// The application was told so.
    knows: bool,
}

impl AsgiExchange {
    fn new(context: Py<AsgiContext>, request: Py<Request>) -> Self {
        Self {
            context,
            request,
            course: Mutex::new(Course {
                body: Body::Fresh,
                arrived: None,
                head: None,
                receivers: VecDeque::new(),
                senders: Vec::new(),
                has_left: false,
                is_closed: false,
                knows: false,
            }),
        }
    }
}

#[pymethods]
impl AsgiExchange {
    /// The request.
    #[getter]
    fn request(&self, py: Python<'_>) -> Py<Request> {
        self.request.clone_ref(py)
    }

    /// Whether the application was told, before its answer was complete, that the client has left.
    #[getter]
    fn knows(&self, py: Python<'_>) -> bool {
        self.course(py).knows
    }

    /// Whether the application has all of the request's body.
    #[getter]
    fn has_read(&self, py: Python<'_>) -> bool {
        self.course(py).body == Body::Read
    }

    /// The next part of the body; after the last, wait until the client leaves or the answer is complete.
    fn receive(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let request = self.request.get();
        let mut course = self.course(py);
        if course.body == Body::Fresh {
            let body = request.body(py).into_bound(py);
            let more = request.more();
            course.body = if more { Body::Partial } else { Body::Read };
            if !more || !body.as_bytes().is_empty() {
                drop(course);
                return ready(py, part(py, body, more)?);
            }
        }
        let arrived = course.arrived.take();
        let has_left = course.has_left;
        drop(course);
        if let Some(part) = arrived {
            return ready(py, part.into_bound(py));
        }
        let is_finished = request.is_finished();
        if has_left || is_finished || !self.ask(py)? {
            self.course(py).knows |= !is_finished;
            return ready(py, disconnect(py)?);
        }
        let (future, waiting) = self.wait(py)?;
        self.course(py).receivers.push_back(future);
        Ok(waiting)
    }

    /// Send the head or a part of the body. What it returns is done when there is room for more.
    ///
    /// Raises ConnectionClosed, an OSError, once the client has gone; RuntimeError and ValueError for messages that cannot
    /// be sent.
    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let kind = item(message, pyo3::intern!(py, "type"))?;
        let kind = kind.cast::<PyString>()?.to_str()?;
        match kind {
            "http.response.body" => {
                let roomy = self.send_body(py, message).inspect_err(|error| {
                    self.course(py).knows |= error.is_instance_of::<PyOSError>(py);
                })?;
                if roomy || self.course(py).is_closed {
                    return Ok(self.done(py));
                }
                let (future, waiting) = self.wait(py)?;
                self.course(py).senders.push(future);
                Ok(waiting)
            }
            "http.response.start" => {
                let status = item(message, pyo3::intern!(py, "status"))?.extract()?;
                let headers = match get(message, pyo3::intern!(py, "headers"))? {
                    Some(headers) => headers.unbind(),
                    None => PyTuple::empty(py).into_any().unbind(),
                };
                if !self.keep_head(py, status, headers) {
                    return Err(PyRuntimeError::new_err(
                        "http.response.start was sent twice; what follows it is http.response.body",
                    ));
                }
                Ok(self.done(py))
            }
            "http.response.pathsend" => {
                self.send_file(py, message).inspect_err(|error| {
                    let is_lost = self.request.get().on(py).get().is_closed();
                    self.course(py).knows |= is_lost && error.is_instance_of::<PyOSError>(py);
                })?;
                Ok(self.done(py))
            }
            other => Err(PyRuntimeError::new_err(format!(
                "{other:?} cannot be sent in answer to an HTTP request; send http.response.start and http.response.body"
            ))),
        }
    }

    /// A part of the body that was asked for has come.
    fn on_body(&self, py: Python<'_>, piece: Bound<'_, PyBytes>, more: bool) -> PyResult<()> {
        let part = part(py, piece, more)?;
        self.course(py).body = if more { Body::Partial } else { Body::Read };
        while let Some(receiver) = self.next_receiver(py) {
            if complete(receiver.bind(py), part.as_any())? {
                let has_others = !self.course(py).receivers.is_empty();
                if has_others {
                    self.ask(py)?; // if it cannot, the end of the connection follows
                }
                return Ok(());
            }
        }
        self.course(py).arrived = Some(part.unbind());
        Ok(())
    }

    /// There is room for more of the answer.
    fn on_writable(&self, py: Python<'_>) -> PyResult<()> {
        let senders = mem::take(&mut self.course(py).senders);
        release(py, senders)
    }

    /// The client sends no more. What is sent to it still goes out.
    fn on_left(&self, py: Python<'_>) -> PyResult<()> {
        let receivers = self.course(py).leave();
        dismiss(py, receivers)
    }

    /// The connection has ended.
    fn on_close(&self, py: Python<'_>) -> PyResult<()> {
        let mut course = self.course(py);
        course.is_closed = true;
        let senders = mem::take(&mut course.senders);
        let receivers = course.leave();
        drop(course);
        release(py, senders)?;
        dismiss(py, receivers)
    }
}

impl Course {
    /// Notes that the client has left. Returns who is to be told.
    fn leave(&mut self) -> VecDeque<Py<PyAny>> {
        self.has_left = true;
        self.knows |= !self.receivers.is_empty();
        mem::take(&mut self.receivers)
    }
}

impl AsgiExchange {
    fn course(&self, py: Python<'_>) -> MutexGuard<'_, Course> {
        lock(&self.course, py)
    }

    fn next_receiver(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.course(py).receivers.pop_front()
    }

    /// What has been done already.
    fn done(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.get().done.clone_ref(py).into_any()
    }

    /// Keeps the head of an answer until a part of its body comes. False: there is one.
    fn keep_head(&self, py: Python<'_>, status: u16, headers: Py<PyAny>) -> bool {
        let is_started = self.request.get().is_started();
        let mut course = self.course(py);
        let is_first = !is_started && course.head.is_none();
        if is_first {
            course.head = Some((status, headers));
        }
        is_first
    }

    /// Asks for the next part of the body, if there is one and that was not done. False: the client has gone.
    fn ask(&self, py: Python<'_>) -> PyResult<bool> {
        let mut course = self.course(py);
        if course.body != Body::Partial {
            return Ok(true);
        }
        course.body = Body::Asked;
        drop(course);
        let asked = self.request.get().read(py);
        let has_failed = asked.is_err();
        if has_failed {
            self.course(py).body = Body::Partial;
        }
        errors::unless_closed(py, asked)?;
        Ok(!has_failed)
    }

    /// A future, and what waits for it.
    fn wait(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let future = self.context.get().create_future.call0(py)?;
        let waiting = Py::new(py, Waiting::new(future.clone_ref(py)))?;
        Ok((future, waiting.into_any()))
    }

    /// Returns whether there is room for more. After the last piece nothing waits: the next request may come first, and
    /// what is said of the connection is then said to that one.
    fn send_body(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let piece = get(message, pyo3::intern!(py, "body"))?;
        let more = match get(message, pyo3::intern!(py, "more_body"))? {
            Some(more) => more.is_truthy()?,
            None => false,
        };
        let piece = piece.unwrap_or_else(|| PyBytes::new(py, b"").into_any());
        let request = self.request.get();
        let head = self.course(py).head.take();
        let Some((status, headers)) = head else {
            let roomy = request.send_piece(py, &piece, more)?;
            if !more {
                self.finish(py)?;
            }
            return Ok(roomy || !more);
        };
        let headers = headers.bind(py);
        if more {
            request.start(py, status, headers, None)?;
            return request.send_piece(py, &piece, true);
        }
        request.respond(py, status, headers, &piece)?;
        self.finish(py)?;
        Ok(true)
    }

    /// Answers with a file (extension `http.response.pathsend`). One that cannot be opened leaves the answer to be started anew.
    fn send_file(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let head = self.course(py).head.take();
        let Some((status, headers)) = head else {
            return Err(PyRuntimeError::new_err(
                "http.response.pathsend is a whole body: http.response.start comes before it, and no http.response.body",
            ));
        };
        let path: PathBuf = item(message, pyo3::intern!(py, "path"))?.extract()?;
        let request = self.request.get();
        request.respond_file(py, status, headers.bind(py), &path)?;
        self.finish(py)
    }

    /// The answer is complete: nobody waits any more.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let mut course = self.course(py);
        let senders = mem::take(&mut course.senders);
        let receivers = mem::take(&mut course.receivers);
        drop(course);
        release(py, senders)?;
        dismiss(py, receivers)
    }
}

/// Tells those who wait in `send` that there is room, or that none will be.
fn release(py: Python<'_>, senders: Vec<Py<PyAny>>) -> PyResult<()> {
    for sender in senders {
        complete(sender.bind(py), py.None().bind(py))?;
    }
    Ok(())
}

/// Tells those who wait in `receive` that nothing follows.
fn dismiss(py: Python<'_>, receivers: VecDeque<Py<PyAny>>) -> PyResult<()> {
    for receiver in receivers {
        complete(receiver.bind(py), disconnect(py)?.as_any())?;
    }
    Ok(())
}

/// An item of a mapping, if it is there.
fn get<'py>(
    message: &Bound<'py, PyAny>,
    key: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(message) = message.cast_exact::<PyDict>() {
        return message.get_item(key);
    }
    if message.contains(key)? {
        return message.get_item(key).map(Some);
    }
    Ok(None)
}

/// An item that has to be there, or KeyError.
fn item<'py>(
    message: &Bound<'py, PyAny>,
    key: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    match get(message, key)? {
        Some(item) => Ok(item),
        None => Err(PyKeyError::new_err(key.clone().unbind())),
    }
}

fn ready(py: Python<'_>, value: Bound<'_, PyDict>) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, Ready::new(Some(value.into_any().unbind())))?.into_any())
}

fn part<'py>(
    py: Python<'py>,
    piece: Bound<'py, PyBytes>,
    more: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(pyo3::intern!(py, "type"), pyo3::intern!(py, "http.request"))?;
    message.set_item(pyo3::intern!(py, "body"), piece)?;
    message.set_item(pyo3::intern!(py, "more_body"), more)?;
    Ok(message)
}

fn disconnect(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(
        pyo3::intern!(py, "type"),
        pyo3::intern!(py, "http.disconnect"),
    )?;
    Ok(message)
}

/// Gives a future its result. False: nobody waits for it any more.
fn complete(future: &Bound<'_, PyAny>, result: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = future.py();
    if future
        .call_method0(pyo3::intern!(py, "done"))?
        .is_truthy()?
    {
        return Ok(false);
    }
    future.call_method1(pyo3::intern!(py, "set_result"), (result,))?;
    Ok(true)
}
