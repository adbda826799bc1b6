//! Opening the connections, in waves.
//!
//! A handshake on loopback is done by the two kernels: a connection is open for the client long before the server has
//! accepted it, and nothing tells the client how full the server's backlog is. When it is full the kernel drops
//! requests, and repeats them a second later. So a connection occupies a place of the wave until the *server* has
//! shown itself, by answering the first message. Connections that are never answered would hold their places for ever;
//! after a second without any progress they lose them, and the next ones get their chance. All are waited for to the
//! end of the plan's patience, since an overfull backlog delays answers by whole seconds and refuses nobody.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Duration;

use floodway_sys::epoll::Flags;
use floodway_sys::socket::{self, ConnectProgress};
use floodway_sys::{Errno, SocketAddress};

use crate::connection::{Link, Place};
use crate::error::LoadError;
use crate::generator::{Generator, Pace};

/// Without progress for this long, unanswered connections do not keep others from being tried.
const STALL_NANOS: u64 = 1_000_000_000;
/// Connections per local address in 127.0.0.0/8: well within one range of local ports, of which others are in use.
const CONNECTIONS_PER_SOURCE: usize = 8_000;
const SOURCES_MIN: usize = 4;
pub(crate) const SOURCES_MAX: usize = 250;

/// How far connecting has come. Times are nanoseconds since the generator's start.
#[derive(Debug)]
pub(crate) struct Wave {
    /// The connections that were opened, in this order.
    pub(crate) opened: Vec<u32>,
    /// The first connection not yet tried.
    pub(crate) next: usize,
    begin: u64,
    /// Connections that hold a place.
    places_taken: usize,
    /// Connections that were started and are neither answered nor over, with a place or without.
    pending: usize,
    /// Connections whose handshake the kernel has not finished.
    handshaking: usize,
    /// The last time a connection left the wave or was opened.
    pub(crate) last_progress: u64,
    /// The last time the server did something, as far as can be told.
    last_sign: u64,
}

impl Wave {
    pub(crate) fn new() -> Self {
        Self {
            opened: Vec::new(),
            next: 0,
            begin: 0,
            places_taken: 0,
            pending: 0,
            handshaking: 0,
            last_progress: 0,
            last_sign: 0,
        }
    }

    /// Seconds from the beginning to the last progress.
    pub(crate) fn seconds(&self) -> f64 {
        self.last_progress.saturating_sub(self.begin) as f64 / 1e9
    }
}

