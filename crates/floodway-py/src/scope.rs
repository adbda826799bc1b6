//! ASGI: the scope of a request (ASGI, HTTP, "HTTP Connection Scope").
//!
//! # Theory
//! A dict is copied that has every key already, and then what differs is set.

use std::sync::Mutex;

use floodway_app::http1::Version;
use floodway_conn::Security;
use floodway_tls::pem_of;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::connection::Connection;
use crate::names::Names;
use crate::request::Request;

/// Makes the scopes of the requests of one event loop.
pub(crate) struct Scopes {
    /// A scope with every key, in order.
    template: Py<PyDict>,
    /// The template's "asgi" and "extensions", of which every scope gets a copy.
    asgi: Py<PyDict>,
    extensions: Py<PyDict>,
    /// The template's "root_path".
    root_path: String,
    state: Py<PyDict>,
    /// Whether the template's "server" holds for every connection.
    knows_server: bool,
    /// The names of headers, as objects that are there already. Whoever finds them in use makes objects of its own.
    names: Mutex<Names<PyBytes>>,
}

impl Scopes {
    pub(crate) fn new(template: Bound<'_, PyDict>, state: Py<PyDict>) -> PyResult<Self> {
        let value = |key| PyAnyMethods::get_item(template.as_any(), key);
        Ok(Self {
            asgi: value("asgi")?.cast_into()?.unbind(),
            extensions: value("extensions")?.cast_into()?.unbind(),
            root_path: value("root_path")?.extract()?,
            knows_server: !value("server")?.is_none(),
            template: template.unbind(),
            state,
            names: Mutex::default(),
        })
    }

    fn headers<'py>(&self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyList>> {
        let headers = PyList::empty(py);
        let mut names = self.names.try_lock().ok();
        for (name, value) in request.head().headers() {
            let make = || PyBytes::new(py, name);
            let known = names
                .as_mut()
                .and_then(|names| names.get(name, || Some(make().unbind())));
            let name = known.map_or_else(make, |known| known.bind(py).clone());
            headers.append(PyTuple::new(py, [name, PyBytes::new(py, value)])?)?;
        }
        Ok(headers)
    }

    /// What an application is told about a request that came on this connection.
    pub(crate) fn of<'py>(
        &self,
        request: &Request,
        connection: &Bound<'py, Connection>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = connection.py();
        let scope = self.template.bind(py).copy()?;
        scope.set_item(pyo3::intern!(py, "asgi"), self.asgi.bind(py).copy()?)?;
        let extensions = self.extensions.bind(py).copy()?;
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
                extensions.set_item(pyo3::intern!(py, "tls"), tls_extension(py, &security)?)?;
            }
        }
        scope.set_item(pyo3::intern!(py, "extensions"), extensions)?;
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
