//! What `receive` and `send` of ASGI return: awaitables that asyncio also takes where it wants a coroutine.
//!
//! Applications make tasks of both (`asyncio.create_task(receive())`), and a task drives whatever has a coroutine's methods.

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// Has its value already.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Ready(Option<Py<PyAny>>);

impl Ready {
    /// `value` None: Python's None.
    pub(crate) fn new(value: Option<Py<PyAny>>) -> Self {
        Self(value)
    }
}

#[pymethods]
impl Ready {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.0 {
            None => Ok(None),
            Some(value) => Err(PyStopIteration::new_err((value.clone_ref(py),))),
        }
    }

    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let value = self.0.as_ref().map(|value| value.clone_ref(py));
        Err(PyStopIteration::new_err((value,)))
    }

    #[pyo3(signature = (error, *_rest))]
    fn throw(
        _slf: &Bound<'_, Self>,
        error: &Bound<'_, PyAny>,
        _rest: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        Err(raised(error))
    }

    fn close(_slf: &Bound<'_, Self>) {}
}

/// Waits for a future of asyncio's.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Waiting {
    future: Py<PyAny>,
    /// What drives the future, once a task drives this.
    iterator: PyOnceLock<Py<PyAny>>,
}

impl Waiting {
    pub(crate) fn new(future: Py<PyAny>) -> Self {
        Self {
            future,
            iterator: PyOnceLock::new(),
        }
    }

    fn iterator<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        let iterator = self.iterator.get_or_try_init(py, || self.__await__(py))?;
        Ok(iterator.bind(py))
    }
}

#[pymethods]
impl Waiting {
    fn __await__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.future.call_method0(py, pyo3::intern!(py, "__await__"))
    }

    fn send<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.iterator(py)?
            .call_method1(pyo3::intern!(py, "send"), (value,))
    }

    /// Nobody waits any more: what the future would have got is for somebody else.
    #[pyo3(signature = (error, *_rest))]
    fn throw(
        &self,
        py: Python<'_>,
        error: &Bound<'_, PyAny>,
        _rest: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        self.close(py)?;
        Err(raised(error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.future
            .call_method0(py, pyo3::intern!(py, "cancel"))
            .map(drop)
    }
}

/// An exception, or a class of them, as an error.
fn raised(error: &Bound<'_, PyAny>) -> PyErr {
    PyErr::from_value(error.clone())
}
