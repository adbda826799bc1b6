//! What a caller learns while the generator runs.

use std::fmt;

use crate::latency::Latency;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opening connections; each exchanges its first message.
    Connecting,
    /// Under load, not yet measured.
    WarmingUp,
    /// Under load and measured.
    Running,
    /// Waiting for the last answers.
    Draining,
    /// All is measured; the connections are still open, and are closed next.
    Closing,
}

/// One view of a run, at the beginning of each phase and five times a second within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Where the run is.
    pub phase: Phase,
    /// How long the phase has lasted, in seconds.
    pub seconds: f64,
    /// Connections that are open now.
    pub open: usize,
    /// Answers so far, over all phases.
    pub messages: u64,
    /// Answers per second since the last progress.
    pub messages_per_second: f64,
    /// Latency of the measured time so far.
    pub latency: Option<Latency>,
    /// Resident memory of the server's process tree, if the plan names its process.
    pub server_resident_bytes: Option<u64>,
}

/// Prints `connecting`, `warming up`, `running`, `draining` or `closing`.
impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connecting => "connecting",
            Self::WarmingUp => "warming up",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Closing => "closing",
        })
    }
}
