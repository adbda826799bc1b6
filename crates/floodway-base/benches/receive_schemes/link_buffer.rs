//! The product's: an area for connections that keep nothing, a link buffer for those that do.

use std::ptr;

use floodway_base::limits::POOL_IDLE_BYTES;
use floodway_base::{BlockPool, LinkBuffer, Slab};

use crate::scheme::{READ_BYTES, Scheme, read_into, take_frames};

pub struct LinkBuffers {
    area: Vec<u8>,
    pool: BlockPool,
    /// Of those connections that have half a frame, by number.
    kept: Slab<LinkBuffer>,
}

impl Scheme for LinkBuffers {
    const NAME: &'static str = "link buffer";

    fn new(_connections: usize) -> Self {
        Self {
            area: Vec::with_capacity(READ_BYTES),
            pool: BlockPool::new(POOL_IDLE_BYTES),
            kept: Slab::new(),
        }
    }

    fn receive(
        &mut self,
        connection: usize,
        data: &[u8],
        frame_bytes: usize,
        mut take: impl FnMut(&[u8]),
    ) {
        let number = connection as u32;
        let Some(kept) = self.kept.get_mut(number) else {
            self.area.clear();
            read_into(&mut self.area, data);
            let taken = take_frames(&self.area, frame_bytes, take);
            if taken < data.len() {
                let mut buffer = LinkBuffer::new(self.pool.clone());
                buffer.write(&self.area[taken..]);
                self.kept.put(number, buffer);
            }
            return;
        };
        // The framing has said how much it needs; what is received goes behind what is kept.
        kept.make_contiguous(frame_bytes);
        let mut data = data;
        while !data.is_empty() {
            let space = kept.receive_space(1, 1);
            let n = data.len().min(space.len());
            // SAFETY: `n` bytes are within both, and the space is borrowed mutably.
            unsafe { ptr::copy_nonoverlapping(data.as_ptr(), space.as_mut_ptr().cast(), n) };
            // SAFETY: the line above initialised the first `n` bytes.
            unsafe { kept.received(n) };
            data = &data[n..];
        }
        while let Some(frame) = kept.next(frame_bytes) {
            take(&frame);
        }
        if kept.is_empty() {
            self.kept.take(number);
        }
    }
}
