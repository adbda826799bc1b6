//! Slots with generations, and the slab that follows their numbers.
#![cfg(not(loom))]

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use floodway_base::{SharedSlot, Slab, SlotTable, Token};
use floodway_testkit::config;
use proptest::prelude::*;

/// Miri takes its time.
const OPERATIONS: usize = if cfg!(miri) { 20 } else { 200 };

#[test]
fn an_old_token_is_dead_for_good() {
    let table = SlotTable::new();
    let old = table.reserve().unwrap();
    table.shared(old.slot).control.store(5, Relaxed);
    assert!(table.retire(old) && !table.retire(old));
    table.release(old.slot);
    let new = table.reserve().unwrap();
    assert_eq!((new.slot, new.generation), (old.slot, old.generation + 2));
    assert!(!table.is_live(old) && !table.retire(old) && table.is_live(new));
    assert_eq!(table.shared(new.slot).control.load(Relaxed), 0);
}

#[test]
fn a_retired_slot_is_not_offered_before_it_is_released() {
    let table = SlotTable::new();
    let first = table.reserve().unwrap();
    assert!(table.retire(first));
    assert_ne!(table.reserve().unwrap().slot, first.slot);
    table.release(first.slot);
    assert_eq!(table.reserve().unwrap().slot, first.slot);
}

#[test]
fn pending_bytes_are_judged_by_what_was_there_before() {
    let table = SlotTable::new();
    let token = table.reserve().unwrap();
    assert_eq!(table.add_pending(token, 90, 100), Some(Ok(90)));
    assert_eq!(
        table.add_pending(token, 50, 100),
        Some(Ok(140)),
        "one write may overshoot"
    );
    assert_eq!(table.add_pending(token, 1, 100), Some(Err(140)));
    table.sub_pending(token, 130);
    assert_eq!((table.pending(token), table.is_live(token)), (10, true));
    table.sub_pending(token, 11);
    assert_eq!((table.pending(token), table.is_live(token)), (0, true));
    assert_eq!(
        table.add_pending(token, u32::MAX, u32::MAX),
        Some(Ok(u32::MAX))
    );
    assert_eq!(
        (table.token(token.slot), table.pending(token)),
        (Some(token), u32::MAX)
    );
}

#[test]
fn a_late_count_does_not_reach_the_next_connection() {
    let table = SlotTable::new();
    let old = table.reserve().unwrap();
    table.add_pending(old, 5, 100);
    table.retire(old);
    assert_eq!(
        (table.add_pending(old, 5, 100), table.pending(old)),
        (None, 0)
    );
    assert_eq!(
        (table.token(old.slot), table.last_token(old.slot)),
        (None, old)
    );
    table.release(old.slot);
    let new = table.reserve().unwrap();
    assert_eq!((new.slot, table.pending(new)), (old.slot, 0));
    assert_eq!(table.add_pending(old, 5, 100), None);
    table.add_pending(new, 3, 100);
    table.sub_pending(old, 2);
    assert_eq!((table.pending(new), table.pending(old)), (3, 0));
}

#[test]
fn tokens_that_were_never_made_are_dead() {
    let table = SlotTable::new();
    for bits in [0, 1, 1 << 32, u64::MAX] {
        let token = Token::from_bits(bits);
        assert_eq!(token.to_bits(), bits);
        assert!(!table.is_live(token) && !table.retire(token));
    }
}

#[test]
#[should_panic(expected = "released twice")]
fn releasing_twice_is_noticed() {
    let table = SlotTable::new();
    let token = table.reserve().unwrap();
    table.retire(token);
    table.release(token.slot);
    table.release(token.slot);
}

#[test]
#[cfg_attr(miri, ignore = "thousands of slots take Miri a quarter of an hour")]
fn slots_never_move() {
    let table = SlotTable::new();
    let first: *const SharedSlot = table.shared(table.reserve().unwrap().slot);
    for _ in 0..3_000 {
        table.reserve().unwrap();
    }
    assert!(std::ptr::eq(first, table.shared(0)));
    assert_eq!((table.len(), table.iter_live().count()), (3_001, 3_001));
}

#[test]
fn threads_never_get_the_same_token() {
    let rounds: usize = if cfg!(miri) { 30 } else { 5_000 };
    let table = SlotTable::new();
    let seen = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut mine = Vec::new();
                for round in 0..rounds {
                    let token = table.reserve().unwrap();
                    mine.push(token);
                    if round % 3 != 0 {
                        assert!(table.is_live(token) && table.retire(token));
                        table.release(token.slot);
                    }
                }
                let mut seen = seen.lock().unwrap();
                assert!(mine.into_iter().all(|token| seen.insert(token)));
            });
        }
    });
    assert_eq!(table.iter_live().count(), 4 * rounds.div_ceil(3));
}

#[test]
fn a_slab_keeps_one_empty_chunk_and_frees_the_others() {
    let values = if cfg!(miri) { 1_100 } else { 5_000 };
    let mut slab = Slab::new();
    let numbers: Vec<u32> = (0..values).map(|value| slab.insert(value)).collect();
    assert!(numbers.iter().copied().eq(0..values));
    for number in numbers {
        slab.take(number);
    }
    assert!(slab.is_empty());
    // Seen from outside only by what `Debug` prints: all chunks are gone but the one that is kept.
    let printed = format!("{slab:?}");
    assert_eq!(printed.matches("Chunk {").count(), 1, "{printed}");
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_slab_is_a_map_that_chooses_the_lowest_free_number(
        operations in prop::collection::vec((0..4, 0..3_000_u32), 0..OPERATIONS),
    ) {
        let (mut slab, mut model) = (Slab::new(), BTreeMap::new());
        for (kind, index) in operations {
            match kind {
                0 => prop_assert_eq!(slab.put(index, index), model.insert(index, index)),
                1 => {
                    let free = (0..=3_000).find(|number| !model.contains_key(number)).unwrap();
                    model.insert(free, index);
                    prop_assert_eq!(slab.insert(index), free);
                }
                2 => prop_assert_eq!(slab.take(index), model.remove(&index)),
                _ => {
                    prop_assert_eq!(slab.get(index), model.get(&index));
                    prop_assert_eq!(slab.get_mut(index), model.get_mut(&index));
                }
            }
            prop_assert_eq!(slab.len(), model.len());
        }
        prop_assert!(slab.iter().eq(model.iter().map(|(number, value)| (*number, value))));
    }

    #[test]
    fn a_table_reuses_the_slot_that_was_released_last(
        operations in prop::collection::vec((any::<bool>(), any::<usize>()), 0..OPERATIONS),
    ) {
        let table = SlotTable::new();
        let (mut live, mut free, mut made) = (Vec::new(), Vec::new(), 0);
        for (reserve, which) in operations {
            if reserve {
                let token = table.reserve().unwrap();
                let expected = free.pop().unwrap_or_else(|| { made += 1; made - 1 });
                prop_assert_eq!(token.slot, expected);
                live.push(token);
            } else if !live.is_empty() {
                let token = live.swap_remove(which % live.len());
                prop_assert!(table.retire(token));
                table.release(token.slot);
                free.push(token.slot);
            }
        }
        prop_assert_eq!(table.len(), made as usize);
        live.sort_by_key(|token| token.slot);
        prop_assert!(table.iter_live().eq(live));
    }
}
