//! `ReactorStats`: a snapshot of a reactor's counters, as the class that Python has for it.

use std::sync::PoisonError;

use floodway_conn::{CloseReason, Shared};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::host::PyHost;

/// The snapshot, as keyword arguments of `floodway.conn.stats.ReactorStats`.
pub(crate) fn snapshot(
    py: Python<'_>,
    name: &str,
    driver: &str,
    shared: &Shared<PyHost>,
) -> PyResult<Py<PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("name", name)?;
    fields.set_item("driver", driver)?;
    fields.set_item("connections", shared.load())?;
    for (counter, value) in shared.stats.each() {
        match counter.strip_suffix("_nanos") {
            Some(duration) => fields.set_item(format!("{duration}_seconds"), value as f64 / 1e9)?,
            None => fields.set_item(counter, value)?,
        }
    }
    let (_, dropped) = shared.dropped();
    fields.set_item("dropped", dropped)?;
    let accept_errors = PyDict::new(py);
    let names = py.import("errno")?.getattr("errorcode")?;
    let counted = shared
        .stats
        .accept_errors
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for (errno, count) in counted {
        accept_errors.set_item(names.get_item(errno)?, count)?;
    }
    fields.set_item("accept_errors", accept_errors)?;
    let closed = PyDict::new(py);
    for (reason, counter) in CloseReason::NAMES.iter().zip(&shared.stats.closed) {
        if counter.get() > 0 {
            closed.set_item(*reason, counter.get())?;
        }
    }
    fields.set_item("closed", closed)?;
    let class = py.import("floodway.conn.stats")?.getattr("ReactorStats")?;
    Ok(class.call((), Some(&fields))?.unbind())
}
