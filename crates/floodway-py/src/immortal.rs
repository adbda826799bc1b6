//! `immortalize`: objects whose references are no longer counted (PEP 683).
//!
//! Counting is what writes to the memory that a process shares with those it was forked from: whoever only looks at an
//! object copies its page. CPython's own function for it comes with 3.15 and refuses strings, and what is stored differs from
//! version to version; so this is done where it was tried, and elsewhere nothing happens.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// What CPython 3.12 and 3.13 store in place of the count, on 64 bits.
const IMMORTAL: usize = u32::MAX as usize;

/// Set in the count of every object that is immortal, and of no other (`_Py_IsImmortal`).
const IS_IMMORTAL: usize = 1 << 31;

/// Whether objects begin with a count of one word and a type, as they do on 64 bits with the GIL.
const BEGINS_WITH_COUNT: bool =
    size_of::<usize>() == 8 && size_of::<ffi::PyObject>() == 2 * size_of::<usize>();

/// Keep these objects for ever, and count references to them no more. Returns those for which that is new; none on
/// other versions than 3.12 and 3.13, without the GIL, and on 32 bits, where nothing happens.
#[pyfunction]
#[pyo3(signature = (objects, /))]
pub(crate) fn immortalize<'py>(objects: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyList>> {
    let py = objects.py();
    let version = py.version_info();
    let changed = PyList::empty(py);
    if !BEGINS_WITH_COUNT || !matches!((version.major, version.minor), (3, 12 | 13)) {
        return Ok(changed);
    }
    for object in objects {
        let count = object.as_ptr().cast::<usize>();
        // SAFETY: `object` is a reference to an object that is alive, whose first word is its count, see above; nobody
        // else touches it while this thread is attached to an interpreter with a GIL.
        let before = unsafe { count.read() };
        if before & IS_IMMORTAL != 0 {
            continue;
        }
        changed.append(&object)?; // counts, so it comes first
        // SAFETY: as above. The interpreter itself stores this value in objects that shall live for ever; a reference
        // that is given back from now on, the one of this loop included, changes nothing.
        unsafe { count.write(IMMORTAL) };
    }
    Ok(changed)
}
