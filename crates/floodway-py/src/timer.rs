//! `Timer`: a call that a reactor makes later.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use floodway_conn::Message;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::reactor::Reactor;

/// A call that a reactor makes later. Any thread may cancel it.
#[pyclass(frozen, module = "floodway")]
#[derive(Debug)]
pub(crate) struct Timer {
    reactor: Py<Reactor>,
    pub(crate) function: Py<PyAny>,
    pub(crate) arguments: Py<PyTuple>,
    pub(crate) delay: Duration,
    /// The core's number for it, once it is armed.
    number: AtomicU64,
    pending: AtomicBool,
}

impl Timer {
    pub(crate) fn new(
        reactor: Py<Reactor>,
        delay: Duration,
        function: Py<PyAny>,
        arguments: Py<PyTuple>,
    ) -> Self {
        Self {
            reactor,
            function,
            arguments,
            delay,
            number: AtomicU64::new(0),
            pending: AtomicBool::new(true),
        }
    }

    pub(crate) fn armed(&self, number: u64) {
        self.number.store(number, Ordering::SeqCst);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Ends the wait, by firing or by cancelling; returns whether it had not ended before.
    pub(crate) fn end(&self) -> bool {
        self.pending.swap(false, Ordering::SeqCst)
    }
}

#[pymethods]
impl Timer {
    /// Keep the call from being made. Returns whether it still could be.
    fn cancel(&self) -> bool {
        if !self.end() {
            return false;
        }
        let number = self.number.load(Ordering::SeqCst);
        if number != 0 {
            let reactor = self.reactor.get();
            let cancelled = reactor
                .core_here()
                .map(|mut core| core.cancel_timer(number));
            if cancelled.is_none() {
                reactor.post(Message::CancelTimer(number));
            }
        }
        true
    }

    /// Whether the call is still to be made.
    #[getter]
    fn is_pending(&self) -> bool {
        self.is_waiting()
    }

    fn __repr__(&self) -> String {
        let state = if self.is_pending() {
            "pending"
        } else {
            "ended"
        };
        format!("<floodway.Timer {state}, {} s>", self.delay.as_secs_f64())
    }
}
