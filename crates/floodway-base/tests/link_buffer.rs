//! `LinkBuffer` against a vector of bytes.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;

use floodway_base::{BlockPool, LinkBuffer, Reservation, Slice};
use floodway_testkit::config;
use floodway_testkit::strategies::{repetitive, small_or_large};
use proptest::prelude::*;

/// Fills room the way a receive does.
fn receive(buffer: &mut LinkBuffer, min: usize, data: &[u8]) {
    let space = buffer.receive_space(min, min);
    assert!(space.len() >= min.max(1));
    let n = data.len().min(space.len());
    for (to, from) in space.iter_mut().zip(data) {
        to.write(*from);
    }
    // SAFETY: the loop initialised the first `n` bytes.
    unsafe { buffer.received(n) };
    if n < data.len() {
        receive(buffer, min, &data[n..]);
    }
}

fn block(pool: &BlockPool, data: &[u8]) -> Slice {
    let mut block = pool.take(data.len());
    assert_eq!(block.extend(data), data.len());
    block.freeze().into()
}

fn buffer_of(pool: &BlockPool, pieces: &[&[u8]]) -> LinkBuffer {
    let mut buffer = LinkBuffer::new(pool.clone());
    for piece in pieces {
        buffer.push(block(pool, piece));
    }
    buffer
}

fn bytes(buffer: &LinkBuffer) -> Vec<u8> {
    buffer.chunks().collect::<Vec<_>>().concat()
}

#[test]
fn next_within_a_block_copies_nothing_and_across_blocks_copies_once() {
    let pool = BlockPool::new(0);
    let mut buffer = buffer_of(&pool, &[b"hello ", b"world", b"!"]);
    assert_eq!(&buffer.next(5).unwrap()[..], b"hello");
    assert_eq!(buffer.copied(), 0);
    assert_eq!(buffer.peek(6), Some(&b" world"[..]));
    assert_eq!(buffer.copied(), 6);
    assert_eq!(&buffer.next(6).unwrap()[..], b" world");
    assert_eq!(
        (buffer.take_copied(), buffer.copied(), buffer.len()),
        (6, 0, 1)
    );
}

#[test]
fn asking_for_too_much_takes_nothing() {
    let pool = BlockPool::new(0);
    let mut buffer = buffer_of(&pool, &[b"ab", b"c"]);
    assert!(buffer.peek(4).is_none() && buffer.next(4).is_none() && buffer.slice(4).is_none());
    assert!(!buffer.skip(usize::MAX));
    assert!(buffer.reserve(usize::MAX).is_none());
    assert_eq!(bytes(&buffer), b"abc");
}

#[test]
fn what_was_handed_out_survives_all_that_follows() {
    let pool = BlockPool::new(1 << 20);
    let mut buffer = LinkBuffer::new(pool.clone());
    receive(&mut buffer, 100, b"message one");
    let view = buffer.next(11).unwrap();
    receive(&mut buffer, 100, b"message two");
    assert_eq!(
        pool.blocks_in_use(),
        1,
        "the second message went behind the first one"
    );
    drop(buffer);
    drop(pool);
    assert_eq!(&view[..], b"message one");
}

#[test]
fn an_empty_buffer_begins_its_block_again_unless_a_view_is_left() {
    let pool = BlockPool::new(0);
    let mut buffer = LinkBuffer::new(pool.clone());
    receive(&mut buffer, 1, b"first");
    assert!(buffer.skip(5));
    assert_eq!(buffer.receive_space(4_096, 4_096).len(), 4_096);
    receive(&mut buffer, 1, b"second");
    let view = buffer.next(6).unwrap();
    assert_eq!(buffer.receive_space(1, 1).len(), 4_090);
    assert_eq!(&view[..], b"second");
}

#[test]
fn small_writes_make_one_chunk_and_an_appended_tail_goes_on() {
    let pool = BlockPool::new(0);
    let mut buffer = LinkBuffer::new(pool.clone());
    buffer.write(b"head, ");
    let mut other = LinkBuffer::new(pool);
    other.write(b"body");
    buffer.append(other);
    buffer.write(b", end");
    assert_eq!(
        buffer.chunks().collect::<Vec<_>>(),
        [&b"head, "[..], b"body, end"]
    );
    assert_eq!(buffer.copied(), 15);
}

#[test]
fn a_slice_shares_the_blocks() {
    let pool = BlockPool::new(0);
    let buffer = buffer_of(&pool, &[b"abc", b"def"]);
    let slice = buffer.slice(4).unwrap();
    assert_eq!(
        (bytes(&slice), bytes(&buffer)),
        (b"abcd".to_vec(), b"abcdef".to_vec())
    );
    assert_eq!((pool.blocks_in_use(), slice.copied()), (2, 0));
}

#[test]
fn a_reservation_is_read_only_once_committed_and_goes_to_the_end() {
    let pool = BlockPool::new(0);
    let mut buffer = LinkBuffer::new(pool.clone());
    buffer.write(b"a");
    let mut reservation = buffer.reserve(4).unwrap();
    reservation.as_mut_slice().copy_from_slice(b"cdXX");
    assert_eq!(bytes(&buffer), b"a");
    buffer.write(b"b");
    buffer.commit(reservation, 2).unwrap();
    buffer.write(b"e");
    assert_eq!(bytes(&buffer), b"abcde");
}

