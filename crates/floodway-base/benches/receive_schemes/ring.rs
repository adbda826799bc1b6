//! A ring per connection that doubles by copying and never shrinks.

use crate::scheme::Scheme;

const FIRST_BYTES: usize = 1_024;

#[derive(Clone, Default)]
struct Ring {
    /// Its length is a power of two, or 0 before the first read.
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Ring {
    fn reserve(&mut self, n: usize) {
        let needed = self.len + n;
        if needed > self.memory.len() {
            let mut larger = vec![0; needed.next_power_of_two().max(FIRST_BYTES)];
            let (front, back) = self.parts(self.len);
            larger[..front.len()].copy_from_slice(front);
            larger[front.len()..self.len].copy_from_slice(back);
            (self.memory, self.start) = (larger, 0);
        }
    }

    /// The kernel's part: at most two pieces, as `readv` would fill them.
    fn fill(&mut self, data: &[u8]) {
        let end = (self.start + self.len) & (self.memory.len() - 1);
        let (front, back) = data.split_at(data.len().min(self.memory.len() - end));
        self.memory[end..end + front.len()].copy_from_slice(front);
        self.memory[..back.len()].copy_from_slice(back);
        self.len += data.len();
    }

    /// The first `n` bytes, which may go round the end.
    fn parts(&self, n: usize) -> (&[u8], &[u8]) {
        let front = n.min(self.memory.len() - self.start);
        (
            &self.memory[self.start..self.start + front],
            &self.memory[..n - front],
        )
    }

    fn skip(&mut self, n: usize) {
        self.len -= n;
        self.start = if self.len == 0 {
            0
        } else {
            (self.start + n) & (self.memory.len() - 1)
        };
    }
}

pub struct Rings {
    rings: Vec<Ring>,
}

impl Scheme for Rings {
    const NAME: &'static str = "ring that grows by copying";

    fn new(connections: usize) -> Self {
        Self {
            rings: vec![Ring::default(); connections],
        }
    }

    fn receive(
        &mut self,
        connection: usize,
        data: &[u8],
        frame_bytes: usize,
        mut take: impl FnMut(&[u8]),
    ) {
        let ring = &mut self.rings[connection];
        ring.reserve(data.len());
        ring.fill(data);
        while ring.len >= frame_bytes {
            match ring.parts(frame_bytes) {
                (whole, []) => take(whole),
                (front, back) => take(&[front, back].concat()),
            }
            ring.skip(frame_bytes);
        }
    }
}
