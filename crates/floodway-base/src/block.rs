//! Blocks as the rest of the core sees them: one writer, or any number of readers, for every byte.
//!
//! # Rules
//! | handle | may write | may read | made from |
//! | --- | --- | --- | --- |
//! | [`BlockMut`] | everything | what it has filled | the pool |
//! | [`Block`] | nothing | what was filled when it was frozen | `BlockMut::freeze` |
//! | [`Slice`] | nothing | its range | a `Block`, or a `Tail` |
//! | `Tail` | what is not filled yet | nothing | a `BlockMut` |
//!
//! # Theory
//! A block has at most one writing handle. A `Tail` writes behind the bytes it has already shared:
//! writer and readers meet in the same block but never in the same byte, so a message can be handed
//! on without a copy while the next one is being received behind it. How much is filled stands in
//! each handle and not in the block: no reader looks at a number that a writer changes.
//!
//! # Cost
//! 16 bytes a handle.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::{Deref, Range};
use std::{ptr, slice};

use crate::raw_block::RawBlock;

/// A block that nobody else refers to, being filled from its front.
///
/// ```
/// # let pool = floodway_base::BlockPool::new(0);
/// let mut block = pool.take(16);
/// assert_eq!(block.extend(b"hello"), 5);
/// assert_eq!(block.freeze().as_slice(), b"hello");
/// ```
pub struct BlockMut {
    raw: RawBlock,
    /// Bytes at the front that are initialised; at most the capacity.
    len: u32,
}

impl BlockMut {
    /// `raw` has to be the block's one reference.
    pub(crate) fn new(raw: RawBlock) -> Self {
        debug_assert!(raw.is_unique());
        Self { raw, len: 0 }
    }

    /// Bytes the block can hold.
    pub fn capacity(&self) -> usize {
        self.raw.capacity()
    }

    /// Bytes it holds.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it holds.
    pub fn filled(&self) -> &[u8] {
        // SAFETY: `len` bytes at the front are initialised, and nobody else refers to the block.
        unsafe { slice::from_raw_parts(self.raw.data().cast(), self.len()) }
    }

    /// The room behind what it holds. Say with [`advance`](Self::advance) how much of it was
    /// filled.
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let room = self.capacity() - self.len();
        // SAFETY: `len` is at most the capacity, and the bytes from there on belong to the one
        // writing handle: this one, borrowed mutably. Readers of a `Tail`'s block have ranges in
        // front of it only.
        unsafe { slice::from_raw_parts_mut(self.raw.data().add(self.len()), room) }
    }

    /// Counts the first `n` bytes of the room as filled.
    ///
    /// # Safety
    /// They were initialised.
    ///
    /// # Panics
    /// If there is less room than that.
    pub unsafe fn advance(&mut self, n: usize) {
        assert!(
            n <= self.capacity() - self.len(),
            "advanced past the end of a block"
        );
        self.len += n as u32;
    }

    /// Copies from the front of `data` what fits, and returns how many bytes that were.
    pub fn extend(&mut self, data: &[u8]) -> usize {
        let spare = self.spare_mut();
        let n = data.len().min(spare.len());
        // SAFETY: `n` bytes are within both, and room that is borrowed mutably overlaps with
        // nothing.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), spare.as_mut_ptr().cast(), n) };
        // SAFETY: the line above initialised them.
        unsafe { self.advance(n) };
        n
    }

    /// The block with its content, to be shared.
    pub fn freeze(self) -> Block {
        Block {
            raw: self.raw,
            len: self.len,
        }
    }
}

impl fmt::Debug for BlockMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockMut({} of {} bytes)", self.len, self.capacity())
    }
}

/// A block whose content no longer changes; clones share it, from any thread.
#[derive(Clone)]
pub struct Block {
    raw: RawBlock,
    len: u32,
}

impl Block {
    /// The content.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `len` bytes at the front were initialised before the block was frozen, and a
        // frozen block has no writing handle.
        unsafe { slice::from_raw_parts(self.raw.data().cast(), self.len as usize) }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.len)
    }
}

/// A range of a block that keeps the block alive.
///
/// Its bytes never change, whatever happens to the buffer, the pool or the reactor it came from.
#[derive(Clone)]
pub struct Slice {
    raw: RawBlock,
    start: u32,
    end: u32,
}

