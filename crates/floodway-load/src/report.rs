//! What a run has found.

use floodway_sys::Errno;

use crate::fairness::Fairness;
use crate::latency::Latency;
use crate::usage::Memory;

/// The result of a run. Times are seconds, sizes bytes. Figures are those of the measured time unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Connections that were opened.
    pub connected: usize,
    /// Connections that could not be opened, by the kernel's reason.
    pub failed: Vec<(Errno, usize)>,
    /// Connections that were not tried because connecting made no more progress.
    pub not_attempted: usize,
    /// Connections that the server ended in an orderly way before the run's end.
    pub closed_by_server: usize,
    /// Connections that broke before the run's end, by the kernel's reason.
    pub broken: Vec<(Errno, usize)>,
    /// From the first connect to the last connection's first answer (with no first message: to the last connection).
    pub connect_seconds: f64,
    /// Connections opened and answered, per second of `connect_seconds`.
    pub connects_per_second: f64,
    /// From a connection's connect to its first answer (with no first message: until it was open).
    pub connect_latency: Option<Latency>,
    /// How long was measured.
    pub seconds: f64,
    /// Messages that came back; in handshake mode handshakes.
    pub messages: u64,
    /// Messages that came back, per second.
    pub messages_per_second: f64,
    /// Bytes that came back; over HTTP those of the bodies.
    pub bytes: u64,
    /// Bytes that came back over the whole run, first messages included, that were compared with what was sent: all,
    /// but over HTTP none unless an echo or a sum is expected.
    pub bytes_checked: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Latency of the messages; at a fixed rate from when they were due. None in idle and flood mode.
    ///
    /// Messages unanswered at the end are included with the time they had waited by then.
    pub latency: Option<Latency>,
    /// The same latencies as (seconds, how many), ascending: those of several generators can be added up.
    pub latency_counts: Vec<(f64, u64)>,
    /// Messages still unanswered at the end, on connections still open. In handshake mode: connections that the server had not
    /// ended a second after they were begun.
    pub unanswered: u64,
    /// Messages that were due in the measured time and were not even sent: the generator cannot keep this rate up.
    pub unsent: u64,
    /// How late the generator itself sent messages that were due. Where this is not far below `latency`, the generator
    /// was the limit, not the server. None without a rate.
    pub lateness: Option<Latency>,
    /// How the answers spread over the connections.
    pub fairness: Fairness,
    /// Statuses of HTTP answers other than 200 with their counts, over the whole run.
    pub other_statuses: Vec<(u16, u64)>,
    /// HTTP answers over the whole run whose body was not as long as that of the first one, or as what was sent.
    pub wrong_lengths: u64,
    /// HTTP answers over the whole run of the right length that had not the sum that was asked for.
    pub wrong_sums: u64,
    /// Connections that were ended because what came was no HTTP answer.
    pub malformed: u64,
    /// What is wrong with the HTTP answers and the encryption, a part of a sentence each. Connections whose encryption failed
    /// are also among `failed` or `broken`, as a protocol error.
    pub complaints: Vec<String>,
    /// Bytes that came back and were not what the connection had sent at that offset, over the whole run.
    pub corrupt_bytes: u64,
    /// The first of them.
    pub first_corruption: Option<Corruption>,
    /// What the server used, if the plan names its process.
    pub server: Option<ServerUsage>,
    /// Processor time of the generator per message. On loopback this includes the kernel's work of handing each segment
    /// to the server's socket.
    pub generator_cpu_per_message: Option<f64>,
    /// Processor time of the generator.
    pub generator_cpu_seconds: f64,
    /// The run was stopped before its time.
    pub stopped: bool,
}

/// A place where wrong bytes came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The connection, counted from 0 in the order of connecting.
    pub connection: usize,
    /// The offset in what it received.
    pub offset: u64,
}

/// What the server's process tree used.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerUsage {
    /// Processor time in user space and kernel, of all threads.
    pub cpu_seconds: f64,
    /// Processor time per message that came back; None if none did.
    pub cpu_per_message: Option<f64>,
    /// Processor time while the connections were opened.
    pub connecting_cpu_seconds: f64,
    /// Memory before the first connection.
    pub memory_before: Memory,
    /// Memory with all connections open, before the load.
    pub memory_connected: Memory,
    /// Memory at the end of the measured time, with the connections still open.
    pub memory_end: Memory,
    /// The most resident memory seen, looking five times a second.
    pub peak_resident_bytes: u64,
}
