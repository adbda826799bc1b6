//! A few numbers that several processes see: anonymous memory that a fork shares (mmap(2), `MAP_SHARED`).

use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::errno::Errno;

/// Numbers that every process forked from here shares with this one; 0 at first.
#[derive(Debug)]
pub struct SharedNumbers {
    start: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the memory is the value's own until it is dropped, and all that is reached through it are atomics.
unsafe impl Send for SharedNumbers {}
// SAFETY: as above.
unsafe impl Sync for SharedNumbers {}

impl SharedNumbers {
    /// So many numbers, all 0.
    ///
    /// # Errors
    /// `ENOMEM`, or `EINVAL` for none.
    pub fn new(len: usize) -> Result<Self, Errno> {
        // SAFETY: without an address of ours the kernel chooses one where nothing is.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len * size_of::<AtomicU64>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }
}

impl std::ops::Deref for SharedNumbers {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `len` numbers were mapped there, aligned to a page and zeroed, which is an AtomicU64; they stay until
        // `self` is dropped. Other processes change them as atomics only.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for SharedNumbers {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no reference outlives `self`.
        let unmapped = unsafe {
            munmap(
                self.start.as_ptr().cast(),
                self.len * size_of::<AtomicU64>(),
            )
        };
        debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
    }
}
