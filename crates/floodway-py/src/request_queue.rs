//! `RequestQueue`: requests for threads that wait for them, so that the reactor, which reads them, never needs the
//! interpreter.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use floodway_app::http1::Message;
use floodway_conn::{HandOff, Handed, Outlet};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyBytes;

use crate::connection::Connection;
use crate::gate;
use crate::intake::Desk;
use crate::reactor::Reactor;
use crate::request::{Away, Request};

/// Requests that wait for a thread, at most `capacity` of them: beyond it a client gets a 503. Any thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct RequestQueue {
    queue: Arc<HandOff<Message>>,
    /// Where they come from, by the number of the source.
    reactors: Mutex<Vec<Py<Reactor>>>,
    /// What happens to requests around the application.
    desk: OnceLock<Arc<Desk>>,
}

impl RequestQueue {
    /// What hands requests of a reactor off to this queue.
    pub(crate) fn outlet_of(
        &self,
        reactor: &Bound<'_, Reactor>,
        desk: Option<&Arc<Desk>>,
    ) -> Outlet<Message> {
        if let Some(desk) = desk {
            self.desk.get_or_init(|| desk.clone());
        }
        let mut reactors = self
            .reactors
            .lock_py_attached(reactor.py())
            .unwrap_or_else(PoisonError::into_inner);
        reactors.push(reactor.clone().unbind());
        Outlet {
            queue: Arc::clone(&self.queue),
            source: reactors.len() as u32 - 1,
        }
    }

    fn request(&self, py: Python<'_>, handed: Handed<Message>) -> PyResult<Option<Request>> {
        let Handed {
            source,
            token,
            peer,
            message,
            payload,
            line,
        } = handed;
        let Message::Request(request) = message else {
            return Ok(None); // nothing else begins an exchange
        };
        let reactors = self
            .reactors
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let reactor = reactors[source as usize].clone_ref(py);
        drop(reactors);
        // An object of its own, which the reactor does not know of and so need not attach for at the connection's end.
        let connection = Py::new(py, Connection::new(reactor, token))?;
        let payload = PyBytes::new(py, &payload).unbind();
        let away = Away { line, peer };
        let desk = self.desk.get();
        Request::admit(py, connection, *request, payload, Some(away), desk)
    }
}

#[pymethods]
impl RequestQueue {
    #[new]
    fn new(capacity: usize) -> Self {
        Self {
            queue: Arc::new(HandOff::new(capacity)),
            reactors: Mutex::default(),
            desk: OnceLock::new(),
        }
    }

    /// Wait for the next request, detached. None: the queue has ended, and nothing is left in it.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Request>> {
        loop {
            let handed = match self.queue.try_next() {
                Some(handed) => handed,
                None => match gate::detached(py, || self.queue.next()) {
                    Some(handed) => handed,
                    None => return Ok(None),
                },
            };
            if let Some(request) = self.request(py, handed)? {
                return Ok(Some(request));
            }
        }
    }

    /// Let the threads go that wait, once nothing is left in the queue. For good.
    fn end(&self) {
        self.queue.end();
    }
}
