//! `Framing`: a framing in its native form.

use std::sync::Arc;

use floodway_base::framing;
use floodway_conn::Framing as Native;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::intake::{Desk, Intake};
use crate::request_queue::RequestQueue;

/// A framing in its native form. `max_bytes` bounds one frame without its prefix or terminator.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Framing(pub(crate) Native, pub(crate) Option<Http>);

/// What a listener's HTTP has that is no limit.
pub(crate) struct Http {
    pub whole_bodies: bool,
    pub server: Option<Vec<u8>>,
    /// Who gets the requests, if not the reactor's handler.
    pub queue: Option<Py<RequestQueue>>,
    pub intake: Option<Arc<Desk>>,
}

fn codec<C: floodway_base::Codec + 'static, E: ToString>(made: Result<C, E>) -> PyResult<Framing> {
    made.map(|codec| Framing(Native::Codec(Arc::new(codec)), None))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pymethods]
impl Framing {
    /// Input as it comes.
    #[staticmethod]
    fn raw() -> Self {
        Self(Native::Codec(Arc::new(framing::Raw)), None)
    }

    /// Lines that end in LF or CRLF.
    #[staticmethod]
    fn lines(max_bytes: usize) -> PyResult<Self> {
        codec(framing::Lines::new(max_bytes))
    }

    /// Frames that end in a delimiter.
    #[staticmethod]
    fn delimited(delimiter: &[u8], max_bytes: usize) -> PyResult<Self> {
        codec(framing::Delimited::new(delimiter, max_bytes))
    }

    /// Frames of one size.
    #[staticmethod]
    fn fixed(size: usize) -> PyResult<Self> {
        codec(framing::Fixed::new(size))
    }

    /// Frames behind their length.
    #[staticmethod]
    fn length_prefixed(
        size: usize,
        byteorder: &str,
        max_bytes: usize,
        includes_header: bool,
    ) -> PyResult<Self> {
        let order = match byteorder {
            "big" => framing::ByteOrder::Big,
            "little" => framing::ByteOrder::Little,
            other => {
                return Err(PyValueError::new_err(format!(
                    "byteorder is {other:?}; write \"big\" or \"little\""
                )));
            }
        };
        codec(framing::LengthPrefixed::new(
            size,
            order,
            max_bytes,
            includes_header,
        ))
    }

    /// Input in a `LinkBuffer` that the handler consumes.
    #[staticmethod]
    fn buffered() -> Self {
        Self(Native::Buffered, None)
    }

    /// HTTP/1.1 requests. `whole_bodies`: each comes with its body; else as soon as its head is there. `server`: the value
    /// of the Server header; None: none. `queue`: who gets them; None: the handler. `intake`: what happens to them around the
    /// application; None: nothing.
    #[staticmethod]
    #[pyo3(signature = (*, whole_bodies, server, queue = None, intake = None))]
    fn http1(
        whole_bodies: bool,
        server: Option<Vec<u8>>,
        queue: Option<Py<RequestQueue>>,
        intake: Option<&Intake>,
    ) -> Self {
        Self(
            Native::Protocol,
            Some(Http {
                whole_bodies,
                server,
                queue,
                intake: intake.map(|intake| intake.0.clone()),
            }),
        )
    }
}
