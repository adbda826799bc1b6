//! The server under load, as far as the generator looks at it.

use crate::error::LoadError;
use crate::usage::{Memory, ProcessTree};

/// The server's process tree, and what was seen of its memory.
pub(crate) struct Server {
    pub(crate) tree: ProcessTree,
    pub(crate) before: Memory,
    pub(crate) connected: Memory,
    pub(crate) peak_resident_bytes: u64,
}

impl Server {
    pub(crate) fn new(pid: u32) -> Result<Self, LoadError> {
        let tree = ProcessTree::new(pid).ok_or(LoadError::NoSuchProcess(pid))?;
        let before = tree.memory();
        Ok(Self {
            tree,
            before,
            connected: before,
            peak_resident_bytes: before.resident_bytes,
        })
    }

    pub(crate) fn memory(&mut self) -> Memory {
        let memory = self.tree.memory();
        self.peak_resident_bytes = self.peak_resident_bytes.max(memory.resident_bytes);
        memory
    }

    pub(crate) fn resident_bytes(&mut self) -> u64 {
        let resident = self.tree.resident_bytes();
        self.peak_resident_bytes = self.peak_resident_bytes.max(resident);
        resident
    }
}
