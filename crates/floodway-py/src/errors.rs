//! The only map from what the core says to Python's exceptions.

use std::path::Path;

use floodway_base::EncodeError;
use floodway_conn::CloseReason;
use floodway_sys::{Errno, SocketAddress};
use pyo3::exceptions::{PyConnectionAbortedError, PyOSError, PyValueError};
use pyo3::prelude::*;

/// An instance of a class of `floodway.errors`.
fn instance(py: Python<'_>, class: &str, message: String) -> PyResult<Py<PyAny>> {
    let errors = py.import("floodway.errors")?;
    Ok(errors.getattr(class)?.call1((message,))?.unbind())
}

/// What `on_close` gets for a reason; None for an orderly end.
pub(crate) fn of_reason(
    py: Python<'_>,
    reason: &CloseReason,
    peer: &SocketAddress,
) -> PyResult<Option<Py<PyAny>>> {
    let (class, message) = match reason {
        CloseReason::Finished | CloseReason::Closed | CloseReason::Taken | CloseReason::Host => {
            return Ok(None);
        }
        CloseReason::Aborted => {
            let error = PyConnectionAbortedError::new_err((
                Errno::CONNABORTED.raw_os_error(),
                "the connection was aborted here",
            ));
            return Ok(Some(error.into_value(py).into_any()));
        }
        CloseReason::System(errno) => {
            return Ok(Some(system_error(*errno).into_value(py).into_any()));
        }
        CloseReason::IdleTimeout => (
            "IdleTimeout",
            format!(
                "nothing came from or went to {peer} for the idle timeout; raise Limits.idle_timeout or send heartbeats"
            ),
        ),
        CloseReason::WriteTimeout => (
            "WriteTimeout",
            format!(
                "{peer} took nothing of the pending output for the write timeout; raise Limits.write_timeout if it may be that slow"
            ),
        ),
        CloseReason::ConnectTimeout => (
            "ConnectTimeout",
            format!(
                "{peer} did not answer in time; raise the timeout of connect() or check the address"
            ),
        ),
        CloseReason::HandshakeTimeout => (
            "HandshakeTimeout",
            format!(
                "{peer} did not finish the TLS handshake in time; raise Limits.handshake_timeout if it may be that slow"
            ),
        ),
        CloseReason::Session(text) => ("TLSError", format!("{peer}: {text}")),
        CloseReason::Truncated => (
            "TLSError",
            format!(
                "{peer} ended the connection without close_notify: what came may not be all that it sent"
            ),
        ),
        CloseReason::SlowConsumer(pending) => (
            "SlowConsumer",
            format!(
                "output buffer of {peer} reached {pending} bytes and the peer is not reading; raise Limits.max_output or handle on_writable"
            ),
        ),
        CloseReason::FrameTooLong(error) => ("FrameTooLong", format!("{peer}: {error}")),
        CloseReason::Refused(reason) => ("ProtocolError", format!("{peer} was refused: {reason}")),
        CloseReason::FileCut => {
            let message = format!("a file that was sent to {peer} has become shorter meanwhile");
            let class = py.import("floodway.errors")?.getattr("ConnectionClosed")?;
            return Ok(Some(class.call1((message, "file_cut"))?.unbind()));
        }
        CloseReason::ServerStopping => (
            "ServerStopping",
            format!("the engine stopped while {peer} was connected"),
        ),
    };
    instance(py, class, message).map(Some)
}

/// Why a file cannot be sent, as Python's own `open` would say it.
pub(crate) fn of_file(errno: Errno, path: &Path) -> PyErr {
    let text = match errno {
        Errno::INVAL => "this is no regular file".to_owned(),
        errno => std::io::Error::from(errno).to_string(),
    };
    PyOSError::new_err((errno.raw_os_error(), text, path.to_path_buf()))
}

/// The `OSError` of an errno, of the subclass that Python has for it.
pub(crate) fn system_error(errno: Errno) -> PyErr {
    PyOSError::new_err((
        errno.raw_os_error(),
        std::io::Error::from(errno).to_string(),
    ))
}

/// What using a closed connection raises.
pub(crate) fn closed(py: Python<'_>, what: &str) -> PyErr {
    let message = format!(
        "cannot {what}: the connection is closed or closing; stop using it after on_close or close()"
    );
    match instance(py, "ConnectionClosed", message) {
        Ok(error) => PyErr::from_value(error.into_bound(py)),
        Err(error) => error,
    }
}

/// An instance of `ConnectionClosed` with the user's reason.
pub(crate) fn closed_for(py: Python<'_>, reason: &str) -> PyResult<Py<PyAny>> {
    let errors = py.import("floodway.errors")?;
    let class = errors.getattr("ConnectionClosed")?;
    Ok(class.call1((reason, reason))?.unbind())
}

/// What a write beyond `max_output` raises under `output_policy="error"`.
pub(crate) fn slow_consumer(py: Python<'_>, pending: u32) -> PyErr {
    let message = format!(
        "{pending} bytes of output are pending, at or above Limits.max_output; wait for on_writable before writing more"
    );
    match instance(py, "SlowConsumer", message) {
        Ok(error) => PyErr::from_value(error.into_bound(py)),
        Err(error) => error,
    }
}

/// A payload that its framing cannot carry.
pub(crate) fn encode(error: EncodeError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// What came of sending from within a batch, which goes on: that a connection takes no more output, its own end says.
pub(crate) fn unless_closed<T>(py: Python<'_>, sent: PyResult<T>) -> PyResult<()> {
    match sent {
        Err(error) if !error.is_instance_of::<PyOSError>(py) => Err(error),
        _ => Ok(()),
    }
}
