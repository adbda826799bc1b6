//! A connection's pending output: small writes gathered in one tail, large ones queued by reference.
//!
//! # Where small writes lie
//! Most of what a batch writes is sent when the batch ends, so it is gathered in one area for all connections of a
//! reactor: no block is taken and given back for it, and the bytes lie close together. The area is used again for the
//! next batch. What the kernel does not take is therefore moved into a block of its own at once (`leave_area`): bytes
//! that wait in an area would be overwritten.
//!
//! # Files
//! A part of a file has its place among the segments, and costs no memory: `len` counts bytes in memory alone. To the question
//! whether the peer is behind (`is_behind`) a file that waits means yes, however short it is.

use std::collections::VecDeque;
use std::io::IoSlice;

use floodway_base::{BlockMut, BlockPool, LinkBuffer, Slice};

use crate::message::{FilePart, Payload};

/// The most segments of one `sendmsg`: `IOV_MAX` on Linux and the BSDs.
pub(crate) const SEGMENTS_PER_SEND: usize = 1_024;

/// The most bytes of small writes of one batch that the area holds; further ones go into blocks.
const AREA_BYTES: usize = 256 * 1024;

/// The small writes of a batch, of all connections of a reactor.
#[derive(Debug)]
pub(crate) struct OutArea(Vec<u8>);

impl OutArea {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(AREA_BYTES))
    }

    /// To be called when no queue has bytes in it.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends a copy and says where it begins; None: there is no room.
    fn extend(&mut self, bytes: &[u8]) -> Option<u32> {
        let start = self.0.len();
        (bytes.len() <= self.0.capacity() - start).then(|| {
            self.0.extend_from_slice(bytes);
            start as u32
        })
    }

    fn end(&self) -> u32 {
        self.0.len() as u32
    }
}

/// Small writes behind all segments.
#[derive(Debug)]
enum Tail {
    Empty,
    /// In the reactor's area.
    Area {
        start: u32,
        end: u32,
    },
    /// In a block of its own, from `start` on.
    Block {
        block: BlockMut,
        start: u32,
    },
}

impl Tail {
    fn unsent<'a>(&'a self, area: &'a OutArea) -> &'a [u8] {
        match self {
            Self::Empty => &[],
            Self::Area { start, end } => &area.0[*start as usize..*end as usize],
            Self::Block { block, start } => &block.filled()[*start as usize..],
        }
    }
}

#[derive(Debug)]
enum Segment<P> {
    Block(Slice),
    /// Bytes that belong to somebody else, and how many of them were sent.
    Foreign(P, usize),
    File(FilePart),
}

impl<P: Payload> Segment<P> {
    fn unsent(&self) -> &[u8] {
        match self {
            Self::Block(slice) => slice,
            Self::Foreign(payload, sent) => &payload.as_ref()[*sent..],
            Self::File(_) => &[],
        }
    }

    fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// See the module text. Empty and without an allocation while nothing is pending.
#[derive(Debug)]
pub(crate) struct OutQueue<P> {
    segments: VecDeque<Segment<P>>,
    tail: Tail,
    /// Bytes in memory: as many as a connection's pending count holds.
    len: u32,
    files: u32,
}

impl<P: Payload> OutQueue<P> {
    pub(crate) fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            tail: Tail::Empty,
            len: 0,
            files: 0,
        }
    }

    /// Bytes in memory.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.files == 0
    }

    /// Whether there is more of it than a peer should be behind with.
    pub(crate) fn is_behind(&self, high_water: u32) -> bool {
        self.len > high_water || self.files > 0
    }

    /// The unsent bytes that other queues may have too, in segments: where each ends, which tells it apart however much of
    /// it was sent, and its length.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (usize, usize)> {
        self.segments.iter().map(|segment| {
            let unsent = segment.unsent();
            (unsent.as_ptr_range().end.addr(), unsent.len())
        })
    }

    /// The unsent bytes behind the segments, which are this queue's own.
    pub(crate) fn tail_len(&self) -> usize {
        match &self.tail {
            Tail::Empty => 0,
            Tail::Area { start, end } => (end - start) as usize,
            Tail::Block { block, start } => block.len() - *start as usize,
        }
    }

    /// Gives back memory that is not used.
    pub(crate) fn shrink(&mut self) {
        self.segments.shrink_to_fit();
    }

    /// Appends a copy of `bytes`. Before the area is cleared, `leave_area` has to be called.
    pub(crate) fn copy(&mut self, bytes: &[u8], area: &mut OutArea, pool: &BlockPool) {
        if bytes.is_empty() {
            return; // a queue that counts as empty must not have a place in the area
        }
        self.len += bytes.len() as u32;
        match &mut self.tail {
            Tail::Empty => {
                if let Some(start) = area.extend(bytes) {
                    let end = area.end();
                    self.tail = Tail::Area { start, end };
                    return;
                }
            }
            Tail::Area { end, .. } if *end == area.end() => {
                if area.extend(bytes).is_some() {
                    *end = area.end();
                    return;
                }
            }
            Tail::Area { .. } | Tail::Block { .. } => {}
        }
        self.leave_area(area, pool);
        self.copy_into_blocks(bytes, pool);
    }

    fn copy_into_blocks(&mut self, mut bytes: &[u8], pool: &BlockPool) {
        while !bytes.is_empty() {
            let Tail::Block { block, .. } = &mut self.tail else {
                let block = pool.take(bytes.len());
                self.tail = Tail::Block { block, start: 0 };
                continue;
            };
            let fitted = block.extend(bytes);
            bytes = &bytes[fitted..];
            if !bytes.is_empty() {
                self.seal_block();
            }
        }
    }

    /// Moves what lies in the area into a block.
    pub(crate) fn leave_area(&mut self, area: &OutArea, pool: &BlockPool) {
        if let Tail::Area { .. } = self.tail {
            let tail = std::mem::replace(&mut self.tail, Tail::Empty);
            self.copy_into_blocks(tail.unsent(area), pool);
        }
    }

    /// Appends bytes by reference.
    pub(crate) fn push(&mut self, payload: P, area: &OutArea, pool: &BlockPool) {
        let len = payload.as_ref().len();
        if len > 0 {
            self.leave_area(area, pool);
            self.seal_block();
            self.len += len as u32;
            self.segments.push_back(Segment::Foreign(payload, 0));
        }
    }

    /// Appends a part of a file.
    pub(crate) fn push_file(&mut self, part: FilePart, area: &OutArea, pool: &BlockPool) {
        if part.len > 0 {
            self.leave_area(area, pool);
            self.seal_block();
            self.files += 1;
            self.segments.push_back(Segment::File(part));
        }
    }

    /// The part of a file that is to be sent next, if it is one.
    pub(crate) fn next_file(&self) -> Option<&FilePart> {
        match self.segments.front() {
            Some(Segment::File(part)) => Some(part),
            _ => None,
        }
    }

    /// Forgets the first `count` bytes of the file that comes next.
    pub(crate) fn advance_file(&mut self, count: u64) {
        if let Some(Segment::File(part)) = self.segments.front_mut() {
            debug_assert!(count <= part.len, "sent more than was queued");
            part.offset += count;
            part.len -= count;
            if part.len == 0 {
                self.segments.pop_front();
                self.files -= 1;
                self.free_segments();
            }
        }
    }

    /// Appends the blocks of a buffer by reference.
    pub(crate) fn append(&mut self, mut buffer: LinkBuffer, area: &OutArea, pool: &BlockPool) {
        self.leave_area(area, pool);
        self.seal_block();
        while let Some(slice) = buffer.pop_chunk() {
            self.len += slice.len() as u32;
            self.segments.push_back(Segment::Block(slice));
        }
    }

    fn seal_block(&mut self) {
        if let Tail::Block { block, start } = std::mem::replace(&mut self.tail, Tail::Empty) {
            let (start, end) = (start as usize, block.len());
            if start < end {
                let slice = Slice::new(block.freeze(), start..end);
                self.segments.push_back(Segment::Block(slice));
            }
        }
    }

    /// Calls `send` with the pending segments up to the next file, at most `SEGMENTS_PER_SEND` of them.
    pub(crate) fn with_segments<R>(
        &self,
        area: &OutArea,
        send: impl FnOnce(&[IoSlice<'_>]) -> R,
    ) -> R {
        let tail = self.tail.unsent(area);
        match self.segments.front() {
            None => return send(&[IoSlice::new(tail)]),
            Some(only) if self.segments.len() == 1 && tail.is_empty() => {
                return send(&[IoSlice::new(only.unsent())]);
            }
            Some(_) => {}
        }
        let segments: Vec<_> = self
            .segments
            .iter()
            .take_while(|segment| !segment.is_file())
            .map(Segment::unsent)
            .chain((!tail.is_empty() && self.files == 0).then_some(tail))
            .take(SEGMENTS_PER_SEND)
            .map(IoSlice::new)
            .collect();
        send(&segments)
    }

    /// Forgets the first `count` bytes in memory, none of them behind a file; foreign payloads that are done with go to
    /// `spent`.
    pub(crate) fn advance(&mut self, mut count: usize, spent: &mut Vec<P>) {
        debug_assert!(count <= self.len(), "sent more than was queued");
        self.len -= count as u32;
        while let Some(front) = self.segments.front_mut() {
            let left = front.unsent().len();
            if count < left || front.is_file() {
                match front {
                    Segment::Block(slice) => slice.advance(count),
                    Segment::Foreign(_, done) => *done += count,
                    Segment::File(_) => debug_assert!(count == 0, "a file is not in memory"),
                }
                return;
            }
            count -= left;
            if let Some(Segment::Foreign(payload, _)) = self.segments.pop_front() {
                spent.push(payload);
            }
        }
        let done = match &mut self.tail {
            Tail::Empty => false,
            Tail::Area { start, end } => {
                *start += count as u32;
                start == end
            }
            Tail::Block { block, start } => {
                *start += count as u32;
                *start as usize == block.len()
            }
        };
        if done {
            self.tail = Tail::Empty;
        }
        self.free_segments();
    }

    fn free_segments(&mut self) {
        if self.segments.is_empty() && self.segments.capacity() > 0 {
            self.segments = VecDeque::new();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, spent: &mut Vec<P>) {
        for segment in std::mem::take(&mut self.segments) {
            if let Segment::Foreign(payload, _) = segment {
                spent.push(payload);
            }
        }
        self.tail = Tail::Empty;
        (self.len, self.files) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Foreign(&'static [u8]);

    impl AsRef<[u8]> for Foreign {
        fn as_ref(&self) -> &[u8] {
            self.0
        }
    }

    impl Payload for Foreign {}

    fn pending(queue: &OutQueue<Foreign>, area: &OutArea) -> Vec<u8> {
        queue.with_segments(area, |segments| {
            segments
                .iter()
                .flat_map(|segment| segment.to_vec())
                .collect()
        })
    }

    #[test]
    fn what_was_not_sent_survives_the_next_use_of_the_area() {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let mut queue = OutQueue::new();
        queue.copy(b"sent and not sent", &mut area, &pool);
        queue.advance(9, &mut Vec::new());
        queue.leave_area(&area, &pool);
        area.clear();
        let mut other = OutQueue::<Foreign>::new();
        other.copy(b"something else entirely", &mut area, &pool);
        assert_eq!(pending(&queue, &area), b"not sent");
    }

    #[test]
    fn queues_that_write_by_turns_keep_their_bytes_apart_and_in_order() {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let (mut one, mut other) = (OutQueue::new(), OutQueue::new());
        for _ in 0..3 {
            one.copy(b"a", &mut area, &pool);
            other.copy(b"b", &mut area, &pool);
            one.copy(b"c", &mut area, &pool);
        }
        one.push(Foreign(b"long"), &area, &pool);
        one.copy(b"d", &mut area, &pool);
        assert_eq!(pending(&one, &area), b"acacaclongd");
        assert_eq!(pending(&other, &area), b"bbb");
    }

    #[test]
    fn what_does_not_fit_into_the_area_goes_into_blocks() {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let mut queue = OutQueue::<Foreign>::new();
        let piece = vec![7; AREA_BYTES - 1];
        queue.copy(&piece, &mut area, &pool);
        queue.copy(&piece, &mut area, &pool);
        assert_eq!(queue.len(), 2 * piece.len());
        assert_eq!(pending(&queue, &area), [piece.clone(), piece].concat());
        queue.clear(&mut Vec::new());
        assert_eq!((queue.len(), pool.blocks_in_use()), (0, 0));
    }

    #[test]
    fn writing_nothing_leaves_no_trace() {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let mut other = OutQueue::<Foreign>::new();
        other.copy(b"of the batch before", &mut area, &pool);
        let mut queue = OutQueue::<Foreign>::new();
        queue.copy(b"", &mut area, &pool);
        area.clear();
        queue.copy(b"new", &mut area, &pool);
        assert_eq!(pending(&queue, &area), b"new");
    }

    #[test]
    fn a_file_keeps_its_place_and_costs_no_memory() {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let mut queue = OutQueue::<Foreign>::new();
        queue.copy(b"head", &mut area, &pool);
        let file = std::fs::File::open("/dev/null").expect("it is everywhere");
        let part = FilePart {
            file: file.into(),
            offset: 10,
            len: 5,
        };
        queue.push_file(part, &area, &pool);
        queue.copy(b"next", &mut area, &pool);
        assert_eq!((queue.len(), pending(&queue, &area)), (8, b"head".to_vec()));
        assert!(queue.is_behind(1_000) && queue.next_file().is_none());
        queue.advance(4, &mut Vec::new());
        queue.advance_file(3);
        let part = queue.next_file().expect("it is not done");
        assert_eq!((part.offset, part.len), (13, 2));
        queue.advance_file(2);
        assert_eq!(pending(&queue, &area), b"next");
        assert!(!queue.is_behind(4));
    }

    #[test]
    fn an_emptied_queue_keeps_no_memory() {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let mut queue = OutQueue::new();
        queue.copy(b"head", &mut area, &pool);
        queue.push(Foreign(b"body"), &area, &pool);
        let mut spent = Vec::new();
        queue.advance(8, &mut spent);
        assert!(queue.is_empty() && queue.segments.capacity() == 0 && spent.len() == 1);
    }
}
