//! `Headers`: a request's headers, looked up without regard to case.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::octets::latin1;
use crate::request::Request;

/// The headers of a request: a mapping from names, in any case, to text. A name that came more than once has all its
/// values, joined by commas (RFC 9110, section 5.3); `get_all` gives them one by one.
/// Any thread.
#[pyclass(frozen, mapping, module = "floodway")]
pub(crate) struct Headers {
    request: Py<Request>,
}

impl Headers {
    pub(crate) fn new(request: Py<Request>) -> Self {
        Self { request }
    }

    fn joined<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
        let request = self.request.get();
        let mut values = values_of(request, name);
        let first = values.next()?;
        let mut rest = values.peekable();
        if rest.peek().is_none() {
            return Some(latin1(py, first));
        }
        let separator: &[u8] = if name.eq_ignore_ascii_case("cookie") {
            b"; "
        } else {
            b", "
        };
        let mut all = first.to_vec();
        for value in rest {
            all.extend_from_slice(separator);
            all.extend_from_slice(value);
        }
        Some(latin1(py, &all))
    }

    fn names<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyString>> {
        let request = self.request.get();
        let mut seen: Vec<&[u8]> = Vec::new();
        for (name, _) in request.head().headers() {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen.into_iter().map(|name| latin1(py, name)).collect()
    }
}

/// The values of the headers of this name.
fn values_of<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    request
        .head()
        .headers()
        .filter(move |(one, _)| one.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

#[pymethods]
impl Headers {
    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyString>> {
        self.joined(py, name)
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __contains__(&self, name: &str) -> bool {
        let request = self.request.get();
        values_of(request, name).next().is_some()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.names(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyList::new(py, self.names(py))?.try_iter()?.into_any())
    }

    /// The value of a header, or `default`.
    #[pyo3(signature = (name, default = None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        self.joined(py, name).map(Bound::into_any).or(default)
    }

    /// Every value of a header, in the order in which they came; empty if there is none.
    fn get_all<'py>(&self, py: Python<'py>, name: &str) -> Vec<Bound<'py, PyString>> {
        let request = self.request.get();
        values_of(request, name)
            .map(|value| latin1(py, value))
            .collect()
    }

    /// The names, in lower case, each once.
    fn keys<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyString>> {
        self.names(py)
    }

    /// The values, in the order of `keys`.
    fn values<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyString>> {
        self.items(py).into_iter().map(|(_, value)| value).collect()
    }

    /// Names and values, in the order of `keys`.
    fn items<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyString>, Bound<'py, PyString>)> {
        self.names(py)
            .into_iter()
            .filter_map(|name| {
                let value = self.joined(py, name.to_str().ok()?)?;
                Some((name, value))
            })
            .collect()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let items: Vec<String> = self
            .items(py)
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("<floodway.Headers {items:?}>")
    }
}
