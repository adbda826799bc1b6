//! `Names`: what the names of headers become in Python, remembered.

use pyo3::prelude::*;

/// Objects of the names that came lately: a table in which a name has one place, and the last one keeps it. So no client can
/// fill the memory with names.
pub(crate) struct Names<T>([Option<Name<T>>; PLACES]);

/// The name of a header in lower case, and what it becomes.
type Name<T> = (Box<[u8]>, Py<T>);

const PLACES: usize = 64;

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self([const { None }; PLACES])
    }
}

impl<T> Names<T> {
    /// The object of a name, made by `make` if it is not known. None: `make` makes none of it.
    pub(crate) fn get(
        &mut self,
        name: &[u8],
        make: impl FnOnce() -> Option<Py<T>>,
    ) -> Option<&Py<T>> {
        let ends = usize::from(*name.first()?) * 31 + usize::from(*name.last()?);
        let place = (ends + name.len() * 7) % PLACES;
        let known = matches!(&self.0[place], Some((known, _)) if **known == *name);
        if !known {
            self.0[place] = Some((name.into(), make()?));
        }
        self.0[place].as_ref().map(|(_, object)| object)
    }
}
