//! Ceilings: what no configuration may exceed, with the unit last in each name.
//!
//! Defaults are Python's (`floodway.limits`); these are the bounds within which the core's
//! arithmetic was written. Their relations are asserted below, at compile time, so that changing
//! one shows what depends on it.

/// Most bytes of undelivered input one connection may hold, and so the longest frame a framing may
/// be asked for.
pub const MAX_INPUT_BYTES: usize = 64 << 20;

/// Most bytes one connection may have queued for output, and the most one write may bring.
///
/// What is queued is judged before a write, so one write can come on top of a full queue; see the
/// assertion below.
pub const MAX_OUTPUT_BYTES: usize = 1 << 30;

/// Most bytes one read may ask the kernel for: more than this and one connection delays its
/// neighbours.
pub const READ_CHUNK_BYTES: usize = 256 << 10;

/// Most events one batch may hand to Python.
pub const MAX_BATCH_EVENTS: usize = 65_536;

/// Most descriptors one wait may report.
pub const MAX_READY_DESCRIPTORS: usize = 4_096;

/// Length of a timer tick in milliseconds, and so the precision of every timeout.
pub const TICK_MILLIS: u32 = 10;

/// Capacities of pooled blocks in bytes, smallest first. What needs more is allocated to measure
/// and never pooled.
pub const BLOCK_CLASS_BYTES: [usize; 3] = [4_096, 16_384, 65_536];

/// Idle blocks a pool keeps unless told otherwise, in bytes.
pub const POOL_IDLE_BYTES: usize = 4 << 20;

/// Most slots one table hands out; the table's index is sized by it (16 bytes for every 65,536).
pub const MAX_SLOTS: usize = 4 << 20;

/// The largest pooled block.
pub(crate) const LARGEST_CLASS_BYTES: usize = BLOCK_CLASS_BYTES[BLOCK_CLASS_BYTES.len() - 1];

const _: () = {
    // Pending output is counted in a u32: a full queue plus the one write that overshoots it has to
    // fit.
    assert!(2 * MAX_OUTPUT_BYTES <= u32::MAX as usize);
    // A codec remembers in a u32 how far it has searched, and a slice is a pair of u32.
    assert!(MAX_INPUT_BYTES <= u32::MAX as usize);
    assert!(
        MAX_INPUT_BYTES <= MAX_OUTPUT_BYTES,
        "what came in can be sent on"
    );
    assert!(READ_CHUNK_BYTES <= MAX_INPUT_BYTES);
    // One wait must not report more than a batch can carry.
    assert!(MAX_READY_DESCRIPTORS <= MAX_BATCH_EVENTS);
    assert!(
        1_000 % TICK_MILLIS == 0,
        "a second is a whole number of ticks"
    );
    let mut class = 1;
    while class < BLOCK_CLASS_BYTES.len() {
        assert!(BLOCK_CLASS_BYTES[class - 1] < BLOCK_CLASS_BYTES[class]);
        class += 1;
    }
    assert!(
        LARGEST_CLASS_BYTES <= POOL_IDLE_BYTES,
        "a pool can keep one block of each class"
    );
    assert!(LARGEST_CLASS_BYTES <= READ_CHUNK_BYTES);
    assert!(MAX_SLOTS < u32::MAX as usize);
};
