//! ASGI: a request's scope, and what an application gets as `receive` and `send` (ASGI, HTTP, spec version 2.4).
//!
//! Here because it runs for every request; what is rare (errors, lifespan) is Python's (`floodway.app.asgi`).

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use floodway_app::http1::Version;
use floodway_conn::Security;
use floodway_tls::pem_of;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::awaitables::{Ready, Waiting};
use crate::connection::Connection;
use crate::request::Request;

/// The most names of headers that are kept, so that no client can fill the memory with them.
const MAX_NAMES: usize = 256;

/// What all requests of one event loop have in common. Belongs to that loop's thread.
#[pyclass(module = "floodway._core")]
pub(crate) struct AsgiContext {
    /// A scope with every key, in order.
    template: Py<PyDict>,
    /// The template's "root_path".
    root_path: String,
    state: Py<PyDict>,
    /// Whether the template's "server" holds for every connection.
    knows_server: bool,
    create_future: Py<PyAny>,
    /// The names of headers, as objects that are there already.
    names: HashMap<Box<[u8]>, Py<PyBytes>>,
    done: Py<Ready>,
}

#[pymethods]
impl AsgiContext {
    #[new]
    fn new(
        py: Python<'_>,
        template: Py<PyDict>,
        state: Py<PyDict>,
        create_future: Py<PyAny>,
    ) -> PyResult<Self> {
        let knows_server = !template
            .bind(py)
            .get_item("server")?
            .is_none_or(|server| server.is_none());
        let root_path = match template.bind(py).get_item("root_path")? {
            Some(path) => path.extract()?,
            None => String::new(),
        };
        Ok(Self {
            template,
            root_path,
            state,
            knows_server,
            create_future,
            names: HashMap::new(),
            done: Py::new(py, Ready::new(None))?,
        })
    }
}

impl AsgiContext {
    /// A copy of the template's.
    fn extensions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let extensions = self.template.bind(py).get_item("extensions")?;
        match extensions {
            Some(extensions) => extensions.cast::<PyDict>()?.copy(),
            None => Ok(PyDict::new(py)),
        }
    }

    fn headers<'py>(&mut self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyList>> {
        let headers = PyList::empty(py);
        for (name, value) in request.head().headers() {
            let name = if let Some(known) = self.names.get(name) {
                known.bind(py).clone()
            } else {
                let new = PyBytes::new(py, name);
                if self.names.len() < MAX_NAMES {
                    self.names.insert(name.into(), new.clone().unbind());
                }
                new
            };
            headers.append(PyTuple::new(py, [name, PyBytes::new(py, value)])?)?;
        }
        Ok(headers)
    }

    fn scope<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request,
        connection: &Bound<'py, Connection>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.template.bind(py).copy()?;
        for own in [pyo3::intern!(py, "asgi"), pyo3::intern!(py, "extensions")] {
            if let Some(shared) = scope.get_item(own)? {
                scope.set_item(own, shared.cast::<PyDict>()?.copy()?)?;
            }
        }
        let head = request.head();
        if head.version() != Version::Http11 {
            scope.set_item(pyo3::intern!(py, "http_version"), request.http_version(py))?;
        }
        if head.method() != b"GET" {
            scope.set_item(pyo3::intern!(py, "method"), request.method(py))?;
        }
        if connection.get().is_secure() || request.told_secure().is_some() {
            scope.set_item(pyo3::intern!(py, "scheme"), request.scheme(py))?;
            if let Some(security) = connection.get().security(py)? {
                let extensions = self.extensions(py)?;
                extensions.set_item(pyo3::intern!(py, "tls"), tls_extension(py, &security)?)?;
                scope.set_item(pyo3::intern!(py, "extensions"), extensions)?;
            }
        }
        let mut path = request.path(py);
        let mut raw_path = request.raw_path(py);
        if !self.root_path.is_empty() && !is_below(head.path(), self.root_path.as_bytes()) {
            // ASGI's path has it, also where a proxy has taken it away.
            path = PyString::new(py, &format!("{}{}", self.root_path, path.to_str()?));
            raw_path = PyBytes::new(py, &[self.root_path.as_bytes(), head.path()].concat());
        }
        scope.set_item(pyo3::intern!(py, "path"), path)?;
        scope.set_item(pyo3::intern!(py, "raw_path"), raw_path)?;
        if !head.query().is_empty() {
            scope.set_item(pyo3::intern!(py, "query_string"), request.raw_query(py))?;
        }
        scope.set_item(pyo3::intern!(py, "headers"), self.headers(py, request)?)?;
        scope.set_item(
            pyo3::intern!(py, "client"),
            endpoint(request.peer(py)?.bind(py)),
        )?;
        if !self.knows_server {
            let local = Connection::local(connection)?.into_bound(py);
            let server = match local.cast::<PyTuple>() {
                Ok(local) => local.get_slice(0, 2).into_any(),
                Err(_) => (local, py.None()).into_pyobject(py)?.into_any(),
            };
            scope.set_item(pyo3::intern!(py, "server"), server)?;
        }
        scope.set_item(pyo3::intern!(py, "state"), self.state.bind(py).copy()?)?;
        Ok(scope)
    }
}

/// Whether a path is that of a mount, or below it.
fn is_below(path: &[u8], mount: &[u8]) -> bool {
    path.strip_prefix(mount)
        .is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

/// The TLS extension, version 0.2. The certificate that the server has shown and the name in the client's are not told: the
/// specification lets both be None.
fn tls_extension<'py>(py: Python<'py>, security: &Security) -> PyResult<Bound<'py, PyDict>> {
    let extension = PyDict::new(py);
    extension.set_item("server_cert", py.None())?;
    let chain = security.peer_certificates.iter().map(|der| pem_of(der));
    extension.set_item(
        "client_cert_chain",
        PyList::new(py, chain.collect::<Vec<_>>())?,
    )?;
    extension.set_item("client_cert_name", py.None())?;
    extension.set_item("client_cert_error", py.None())?;
    extension.set_item("tls_version", security.version_number)?;
    extension.set_item("cipher_suite", security.cipher_number)?;
    Ok(extension)
}

/// Host and port; None for a peer that has no such address.
fn endpoint<'py>(address: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    match address.cast::<PyTuple>() {
        Ok(address) if address.len() > 2 => address.get_slice(0, 2).into_any(),
        Ok(address) => address.clone().into_any(),
        Err(_) => address.py().None().into_bound(address.py()),
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

#[pymethods]
impl AsgiExchange {
    #[new]
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

    /// What the application is told about the request.
    fn scope<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let request = self.request.bind(py).borrow();
        let connection = request.connection(py).into_bound(py);
        let mut context = self.context.bind(py).borrow_mut();
        context.scope(py, &request, &connection)
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
        let is_finished = self.request.bind(py).borrow().is_finished();
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
        let kind = message.get_item(pyo3::intern!(py, "type"))?;
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
                let status = message.get_item(pyo3::intern!(py, "status"))?.extract()?;
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
        let path: PathBuf = message.get_item(pyo3::intern!(py, "path"))?.extract()?;
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
