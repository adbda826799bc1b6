//! ASGI: what an application gets as `receive` and `send` (ASGI, HTTP, spec version 2.4), and the task that it runs in.
//!
//! Here because it runs for every request; what is rare (errors, lifespan) is Python's (`floodway.app.asgi`).

use std::collections::VecDeque;
use std::path::PathBuf;

use pyo3::exceptions::{PyException, PyKeyError, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::awaitables::{Ready, Waiting};
use crate::request::Request;
use crate::scope::Scopes;

/// What all requests of one event loop have in common. Belongs to that loop's thread.
#[pyclass(module = "floodway._core")]
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
        let task = match Self::start(slf, &exchange) {
            Ok(task) => task,
            Err(error) if error.is_instance_of::<PyException>(py) => {
                return Ok(Some((exchange.unbind(), error.into_value(py).into_any())));
            }
            Err(error) => return Err(error),
        };
        let is_over = exchange.borrow().is_finished(py)
            && task.call_method0(pyo3::intern!(py, "done"))?.is_truthy()?
            && task
                .call_method0(pyo3::intern!(py, "exception"))
                .is_ok_and(|error| error.is_none()); // it raises for one that was cancelled
        Ok((!is_over).then(|| (exchange.unbind(), task.unbind())))
    }
}

impl AsgiContext {
    /// Calls the application, and makes a task of its coroutine.
    fn start<'py>(
        slf: &Bound<'py, Self>,
        exchange: &Bound<'py, AsgiExchange>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let scope = {
            let mut context = slf.borrow_mut();
            let exchange = exchange.borrow();
            let request = exchange.request.bind(py).borrow();
            let scopes = context.scopes.as_mut();
            scopes
                .map(|scopes| scopes.of(&request, request.on(py)))
                .transpose()?
        };
        let (application, task, options) = {
            let context = slf.borrow(); // not while Python runs
            (
                context.application.clone_ref(py).into_bound(py),
                context.task.clone_ref(py).into_bound(py),
                context.task_options.clone_ref(py).into_bound(py),
            )
        };
        let coroutine = if let Some(scope) = scope {
            let receive = exchange.getattr(pyo3::intern!(py, "receive"))?;
            let send = exchange.getattr(pyo3::intern!(py, "send"))?;
            application.call1((scope, receive, send))?
        } else {
            application.call1((exchange,))?
        };
        task.call((coroutine,), Some(&options))
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

/// One request and its answer. Belongs to the event loop's thread.
#[pyclass(module = "floodway._core")]
pub(crate) struct AsgiExchange {
    context: Py<AsgiContext>,
    request: Py<Request>,
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
            body: Body::Fresh,
            arrived: None,
            head: None,
            receivers: VecDeque::new(),
            senders: Vec::new(),
            has_left: false,
            is_closed: false,
            knows: false,
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
    fn knows(&self) -> bool {
        self.knows
    }

    /// Whether the application has all of the request's body.
    #[getter]
    fn has_read(&self) -> bool {
        self.body == Body::Read
    }

    /// The next part of the body; after the last, wait until the client leaves or the answer is complete.
    fn receive(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if self.body == Body::Fresh {
            let request = self.request.bind(py).borrow();
            let body = request.body(py);
            let more = request.more();
            self.body = if more { Body::Partial } else { Body::Read };
            if !more || !body.bind(py).as_bytes().is_empty() {
                return ready(py, part(py, body.into_bound(py), more)?);
            }
        }
        if let Some(part) = self.arrived.take() {
            return ready(py, part.into_bound(py));
        }
        let is_finished = self.is_finished(py);
        if self.has_left || is_finished || !self.ask(py) {
            self.knows |= !is_finished;
            return ready(py, disconnect(py)?);
        }
        let (future, waiting) = self.wait(py)?;
        self.receivers.push_back(future);
        Ok(waiting)
    }

