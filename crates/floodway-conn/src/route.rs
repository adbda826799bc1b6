//! What the connections of one listener or connector have in common.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use floodway_base::{Codec, Protocol, Sessions};
use floodway_sys::SocketAddress;

use crate::hand_off::Outlet;

/// How input is shaped before a handler sees it.
#[derive(Clone, Debug)]
pub enum Framing {
    /// Cut into frames; the handler gets each frame's payload.
    Codec(Arc<dyn Codec>),
    /// Received into the connection's own link buffer, which the handler consumes.
    Buffered,
    /// The route's protocol makes messages of it.
    Protocol,
}

/// What becomes of output beyond `max_output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputPolicy {
    /// The connection is closed with `SlowConsumer`.
    Close,
    /// The write is dropped and counted.
    Drop,
    /// The write raises.
    Error,
}

/// Which events of a connection Python wants to see.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "a set of independent bits")]
pub struct Wanted {
    /// Accepted or connected.
    pub open: bool,
    /// Input.
    pub data: bool,
    /// Output has fallen below the low-water mark.
    pub writable: bool,
    /// The end.
    pub close: bool,
}

/// The configuration of a listener's or connector's connections. Immutable once connections exist.
#[derive(Debug)]
pub struct Route<P: Protocol> {
    /// With a protocol: our address of the first connection, once there was one. All of a listener have the same, but for
    /// the host of one that listens on every address.
    pub local: OnceLock<SocketAddress>,
    /// Events that Python wants.
    pub wanted: Wanted,
    /// What encrypts; None: nothing does.
    pub sessions: Option<Arc<dyn Sessions>>,
    /// Ends a secure connection whose handshake is not done by then.
    pub handshake_timeout: Duration,
    /// How input is shaped, until a connection changes it.
    pub framing: Framing,
    /// What is spoken, where `framing` says so.
    pub protocol: Option<Arc<P::Config>>,
    /// Who gets the protocol's messages; None: the reactor's own thread, by its batches.
    pub outlet: Option<Outlet<P::Message>>,
    /// With a protocol: ends a connection that has not sent its first byte by then.
    pub silence_timeout: Option<Duration>,
    /// Bytes of undelivered input.
    pub max_input: usize,
    /// Bytes of pending output at which reading from the connection pauses.
    pub high_water: u32,
    /// Bytes of pending output at which reading goes on.
    pub low_water: u32,
    /// Bytes of pending output beyond which `output_policy` applies; None: no limit.
    pub max_output: Option<u32>,
    /// See `OutputPolicy`.
    pub output_policy: OutputPolicy,
    /// Ends a connection that neither received nor sent for so long.
    pub idle_timeout: Option<Duration>,
    /// Ends a connection whose pending output made no progress for so long.
    pub write_timeout: Option<Duration>,
    /// TCP keep-alive probes after so much silence.
    pub keepalive: Option<Duration>,
    /// `TCP_NODELAY`.
    pub nodelay: bool,
    /// With worker threads, one event of a connection at a time: the bytes that may wait meanwhile before reading from
    /// it pauses. They wait here uncut, so the number of messages costs nothing and needs no limit.
    pub thread_backlog: Option<usize>,
}
