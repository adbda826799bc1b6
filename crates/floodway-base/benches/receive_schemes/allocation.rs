//! A fresh allocation for every read, which is what the plainest server does.

use crate::scheme::{READ_BYTES, Scheme, keep_rest, read_into};

pub struct AllocationPerRead {
    kept: Vec<Vec<u8>>,
}

impl Scheme for AllocationPerRead {
    const NAME: &'static str = "allocation per read";

    fn new(connections: usize) -> Self {
        Self {
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
        let mut space = Vec::with_capacity(READ_BYTES);
        read_into(&mut space, data);
        keep_rest(&mut self.kept[connection], &space, frame_bytes, take);
    }
}
