//! Blocks, slices and their way home.
#![cfg(not(loom))]

use std::sync::mpsc;
use std::thread;

use floodway_base::limits::BLOCK_CLASS_BYTES;
use floodway_base::{Block, BlockPool, Slice};

fn filled(pool: &BlockPool, data: &[u8]) -> Block {
    let mut block = pool.take(data.len());
    assert_eq!(block.extend(data), data.len());
    block.freeze()
}

#[test]
fn a_block_is_of_the_smallest_class_that_fits_or_made_to_measure() {
    let pool = BlockPool::new(usize::MAX);
    let capacities = [0, 1, 4_096, 4_097, 16_385, 65_536, 65_537].map(|n| pool.take(n).capacity());
    assert_eq!(
        capacities,
        [4_096, 4_096, 4_096, 16_384, 65_536, 65_536, 65_537]
    );
    assert_eq!(pool.idle_bytes(), BLOCK_CLASS_BYTES.iter().sum());
}

#[test]
fn a_block_is_used_again_and_begins_empty() {
    let pool = BlockPool::new(4_096);
    let first = pool.take(10).spare_mut().as_ptr();
    let second = &mut pool.take(10);
    assert_eq!(
        (second.spare_mut().as_ptr(), second.len(), pool.idle_bytes()),
        (first, 0, 0)
    );
}

#[test]
fn what_is_idle_stays_within_the_bound() {
    let pool = BlockPool::new(2 * 4_096);
    let blocks: Vec<_> = (0..5).map(|_| pool.take(1)).collect();
    assert_eq!(pool.blocks_in_use(), 5);
    drop(blocks);
    assert_eq!((pool.blocks_in_use(), pool.idle_bytes()), (0, 8_192));
}

#[test]
fn blocks_outlive_their_pool() {
    let pool = BlockPool::new(1 << 20);
    let block = filled(&pool, b"still here");
    drop(filled(&pool, b"idle"));
    drop(pool);
    assert_eq!(block.as_slice(), b"still here");
}

#[test]
fn slices_cut_without_copying() {
    let pool = BlockPool::new(0);
    let mut slice = Slice::new(filled(&pool, b"0123456789"), 1..9);
    assert_eq!(&slice.split_to(3)[..], b"123");
    slice.advance(1);
    slice.truncate(2);
    slice.truncate(100);
    assert_eq!((&slice[..], pool.blocks_in_use()), (&b"56"[..], 1));
}

#[test]
#[should_panic(expected = "outside of a block's content")]
fn a_slice_reaches_no_byte_that_was_not_filled() {
    let _ = Slice::new(filled(&BlockPool::new(0), b"abc"), 0..4);
}

#[test]
fn blocks_come_home_from_other_threads_while_their_owner_takes_more() {
    let rounds: u8 = if cfg!(miri) { 40 } else { 250 };
    let pool = BlockPool::new(1 << 20);
    let (sender, receiver) = mpsc::channel::<Block>();
    let (back, returned) = mpsc::channel::<Slice>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for block in receiver {
                back.send(Slice::from(block)).unwrap();
            }
        });
        scope.spawn(move || {
            for (round, slice) in (0..rounds).zip(returned) {
                assert_eq!(&slice[..], [round; 100]);
            }
        });
        for round in 0..rounds {
            sender.send(filled(&pool, &[round; 100])).unwrap();
        }
        drop(sender);
    });
    assert_eq!(pool.blocks_in_use(), 0);
    assert!(pool.idle_bytes() <= usize::from(rounds) * 4_096);
}
