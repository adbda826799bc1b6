//! A byte queue made of shared blocks: the buffer behind every connection, and a class of its own
//! in Python.
//!
//! # Rules
//! - Three cursors: read <= flushed <= written. *Read* is the buffer's front; up to *flushed*
//!   readers may look; up to *written* a [`Reservation`] or a receive has filled bytes that no
//!   reader sees before they are committed.
//! - What was handed out (a [`Slice`]) keeps its block alive and never changes. There is no "valid
//!   until the next call".
//! - Asking for more bytes than there are is answered with `None` or `false` and takes nothing.
//! - Payload is copied in three functions only (`write`, `gather`, `copy_to_slice`), or by who asks
//!   for `front_to_copy`; each of them counts it: see [`copied`](LinkBuffer::copied).
//!
//! # Theory
//! All readable bytes are in a chain of slices. Beside it the buffer holds at most one `Tail`, the
//! right to fill the rest of a block; filling it lengthens the last slice of the chain in place
//! when that lies directly in front. So a byte is owned either by readers or by one writer, and
//! joining, cutting or sharing buffers moves 16-byte slices and no payload.
//!
//! # Cost
//! 80 bytes; the chain takes memory from its first slice on. A receive and a `next` within one block
//! cost the same at any size, an `append` moves 16 bytes a slice. `gather` copies once; its result
//! lies in one block, so asking again copies nothing.

use std::collections::VecDeque;
use std::fmt;
use std::mem::MaybeUninit;

use memchr::{memchr, memmem};

use crate::block::{Slice, Tail};
use crate::limits::{LARGEST_CLASS_BYTES, MAX_OUTPUT_BYTES};
use crate::pool::BlockPool;

/// See the module's text. Not shared between threads, but free to move between them.
///
/// ```
/// use floodway_base::{BlockPool, LinkBuffer};
///
/// let mut buffer = LinkBuffer::new(BlockPool::new(0));
/// buffer.write(b"GET key\r\nGET");
/// let end = buffer.find(b"\r\n").expect("a whole line has arrived");
/// let line = buffer.next(end).expect("find says there are that many");
/// assert!(buffer.skip(2));
/// assert_eq!((&line[..], buffer.len()), (&b"GET key"[..], 3));
/// ```
pub struct LinkBuffer {
    /// None of the slices is empty.
    chain: VecDeque<Slice>,
    tail: Option<Tail>,
    len: usize,
    copied: u64,
    pool: BlockPool,
}

impl LinkBuffer {
    /// An empty buffer that takes its blocks from `pool`.
    pub fn new(pool: BlockPool) -> Self {
        Self {
            chain: VecDeque::new(),
            tail: None,
            len: 0,
            copied: 0,
            pool,
        }
    }

    /// Bytes that can be read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Payload bytes this buffer has copied in its life, those of appended buffers included.
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// The same, beginning at 0 again: for adding it up elsewhere.
    pub fn take_copied(&mut self) -> u64 {
        std::mem::take(&mut self.copied)
    }

    // ---- reading ----

    /// The first `n` bytes as one piece, without taking them. Copies if they lie in several blocks,
    /// once.
    pub fn peek(&mut self, n: usize) -> Option<&[u8]> {
        self.gather(n)?;
        Some(self.chain.front().map_or(&[], |front| &front[..n]))
    }

    /// Takes the first `n` bytes as one piece. Copies if they lie in several blocks.
    pub fn next(&mut self, n: usize) -> Option<Slice> {
        self.gather(n)?;
        if n == 0 {
            return Some(self.pool.take(0).freeze().into());
        }
        let front = self.chain.front_mut()?;
        self.len -= n;
        if front.len() == n {
            self.chain.pop_front()
        } else {
            Some(front.split_to(n))
        }
    }

