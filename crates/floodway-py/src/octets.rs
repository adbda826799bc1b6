//! What HTTP is made of, bytes, as Python has it: read as text, and taken from text and buffers.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// Bytes as text, as HTTP reads its own (RFC 9110, section 5.5), and PEP 3333 has it: each byte a letter. In one step, where
/// safe code looks at short text three times (is it UTF-8, is it ASCII, decode it).
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    let length = bytes.len().cast_signed();
    // SAFETY: `bytes` is that long; no name of an error handler is allowed, and none is needed: every byte is a letter.
    let pointer =
        unsafe { ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null()) };
    // SAFETY: a new reference to a `str`; null, for want of memory, panics as PyO3's own constructors do.
    unsafe { Bound::from_owned_ptr(py, pointer).cast_into_unchecked() }
}

/// Bytes with every `%` and two digits as the byte they stand for; what is no such triple stays.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        let byte = *bytes.get(at)?;
        char::from(byte).to_digit(16).map(|digit| digit as u8)
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            decoded.push(high << 4 | low);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    decoded
}

/// A name or value of a header.
pub(crate) enum Octets<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copied(Vec<u8>),
}

impl AsRef<[u8]> for Octets<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'py> Octets<'py> {
    fn new(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        match value.cast_exact::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.clone())),
            Err(_) => octets(value).map(Self::Copied),
        }
    }
}

/// A piece of a body as bytes.
pub(crate) fn piece<'py>(content: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    match content.cast_exact::<PyBytes>() {
        Ok(bytes) => Ok(bytes.clone()),
        Err(_) => buffer(content).map(|bytes| PyBytes::new(content.py(), &bytes)),
    }
}

/// The bytes of text in latin-1, or of a buffer of bytes.
fn octets(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = value.cast::<PyString>() {
        let mut octets = Vec::new();
        octets_of_text(text, &mut octets)?;
        return Ok(octets);
    }
    buffer(value)
}

/// A copy of a buffer of bytes.
fn buffer(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    match pyo3::buffer::PyBuffer::<u8>::get(value) {
        Ok(buffer) => buffer.to_vec(value.py()),
        Err(_) => Err(no_bytes(value)),
    }
}

/// Appends the bytes of text in latin-1.
pub(crate) fn octets_of_text(text: &Bound<'_, PyString>, octets: &mut Vec<u8>) -> PyResult<()> {
    let text = text.to_str()?;
    if text.is_ascii() {
        octets.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    for letter in text.chars() {
        octets.push(u8::try_from(letter).map_err(|_| {
            PyValueError::new_err(format!(
                "{text:?} has letters that a header cannot carry (beyond latin-1); percent-encode them"
            ))
        })?);
    }
    Ok(())
}

/// What a piece of a body that is no bytes raises.
pub(crate) fn no_bytes(value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!(
            "an answer is made of bytes, not {name}; encode text with .encode()"
        )),
        Err(error) => error,
    }
}

/// A header of an answer: its name and its value.
pub(crate) type Field<'py> = (Octets<'py>, Octets<'py>);

/// The headers of an answer: pairs of bytes or text.
pub(crate) fn fields<'py>(headers: &Bound<'py, PyAny>) -> PyResult<Vec<Field<'py>>> {
    // What nearly every application gives, without an iterator of Python's.
    if let Ok(headers) = headers.cast_exact::<PyList>() {
        let mut fields = Vec::with_capacity(headers.len());
        for pair in headers {
            fields.push(field(&pair)?);
        }
        return Ok(fields);
    }
    headers.try_iter()?.map(|pair| field(&pair?)).collect()
}

fn field<'py>(pair: &Bound<'py, PyAny>) -> PyResult<Field<'py>> {
    if let Ok(pair) = pair.cast_exact::<PyTuple>()
        && pair.len() == 2
    {
        let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
        return Ok((Octets::new(&name)?, Octets::new(&value)?));
    }
    let [name, value]: [Bound<'py, PyAny>; 2] = pair.extract()?;
    Ok((Octets::new(&name)?, Octets::new(&value)?))
}
