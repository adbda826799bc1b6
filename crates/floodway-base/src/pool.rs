//! Where a reactor's blocks come from and return to.
//!
//! # Rules
//! - One pool per reactor. `take` is correct from any thread and fast from one: its lock is then
//!   never contended.
//! - A block returns from whatever thread drops its last reference, without a lock.
//! - The pool outlives nothing: blocks in use may outlive it and then free themselves.
//!
//! # Theory
//! One shelf per size class: a lock-free stack to which blocks come home, and a chain for the
//! taker, who swaps the whole stack out when the chain is empty. What is idle beyond
//! `max_idle_bytes` is freed on arrival, so that a burst leaves behind at most that.
//!
//! # Cost
//! Some 60 ns each for taking and returning, most of it atomic instructions; `max_idle_bytes` of
//! memory at most.

use std::fmt;
use std::sync::Arc;

use crate::block::BlockMut;
use crate::limits::BLOCK_CLASS_BYTES;
use crate::raw_block::{IdleBlock, RawBlock};
use crate::stack::{Chain, Stack};
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

/// A source of blocks in the size classes of [`BLOCK_CLASS_BYTES`]. Clones are the same pool.
///
/// ```
/// use floodway_base::{BlockPool, limits::POOL_IDLE_BYTES};
///
/// let pool = BlockPool::new(POOL_IDLE_BYTES);
/// let block = pool.take(5_000);
/// assert_eq!(block.capacity(), 16_384);
/// drop(block);
/// assert_eq!((pool.blocks_in_use(), pool.idle_bytes()), (0, 16_384));
/// ```
#[derive(Clone)]
pub struct BlockPool {
    home: Arc<Home>,
}

impl BlockPool {
    /// An empty pool that keeps at most `max_idle_bytes` of blocks nobody uses.
    pub fn new(max_idle_bytes: usize) -> Self {
        let home = Home {
            shelves: BLOCK_CLASS_BYTES.map(|_| Shelf::new()),
            max_idle_bytes,
            idle_bytes: AtomicUsize::new(0),
            blocks_in_use: AtomicUsize::new(0),
        };
        Self {
            home: Arc::new(home),
        }
    }

    /// An empty block with room for at least `min_capacity` bytes: of the smallest class that fits,
    /// or, above the largest class, allocated to measure and freed when dropped.
    ///
    /// # Panics
    /// For 4 GiB or more. Every size a peer can influence is far below: `limits` asserts it.
    pub fn take(&self, min_capacity: usize) -> BlockMut {
        self.home.blocks_in_use.fetch_add(1, Ordering::Relaxed);
        let class = BLOCK_CLASS_BYTES
            .iter()
            .position(|&bytes| bytes >= min_capacity);
        let idle = class.and_then(|class| self.home.shelves[class].take());
        let raw = if let Some(idle) = idle {
            self.home
                .idle_bytes
                .fetch_sub(idle.capacity(), Ordering::Relaxed);
            idle.revive()
        } else {
            let capacity = class.map_or(min_capacity, |class| BLOCK_CLASS_BYTES[class]);
            RawBlock::allocate(capacity, Arc::downgrade(&self.home))
        };
        BlockMut::new(raw)
    }

    /// Blocks taken from this pool whose last reference is not dropped yet.
    pub fn blocks_in_use(&self) -> usize {
        self.home.blocks_in_use.load(Ordering::Relaxed)
    }

    /// Bytes of the blocks that wait to be taken again.
    pub fn idle_bytes(&self) -> usize {
        self.home.idle_bytes.load(Ordering::Relaxed)
    }
}

/// The half of the pool that blocks know: where they return to.
pub(crate) struct Home {
    shelves: [Shelf; BLOCK_CLASS_BYTES.len()],
    max_idle_bytes: usize,
    idle_bytes: AtomicUsize,
    blocks_in_use: AtomicUsize,
}

impl Home {
    pub(crate) fn receive(&self, block: IdleBlock) {
        // The counters are read by nobody who draws conclusions about memory, hence Relaxed
        // throughout.
        self.blocks_in_use.fetch_sub(1, Ordering::Relaxed);
        let bytes = block.capacity();
        let Some(class) = BLOCK_CLASS_BYTES.iter().position(|&class| class == bytes) else {
            return;
        };
        // Counted first and taken back on refusal: two threads returning at once may both be
        // refused at the edge, but the bound is never exceeded by what is kept.
        if self.idle_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max_idle_bytes {
            self.idle_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return;
        }
        self.shelves[class].returned.push(block);
    }
}

/// The idle blocks of one class.
struct Shelf {
    returned: Stack<IdleBlock>,
    kept: Mutex<Chain<IdleBlock>>,
}

impl Shelf {
    fn new() -> Self {
        Self {
            returned: Stack::new(),
            kept: Mutex::new(Chain::new()),
        }
    }

    fn take(&self) -> Option<IdleBlock> {
        let mut kept = lock(&self.kept);
        kept.next().or_else(|| {
            *kept = self.returned.take_all();
            kept.next()
        })
    }
}

impl fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockPool")
            .field("blocks_in_use", &self.blocks_in_use())
            .field("idle_bytes", &self.idle_bytes())
            .finish_non_exhaustive()
    }
}