    /// Takes bytes from the front into `out`, as many as fit or exist, and returns how many.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let n = self.copy_to_slice(out);
        self.skip(n);
        n
    }

    /// Copies bytes from the front to `out` without taking them, as many as fit or exist, and
    /// returns how many.
    pub fn copy_to_slice(&mut self, out: &mut [u8]) -> usize {
        let mut copied = 0;
        for chunk in &self.chain {
            let n = chunk.len().min(out.len() - copied);
            out[copied..copied + n].copy_from_slice(&chunk[..n]);
            copied += n;
        }
        self.copied += copied as u64;
        copied
    }

    /// The first `n` bytes, if they lie in one block, for a caller that copies them: counts them as
    /// copied.
    pub fn front_to_copy(&mut self, n: usize) -> Option<&[u8]> {
        let front = self.chain.front()?.get(..n)?;
        self.copied += n as u64;
        Some(front)
    }

    /// Drops the first `n` bytes; false, and nothing happens, if there are fewer.
    pub fn skip(&mut self, n: usize) -> bool {
        if n > self.len {
            return false;
        }
        self.len -= n;
        let mut left = n;
        while left > 0 {
            let front = &mut self.chain[0];
            if left < front.len() {
                front.advance(left);
                break;
            }
            left -= front.len();
            self.chain.pop_front();
        }
        true
    }

    /// Where `needle` begins first, also if it lies across blocks. An empty needle is found at 0.
    ///
    /// Linear in the bytes searched, plus at most the square of the needle's length for every
    /// border between blocks.
    pub fn find(&self, needle: &[u8]) -> Option<usize> {
        let Some(&first) = needle.first() else {
            return Some(0);
        };
        let finder = memmem::Finder::new(needle);
        let mut before = 0;
        for (index, chunk) in self.chain.iter().enumerate() {
            if let Some(at) = finder.find(chunk) {
                return Some(before + at);
            }
            // What begins in the last `needle.len() - 1` bytes may end in the chunks behind; it
            // comes after every match that lies in the chunk as a whole.
            let mut at = (chunk.len() + 1).saturating_sub(needle.len());
            while let Some(step) = memchr(first, &chunk[at..]) {
                at += step;
                if self.matches_at(index, at, needle) {
                    return Some(before + at);
                }
                at += 1;
            }
            before += chunk.len();
        }
        None
    }

    /// The first `n` bytes as a buffer of its own that shares the blocks. Nothing is taken and
    /// nothing copied.
    pub fn slice(&self, n: usize) -> Option<Self> {
        if n > self.len {
            return None;
        }
        let mut slice = Self::new(self.pool.clone());
        for chunk in &self.chain {
            let mut chunk = chunk.clone();
            chunk.truncate(n - slice.len);
            slice.push(chunk);
            if slice.len == n {
                break;
            }
        }
        Some(slice)
    }

    /// The readable bytes in order, piece by piece; no piece is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().map(|slice| &**slice)
    }

    /// Takes the first piece.
    pub fn pop_chunk(&mut self) -> Option<Slice> {
        let front = self.chain.pop_front()?;
        self.len -= front.len();
        Some(front)
    }

    // ---- writing ----

    /// Copies `data` to the end.
    pub fn write(&mut self, mut data: &[u8]) {
        self.copied += data.len() as u64;
        while !data.is_empty() {
            // As large as what is there already: a buffer that grows takes few blocks, a small one
            // stays small.
            let wanted = data.len().max(self.len).min(LARGEST_CLASS_BYTES);
            let n = self.tail_with_room(1, wanted).extend(data);
            self.publish();
            data = &data[n..];
        }
    }

    /// Adds a slice at the end without a copy.
    pub fn push(&mut self, slice: Slice) {
        if slice.is_empty() {
            return;
        }
        self.len += slice.len();
        let unjoined = match self.chain.back_mut() {
            Some(back) => back.join(slice).err(),
            None => Some(slice),
        };
        self.chain.extend(unjoined);
    }

    /// Adds all of `other` at the end without a copy.
    pub fn append(&mut self, other: Self) {
        let Self {
            chain,
            tail,
            len: _,
            copied,
            pool: _,
        } = other;
        self.copied += copied;
        for slice in chain {
            self.push(slice);
        }
        // The tail behind the last byte is the one that can lengthen it in place.
        if tail.is_some() {
            self.tail = tail;
        }
    }

    /// Room for `n` bytes to be filled elsewhere and given back with [`commit`](Self::commit).
    /// `None` if `n` is larger than [`MAX_OUTPUT_BYTES`].
    ///
    /// The buffer can be used meanwhile: what is committed goes where the end is then.
    pub fn reserve(&mut self, n: usize) -> Option<Reservation> {
        if n > MAX_OUTPUT_BYTES {
            return None;
        }
        let tail = match self.tail.take_if(|tail| tail.room() >= n) {
            Some(tail) => tail,
            None => self.pool.take(n).into(),
        };
        Some(Reservation { size: n, tail })
    }

    /// Adds the first `n` bytes of what `reservation` has filled; hands it back if it has filled
    /// fewer.
    pub fn commit(&mut self, reservation: Reservation, n: usize) -> Result<(), Reservation> {
        if n > reservation.filled() {
            return Err(reservation);
        }
        let Reservation { mut tail, .. } = reservation;
        self.push(tail.flush(n));
        // The rest of the block is worth keeping unless a better one is here already.
        if self
            .tail
            .as_ref()
            .is_none_or(|kept| kept.room() < tail.room())
        {
            self.tail = Some(tail);
        }
        Ok(())
    }

    /// Room to receive into: what is left of the last block, if that is `min` bytes (and at least
    /// one), else a new block for `wanted`. Say with [`received`](Self::received) how much arrived.
    ///
    /// # Panics
    /// If `min` or `wanted` is 4 GiB or more; see [`BlockPool::take`].
    pub fn receive_space(&mut self, min: usize, wanted: usize) -> &mut [MaybeUninit<u8>] {
        let min = min.max(1);
        self.tail_with_room(min, wanted.max(min)).spare_mut()
    }

    /// Makes the first `n` bytes of the last [`receive_space`](Self::receive_space) readable.
    ///
    /// # Safety
    /// They were initialised, and nothing else was done with the buffer since.
    ///
    /// # Panics
    /// If there was less room than that.
    pub unsafe fn received(&mut self, n: usize) {
        let Some(tail) = &mut self.tail else {
            assert!(n == 0, "received without receive_space");
            return;
        };
        // SAFETY: the caller initialised the first `n` bytes of the room that `receive_space`
        // returned, and the tail is still the same.
        unsafe { tail.advance(n) };
        self.publish();
    }

    /// Moves everything into one block with room for at least `capacity` bytes in all, if it is not
    /// so already.
    ///
    /// For a frame whose length is known: what has arrived is copied once, the rest is received
    /// behind it, and the whole lies in one piece.
    ///
    /// # Panics
    /// If `capacity` is 4 GiB or more; see [`BlockPool::take`].
    pub fn make_contiguous(&mut self, capacity: usize) {
        let room_behind = match (&self.tail, self.chain.back()) {
            (Some(tail), Some(back)) if tail.continues(back) => tail.room(),
            (_, None) => return,
            _ => 0,
        };
        if self.chain.len() > 1 || self.len + room_behind < capacity {
            self.gather_into(self.len, capacity.max(self.len));
        }
    }

    // ---- within ----

    /// Makes the first `n` bytes lie in one slice.
    fn gather(&mut self, n: usize) -> Option<()> {
        if n > self.len {
            return None;
        }
        if self.chain.front().is_some_and(|front| front.len() < n) {
            self.gather_into(n, n);
        }
        Some(())
    }

    /// Copies the first `n` bytes, of which there must be as many, into one new block with room for
    /// `capacity`.
    fn gather_into(&mut self, n: usize, capacity: usize) {
        let mut block = self.pool.take(capacity);
        let mut left = n;
        for chunk in &self.chain {
            left -= block.extend(&chunk[..chunk.len().min(left)]);
        }
        self.copied += n as u64;
        self.skip(n);
        self.len += n;
        let mut tail = Tail::from(block);
        self.chain.push_front(tail.flush(n));
        if self.chain.len() == 1 {
            self.tail = Some(tail);
        }
    }

    /// Whether `needle` lies at byte `at` of chunk `index` and the chunks behind it.
    fn matches_at(&self, index: usize, at: usize, mut needle: &[u8]) -> bool {
        let mut at = at;
        for chunk in self.chain.range(index..) {
            let n = needle.len().min(chunk.len() - at);
            if chunk[at..at + n] != needle[..n] {
                return false;
            }
            needle = &needle[n..];
            at = 0;
        }
        needle.is_empty()
    }

    /// The tail, replaced by a block for `wanted` bytes if its room is less than `min`.
    fn tail_with_room(&mut self, min: usize, wanted: usize) -> &mut Tail {
        if let Some(tail) = &mut self.tail {
            tail.rewind();
        }
        let kept = self.tail.take_if(|tail| tail.room() >= min);
        self.tail
            .insert(kept.unwrap_or_else(|| self.pool.take(wanted).into()))
    }

    /// Makes readable what the tail has filled.
    fn publish(&mut self) {
        if let Some(tail) = &mut self.tail {
            let filled = tail.flush(tail.unflushed());
            self.push(filled);
        }
    }
}

impl fmt::Debug for LinkBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkBuffer")
            .field("len", &self.len)
            .field("chunks", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Room in a block that is being filled outside of its buffer; it owns the memory, so it may live
/// as long as it likes.
pub struct Reservation {
    tail: Tail,
    size: usize,
}

impl Reservation {
    /// Bytes it was asked for.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes it has filled.
    pub fn filled(&self) -> usize {
        self.tail.unflushed()
    }

    /// The room that is not filled yet.
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let left = self.size - self.filled();
        &mut self.tail.spare_mut()[..left]
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
            n <= self.size - self.filled(),
            "advanced past the end of a reservation"
        );
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.tail.advance(n) };
    }

    /// All of it, of which what was not filled is zeroed first and counts as filled from now on.
    ///
    /// This is what a writable view of Python shows: blocks are used again, and what another
    /// connection left in one is nobody's business. The memory stays where it is while the
    /// reservation lives, also when that is moved.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let left = self.size - self.filled();
        self.spare_mut().fill(MaybeUninit::new(0));
        // SAFETY: the line above initialised the room, which is `left` bytes long.
        unsafe { self.tail.advance(left) };
        self.tail.unflushed_mut()
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({} of {} bytes)", self.filled(), self.size)
    }
}
