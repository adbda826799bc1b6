//! Why a connection ended.

use std::sync::Arc;

use floodway_base::FrameTooLong;
use floodway_sys::Errno;

/// Why a connection ended. What Python makes of it stands in the `errors` module of the Python crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both sides had finished.
    Finished,
    /// `close()` here.
    Closed,
    /// `abort()` here.
    Aborted,
    /// The host has the reason: a handler that raised, or text given to `close`.
    Host,
    /// `take_socket()`.
    Taken,
    /// No byte in either direction for `idle_timeout`.
    IdleTimeout,
    /// No progress of pending output for `write_timeout`.
    WriteTimeout,
    /// A connection did not open in time.
    ConnectTimeout,
    /// The handshake of a secure connection was not done in time.
    HandshakeTimeout,
    /// The encryption failed: what the session said.
    Session(Arc<str>),
    /// The peer has ended a secure connection without saying so: what came may not be all it sent.
    Truncated,
    /// Pending output above `max_output`, or the largest above the reactor's budget: bytes pending.
    SlowConsumer(u32),
    /// The peer sent a frame above its limit.
    FrameTooLong(FrameTooLong),
    /// The peer broke the route's protocol, or a limit of it.
    Refused(&'static str),
    /// A file that was being sent has become shorter.
    FileCut,
    /// The engine stopped.
    ServerStopping,
    /// What the system said.
    System(Errno),
}

impl CloseReason {
    /// The number of names below.
    pub const KINDS: usize = 17;
    /// A name for each kind, for statistics, by `index`.
    pub const NAMES: [&'static str; Self::KINDS] = [
        "finished",
        "closed",
        "aborted",
        "handler",
        "taken",
        "idle_timeout",
        "write_timeout",
        "connect_timeout",
        "handshake_timeout",
        "session",
        "truncated",
        "slow_consumer",
        "frame_too_long",
        "refused",
        "file_cut",
        "server_stopping",
        "system",
    ];

    /// The kind's number, from 0.
    pub fn index(&self) -> usize {
        match self {
            Self::Finished => 0,
            Self::Closed => 1,
            Self::Aborted => 2,
            Self::Host => 3,
            Self::Taken => 4,
            Self::IdleTimeout => 5,
            Self::WriteTimeout => 6,
            Self::ConnectTimeout => 7,
            Self::HandshakeTimeout => 8,
            Self::Session(_) => 9,
            Self::Truncated => 10,
            Self::SlowConsumer(_) => 11,
            Self::FrameTooLong(_) => 12,
            Self::Refused(_) => 13,
            Self::FileCut => 14,
            Self::ServerStopping => 15,
            Self::System(_) => 16,
        }
    }
}
