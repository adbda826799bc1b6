//! The only place that leaves the interpreter: detaches, does the work, comes back.

use pyo3::prelude::*;

/// Runs `work` detached from the interpreter, so that other Python threads run meanwhile. A panic in it becomes
/// Python's `PanicException` on the way back, which PyO3 sees to at the boundary of the calling method.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    py.detach(work)
}

/// Runs `work` attached to the interpreter: for drops, which are given no token. Threads that are attached already
/// only count one deeper.
#[allow(clippy::disallowed_methods, reason = "this is the file that may")]
pub(crate) fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> T {
    Python::attach(work)
}