#[test]
fn a_reservation_shows_no_old_bytes_and_commits_no_unfilled_ones() {
    let pool = BlockPool::new(1 << 20);
    block(&pool, &[7; 4_096]);
    let mut buffer = LinkBuffer::new(pool);
    let untouched = buffer.reserve(8).unwrap();
    assert_eq!((untouched.size(), untouched.filled()), (8, 0));
    let mut reservation: Reservation = buffer.commit(untouched, 1).unwrap_err();
    assert_eq!(reservation.as_mut_slice(), [0; 8]);
    buffer.commit(reservation, 0).unwrap();
    assert!(buffer.is_empty());
}

#[test]
fn a_known_length_is_received_in_one_piece() {
    let pool = BlockPool::new(0);
    let mut buffer = buffer_of(&pool, &[b"ab", b"cd"]);
    buffer.make_contiguous(10_000);
    assert_eq!(buffer.copied(), 4);
    receive(&mut buffer, 9_996, &[b'x'; 9_996]);
    buffer.make_contiguous(10_000);
    assert_eq!(
        (buffer.chunks().count(), buffer.copied(), buffer.len()),
        (1, 4, 10_000)
    );
}

#[test]
fn the_front_is_lent_to_be_copied_if_it_lies_in_one_block() {
    let pool = BlockPool::new(0);
    let mut buffer = buffer_of(&pool, &[b"abc", b"def"]);
    assert_eq!(buffer.front_to_copy(2), Some(&b"ab"[..]));
    assert_eq!(buffer.front_to_copy(3), Some(&b"abc"[..]));
    assert_eq!(buffer.copied(), 5);
    assert_eq!(buffer.front_to_copy(4), None);
    assert_eq!(buffer.front_to_copy(7), None);
    assert_eq!((buffer.copied(), buffer.len()), (5, 6));
    assert_eq!(LinkBuffer::new(pool).front_to_copy(0), None);
}

#[test]
fn handles_are_small() {
    assert_eq!(size_of::<LinkBuffer>(), 80);
    assert_eq!(size_of::<Option<Slice>>(), 16);
}

#[derive(Clone, Debug)]
enum Operation {
    Write(Vec<u8>),
    Push(Vec<u8>),
    Receive { min: usize, data: Vec<u8> },
    Append(Vec<Vec<u8>>, Vec<u8>),
    Reserve { filled: Vec<u8>, more_room: usize },
    Commit(usize),
    Peek(usize),
    Next(usize),
    Read(usize),
    Copy(usize),
    Skip(usize),
    Find(Vec<u8>),
    Slice(usize),
    PopChunk,
    MakeContiguous(usize),
    Front(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let n =
        || prop_oneof![4 => 0_usize..50, 1 => 0_usize..if cfg!(miri) { 10_000 } else { 150_000 }];
    let pieces = prop::collection::vec(repetitive(5), 0..4);
    prop_oneof![
        2 => small_or_large().prop_map(Write),
        // Tiny chunks make many borders.
        4 => repetitive(4).prop_map(Push),
        2 => (n(), small_or_large()).prop_map(|(min, data)| Receive { min, data }),
        2 => (pieces, repetitive(9)).prop_map(|(pieces, written)| Append(pieces, written)),
        1 => (small_or_large(), n()).prop_map(|(filled, more_room)| Reserve { filled, more_room }),
        1 => n().prop_map(Commit),
        1 => n().prop_map(Peek),
        1 => n().prop_map(Next),
        1 => n().prop_map(Read),
        1 => n().prop_map(Copy),
        1 => n().prop_map(Skip),
        2 => repetitive(6).prop_map(Find),
        1 => n().prop_map(Slice),
        1 => Just(PopChunk),
        1 => n().prop_map(MakeContiguous),
        1 => n().prop_map(Front),
    ]
}

/// The buffer, what it should hold, and everything it has handed out with what that should be.
struct Checked {
    pool: BlockPool,
    buffer: LinkBuffer,
    model: VecDeque<u8>,
    views: Vec<(Slice, Vec<u8>)>,
    slices: Vec<(LinkBuffer, Vec<u8>)>,
    reservations: Vec<(Reservation, Vec<u8>)>,
}

impl Checked {
    fn new() -> Self {
        let pool = BlockPool::new(1 << 20);
        Self {
            buffer: LinkBuffer::new(pool.clone()),
            model: VecDeque::new(),
            views: Vec::new(),
            slices: Vec::new(),
            reservations: Vec::new(),
            pool,
        }
    }

    /// The model's first `n` bytes, if there are as many.
    fn front(&self, n: usize) -> Option<Vec<u8>> {
        (n <= self.model.len()).then(|| self.model.range(..n).copied().collect())
    }

