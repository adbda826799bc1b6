//! What arrives: the three loads.

use std::hint::black_box;

use crate::scheme::Scheme;

pub const SMALL_ECHO: Load = Load {
    name: "small echo",
    connections: 1_000,
    frame_bytes: 1_024,
    read_bytes: 1_024,
    frames: 1,
};

pub const HALF_FRAMES: Load = Load {
    name: "half frames",
    connections: 100,
    frame_bytes: 16_384,
    read_bytes: 1_500,
    frames: 1,
};

pub const BURST: Load = Load {
    name: "burst",
    connections: 256,
    frame_bytes: 128 << 10,
    read_bytes: 64 << 10,
    frames: 8,
};

/// `frames` frames on each connection, in reads that go round the connections.
#[derive(Clone, Copy)]
pub struct Load {
    pub name: &'static str,
    pub connections: usize,
    pub frame_bytes: usize,
    pub read_bytes: usize,
    pub frames: usize,
}

impl Load {
    pub fn total_bytes(&self) -> usize {
        self.connections * self.frames * self.frame_bytes
    }

    /// What every connection receives.
    pub fn stream(&self) -> Vec<u8> {
        (0..self.frames * self.frame_bytes)
            .map(|i| i as u8)
            .collect()
    }

    pub fn run(&self, scheme: &mut impl Scheme, stream: &[u8]) {
        let mut frames = 0;
        for read in stream.chunks(self.read_bytes) {
            for connection in 0..self.connections {
                scheme.receive(connection, read, self.frame_bytes, |frame| {
                    frames += 1;
                    black_box(frame.to_vec());
                });
            }
        }
        assert_eq!(frames, self.connections * self.frames);
    }
}
