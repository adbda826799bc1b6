//! One reference-counted allocation, and where it goes when the last reference is dropped.
//!
//! # Rules
//! - Only this file touches the header, and only `block.rs` uses this file's handles.
//! - Payload bytes are uninitialised until somebody says otherwise; the handles of `block.rs` say
//!   which are not.
//!
//! # Theory
//! Header and payload are one allocation, so that a [`Slice`](crate::Slice) is a thin pointer and
//! two `u32`: 16 bytes. The header holds a weak pointer to the pool's shared half, set once and
//! never changed: idle blocks in the pool do not keep it alive (it frees them when it goes), and
//! blocks in use find it or, when the reactor is gone, free themselves.
//!
//! # Cost
//! 32 bytes a block; a clone is one relaxed increment, the last drop some 60 ns for the way home.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::Weak;

use crate::pool::Home;
use crate::stack::Linked;
use crate::sync::{AtomicUsize, Ordering, fence};

pub(crate) struct Header {
    references: AtomicUsize,
    /// Used while the block is idle in its pool, see `Linked`.
    link: *mut Header,
    home: Weak<Home>,
    capacity: u32,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Header>() == 32);

/// The payload begins where the header ends: both are aligned to the header's alignment.
fn layout(capacity: usize) -> Layout {
    let size = size_of::<Header>() + capacity;
    Layout::from_size_align(size, align_of::<Header>()).expect("a capacity is at most u32::MAX")
}

/// A counted reference to a block.
pub(crate) struct RawBlock {
    header: NonNull<Header>,
}

// SAFETY: the header's shared parts are atomic or constant while references exist, and payload
// access is governed by the handles of `block.rs`, which follow Rust's rule of one writer or many
// readers for every byte.
unsafe impl Send for RawBlock {}
// SAFETY: as above.
unsafe impl Sync for RawBlock {}

impl RawBlock {
    /// A block with one reference. Ends the process when memory is exhausted, as every Rust
    /// allocation does.
    pub(crate) fn allocate(capacity: usize, home: Weak<Home>) -> Self {
        let capacity_u32 = u32::try_from(capacity)
            .expect("a block holds less than 4 GiB: callers check sizes against limits.rs");
        let layout = layout(capacity);
        // SAFETY: the layout's size is not zero, since the header's is not.
        let memory = unsafe { alloc(layout) };
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "the layout has the header's alignment"
        )]
        let header = NonNull::new(memory.cast::<Header>());
        let header = header.unwrap_or_else(|| handle_alloc_error(layout));
        let content = Header {
            references: AtomicUsize::new(1),
            link: ptr::null_mut(),
            home,
            capacity: capacity_u32,
        };
        // SAFETY: freshly allocated with the header's alignment and at least its size.
        unsafe { header.write(content) };
        Self { header }
    }

    fn header(&self) -> &Header {
        // SAFETY: the header is alive while a reference exists, and while one exists nobody writes
        // to its plain fields (`link` is written only once the last reference has become an
        // `IdleBlock`). The reference covers the header and no payload byte, so it cannot alias a
        // payload slice.
        unsafe { self.header.as_ref() }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.header().capacity as usize
    }

    /// The first payload byte; valid for `capacity()` bytes as long as this reference lives.
    pub(crate) fn data(&self) -> *mut MaybeUninit<u8> {
        // SAFETY: the payload follows the header in the same allocation, from which `header` was
        // made.
        unsafe { self.header.as_ptr().add(1).cast() }
    }

    pub(crate) fn is_same_block(&self, other: &Self) -> bool {
        self.header == other.header
    }

    /// Whether no other reference exists. Reads and writes of former holders happen before a
    /// `true`.
    pub(crate) fn is_unique(&self) -> bool {
        self.header().references.load(Ordering::Acquire) == 1
    }
}

impl Clone for RawBlock {
    fn clone(&self) -> Self {
        // Relaxed, as in `Arc`: who clones has a reference, so the count cannot reach zero
        // meanwhile. Overflow would take 2^64 forgotten references.
        self.header().references.fetch_add(1, Ordering::Relaxed);
        Self {
            header: self.header,
        }
    }
}

impl Drop for RawBlock {
    fn drop(&mut self) {
        // Release and acquire, as in `Arc`: all use of the payload happens before its reuse.
        if self.header().references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let home = self.header().home.upgrade();
        let idle = IdleBlock {
            header: self.header,
        };
        match home {
            Some(home) => home.receive(idle),
            None => drop(idle),
        }
    }
}

/// A block without references: waiting in its pool, or about to be freed by being dropped.
pub(crate) struct IdleBlock {
    header: NonNull<Header>,
}

// SAFETY: an idle block has one owner and no thread affinity.
unsafe impl Send for IdleBlock {}

impl IdleBlock {
    pub(crate) fn capacity(&self) -> usize {
        // SAFETY: an idle block is alive until dropped.
        unsafe { self.header.as_ref() }.capacity as usize
    }

    /// Back into use, with one reference.
    pub(crate) fn revive(self) -> RawBlock {
        let block = RawBlock {
            header: self.header,
        };
        std::mem::forget(self);
        // Relaxed: the block has one owner now, and whoever gets a reference later gets it from
        // that owner.
        block.header().references.store(1, Ordering::Relaxed);
        block
    }
}

impl Drop for IdleBlock {
    fn drop(&mut self) {
        let layout = layout(self.capacity());
        // SAFETY: the header is alive and nobody uses it after this.
        unsafe { self.header.drop_in_place() };
        // SAFETY: it was allocated with this very layout, since a capacity never changes.
        unsafe { dealloc(self.header.as_ptr().cast(), layout) };
    }
}

// SAFETY: the pointer is given up and taken back as it is; the link lies in the header and is used
// for nothing else.
unsafe impl Linked for IdleBlock {
    type Node = Header;

    fn into_node(self) -> NonNull<Header> {
        let header = self.header;
        std::mem::forget(self);
        header
    }

    unsafe fn from_node(node: NonNull<Header>) -> Self {
        Self { header: node }
    }

    unsafe fn link(node: NonNull<Header>) -> *mut *mut Header {
        // SAFETY: by contract the block is alive, so the address of a field of its header is in
        // bounds.
        unsafe { &raw mut (*node.as_ptr()).link }
    }
}