impl Generator<'_> {
    /// Begins connecting now.
    pub(crate) fn begin_connecting(&mut self) {
        let now = self.now();
        self.wave.begin = now;
        self.wave.last_progress = now;
        self.wave.last_sign = now;
    }

    /// One turn of connecting; false once it is over, because all are served or nothing moves any more.
    pub(crate) fn connect_turn(&mut self, until: u64) -> Result<bool, LoadError> {
        let now = self.now();
        let stalled = now - self.wave.last_progress > STALL_NANOS;
        if stalled && self.wave.places_taken > self.wave.handshaking {
            self.release_unanswered();
        }
        let patience = (self.plan.patience_seconds * 1e9).round();
        if (now - self.wave.last_sign) as f64 > patience {
            self.abandon_handshakes();
            return Ok(false);
        }
        let next_start = self.start_connections(now);
        if self.wave.next == self.plan.connections && self.wave.pending == 0 {
            return Ok(false);
        }
        self.turn(until, next_start)?;
        Ok(true)
    }

    /// The kernel has finished a handshake, for better or worse.
    pub(crate) fn finish_connecting(&mut self, number: usize) {
        let connection = &self.connections[number];
        if connection.secure.is_some() {
            return self.shake_hands(number);
        }
        let Link::Connecting(fd) = &connection.link else {
            return;
        };
        let outcome = match socket::take_error(fd.as_fd()) {
            Ok(None) => self.epoll.modify(fd.as_fd(), number as u64, Flags::IN),
            Ok(Some(errno)) | Err(errno) => Err(errno),
        };
        self.wave.handshaking -= 1;
        match outcome {
            Ok(()) => self.connected(number),
            Err(errno) => self.fail(number, errno),
        }
    }

    /// Gives a connection's place to the next one: it was answered, or it is over.
    pub(crate) fn leave_wave(&mut self, number: usize, now: u64) {
        self.wave.last_progress = now;
        self.wave.last_sign = now;
        let place = std::mem::take(&mut self.connections[number].place);
        if place == Place::Held {
            self.wave.places_taken -= 1;
        }
        if place != Place::None {
            self.wave.pending -= 1;
        }
    }

    /// Starts what the wave has room for; returns when the next one may start, if the plan limits that.
    fn start_connections(&mut self, now: u64) -> Option<u64> {
        while self.wave.next < self.plan.connections
            && self.wave.places_taken < self.plan.connect_wave
        {
            if let Some(rate) = self.plan.connect_rate {
                let nanos = Duration::from_secs_f64(self.wave.next as f64 / rate).as_nanos();
                let moment = self.wave.begin + nanos as u64;
                if moment > now {
                    if self.wave.places_taken == 0 {
                        // It is we who keep the server waiting.
                        self.wave.last_sign = now;
                    }
                    return Some(moment);
                }
            }
            let number = self.wave.next;
            self.wave.next += 1;
            self.start_connection(number);
        }
        None
    }

    pub(crate) fn start_connection(&mut self, number: usize) {
        let now = self.now();
        let connection = &mut self.connections[number];
        connection.place = Place::Held;
        connection.sent_at = now;
        self.wave.places_taken += 1;
        self.wave.pending += 1;
        let addresses = &self.plan.addresses;
        let started = match &addresses[number % addresses.len()] {
            SocketAddress::V4(target) => {
                let plan = self.plan;
                socket::connect_from(
                    source_of(plan.first_source, number, plan.connections),
                    target,
                )
            }
            other @ (SocketAddress::V6(_) | SocketAddress::Unix(_)) => socket::connect(other),
        };
        let registered = started.and_then(|(fd, progress)| {
            // The kernel says "in progress" and yet has finished most handshakes on loopback by now. Asking saves a
            // wait and two more calls for each connection.
            let is_open =
                progress == ConnectProgress::Done || socket::peer_address(fd.as_fd()).is_ok();
            let interest = if is_open { Flags::IN } else { Flags::OUT };
            self.epoll.add(fd.as_fd(), number as u64, interest)?;
            Ok((fd, is_open))
        });
        match registered {
            Ok((fd, is_open)) => {
                self.connections[number].link = Link::Connecting(fd);
                if is_open {
                    self.connected(number);
                } else {
                    self.wave.handshaking += 1;
                }
            }
            Err(errno) => self.fail(number, errno),
        }
    }

    /// Lets an open connection, watched for input, send its first message.
    pub(crate) fn opened(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let Link::Connecting(fd) = std::mem::replace(&mut connection.link, Link::Unopened) else {
            return;
        };
        // Segments are messages here. A Unix socket has no such option, and needs none.
        let _ = socket::set_nodelay(fd.as_fd(), true);
        connection.link = Link::Open(fd);
        self.open += 1;
        let began = connection.sent_at;
        let now = self.now();
        if self.pace == Pace::Handshakes {
            self.leave_wave(number, now);
            return self.count_handshake(number, now);
        }
        self.connections[number].slot = self.wave.opened.len() as u32;
        self.wave.opened.push(number as u32);
        self.wave.last_progress = now;
        if self.plan.has_first_message() {
            // The first latency includes connecting.
            self.send_next(number, began);
        } else {
            self.connect_latencies.record(now - began);
            self.leave_wave(number, now);
        }
    }

    pub(crate) fn fail(&mut self, number: usize, errno: Errno) {
        let connection = &mut self.connections[number];
        if let Link::Connecting(fd) = std::mem::replace(&mut connection.link, Link::Unopened) {
            // Before the close; see `floodway_sys::epoll`. The entry exists, so there is nothing to report.
            let _ = self.epoll.delete(fd.as_fd());
        }
        self.drop_encryption(number);
        *self.failed.entry(errno).or_default() += 1;
        if self.pace == Pace::Handshakes {
            self.reopening -= 1;
        }
        let now = self.now();
        self.leave_wave(number, now);
    }

    fn release_unanswered(&mut self) {
        for connection in &mut self.connections {
            let is_connected = connection.open_fd().is_some() || connection.secure.is_some();
            if connection.place == Place::Held && is_connected {
                connection.place = Place::Lost;
                self.wave.places_taken -= 1;
            }
        }
    }

    fn abandon_handshakes(&mut self) {
        for number in 0..self.wave.next {
            let connection = &self.connections[number];
            if matches!(connection.link, Link::Connecting(_)) {
                self.wave.handshaking -= usize::from(connection.secure.is_none());
                self.fail(number, Errno::TIMEDOUT);
            }
        }
    }
}

/// The local address of a connection. All of 127.0.0.0/8 is this machine, and each address has its own range of ports.
fn source_of(first: Ipv4Addr, number: usize, connections: usize) -> Ipv4Addr {
    let sources = (connections / CONNECTIONS_PER_SOURCE + 1).clamp(SOURCES_MIN, SOURCES_MAX);
    Ipv4Addr::from_bits(first.to_bits() + (number % sources) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_source_is_asked_for_more_connections_than_it_has_ports() {
        for connections in [1, 20_000, 1_000_000] {
            let mut used = HashMap::<Ipv4Addr, usize>::new();
            for number in 0..connections {
                let source = source_of(Ipv4Addr::LOCALHOST, number, connections);
                *used.entry(source).or_default() += 1;
            }
            assert!(used.keys().all(Ipv4Addr::is_loopback));
            assert!(used.values().all(|&count| count <= CONNECTIONS_PER_SOURCE));
        }
    }
}
