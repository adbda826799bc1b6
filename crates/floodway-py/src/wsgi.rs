//! What a WSGI application gives: to `start_response`, which is checked at once and sent with the first piece of the body; and
//! as the body.

use floodway_app::http1;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::octets::octets_of_text;
use crate::request::fault;

/// Headers about one connection only, which PEP 3333 forbids: a server and its client agree on them.
const HOP_BY_HOP: [&[u8]; 8] = [
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailers",
    b"transfer-encoding",
    b"upgrade",
];

/// A status and headers that can be sent.
pub(crate) struct Prepared {
    pub(crate) status: u16,
    /// The reason, then names and values one behind the other.
    text: Vec<u8>,
    reason_end: usize,
    /// Where each name and its value end.
    ends: Vec<(usize, usize)>,
}

impl Prepared {
    /// Raises TypeError for what is of another type than PEP 3333 demands, ValueError for what cannot be sent.
    pub(crate) fn new(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Ok(line) = status.cast::<PyString>() else {
            return Err(mistyped("the status is a str such as '200 OK'", status));
        };
        let Ok(headers) = headers.cast::<PyList>() else {
            return Err(mistyped(
                "headers are a list of (name, value) tuples",
                headers,
            ));
        };
        let mut text = Vec::with_capacity(256);
        octets_of_text(line, &mut text)?;
        let status = match text.as_slice() {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => [a, b, c]
                .into_iter()
                .fold(0, |number, digit| number * 10 + u16::from(digit - b'0')),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "{line} is no status; write three digits, a space and a reason, such as '200 OK'"
                )));
            }
        };
        text.drain(..4);
        let mut prepared = Self {
            status,
            reason_end: text.len(),
            text,
            ends: Vec::with_capacity(headers.len()),
        };
        for pair in headers.iter() {
            prepared.add(&pair)?;
        }
        http1::check(status, Some(prepared.reason()), prepared.fields()).map_err(fault)?;
        Ok(prepared)
    }

    fn add(&mut self, pair: &Bound<'_, PyAny>) -> PyResult<()> {
        let shape = "a header is a tuple of two str, its name and its value";
        let (name, value) = match pair.cast::<PyTuple>() {
            Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, pair.get_item(1)?),
            _ => return Err(mistyped(shape, pair)),
        };
        let begin = self.text.len();
        let (Ok(name), Ok(value)) = (name.cast::<PyString>(), value.cast::<PyString>()) else {
            return Err(mistyped(shape, pair));
        };
        octets_of_text(name, &mut self.text)?;
        let name_end = self.text.len();
        let octets = &self.text[begin..name_end];
        if HOP_BY_HOP
            .iter()
            .any(|one| one.len() == octets.len() && one.eq_ignore_ascii_case(octets))
        {
            return Err(PyValueError::new_err(format!(
                "the header {name} is between the server and its client (PEP 3333, hop-by-hop); leave it out"
            )));
        }
        octets_of_text(value, &mut self.text)?;
        self.ends.push((name_end, self.text.len()));
        Ok(())
    }

    pub(crate) fn reason(&self) -> &[u8] {
        &self.text[..self.reason_end]
    }

    /// What the application says of the body's length, if that is a number.
    pub(crate) fn content_length(&self) -> Option<u64> {
        let mut fields = self.fields();
        let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case(b"content-length"))?;
        std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut begin = self.reason_end;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let name = &self.text[begin..name_end];
            begin = value_end;
            (name, &self.text[name_end..value_end])
        })
    }
}

/// The body, where an application has returned a list or a tuple of pieces: a single one is not copied.
pub(crate) fn whole<'py>(result: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let (len, first) = if let Ok(list) = result.cast_exact::<PyList>() {
        (list.len(), list.get_item(0).ok())
    } else if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        (tuple.len(), tuple.get_item(0).ok())
    } else {
        return Ok(None);
    };
    if let (1, Some(piece)) = (len, first)
        && piece.is_exact_instance_of::<PyBytes>()
    {
        return Ok(Some(piece));
    }
    let nothing = PyBytes::new(result.py(), b"");
    nothing
        .call_method1(intern!(result.py(), "join"), (result,))
        .map(Some)
}

fn mistyped(demand: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("{demand}, not {name}")),
        Err(error) => error,
    }
}
