//! What one message is on the wire: the head that HTTP demands, nothing elsewhere, then bytes of the pattern.
//!
//! All messages of a run are equally long, so a position in what a connection sends says which message it belongs to
//! and where in it; nothing is stored.

use crate::pattern::{Pattern, SLICE_BYTES_MAX};
use crate::plan::Plan;

/// The form of every message of a run.
#[derive(Debug)]
pub(crate) struct Message {
    head: Box<[u8]>,
    body_bytes: u64,
}

impl Message {
    pub(crate) fn of(plan: &Plan) -> Self {
        let (head, body_bytes) = match &plan.request {
            Some(request) => (request.head(plan.size), request.body_bytes(plan.size)),
            None => (Vec::new(), plan.size),
        };
        Self {
            head: head.into_boxed_slice(),
            body_bytes: body_bytes as u64,
        }
    }

    /// Bytes of a message; one where a plan sends none, so that it can always be divided by.
    pub(crate) fn bytes(&self) -> u64 {
        (self.head.len() as u64 + self.body_bytes).max(1)
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether it waits for the answer to the one before it.
    pub(crate) fn is_request(&self) -> bool {
        !self.head.is_empty()
    }

    /// What stands at a position of what a connection sends, at most `len` bytes: of a head, and of the pattern.
    pub(crate) fn slices<'a>(
        &'a self,
        pattern: &'a Pattern,
        start: u32,
        position: u64,
        len: usize,
    ) -> (&'a [u8], &'a [u8]) {
        if !self.is_request() {
            return (&[], pattern.slice(start, position, len));
        }
        let (number, offset) = (position / self.bytes(), position % self.bytes());
        let head_bytes = self.head.len() as u64;
        let head = &self.head[offset.min(head_bytes) as usize..];
        let head = &head[..head.len().min(len)];
        let body_offset = offset.saturating_sub(head_bytes);
        let room = (len - head.len()).min(SLICE_BYTES_MAX) as u64;
        let body_len = (self.body_bytes - body_offset).min(room) as usize;
        let body = pattern.slice(start, number * self.body_bytes + body_offset, body_len);
        (head, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Expected, Method, Request};

    #[test]
    fn a_stream_of_requests_does_not_depend_on_how_it_is_cut() {
        let pattern = Pattern::new();
        let address: std::net::SocketAddr = "127.0.0.1:9".parse().unwrap();
        let mut plan = Plan::new(address.into());
        plan.size = 700;
        let request = Request {
            method: Method::Post,
            target: "/".to_owned(),
            host: "h".to_owned(),
            expected: Expected::Echo,
        };
        let mut expected = Vec::new();
        for number in 0..3 {
            expected.extend_from_slice(&request.head(700));
            expected.extend_from_slice(pattern.slice(7, number * 700, 700));
        }
        plan.request = Some(request);
        let message = Message::of(&plan);
        assert_eq!(message.bytes() * 3, expected.len() as u64);
        for len in [1, 2, 13, 750, 100_000] {
            let mut cut = Vec::new();
            while cut.len() < expected.len() {
                let (head, body) = message.slices(&pattern, 7, cut.len() as u64, len);
                assert!(head.len() + body.len() <= len);
                cut.extend_from_slice(head);
                cut.extend_from_slice(body);
            }
            assert!(cut == expected, "{len}");
        }
    }
}