    fn perform(&mut self, operation: Operation) {
        use Operation::*;
        match operation {
            Write(data) => {
                self.buffer.write(&data);
                self.model.extend(data);
            }
            Push(data) => {
                self.buffer.push(block(&self.pool, &data));
                self.model.extend(data);
            }
            Receive { min, data } => {
                receive(&mut self.buffer, min, &data);
                self.model.extend(data);
            }
            Append(pieces, written) => {
                let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
                let mut other = buffer_of(&self.pool, &pieces);
                other.write(&written);
                self.model.extend(bytes(&other));
                self.buffer.append(other);
            }
            Reserve { filled, more_room } => self.reserve(filled, more_room),
            Commit(n) => {
                if let Some((reservation, filled)) = self.reservations.pop() {
                    let n = n.min(filled.len());
                    self.buffer.commit(reservation, n).unwrap();
                    self.model.extend(&filled[..n]);
                }
            }
            Peek(n) => assert_eq!(self.front(n).as_deref(), self.buffer.peek(n)),
            Next(n) => {
                let view = self.buffer.next(n);
                let expected = self.front(n);
                assert_eq!(view.as_deref(), expected.as_deref());
                if let (Some(view), Some(expected)) = (view, expected) {
                    self.model.drain(..n);
                    self.views.push((view, expected));
                }
            }
            Read(n) => {
                let mut out = vec![0; n];
                let read = self.buffer.read(&mut out);
                assert_eq!(read, n.min(self.model.len()));
                assert!(self.model.drain(..read).eq(out[..read].iter().copied()));
            }
            Copy(n) => {
                let mut out = vec![0; n];
                let copied = self.buffer.copy_to_slice(&mut out);
                assert_eq!(
                    Some(&out[..copied]),
                    self.front(n.min(self.model.len())).as_deref()
                );
            }
            Skip(n) => {
                assert_eq!(self.buffer.skip(n), n <= self.model.len());
                if n <= self.model.len() {
                    self.model.drain(..n);
                }
            }
            Find(needle) => self.find(&needle),
            Slice(n) => {
                let slice = self.buffer.slice(n);
                let expected = self.front(n);
                assert_eq!(slice.is_some(), expected.is_some());
                self.slices.extend(slice.zip(expected));
            }
            PopChunk => {
                if let Some(chunk) = self.buffer.pop_chunk() {
                    assert!(self.model.drain(..chunk.len()).eq(chunk.iter().copied()));
                } else {
                    assert!(self.model.is_empty());
                }
            }
            MakeContiguous(capacity) => {
                self.buffer.make_contiguous(capacity);
                assert!(self.buffer.chunks().count() <= 1);
                let copied = self.buffer.copied();
                let room = capacity.saturating_sub(self.buffer.len());
                receive(&mut self.buffer, room, b"");
                self.buffer.make_contiguous(capacity);
                assert_eq!(
                    self.buffer.copied(),
                    copied,
                    "the room was behind the last byte"
                );
            }
            Front(n) => {
                let copied = self.buffer.copied();
                let expected = self.front(n);
                let in_one_block = self
                    .buffer
                    .chunks()
                    .next()
                    .is_some_and(|front| front.len() >= n);
                let front = self.buffer.front_to_copy(n);
                assert_eq!(front, expected.as_deref().filter(|_| in_one_block));
                let counted = if in_one_block { n as u64 } else { 0 };
                assert_eq!(self.buffer.copied(), copied + counted);
            }
        }
    }

    fn reserve(&mut self, filled: Vec<u8>, more_room: usize) {
        let mut reservation = self.buffer.reserve(filled.len() + more_room).unwrap();
        for (to, from) in reservation.spare_mut().iter_mut().zip(&filled) {
            to.write(*from);
        }
        // SAFETY: the loop initialised as many.
        unsafe { reservation.advance(filled.len()) };
        self.reservations.push((reservation, filled));
    }

    fn find(&mut self, needle: &[u8]) {
        let haystack = self.model.make_contiguous();
        let expected = if needle.is_empty() {
            Some(0)
        } else {
            haystack
                .windows(needle.len())
                .position(|window| window == needle)
        };
        assert_eq!(self.buffer.find(needle), expected);
    }

    fn check(&self) {
        assert_eq!(self.buffer.len(), self.model.len());
        assert_eq!(self.buffer.is_empty(), self.model.is_empty());
        assert!(self.buffer.chunks().all(|chunk| !chunk.is_empty()));
        assert!(self.buffer.chunks().flatten().eq(&self.model));
        for (view, expected) in &self.views {
            assert_eq!(&view[..], expected);
        }
        for (slice, expected) in &self.slices {
            assert_eq!(&bytes(slice), expected);
        }
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn it_behaves_as_a_vector_and_gives_all_blocks_back(
        operations in prop::collection::vec(operation(), 0..if cfg!(miri) { 12 } else { 60 }),
    ) {
        let mut checked = Checked::new();
        for operation in operations {
            checked.perform(operation);
            checked.check();
        }
        let pool = checked.pool.clone();
        drop(checked);
        prop_assert_eq!(pool.blocks_in_use(), 0);
        prop_assert!(pool.idle_bytes() <= 1 << 20);
    }
}
