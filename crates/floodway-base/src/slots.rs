//! Slots with generations: how threads name a connection that only one of them owns.
//!
//! # Rules
//! - A [`Token`] is a slot's number and its generation, odd while it is live. Who holds an old
//!   token learns that from one load and touches nothing else.
//! - [`retire`](SlotTable::retire) ends a generation at once; [`release`](SlotTable::release)
//!   offers the slot again. Between the two its owner finishes (`EPOLL_CTL_DEL`, close), so no
//!   event of the old connection can meet the new one.
//! - A slot whose generations are used up is never offered again.
//!
//! # Theory
//! Any thread counts pending output, and may be late: the slot may have been retired and be somebody
//! else's by then. So the count and the generation are one word, and a late count finds another
//! generation and changes nothing. Control bits of a late thread may hit the successor's, which
//! costs it a look at its own state.
//!
//! A slot that is not live has nothing pending, so the link of the free list stands in place of the
//! count: a late count, which asks for its generation, cannot hit it. Latest first, so that the
//! slots in use stay warm and together.
//!
//! # Cost
//! 40 bytes a slot; chunks of 1,024, and an index of 1 KiB and another for every 65,536 slots. One short lock for `reserve` and
//! `release`, none for anything else.

use crate::limits::MAX_SLOTS;
use crate::once_table::OnceTable;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock};

const CHUNK_SLOTS: usize = 1_024;
const CHUNKS: usize = MAX_SLOTS / CHUNK_SLOTS;
/// Chunks whose places in the index are made together.
const GROUP_CHUNKS: usize = 64;

/// The end of the list of free slots.
const END: u32 = u32::MAX;
/// What stands in place of a link while a slot is not in the list.
const NOT_FREE: u32 = u32::MAX - 1;

#[cfg(not(loom))]
const _: () = assert!(size_of::<SharedSlot>() == 40);
const _: () = assert!(MAX_SLOTS.is_multiple_of(CHUNK_SLOTS) && MAX_SLOTS < NOT_FREE as usize);

/// A slot in one of its generations: the name under which threads and the kernel know a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The slot's number.
    pub slot: u32,
    /// Which of the slot's lives is meant.
    pub generation: u32,
}

impl Token {
    /// A slot in one of its generations.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// As one number, for the kernel to carry.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// From [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self {
            slot: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// What every thread may see of a slot.
#[derive(Debug)]
pub struct SharedSlot {
    /// The generation in the upper half, odd while the slot is live; in the lower half the bytes of
    /// output that were queued and not sent yet, or the link of the free list.
    life: AtomicU64,
    /// Bits of the connection layer; 0 for a new generation.
    pub control: AtomicU32,
    /// Payload bytes received. This and what follows is written by the connection's owner alone and
    /// means nothing before the owner has written it.
    pub bytes_in: AtomicU64,
    /// Payload bytes sent.
    pub bytes_out: AtomicU64,
    /// The peer's address, as the connection layer encodes it.
    pub peer: AtomicU64,
    /// The tick at which it was opened.
    pub opened: AtomicU32,
}

impl SharedSlot {
    fn generation(&self, ordering: Ordering) -> u32 {
        (self.life.load(ordering) >> 32) as u32
    }
}

/// See the module's text.
///
/// ```
/// let table = floodway_base::SlotTable::new();
/// let token = table.reserve().expect("there is room");
/// assert!(table.is_live(token));
/// assert!(table.retire(token) && !table.is_live(token));
/// table.release(token.slot);
/// let next = table.reserve().expect("there is room");
/// assert!(next.slot == token.slot && next != token);
/// ```
pub struct SlotTable {
    /// Set once each, in order, and never moved: a reference to a slot is good for the table's
    /// life.
    chunks: OnceTable<Box<Chunk>, GROUP_CHUNKS>,
    free: Mutex<FreeList>,
    made: AtomicU32,
}

struct FreeList {
    first: u32,
}

type Chunk = [SharedSlot; CHUNK_SLOTS];

impl SlotTable {
    /// A table without slots.
    pub fn new() -> Self {
        Self {
            chunks: OnceTable::new(CHUNKS),
            free: Mutex::new(FreeList { first: END }),
            made: AtomicU32::new(0),
        }
    }

