//! Borrowed from a pool for every read and returned after it.

use crate::scheme::{READ_BYTES, Scheme, keep_rest, read_into};

pub struct PooledBorrow {
    pool: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
}

impl Scheme for PooledBorrow {
    const NAME: &'static str = "pooled borrow and return";

    fn new(connections: usize) -> Self {
        Self {
            pool: Vec::new(),
            kept: vec![Vec::new(); connections],
        }
    }

    fn receive(
        &mut self,
        connection: usize,
        data: &[u8],
        frame_bytes: usize,
        take: impl FnMut(&[u8]),
    ) {
        let mut space = self
            .pool
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(READ_BYTES));
        read_into(&mut space, data);
        keep_rest(&mut self.kept[connection], &space, frame_bytes, take);
        space.clear();
        self.pool.push(space);
    }
}
