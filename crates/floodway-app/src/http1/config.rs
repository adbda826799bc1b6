//! What all connections of a listener have in common.

use std::sync::Arc;

use floodway_base::limits::TICK_MILLIS;

use super::bodies::Bodies;

const SECOND: u32 = 1_000 / TICK_MILLIS;

/// The most that `max_head_bytes` may be: a head's parts are found by numbers of 16 bits.
pub const MAX_HEAD_BYTES: usize = 65_535;
/// The most that `max_headers` may be.
pub const MAX_HEADERS: usize = 256;

/// Limits and ways of one listener. Times are in ticks of [`TICK_MILLIS`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Most bytes of a request's body; more is refused with 413. None: no limit.
    pub max_body: Option<u64>,
    /// Whether a request is delivered only when its body is complete. Otherwise it is delivered with its head, and the body
    /// on demand unless all of it has come with the head.
    pub whole_bodies: bool,
    /// What the bodies that are kept until they are complete may hold together; beyond it 503. Other listeners may share it.
    pub bodies: Arc<Bodies>,
    /// Most bytes of a head; more is refused with 431. At most [`MAX_HEAD_BYTES`].
    pub max_head_bytes: usize,
    /// Most header lines; more are refused with 431. At most [`MAX_HEADERS`].
    pub max_headers: usize,
    /// Most bytes of a target; more are refused with 414.
    pub max_target_bytes: usize,
    /// Time from a head's first byte, of the first one from the connection's beginning, to its last; then 408.
    pub head_ticks: u32,
    /// Time without a byte of a body that is waited for; then 408.
    pub body_ticks: u32,
    /// Bytes that a body must bring in so many ticks of being waited for. Judged when something arrives and at least as
    /// many ticks have passed: silence is a matter of `body_ticks`.
    pub min_body_rate: (u64, u32),
    /// Most bytes of an unread body that are read and dropped after the answer, to save the connection.
    pub drain_bytes: u64,
    /// The value of the `Server` header; None: no such header.
    pub server: Option<Vec<u8>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_body: None,
            whole_bodies: false,
            bodies: Arc::new(Bodies::new(u64::MAX)),
            max_head_bytes: 16 << 10,
            max_headers: 100,
            max_target_bytes: 8 << 10,
            head_ticks: 10 * SECOND,
            body_ticks: 30 * SECOND,
            min_body_rate: (2_400, 10 * SECOND),
            drain_bytes: 64 << 10,
            server: Some(b"floodway".to_vec()),
        }
    }
}