    /// Send the head or a part of the body. What it returns is done when there is room for more.
    ///
    /// Raises ConnectionClosed, an OSError, once the client has gone; RuntimeError and ValueError for messages that cannot
    /// be sent.
    fn send(&mut self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let kind = item(message, pyo3::intern!(py, "type"))?;
        let kind = kind.cast::<PyString>()?.to_str()?;
        match kind {
            "http.response.body" => {
                let roomy = self.send_body(py, message).inspect_err(|error| {
                    self.knows |= error.is_instance_of::<PyOSError>(py);
                })?;
                if roomy || self.is_closed {
                    return Ok(self.context.bind(py).borrow().done.clone_ref(py).into_any());
                }
                let (future, waiting) = self.wait(py)?;
                self.senders.push(future);
                Ok(waiting)
            }
            "http.response.start" => {
                if self.head.is_some() || self.request.bind(py).borrow().is_started() {
                    return Err(PyRuntimeError::new_err(
                        "http.response.start was sent twice; what follows it is http.response.body",
                    ));
                }
                let status = item(message, pyo3::intern!(py, "status"))?.extract()?;
                let headers = match get(message, pyo3::intern!(py, "headers"))? {
                    Some(headers) => headers.unbind(),
                    None => PyTuple::empty(py).into_any().unbind(),
                };
                self.head = Some((status, headers));
                Ok(self.context.bind(py).borrow().done.clone_ref(py).into_any())
            }
            "http.response.pathsend" => {
                self.send_file(py, message).inspect_err(|error| {
                    let is_lost = self.request.bind(py).borrow().on(py).get().is_closed();
                    self.knows |= is_lost && error.is_instance_of::<PyOSError>(py);
                })?;
                Ok(self.context.bind(py).borrow().done.clone_ref(py).into_any())
            }
            other => Err(PyRuntimeError::new_err(format!(
                "{other:?} cannot be sent in answer to an HTTP request; send http.response.start and http.response.body"
            ))),
        }
    }

    /// A part of the body that was asked for has come.
    fn on_body(&mut self, py: Python<'_>, piece: Bound<'_, PyBytes>, more: bool) -> PyResult<()> {
        self.body = if more { Body::Partial } else { Body::Read };
        let part = part(py, piece, more)?;
        while let Some(receiver) = self.receivers.pop_front() {
            if complete(receiver.bind(py), part.as_any())? {
                if !self.receivers.is_empty() {
                    self.ask(py); // if it cannot, the end of the connection follows
                }
                return Ok(());
            }
        }
        self.arrived = Some(part.unbind());
        Ok(())
    }

    /// There is room for more of the answer.
    fn on_writable(&mut self, py: Python<'_>) -> PyResult<()> {
        for sender in self.senders.drain(..) {
            complete(sender.bind(py), py.None().bind(py))?;
        }
        Ok(())
    }

    /// The client sends no more. What is sent to it still goes out.
    fn on_left(&mut self, py: Python<'_>) -> PyResult<()> {
        self.has_left = true;
        self.knows |= !self.receivers.is_empty();
        self.disconnect(py)
    }

    /// The connection has ended.
    fn on_close(&mut self, py: Python<'_>) -> PyResult<()> {
        self.is_closed = true;
        self.on_writable(py)?;
        self.on_left(py)
    }
}

impl AsgiExchange {
    fn is_finished(&self, py: Python<'_>) -> bool {
        self.request.bind(py).borrow().is_finished()
    }

    /// Asks for the next part of the body, if there is one and that was not done. False: the client has gone.
    fn ask(&mut self, py: Python<'_>) -> bool {
        if self.body == Body::Partial {
            if self.request.bind(py).borrow_mut().read(py).is_err() {
                return false;
            }
            self.body = Body::Asked;
        }
        true
    }

    /// A future, and what waits for it.
    fn wait(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let future = self.context.bind(py).borrow().create_future.call0(py)?;
        let waiting = Py::new(py, Waiting::new(future.clone_ref(py)))?;
        Ok((future, waiting.into_any()))
    }

    /// Returns whether there is room for more. After the last piece nothing waits: the next request may come first, and
    /// what is said of the connection is then said to that one.
    fn send_body(&mut self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let piece = get(message, pyo3::intern!(py, "body"))?;
        let more = match get(message, pyo3::intern!(py, "more_body"))? {
            Some(more) => more.is_truthy()?,
            None => false,
        };
        let piece = piece.unwrap_or_else(|| PyBytes::new(py, b"").into_any());
        let mut request = self.request.bind(py).borrow_mut();
        let Some((status, headers)) = self.head.take() else {
            let roomy = request.send_piece(py, &piece, more)?;
            drop(request);
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
        drop(request);
        self.finish(py)?;
        Ok(true)
    }

    /// Answers with a file (extension `http.response.pathsend`). One that cannot be opened leaves the answer to be started anew.
    fn send_file(&mut self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some((status, headers)) = self.head.take() else {
            return Err(PyRuntimeError::new_err(
                "http.response.pathsend is a whole body: http.response.start comes before it, and no http.response.body",
            ));
        };
        let path: PathBuf = item(message, pyo3::intern!(py, "path"))?.extract()?;
        let mut request = self.request.bind(py).borrow_mut();
        request.respond_file(py, status, headers.bind(py), &path)?;
        drop(request);
        self.finish(py)
    }

    /// The answer is complete: nobody waits any more.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.on_writable(py)?;
        self.disconnect(py)
    }

    /// Tells those who wait in `receive` that nothing follows.
    fn disconnect(&mut self, py: Python<'_>) -> PyResult<()> {
        for receiver in self.receivers.drain(..) {
            complete(receiver.bind(py), disconnect(py)?.as_any())?;
        }
        Ok(())
    }
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
