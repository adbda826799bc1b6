//! What the generator is asked to do.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use floodway_sys::{SocketAddress, limits};

use crate::connecting::SOURCES_MAX;
use crate::error::LoadError;
use crate::request::{Expected, Request};

/// The longest message. Longer ones say nothing new: they are streams.
const SIZE_BYTES_MAX: usize = 256 << 20;
/// A day: beyond it, nanoseconds since the start and rates over the run lose their meaning here.
const SECONDS_MAX: f64 = 86_400.0;
/// Messages per second that no server reaches over sockets.
const RATE_MAX: f64 = 1e9;
/// Descriptors left for what the process opens meanwhile: epoll, timer, files of /proc.
const SPARE_DESCRIPTORS: usize = 16;

/// What the connections do once they are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Send messages and expect each back: at [`Plan::rate`], or one in flight per connection.
    Echo,
    /// Exchange one message, then hold the connection and send nothing.
    Idle,
    /// Send as fast as the socket takes, while reading and checking whatever comes back.
    Flood,
    /// Connect, shake hands by TLS, say goodbye, wait until the server has ended the connection, and begin anew. A
    /// message is a handshake, and its latency counts from the connect.
    Handshake,
}

/// One run of the generator.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where to connect; connections are dealt out to several addresses in turn. Loopback and Unix sockets only.
    pub addresses: Vec<SocketAddress>,
    /// How many connections.
    pub connections: usize,
    /// Whom to ask for by TLS 1.3 or 1.2, a DNS name or an IP address; None: nothing is encrypted. Whoever answers is
    /// believed, and every handshake is a whole one.
    pub server_name: Option<String>,
    /// The HTTP request that is a message, in echo and idle mode; None: messages are bytes that have to come back.
    pub request: Option<Request>,
    /// What they do.
    pub mode: Mode,
    /// Messages per second over all connections, in echo mode; None is the closed loop: one in flight per connection.
    pub rate: Option<f64>,
    /// How many connections take part in the load, in echo mode; the others exchange their first message and are held.
    /// None is all of them.
    pub active: Option<usize>,
    /// Bytes of one message, over HTTP of a request's body. Zero, in idle mode only, exchanges nothing.
    pub size: usize,
    /// How long to measure, without connecting and warming up.
    pub seconds: f64,
    /// How long to run the load before measuring.
    pub warmup_seconds: f64,
    /// Connections started per second; None is as fast as the server takes them.
    pub connect_rate: Option<f64>,
    /// The first local address, in 127.0.0.0/8; with many connections the addresses that follow it are used too.
    /// Generators that run at the same time each need a range of their own: an address has some 28,000 ports.
    pub first_source: Ipv4Addr,
    /// The most connections that are being opened at any time: started, and not yet answered. Keep it below the
    /// server's backlog, or the kernel drops connection requests and repeats them a second later.
    pub connect_wave: usize,
    /// How long connecting may make no progress before the rest is given up.
    pub patience_seconds: f64,
    /// The server's process, whose tree's processor time and memory are reported.
    pub pid: Option<u32>,
}

impl Plan {
    /// One connection in a closed loop of 1 KiB messages, for ten seconds after one of warming up.
    pub fn new(address: SocketAddress) -> Self {
        Self {
            addresses: vec![address],
            connections: 1,
            server_name: None,
            request: None,
            mode: Mode::Echo,
            rate: None,
            active: None,
            size: 1_024,
            seconds: 10.0,
            warmup_seconds: 1.0,
            connect_rate: None,
            first_source: Ipv4Addr::LOCALHOST,
            connect_wave: 128,
            patience_seconds: 10.0,
            pid: None,
        }
    }

    /// Whether each connection sends a message, and waits for it to come back, while connecting.
    pub(crate) fn has_first_message(&self) -> bool {
        match self.mode {
            Mode::Echo | Mode::Idle => self.size > 0 || self.request.is_some(),
            Mode::Flood | Mode::Handshake => false,
        }
    }

    /// Whether every byte that comes back follows from what was sent, and is compared with that.
    pub(crate) fn compares_bytes(&self) -> bool {
        let request = self.request.as_ref();
        request.is_none_or(|request| request.expected != Expected::OneLength)
    }

    /// Refuses what cannot be run. Raises the soft limit on descriptors.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        self.check_addresses()?;
        self.check_ranges()?;
        if let Some(request) = &self.request {
            request.check(self.size)?;
            if self.mode == Mode::Flood {
                return Err(LoadError::Request(
                    "a flood is of bytes, not of requests: write tcp://",
                ));
            }
        }
        if self.mode == Mode::Handshake && self.server_name.is_none() {
            let why = "a plain connection has no handshake to measure: write tls:// or https://";
            return Err(LoadError::Tls(why.to_owned()));
        }
        // A refusal to raise the limit leaves the old one, which is what counts below.
        let _ = limits::raise_nofile();
        let possible = possible_connections();
        if self.connections > possible {
            return Err(LoadError::TooManyConnections {
                asked: self.connections,
                possible,
            });
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), LoadError> {
        if self.addresses.is_empty() {
            return Err(LoadError::NoAddress);
        }
        if !has_room_for_sources(self.first_source) {
            let source = SocketAddr::from((self.first_source, 0));
            return Err(LoadError::NotLoopback(source.into()));
        }
        match self.addresses.iter().find(|address| !address.is_loopback()) {
            Some(stranger) => Err(LoadError::NotLoopback(stranger.clone())),
            None => Ok(()),
        }
    }

