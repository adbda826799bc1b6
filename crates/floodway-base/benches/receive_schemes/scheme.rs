//! What all schemes offer.

/// The size of one read where a scheme has to choose it.
pub const READ_BYTES: usize = 64 << 10;

/// Memory for what many connections receive.
pub trait Scheme {
    const NAME: &'static str;

    /// Room for that many connections, all idle.
    fn new(connections: usize) -> Self;

    /// Reads `data`, at most [`READ_BYTES`], for a connection, hands every whole frame of
    /// `frame_bytes` to `take`, and keeps the rest.
    fn receive(
        &mut self,
        connection: usize,
        data: &[u8],
        frame_bytes: usize,
        take: impl FnMut(&[u8]),
    );
}

/// The kernel's part of a read: `data` into the front of `space`.
pub fn read_into(space: &mut Vec<u8>, data: &[u8]) {
    assert!(
        data.len() <= space.capacity() - space.len(),
        "a read has a place to go"
    );
    space.extend_from_slice(data);
}

/// Hands on the whole frames at the front of `input` and returns how many bytes they were.
pub fn take_frames(input: &[u8], frame_bytes: usize, mut take: impl FnMut(&[u8])) -> usize {
    let frames = input.chunks_exact(frame_bytes);
    let rest = frames.remainder().len();
    for frame in frames {
        take(frame);
    }
    input.len() - rest
}

/// Adds what was read to what a connection keeps, unless nothing is kept and nothing needs to be: the
/// way of every scheme that reads somewhere else first.
pub fn keep_rest(kept: &mut Vec<u8>, read: &[u8], frame_bytes: usize, take: impl FnMut(&[u8])) {
    if kept.is_empty() {
        let taken = take_frames(read, frame_bytes, take);
        if taken < read.len() {
            kept.extend_from_slice(&read[taken..]);
        }
        return;
    }
    kept.extend_from_slice(read);
    let taken = take_frames(kept, frame_bytes, take);
    if taken == kept.len() {
        // An idle connection keeps nothing: without this the vectors would hold what they ever held.
        *kept = Vec::new();
    } else if taken > 0 {
        kept.drain(..taken);
    }
}
