//! Addresses as Python's `socket` module shapes them.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use floodway_sys::{SocketAddress, UnixName};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::octets::latin1;

/// To `(host, port)`, `(host, port, flow, scope)`, a path, or bytes for an abstract name.
pub(crate) fn to_python(py: Python<'_>, address: &SocketAddress) -> PyResult<Py<PyAny>> {
    let object = match address {
        SocketAddress::V4(v4) => (host_text(py, (*v4.ip()).into()), v4.port())
            .into_pyobject(py)?
            .into_any(),
        SocketAddress::V6(v6) => (
            host_text(py, (*v6.ip()).into()),
            v6.port(),
            v6.flowinfo(),
            v6.scope_id(),
        )
            .into_pyobject(py)?
            .into_any(),
        SocketAddress::Unix(UnixName::Unnamed) => PyString::new(py, "").into_any(),
        SocketAddress::Unix(UnixName::Path(path)) => path.as_os_str().into_pyobject(py)?.into_any(),
        SocketAddress::Unix(UnixName::Abstract(name)) => {
            let mut bytes = vec![0];
            bytes.extend_from_slice(name);
            PyBytes::new(py, &bytes).into_any()
        }
    };
    Ok(object.unbind())
}

/// An IP address as text. Every request asks for its client's; of an IPv4 address it is made here, since the standard library's
/// formatting takes six times as long.
pub(crate) fn host_text(py: Python<'_>, ip: IpAddr) -> Bound<'_, PyString> {
    let v4 = match ip {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => return PyString::new(py, &v6.to_string()),
    };
    let mut text = [0; 15];
    let mut len = 0;
    let mut put = |byte| {
        text[len] = byte;
        len += 1;
    };
    for (number, octet) in v4.octets().into_iter().enumerate() {
        if number > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    latin1(py, &text[..len])
}

/// From the same shapes; hosts have to be IP addresses.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<SocketAddress> {
    if let Ok(tuple) = object.cast::<PyTuple>() {
        let host: String = tuple.get_item(0)?.extract()?;
        let port: u16 = tuple.get_item(1)?.extract()?;
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Ok(SocketAddress::V4(SocketAddrV4::new(ip, port)));
        }
        if let Ok(ip) = host
            .split('%')
            .next()
            .unwrap_or_default()
            .parse::<Ipv6Addr>()
        {
            let rest = |n: usize| {
                tuple
                    .get_item(n)
                    .and_then(|item| item.extract::<u32>())
                    .unwrap_or(0)
            };
            return Ok(SocketAddress::V6(SocketAddrV6::new(
                ip,
                port,
                rest(2),
                rest(3),
            )));
        }
        return Err(PyValueError::new_err(format!(
            "{host:?} is no IP address; resolve names before they come here"
        )));
    }
    if let Ok(path) = object.cast::<PyString>() {
        return Ok(unix(path.to_str()?.as_bytes()));
    }
    if let Ok(name) = object.cast::<PyBytes>() {
        return Ok(unix(name.as_bytes()));
    }
    Err(PyTypeError::new_err(format!(
        "an address is a (host, port) tuple, a path or bytes, not {}",
        object.get_type().name()?
    )))
}

/// None for a Unix socket, which has neither.
pub(crate) fn host_and_port(address: &SocketAddress) -> Option<(IpAddr, u16)> {
    match address {
        SocketAddress::V4(v4) => Some((IpAddr::V4(*v4.ip()), v4.port())),
        SocketAddress::V6(v6) => Some((IpAddr::V6(*v6.ip()), v6.port())),
        SocketAddress::Unix(_) => None,
    }
}

fn unix(name: &[u8]) -> SocketAddress {
    SocketAddress::Unix(match name {
        [] => UnixName::Unnamed,
        [0, rest @ ..] => UnixName::Abstract(rest.to_vec()),
        path => UnixName::Path(PathBuf::from(OsStr::from_bytes(path))),
    })
}
