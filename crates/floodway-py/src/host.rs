//! What this crate brings into a reactor: payloads that are Python's `bytes`, and Python calls.

use floodway_conn::Host;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::payload::BytesPayload;
use crate::timer::Timer;

/// The Python side of a reactor.
#[derive(Debug)]
pub(crate) struct PyHost;

impl Host for PyHost {
    type Payload = BytesPayload;
    type Protocol = floodway_app::http1::Http1;
    type Call = PyCall;
}

/// A call to make on the reactor's thread.
#[derive(Debug)]
pub(crate) enum PyCall {
    /// Posted by `call_soon`.
    Posted(Py<PyAny>, Py<PyTuple>),
    /// A timer that is due.
    Due(Py<Timer>),
    /// A timer of another thread, to be armed: seconds from when it was posted.
    Arm(Py<Timer>, std::time::Instant),
}

impl PyCall {
    /// It will not be made: its reactor has ended.
    pub(crate) fn forgo(&self) {
        match self {
            Self::Due(timer) | Self::Arm(timer, _) => {
                timer.get().end();
            }
            Self::Posted(..) => {}
        }
    }
}