    /// A slot in a new generation. `None` if [`MAX_SLOTS`] are in use (or worn out).
    ///
    /// # Panics
    /// If the free list is damaged, which would be a mistake in this file.
    pub fn reserve(&self) -> Option<Token> {
        let mut free = lock(&self.free);
        let slot = if free.first == END {
            self.make_slot()?
        } else {
            let slot = free.first;
            free.first = self.shared(slot).life.load(Ordering::Relaxed) as u32;
            assert!(free.first != NOT_FREE, "a slot was in the free list twice");
            slot
        };
        let shared = self.shared(slot);
        shared.control.store(0, Ordering::Relaxed);
        let generation = shared.generation(Ordering::Relaxed) + 1;
        debug_assert!(generation % 2 == 1);
        // Release: who sees the generation sees the fresh control word.
        shared
            .life
            .store(u64::from(generation) << 32, Ordering::Release);
        Some(Token { slot, generation })
    }

    /// Ends a token's generation; false if it had ended already. The slot is not offered again
    /// before [`release`](Self::release).
    pub fn retire(&self, token: Token) -> bool {
        // The last generation is followed by 0, which `release` recognises: a slot that is released
        // has been live, and but for this case its generation is above 0.
        let ended = token.generation.wrapping_add(1);
        token.generation % 2 == 1
            && self.get(token.slot).is_some_and(|shared| {
                shared
                    .life
                    .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |life| {
                        (life >> 32 == u64::from(token.generation))
                            .then_some(u64::from(ended) << 32 | u64::from(NOT_FREE))
                    })
                    .is_ok()
            })
    }

    /// Offers a retired slot again, once; to be called by the one who retired it.
    ///
    /// # Panics
    /// If the slot is live or free.
    pub fn release(&self, slot: u32) {
        let life = &self.shared(slot).life;
        let generation = (life.load(Ordering::Relaxed) >> 32) as u32;
        assert!(generation.is_multiple_of(2), "a live slot was released");
        if generation == 0 {
            return;
        }
        let mut free = lock(&self.free);
        assert!(
            life.load(Ordering::Relaxed) as u32 == NOT_FREE,
            "a slot was released twice"
        );
        life.store(
            u64::from(generation) << 32 | u64::from(free.first),
            Ordering::Relaxed,
        );
        free.first = slot;
    }

    /// Whether the token's generation has not ended.
    pub fn is_live(&self, token: Token) -> bool {
        token.generation % 2 == 1
            && self
                .get(token.slot)
                .is_some_and(|shared| shared.generation(Ordering::Acquire) == token.generation)
    }

    /// The token of a slot that is live.
    pub fn token(&self, slot: u32) -> Option<Token> {
        let generation = self.get(slot)?.generation(Ordering::Acquire);
        (generation % 2 == 1).then_some(Token { slot, generation })
    }

    /// The token of a slot that is live or was retired and not released yet.
    ///
    /// # Panics
    /// If no token with that slot was ever made.
    pub fn last_token(&self, slot: u32) -> Token {
        let generation = self.shared(slot).generation(Ordering::Acquire);
        let generation = if generation % 2 == 1 {
            generation
        } else {
            generation.wrapping_sub(1)
        };
        Token { slot, generation }
    }

