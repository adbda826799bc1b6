//! One area per reactor, read into from its front each time.

use crate::scheme::{READ_BYTES, Scheme, keep_rest, read_into};

pub struct FixedArea {
    area: Vec<u8>,
    kept: Vec<Vec<u8>>,
}

impl Scheme for FixedArea {
    const NAME: &'static str = "one fixed area per reactor";

    fn new(connections: usize) -> Self {
        Self {
            area: Vec::with_capacity(READ_BYTES),
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
        self.area.clear();
        read_into(&mut self.area, data);
        keep_rest(&mut self.kept[connection], &self.area, frame_bytes, take);
    }
}