const _: () = assert!(size_of::<Option<Slice>>() == 16);

impl Slice {
    /// The bytes `range` of `block`.
    ///
    /// # Panics
    /// As slicing does, if the range is not within the block's content.
    pub fn new(block: Block, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= block.len as usize,
            "range outside of a block's content"
        );
        Self {
            raw: block.raw,
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    /// Drops `n` bytes from the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advanced past the end of a slice");
        self.start += n as u32;
    }

    /// Takes the first `n` bytes off, sharing the block.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use = "to drop them, there is `advance`"]
    pub fn split_to(&mut self, n: usize) -> Self {
        let mut front = self.clone();
        front.truncate(n);
        self.advance(n);
        front
    }

    /// Keeps the first `n` bytes; without effect if there are no more than that.
    pub fn truncate(&mut self, n: usize) {
        if n < self.len() {
            self.end = self.start + n as u32;
        }
    }

    /// Adds `next` at the end if it lies directly behind in the same block; hands it back
    /// otherwise.
    pub(crate) fn join(&mut self, next: Self) -> Result<(), Self> {
        if self.end == next.start && self.raw.is_same_block(&next.raw) {
            self.end = next.end;
            Ok(())
        } else {
            Err(next)
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start <= end`, and the range was initialised before the slice was made: it was
        // checked against a block's content (`new`), or flushed by a `Tail`, which from then on
        // writes behind it only.
        unsafe {
            slice::from_raw_parts(
                self.raw.data().add(self.start as usize).cast(),
                (self.end - self.start) as usize,
            )
        }
    }
}

impl From<Block> for Slice {
    fn from(block: Block) -> Self {
        let len = block.len as usize;
        Self::new(block, 0..len)
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.len())
    }
}

/// The right to fill what is left of a block whose front may be shared: flushed <= written.
///
/// Up to `flushed` the block's bytes may have readers; between there and what the inner handle has
/// filled they are ours alone. The inner handle's own `filled` would alias the shared part and is
/// not used.
pub(crate) struct Tail {
    block: BlockMut,
    flushed: usize,
}

impl Tail {
    /// Bytes that can still be filled.
    pub(crate) fn room(&self) -> usize {
        self.block.capacity() - self.block.len()
    }

    /// Bytes that are filled and not flushed.
    pub(crate) fn unflushed(&self) -> usize {
        self.block.len() - self.flushed
    }

    pub(crate) fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.block.spare_mut()
    }

    /// # Safety
    /// As for [`BlockMut::advance`].
    pub(crate) unsafe fn advance(&mut self, n: usize) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.block.advance(n) };
    }

    pub(crate) fn extend(&mut self, data: &[u8]) -> usize {
        self.block.extend(data)
    }

    pub(crate) fn unflushed_mut(&mut self) -> &mut [u8] {
        let (flushed, n) = (self.flushed, self.unflushed());
        // SAFETY: these bytes are initialised, since the inner handle counts them as filled, and no
        // slice of them exists, since slices are made by `flush` alone, which moves the cursor past
        // them.
        unsafe { slice::from_raw_parts_mut(self.block.raw.data().add(flushed).cast(), n) }
    }

    /// Shares the next `n` bytes that were filled and forgets what was filled behind them.
    pub(crate) fn flush(&mut self, n: usize) -> Slice {
        assert!(
            n <= self.unflushed(),
            "flushed past the end of what was filled"
        );
        let start = self.flushed;
        self.flushed += n;
        self.block.len = self.flushed as u32;
        Slice {
            raw: self.block.raw.clone(),
            start: start as u32,
            end: self.block.len,
        }
    }

    /// Whether the byte that is filled next lies directly behind `slice`.
    pub(crate) fn continues(&self, slice: &Slice) -> bool {
        self.block.len == slice.end && self.block.raw.is_same_block(&slice.raw)
    }

    /// Begins at the block's front again if nobody reads from it any more.
    pub(crate) fn rewind(&mut self) {
        if self.block.raw.is_unique() {
            self.flushed = 0;
            self.block.len = 0;
        }
    }
}

impl From<BlockMut> for Tail {
    fn from(block: BlockMut) -> Self {
        Self { block, flushed: 0 }
    }
}
