//! TLS' handshake, between the kernel's and a connection's first message; and handshake mode, which repeats both.

use std::os::fd::AsFd;

use floodway_sys::epoll::Flags;
use floodway_sys::{Errno, socket};

use crate::area::Arrived;
use crate::connection::Link;
use crate::generator::Generator;

impl Generator<'_> {
    /// The kernel has shaken hands: TLS does so next, or the connection is open.
    pub(crate) fn connected(&mut self, number: usize) {
        let Some(encryption) = &self.encryption else {
            return self.opened(number);
        };
        match encryption.begin() {
            Ok(secure) => {
                self.connections[number].secure = Some(Box::new(secure));
                self.go_on_shaking(number);
            }
            Err(errno) => self.fail(number, errno),
        }
    }

    /// The socket of a connection that is shaking hands has something, or room.
    pub(crate) fn shake_hands(&mut self, number: usize) {
        let arrived = self.connections[number].receive_bytes(&mut self.area);
        let unexpected = match arrived {
            Ok(Arrived::Nothing) => return self.go_on_shaking(number),
            Ok(Arrived::Bytes(_)) => "the server sent something before it was asked",
            Ok(Arrived::End) => "the server ended the connection in the handshake",
            Err(errno) => return self.fail(number, errno),
        };
        let secure = self.connections[number].secure.as_mut();
        let errno = secure.map_or(Errno::PROTO, |secure| secure.fail(unexpected.to_owned()));
        self.fail(number, errno);
    }

    /// Sends what the handshake wants sent, and opens the connection once it is done.
    fn go_on_shaking(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let is_blocked = match connection.flush() {
            Ok(is_flushed) => !is_flushed,
            Err(errno) => return self.fail(number, errno),
        };
        let was_blocked = std::mem::replace(&mut connection.is_blocked, is_blocked);
        if let (Link::Connecting(fd), true) = (&connection.link, is_blocked != was_blocked) {
            let room = if is_blocked {
                Flags::OUT
            } else {
                Flags::empty()
            };
            let watched = self
                .epoll
                .modify(fd.as_fd(), number as u64, Flags::IN | room);
            if let Err(errno) = watched {
                return self.fail(number, errno);
            }
        }
        if connection
            .secure
            .as_ref()
            .is_some_and(|secure| secure.is_open())
        {
            self.opened(number);
        }
    }

    /// What is wrong with the encryption, as part of a sentence, if anything is.
    pub(crate) fn tls_complaints(&self) -> Vec<String> {
        let first = self.first_tls_failure.iter();
        let count = self.tls_failures;
        first
            .map(|why| format!("TLS failed on {count} connections ({why})"))
            .collect()
    }

    /// Handshake mode: counts the handshake of a connection that has just opened, and says goodbye.
    pub(crate) fn count_handshake(&mut self, number: usize, now: u64) {
        self.reopening -= 1;
        self.total.messages += 1;
        if self.is_counting {
            self.connections[number].answers += 1;
        }
        if self.is_recording {
            self.latencies
                .record(now - self.connections[number].sent_at);
        }
        self.say_goodbye(number);
    }

    /// Handshake mode: says that nothing more comes. The server's end follows, after which it has done its part; a reset
    /// would have spared it the rest of the handshake.
    pub(crate) fn say_goodbye(&mut self, number: usize) {
        if let Some(secure) = &mut self.connections[number].secure {
            secure.finish();
        }
        self.send(number);
    }

    /// Handshake mode: how many connections have waited for the server's end for so long.
    pub(crate) fn not_ended_since(&self, moment: u64) -> u64 {
        let mut waiting = 0;
        for connection in &self.connections {
            let is_waiting = connection.open_fd().is_some() && connection.sent_at < moment;
            waiting += u64::from(is_waiting);
        }
        waiting
    }

    /// Handshake mode: the server has ended the connection, and the next one takes its place.
    pub(crate) fn begin_anew(&mut self, number: usize) {
        if let Some(fd) = self.connections[number].open_fd() {
            // What fails here only costs ports: whoever closes first keeps them for a while.
            let _ = socket::set_linger_zero(fd);
        }
        self.forget(number);
        self.connections[number].is_blocked = false;
        self.reopening += 1;
        self.start_connection(number);
    }
}
