//! `Newcomer`: an accepted socket on its way to a reactor.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::address;

/// An accepted socket that no reactor owns yet. Closed when dropped without having been adopted. Any thread.
#[pyclass(frozen, module = "floodway")]
pub(crate) struct Newcomer {
    fd: u64,
    peer: Py<PyAny>,
    socket: Mutex<Option<floodway_conn::Newcomer>>,
}

impl Newcomer {
    pub(crate) fn new(py: Python<'_>, socket: floodway_conn::Newcomer) -> PyResult<Self> {
        Ok(Self {
            fd: socket.number(),
            peer: address::to_python(py, socket.peer())?,
            socket: Mutex::new(Some(socket)),
        })
    }

    /// The socket, once.
    pub(crate) fn take(&self) -> Option<floodway_conn::Newcomer> {
        self.socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Takes back a socket that could not be handed on.
    pub(crate) fn give_back(&self, socket: floodway_conn::Newcomer) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }
}

#[pymethods]
impl Newcomer {
    /// The descriptor's number; in an accepting process, where descriptors do not stay, how many were accepted.
    #[getter]
    fn fd(&self) -> u64 {
        self.fd
    }

    /// The other end's address.
    #[getter]
    fn peer(&self, py: Python<'_>) -> Py<PyAny> {
        self.peer.clone_ref(py)
    }
}