    /// Adds `len` to a live token's pending bytes, unless they had reached `max` before: then `Err`
    /// with what was pending. `None`: the generation has ended. Any thread.
    pub fn add_pending(&self, token: Token, len: u32, max: u32) -> Option<Result<u32, u32>> {
        let shared = self.get(token.slot)?;
        let added = shared
            .life
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |life| {
                let pending = life as u32;
                let is_live =
                    token.generation % 2 == 1 && life >> 32 == u64::from(token.generation);
                (is_live && pending < max)
                    .then(|| life & !u64::from(u32::MAX) | u64::from(pending.saturating_add(len)))
            });
        match added {
            Ok(life) => Some(Ok((life as u32).saturating_add(len))),
            Err(life) if life >> 32 == u64::from(token.generation) => Some(Err(life as u32)),
            Err(_) => None,
        }
    }

    /// Takes `len` off a token's pending bytes; of an ended generation nothing is left to take.
    pub fn sub_pending(&self, token: Token, len: u32) {
        if let Some(shared) = self.get(token.slot) {
            // An error means that the generation has ended: nothing to do.
            let _ = shared
                .life
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |life| {
                    (life >> 32 == u64::from(token.generation)).then(|| {
                        life & !u64::from(u32::MAX) | u64::from((life as u32).saturating_sub(len))
                    })
                });
        }
    }

    /// A token's pending bytes; 0 once its generation has ended.
    pub fn pending(&self, token: Token) -> u32 {
        self.get(token.slot).map_or(0, |shared| {
            let life = shared.life.load(Ordering::Acquire);
            if life >> 32 == u64::from(token.generation) {
                life as u32
            } else {
                0
            }
        })
    }

    /// What all threads may see of a slot, whatever its generation.
    ///
    /// # Panics
    /// If no token with that slot was ever made.
    pub fn shared(&self, slot: u32) -> &SharedSlot {
        self.get(slot).expect("the slot was made by this table")
    }

    /// Slots ever made: live, retired and free.
    pub fn len(&self) -> usize {
        self.made.load(Ordering::Acquire) as usize
    }

    /// Whether no slot was ever made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens that were live when their slot was passed, in the slots' order.
    pub fn iter_live(&self) -> impl Iterator<Item = Token> {
        (0..self.len() as u32).filter_map(|slot| self.token(slot))
    }

    /// The next slot never used, in a new chunk if need be. Called under the lock.
    fn make_slot(&self) -> Option<u32> {
        let slot = self.made.load(Ordering::Relaxed);
        self.chunks
            .get_or_init(slot as usize / CHUNK_SLOTS, boxed_chunk)?;
        self.made.store(slot + 1, Ordering::Release);
        Some(slot)
    }

    fn get(&self, slot: u32) -> Option<&SharedSlot> {
        let chunk = self.chunks.get(slot as usize / CHUNK_SLOTS)?;
        Some(&chunk[slot as usize % CHUNK_SLOTS])
    }
}

impl Default for SlotTable {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SlotTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlotTable")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn boxed_chunk() -> Box<Chunk> {
    let slot = |_| SharedSlot {
        life: AtomicU64::new(0),
        control: AtomicU32::new(0),
        bytes_in: AtomicU64::new(0),
        bytes_out: AtomicU64::new(0),
        peer: AtomicU64::new(0),
        opened: AtomicU32::new(0),
    };
    let slots: Box<[SharedSlot]> = (0..CHUNK_SLOTS).map(slot).collect();
    slots.try_into().expect("as many as a chunk has")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Ordering, SlotTable, Token};

    /// In here because only here a slot can be aged by two billion lives.
    #[test]
    fn a_slot_whose_generations_are_used_up_is_never_offered_again() {
        let table = SlotTable::new();
        let slot = table.reserve().unwrap().slot;
        let last = Token::new(slot, u32::MAX);
        let life = u64::from(last.generation) << 32;
        table.shared(slot).life.store(life, Ordering::Relaxed);
        assert!(table.is_live(last) && table.retire(last) && !table.is_live(last));
        assert_eq!(table.last_token(slot), last);
        table.release(slot);
        assert_ne!(table.reserve().unwrap().slot, slot);
        assert!(!table.is_live(last) && table.token(slot).is_none());
    }
}
