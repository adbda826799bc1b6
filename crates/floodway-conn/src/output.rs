//! A connection's pending output: small writes gathered in one tail block, large ones queued by reference.

use std::collections::VecDeque;
use std::io::IoSlice;

use floodway_base::{BlockMut, BlockPool, LinkBuffer, Slice};

use crate::message::Payload;

/// The most segments of one `sendmsg`: `IOV_MAX` on Linux and the BSDs.
pub(crate) const SEGMENTS_PER_SEND: usize = 1_024;

#[derive(Debug)]
enum Segment<P> {
    Block(Slice),
    /// Bytes that belong to somebody else, and how many of them were sent.
    Foreign(P, usize),
}

impl<P: Payload> Segment<P> {
    fn unsent(&self) -> &[u8] {
        match self {
            Self::Block(slice) => slice,
            Self::Foreign(payload, sent) => &payload.as_ref()[*sent..],
        }
    }
}

/// See the module text. Empty and without an allocation while nothing is pending.
#[derive(Debug)]
pub(crate) struct OutQueue<P> {
    segments: VecDeque<Segment<P>>,
    /// The block that small writes are copied into, behind all segments, and how much of it was sent.
    tail: Option<(BlockMut, usize)>,
    len: usize,
}

impl<P: Payload> OutQueue<P> {
    pub(crate) fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            tail: None,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy of `bytes`.
    pub(crate) fn copy(&mut self, mut bytes: &[u8], pool: &BlockPool) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let (tail, _) = self.tail.get_or_insert_with(|| (pool.take(bytes.len()), 0));
            let fitted = tail.extend(bytes);
            bytes = &bytes[fitted..];
            if !bytes.is_empty() {
                self.seal_tail();
            }
        }
    }

    /// Appends bytes by reference.
    pub(crate) fn push(&mut self, payload: P) {
        let len = payload.as_ref().len();
        if len > 0 {
            self.seal_tail();
            self.len += len;
            self.segments.push_back(Segment::Foreign(payload, 0));
        }
    }

    /// Appends the blocks of a buffer by reference.
    pub(crate) fn append(&mut self, mut buffer: LinkBuffer) {
        self.seal_tail();
        while let Some(slice) = buffer.pop_chunk() {
            self.len += slice.len();
            self.segments.push_back(Segment::Block(slice));
        }
    }

    fn seal_tail(&mut self) {
        if let Some((block, sent)) = self.tail.take() {
            let end = block.len();
            if sent < end {
                let slice = Slice::new(block.freeze(), sent..end);
                self.segments.push_back(Segment::Block(slice));
            }
        }
    }

    /// Calls `send` with the pending segments, at most `SEGMENTS_PER_SEND` of them.
    pub(crate) fn with_segments<R>(&self, send: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let tail = self
            .tail
            .iter()
            .map(|(block, sent)| &block.filled()[*sent..]);
        let mut unsent = self.segments.iter().map(Segment::unsent).chain(tail);
        if self.segments.len() + usize::from(self.tail.is_some()) <= 1 {
            return send(&[IoSlice::new(unsent.next().unwrap_or_default())]);
        }
        let segments: Vec<_> = unsent.take(SEGMENTS_PER_SEND).map(IoSlice::new).collect();
        send(&segments)
    }

    /// Forgets the first `sent` bytes; foreign payloads that are done with go to `spent`.
    pub(crate) fn advance(&mut self, mut count: usize, spent: &mut Vec<P>) {
        debug_assert!(count <= self.len, "sent more than was queued");
        self.len -= count;
        while let Some(front) = self.segments.front_mut() {
            let left = front.unsent().len();
            if count < left {
                match front {
                    Segment::Block(slice) => slice.advance(count),
                    Segment::Foreign(_, done) => *done += count,
                }
                return;
            }
            count -= left;
            if let Some(Segment::Foreign(payload, _)) = self.segments.pop_front() {
                spent.push(payload);
            }
        }
        if let Some((block, done)) = &mut self.tail {
            *done += count;
            if *done == block.len() {
                self.tail = None;
            }
        }
        if self.segments.is_empty() && self.segments.capacity() > 0 {
            self.segments = VecDeque::new();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, spent: &mut Vec<P>) {
        let len = self.len;
        self.advance(len, spent);
    }
}