    fn check_ranges(&self) -> Result<(), LoadError> {
        let at_least_one = "it has to be at least 1";
        let duration = "it has to be between 0 and 86400 seconds";
        let rate = "it has to be above 0 and at most 1e9 per second";
        let is_duration = |seconds: f64| (0.0..=SECONDS_MAX).contains(&seconds);
        let is_rate = |rate: Option<f64>| rate.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX);
        let smallest = usize::from(self.mode != Mode::Idle);
        let rules = [
            (
                "connections",
                self.connections as f64,
                self.connections >= 1,
                at_least_one,
            ),
            (
                "connect_wave",
                self.connect_wave as f64,
                self.connect_wave >= 1,
                at_least_one,
            ),
            ("seconds", self.seconds, is_duration(self.seconds), duration),
            (
                "warmup_seconds",
                self.warmup_seconds,
                is_duration(self.warmup_seconds),
                duration,
            ),
            (
                "patience_seconds",
                self.patience_seconds,
                is_duration(self.patience_seconds),
                duration,
            ),
            ("rate", self.rate.unwrap_or(0.0), is_rate(self.rate), rate),
            (
                "rate",
                self.rate.unwrap_or(0.0),
                self.rate.is_none() || self.mode == Mode::Echo,
                "only echo mode has one",
            ),
            (
                "active",
                self.active.unwrap_or(0) as f64,
                self.active
                    .is_none_or(|active| active >= 1 && self.mode == Mode::Echo),
                "it has to be at least 1, and only echo mode has some",
            ),
            (
                "connect_rate",
                self.connect_rate.unwrap_or(0.0),
                is_rate(self.connect_rate),
                rate,
            ),
            (
                "size",
                self.size as f64,
                (smallest..=SIZE_BYTES_MAX).contains(&self.size),
                "it has to be between 1 byte (0 in idle mode) and 256 MiB",
            ),
        ];
        match rules.into_iter().find(|&(_, _, holds, _)| !holds) {
            Some((field, value, _, rule)) => Err(LoadError::OutOfRange { field, value, rule }),
            None => Ok(()),
        }
    }
}

/// Whether this address and the sources that may follow it are this machine's.
fn has_room_for_sources(first: Ipv4Addr) -> bool {
    let last = first.to_bits().saturating_add(SOURCES_MAX as u32 - 1);
    first.is_loopback() && Ipv4Addr::from_bits(last).is_loopback()
}

fn possible_connections() -> usize {
    let limit = usize::try_from(limits::nofile().soft).unwrap_or(usize::MAX);
    let open = fs::read_dir("/proc/self/fd").map_or(3, Iterator::count);
    limit.saturating_sub(open + SPARE_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(
            "127.0.0.1:9"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        )
    }

    #[test]
    fn the_default_plan_can_be_run() {
        assert_eq!(plan().check(), Ok(()));
    }

    #[test]
    fn other_machines_are_not_loaded() {
        let mut far = plan();
        far.addresses.push(
            "192.0.2.1:80"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        );
        let refused = far.check().unwrap_err().to_string();
        assert!(
            refused.starts_with("192.0.2.1:80 is not on this machine"),
            "{refused}"
        );
        let from_afar = Plan {
            first_source: Ipv4Addr::new(127, 255, 255, 250), // the next ones would not be ours
            ..plan()
        };
        assert!(matches!(from_afar.check(), Err(LoadError::NotLoopback(_))));
        far.addresses.clear();
        assert_eq!(far.check(), Err(LoadError::NoAddress));
    }

    #[test]
    fn more_connections_than_descriptors_are_refused_with_the_number_possible() {
        let greedy = Plan {
            connections: usize::MAX,
            ..plan()
        };
        let LoadError::TooManyConnections { asked, possible } = greedy.check().unwrap_err() else {
            panic!("another error");
        };
        assert_eq!(asked, usize::MAX);
        assert!(possible > 0 && (possible as u64) < limits::nofile().hard);
    }

    #[test]
    fn figures_out_of_range_are_named() {
        let wrong = [
            (
                "connections",
                Plan {
                    connections: 0,
                    ..plan()
                },
            ),
            (
                "connect_wave",
                Plan {
                    connect_wave: 0,
                    ..plan()
                },
            ),
            (
                "seconds",
                Plan {
                    seconds: f64::NAN,
                    ..plan()
                },
            ),
            (
                "seconds",
                Plan {
                    seconds: -1.0,
                    ..plan()
                },
            ),
            (
                "warmup_seconds",
                Plan {
                    warmup_seconds: f64::INFINITY,
                    ..plan()
                },
            ),
            (
                "rate",
                Plan {
                    rate: Some(0.0),
                    ..plan()
                },
            ),
            (
                "rate",
                Plan {
                    rate: Some(5.0),
                    mode: Mode::Flood,
                    ..plan()
                },
            ),
            (
                "connect_rate",
                Plan {
                    connect_rate: Some(f64::NAN),
                    ..plan()
                },
            ),
            ("size", Plan { size: 0, ..plan() }),
            (
                "active",
                Plan {
                    active: Some(0),
                    ..plan()
                },
            ),
            (
                "active",
                Plan {
                    active: Some(1),
                    mode: Mode::Idle,
                    ..plan()
                },
            ),
            (
                "size",
                Plan {
                    size: 1 << 40,
                    ..plan()
                },
            ),
        ];
        for (expected, plan) in wrong {
            match plan.check() {
                Err(LoadError::OutOfRange { field, .. }) => assert_eq!(field, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
        assert_eq!(
            Plan {
                size: 0,
                mode: Mode::Idle,
                ..plan()
            }
            .check(),
            Ok(())
        );
    }
}
