//! The Python objects of a reactor's connections, by slot.
//!
//! There is at most one for a connection, so identity holds. One that nobody refers to, and in which nobody keeps anything,
//! is dropped again when the batch is over: nobody can tell, and a million idle connections cost 48 bytes less each. Those
//! of the first slots stay, so that few busy connections do not pay for it. Without the GIL they all stay: whether
//! somebody refers to an object cannot be known there.

use floodway_base::Token;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::connection::Connection;

/// Slots below this one keep their objects.
const KEPT: u32 = 256;
/// The most objects that are looked at after a batch; what is used beyond stays until it is used again.
const MAX_USED: usize = 4_096;
/// Whether an object's count of references is all there is to know, as it is with the GIL.
const COUNTS: bool = size_of::<ffi::PyObject>() == 2 * size_of::<usize>();

/// See the module text.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    by_slot: Vec<Option<Py<Connection>>>,
    /// Slots whose objects were used since the last look.
    used: Vec<u32>,
}

impl Objects {
    pub(crate) fn get(&mut self, token: Token) -> Option<&Py<Connection>> {
        let object = self.by_slot.get(token.slot as usize)?.as_ref()?;
        if object.get().token != token {
            return None;
        }
        if self.used.last() != Some(&token.slot) {
            note(&mut self.used, token.slot);
        }
        Some(object)
    }

    /// Returns the object that was there, for the caller to drop outside of the lock.
    pub(crate) fn put(&mut self, token: Token, object: Py<Connection>) -> Option<Py<Connection>> {
        let slot = token.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize_with(slot + 1, || None);
        }
        note(&mut self.used, token.slot);
        self.by_slot[slot].replace(object)
    }

    /// Takes the object of this connection out.
    pub(crate) fn take(&mut self, token: Token) -> Option<Py<Connection>> {
        let entry = self.by_slot.get_mut(token.slot as usize)?;
        entry.take_if(|object| object.get().token == token)
    }

    /// Takes those out that were used and that nobody would miss.
    pub(crate) fn take_unmissed(&mut self, py: Python<'_>) -> Vec<Py<Connection>> {
        let by_slot = &mut self.by_slot;
        let is_missed = |object: &Py<Connection>| {
            object.get_refcnt(py) > 1 || object.get().has_user_data(object.bind(py))
        };
        self.used
            .drain(..)
            .filter_map(|slot| {
                by_slot
                    .get_mut(slot as usize)?
                    .take_if(|object| !is_missed(object))
            })
            .collect()
    }

    /// Takes all of them out.
    pub(crate) fn take_all(&mut self) -> Vec<Option<Py<Connection>>> {
        std::mem::take(&mut self.by_slot)
    }
}

fn note(used: &mut Vec<u32>, slot: u32) {
    if COUNTS && slot >= KEPT && used.len() < MAX_USED {
        used.push(slot);
    }
}
