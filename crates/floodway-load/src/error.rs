//! Why a run did not take place.

use std::fmt;

use floodway_sys::{Errno, SocketAddress};

/// What kept the generator from running. What goes wrong with single connections is in the report instead.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LoadError {
    /// The target is another machine's.
    NotLoopback(SocketAddress),
    /// The plan names no address.
    NoAddress,
    /// A figure of the plan is out of its range.
    OutOfRange {
        /// The plan's field.
        field: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        rule: &'static str,
    },
    /// The plan's HTTP request is none, or cannot be answered as it expects.
    Request(&'static str),
    /// The plan's TLS cannot be spoken, or there is none where the mode needs it.
    Tls(String),
    /// More connections than this process may have descriptors.
    TooManyConnections {
        /// What the plan asks for.
        asked: usize,
        /// What is possible here.
        possible: usize,
    },
    /// The server process does not exist, or may not be looked at.
    NoSuchProcess(u32),
    /// A system call failed that has nothing to do with the server.
    System {
        /// What was attempted.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(address) => write!(
                formatter,
                "{address} is not on this machine — the generator only loads 127.0.0.0/8, [::1] and Unix sockets — \
                 run it beside the server"
            ),
            Self::NoAddress => write!(formatter, "no address to load — name at least one"),
            Self::OutOfRange { field, value, rule } => {
                write!(formatter, "{field} is {value} — {rule}")
            }
            Self::Request(rule) => write!(formatter, "this request cannot be sent — {rule}"),
            Self::Tls(why) => write!(formatter, "no TLS session can begin — {why}"),
            Self::TooManyConnections { asked, possible } => write!(
                formatter,
                "{asked} connections need more descriptors than this process may have — {possible} connections are \
                 possible — raise the hard limit (ulimit -Hn) or run several generators"
            ),
            Self::NoSuchProcess(pid) => write!(
                formatter,
                "process {pid} cannot be measured — it does not exist or belongs to somebody else — \
                 leave the server's process id away to measure latency only"
            ),
            Self::System { what, errno } => write!(formatter, "cannot {what}: {errno}"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Names what was attempted when the kernel refused.
pub(crate) fn failed_to(what: &'static str) -> impl Fn(Errno) -> LoadError {
    move |errno| LoadError::System { what, errno }
}
