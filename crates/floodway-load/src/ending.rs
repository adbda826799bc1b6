//! How connections end: by the server, by an error, or because all is measured.

use std::os::fd::AsFd;

use floodway_sys::{Errno, socket};

use crate::connection::Link;
use crate::generator::{Generator, Pace};

impl Generator<'_> {
    /// The server ended the connection, or it broke.
    pub(crate) fn end(&mut self, number: usize, error: Option<Errno>) {
        if self.pace == Pace::Handshakes && error.is_none() {
            return self.begin_anew(number);
        }
        if self.forget(number) {
            match error {
                Some(errno) => *self.broken.entry(errno).or_default() += 1,
                None => self.closed_by_server += 1,
            }
        }
    }

    /// Closes a connection, unless that has happened; returns whether it was open.
    pub(crate) fn forget(&mut self, number: usize) -> bool {
        let connection = &mut self.connections[number];
        let was_open = match std::mem::replace(&mut connection.link, Link::Ended) {
            Link::Open(fd) => {
                // Before the close; see `floodway_sys::epoll`. The entry exists, so there is nothing to report.
                let _ = self.epoll.delete(fd.as_fd());
                self.open -= 1;
                self.answers.forget(number);
                true
            }
            Link::Unopened | Link::Connecting(_) | Link::Ended => false,
        };
        self.drop_encryption(number);
        let now = self.now();
        self.leave_wave(number, now);
        was_open
    }

    /// Frees what an ended connection's encryption has, and keeps why it failed.
    pub(crate) fn drop_encryption(&mut self, number: usize) {
        let secure = self.connections[number].secure.take();
        if let Some(why) = secure.and_then(|mut secure| secure.take_failure()) {
            self.tls_failures += 1;
            self.first_tls_failure.get_or_insert(why);
        }
    }

    /// Aborts every connection: no `TIME_WAIT` is left that would occupy ports in the next run.
    pub(crate) fn close_all(&mut self) {
        for connection in &mut self.connections {
            if let Link::Open(fd) = std::mem::replace(&mut connection.link, Link::Ended) {
                // What fails here only costs the next run some ports.
                let _ = socket::set_linger_zero(fd.as_fd());
                let _ = self.epoll.delete(fd.as_fd());
            }
        }
        self.open = 0;
    }
}
