//! `EnvironBuilder`: what a WSGI application is told about a request (PEP 3333, "environ Variables").
//!
//! # Theory
//! A dict is copied that has every key already, in a table of the right size, and then what differs is set. Names of headers
//! become keys once: a small table remembers them.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use floodway_app::http1::{Head, Version};
use floodway_conn::Route;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyString};

use crate::address::{host_and_port, host_text};
use crate::names::Names;
use crate::octets::{latin1, percent_decoded};
use crate::request::Request;

/// Makes environs: copies of a template, with what is different for each request. Any thread; one for each thread that
/// makes many, since it has a lock.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct EnvironBuilder {
    template: Py<PyDict>,
    root_path: Vec<u8>,
    /// `io.BytesIO`.
    bytes_io: Py<PyAny>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    names: Names<PyString>,
    /// The last client, in both forms: many requests come from the same one, such as a proxy.
    client: Option<(IpAddr, Py<PyString>)>,
    /// The template of each listener, by the place of its route.
    templates: Vec<(usize, Py<PyDict>)>,
}

#[pymethods]
impl EnvironBuilder {
    /// `root_path`: the value of SCRIPT_NAME, which paths lose that begin with it; no slash at its end.
    #[new]
    #[pyo3(signature = (template, root_path = ""))]
    fn new(py: Python<'_>, template: Py<PyDict>, root_path: &str) -> PyResult<Self> {
        Ok(Self {
            template,
            root_path: root_path.as_bytes().to_vec(),
            bytes_io: py.import("io")?.getattr("BytesIO")?.unbind(),
            memory: Mutex::default(),
        })
    }

    /// The environ of a request, without `wsgi.input` if the body streams.
    fn build<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, Request>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let request = request.get();
        let mut memory = self
            .memory
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let connection = request.on(py).get();
        let environ = self
            .template_of(py, &mut memory, connection.route())?
            .copy()?;
        let head = request.head();
        self.set_target(&environ, head)?;
        if head.method() != b"GET" {
            let method = latin1(py, head.method());
            environ.set_item(intern!(py, "REQUEST_METHOD"), method)?;
        }
        if head.version() == Version::Http10 {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        if let Some((host, port)) = host_and_port(&request.peer_address(py)) {
            environ.set_item(intern!(py, "REMOTE_ADDR"), memory.client(py, host))?;
            environ.set_item(intern!(py, "REMOTE_PORT"), decimal(py, port))?;
        }
        if let Some(secure) = request.told_secure() {
            let scheme = if secure {
                intern!(py, "https")
            } else {
                intern!(py, "http")
            };
            environ.set_item(intern!(py, "wsgi.url_scheme"), scheme)?;
        }
        if let Some(body) = request.whole_body(py) {
            let bytes_io = self.bytes_io.bind(py);
            let file = if body.as_bytes().is_empty() {
                bytes_io.call0()?
            } else {
                bytes_io.call1((body,))?
            };
            environ.set_item(intern!(py, "wsgi.input"), file)?;
        }
        set_headers(&environ, &mut memory.names, head)?;
        if let Some(authority) = head.authority() {
            environ.set_item(intern!(py, "HTTP_HOST"), latin1(py, authority))?;
        }
        if let (Some(body), true) = (request.whole_body(py), is_chunked(head)) {
            // Applications rely on a length, and it is known by now.
            environ.del_item(intern!(py, "HTTP_TRANSFER_ENCODING"))?;
            let length = body.as_bytes().len().to_string();
            environ.set_item(intern!(py, "CONTENT_LENGTH"), length)?;
        }
        Ok(environ)
    }
}

impl EnvironBuilder {
    /// What all requests that came by the same listener have in common.
    fn template_of<'a, 'py>(
        &self,
        py: Python<'py>,
        memory: &'a mut Memory,
        route: &Route<floodway_app::http1::Http1>,
    ) -> PyResult<&'a Bound<'py, PyDict>> {
        let place = std::ptr::from_ref(route).addr();
        let known = memory.templates.iter().position(|(one, _)| *one == place);
        let index = if let Some(index) = known {
            index
        } else {
            let template = self.template.bind(py).copy()?;
            if let Some((host, port)) = route.local.get().and_then(host_and_port) {
                template.set_item("SERVER_NAME", host.to_string())?;
                template.set_item("SERVER_PORT", decimal(py, port))?;
            }
            if route.sessions.is_some() {
                template.set_item("wsgi.url_scheme", "https")?;
            }
            memory.templates.push((place, template.unbind()));
            memory.templates.len() - 1
        };
        Ok(memory.templates[index].1.bind(py))
    }

    fn set_target(&self, environ: &Bound<'_, PyDict>, head: &Head) -> PyResult<()> {
        let py = environ.py();
        let path = match head.path() {
            b"*" => b"", // of OPTIONS: the server, no path
            path => path,
        };
        let decoded;
        let mut path = if path.contains(&b'%') {
            decoded = percent_decoded(path);
            &decoded
        } else {
            path
        };
        if let Some(rest) = path.strip_prefix(self.root_path.as_slice())
            && matches!(rest, [] | [b'/', ..])
        {
            path = rest;
        }
        environ.set_item(intern!(py, "PATH_INFO"), latin1(py, path))?;
        if !head.query().is_empty() {
            environ.set_item(intern!(py, "QUERY_STRING"), latin1(py, head.query()))?;
        }
        Ok(())
    }
}

impl Memory {
    fn client<'py>(&mut self, py: Python<'py>, host: IpAddr) -> &Bound<'py, PyString> {
        let (known, text) = self
            .client
            .get_or_insert_with(|| (host, host_text(py, host).unbind()));
        if *known != host {
            *known = host;
            *text = host_text(py, host).unbind();
        }
        text.bind(py)
    }
}

/// A port as text.
fn decimal(py: Python<'_>, mut port: u16) -> Bound<'_, PyString> {
    let mut digits = [0; 5];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (port % 10) as u8;
        port /= 10;
        if port == 0 {
            return latin1(py, &digits[at..]);
        }
    }
}

fn set_headers(
    environ: &Bound<'_, PyDict>,
    names: &mut Names<PyString>,
    head: &Head,
) -> PyResult<()> {
    let py = environ.py();
    let mut count = environ.len();
    for (name, value) in head.headers() {
        // None: applications do not get it, since its underscore could be meant for a hyphen, and so imitate a header that a
        // proxy in front vouches for.
        let make = || (!name.contains(&b'_')).then(|| key_of(py, name));
        let Some(key) = names.get(name, make) else {
            continue;
        };
        let key = key.bind(py);
        environ.set_item(key, latin1(py, value))?;
        if environ.len() == count {
            environ.set_item(key, latin1(py, &joined(head, name)))?; // it was there before
        }
        count = environ.len();
    }
    Ok(())
}

/// The values of a header that came more than once.
fn joined(head: &Head, name: &[u8]) -> Vec<u8> {
    let separator: &[u8] = if name == b"cookie" { b"; " } else { b"," };
    head.values(name).collect::<Vec<_>>().join(separator)
}

fn is_chunked(head: &Head) -> bool {
    head.content_length().is_none() && head.header(b"transfer-encoding").is_some()
}

fn key_of(py: Python<'_>, name: &[u8]) -> Py<PyString> {
    let text: String = name
        .iter()
        .map(|byte| match byte {
            b'-' => '_',
            byte => char::from(byte.to_ascii_uppercase()),
        })
        .collect();
    let text = match text.as_str() {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => text,
        _ => format!("HTTP_{text}"),
    };
    PyString::new(py, &text).unbind() // not interned: in free-threaded builds that is for ever, and peers choose the names
}
