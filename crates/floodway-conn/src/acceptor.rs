//! One listening socket: accepting, pausing while descriptors or memory are exhausted, closing.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use floodway_base::TimerId;
use floodway_sys::{Errno, SocketAddress, is_transient_accept_error};

use crate::admission::Admission;
use crate::clock::ticks;
use crate::connection::Marks;
use crate::message::Host;
use crate::reactor::{Owner, Reactor};

/// How long accepting pauses at first when it fails for lack of descriptors or memory, and at most.
pub(crate) const FIRST_BACK_OFF: Duration = Duration::from_millis(5);
pub(crate) const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// A socket that was accepted, counted, and belongs to nobody yet; closed and uncounted when dropped.
#[derive(Debug)]
pub struct Newcomer {
    socket: Option<OwnedFd>,
    peer: SocketAddress,
    admission: Arc<Admission>,
}

impl Newcomer {
    /// A socket that `Admission::enter` has admitted.
    pub(crate) fn new(socket: OwnedFd, peer: SocketAddress, admission: Arc<Admission>) -> Self {
        Self {
            socket: Some(socket),
            peer,
            admission,
        }
    }

    /// The descriptor's number, for balancing.
    pub fn fd(&self) -> i32 {
        self.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// The other end.
    pub fn peer(&self) -> &SocketAddress {
        &self.peer
    }

    /// Hands out the socket, which stays counted.
    pub(crate) fn into_parts(mut self) -> Option<(OwnedFd, SocketAddress)> {
        Some((self.socket.take()?, self.peer.clone()))
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        if self.socket.take().is_some() {
            self.admission.leave(ip_of(&self.peer));
        }
    }
}

/// The IP address that per-address limits count by.
pub(crate) fn ip_of(address: &SocketAddress) -> Option<IpAddr> {
    match address {
        SocketAddress::V4(v4) => Some(IpAddr::V4(*v4.ip())),
        SocketAddress::V6(v6) => Some(v6.ip().to_canonical()),
        SocketAddress::Unix(_) => None,
    }
}

/// Whether a listener accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepting {
    Yes,
    /// Exhausted: tried again when the timer fires or a connection of this reactor closes.
    BackingOff {
        timer: TimerId,
    },
}

/// What becomes of accepted sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// This reactor owns them.
    Own,
    /// Python gets them, to choose a reactor.
    HandOver,
}

#[derive(Debug)]
pub(crate) struct Acceptor {
    pub socket: OwnedFd,
    pub route: u16,
    pub delivery: Delivery,
    /// Others, perhaps in other processes, accept on the same socket.
    pub shared: bool,
    pub accepting: Accepting,
    /// The pause after the next failure, doubled by each in a row.
    pub next_pause: Duration,
}

impl Acceptor {
    pub fn new(socket: OwnedFd, route: u16, delivery: Delivery, shared: bool) -> Self {
        Self {
            socket,
            route,
            delivery,
            shared,
            accepting: Accepting::Yes,
            next_pause: FIRST_BACK_OFF,
        }
    }

    pub fn is_accepting(&self) -> bool {
        self.accepting == Accepting::Yes
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<H: Host> Reactor<H> {
    pub(crate) fn on_accepted(&mut self, listener: u32, socket: OwnedFd, peer: SocketAddress) {
        self.shared.stats.accepted.add(1);
        let Some(Some(acceptor)) = self.acceptors.get_mut(listener as usize) else {
            return;
        };
        acceptor.next_pause = FIRST_BACK_OFF;
        let (route, delivery) = (acceptor.route, acceptor.delivery);
        if !self.admission.enter(ip_of(&peer)) {
            self.shared.stats.shed.add(1);
            self.notices.shed(self.now);
            return;
        }
        match delivery {
            Delivery::HandOver => {
                let newcomer = Newcomer::new(socket, peer, self.admission.clone());
                self.newcomers.push_back((newcomer, listener));
            }
            Delivery::Own => match self.shared.reserve(route) {
                Some(token) => self.begin(token, socket, peer, route, Marks::ADMITTED),
                None => self.admission.leave(ip_of(&peer)),
            },
        }
    }

    pub(crate) fn on_accept_failed(&mut self, listener: u32, errno: Errno) {
        let mut errors = self
            .shared
            .stats
            .accept_errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *errors.entry(errno.raw_os_error()).or_default() += 1;
        drop(errors);
        if is_transient_accept_error(errno) {
            return;
        }
        self.notices.accept_paused(errno, self.now);
        let Some(Some(acceptor)) = self.acceptors.get_mut(listener as usize) else {
            return;
        };
        if !acceptor.is_accepting() {
            return;
        }
        let pause = acceptor.next_pause;
        acceptor.next_pause = (pause * 2).min(LONGEST_BACK_OFF);
        let deadline = self.now.wrapping_add(ticks(pause));
        let timer = self.wheel.arm(deadline, Owner::Listener(listener));
        acceptor.accepting = Accepting::BackingOff { timer };
        self.driver.close(acceptor.socket.as_fd());
    }

    /// Accepts again after a pause.
    pub(crate) fn retry_listener(&mut self, listener: u32) {
        let Some(Some(acceptor)) = self.acceptors.get_mut(listener as usize) else {
            return;
        };
        acceptor.accepting = Accepting::Yes;
        let opened = self
            .driver
            .open_listener(listener, acceptor.socket.as_fd(), acceptor.shared);
        if let Err(errno) = opened {
            self.on_accept_failed_to_resume(listener, errno);
        }
    }

    /// Looks at every shared listener whether somebody waits there: another who was woken for it may be gone.
    pub fn look_again(&mut self) {
        for listener in 0..self.acceptors.len() as u32 {
            if let Some(Some(acceptor)) = self.acceptors.get(listener as usize)
                && acceptor.shared
                && acceptor.is_accepting()
            {
                self.driver.close(acceptor.socket.as_fd());
                self.retry_listener(listener);
            }
        }
    }

    /// The driver itself is short of memory: tries again later.
    fn on_accept_failed_to_resume(&mut self, listener: u32, errno: Errno) {
        self.notices.accept_paused(errno, self.now);
        if let Some(Some(acceptor)) = self.acceptors.get_mut(listener as usize) {
            let deadline = self.now.wrapping_add(ticks(LONGEST_BACK_OFF));
            let timer = self.wheel.arm(deadline, Owner::Listener(listener));
            acceptor.accepting = Accepting::BackingOff { timer };
        }
    }

    /// A descriptor has become free: listeners that pause for want of one go on.
    pub(crate) fn retry_listeners(&mut self) {
        for listener in 0..self.acceptors.len() as u32 {
            if let Some(Some(acceptor)) = self.acceptors.get(listener as usize)
                && let Accepting::BackingOff { timer } = acceptor.accepting
            {
                self.wheel.cancel(timer);
                self.retry_listener(listener);
            }
        }
    }

    /// Accepts what waits, then closes the listeners.
    pub fn close_listeners(&mut self) {
        for listener in 0..self.acceptors.len() as u32 {
            self.close_listener(listener);
        }
    }

    /// Accepts what waits, then closes this listener. Its number is not used again: newcomers that Python has not
    /// seen yet carry it.
    pub fn close_listener(&mut self, listener: u32) {
        let Some(Some(acceptor)) = self.acceptors.get(listener as usize) else {
            return;
        };
        if acceptor.is_accepting() {
            while let Some(Some(acceptor)) = self.acceptors.get(listener as usize)
                && let Ok((socket, peer)) = floodway_sys::accept(acceptor.fd())
            {
                self.on_accepted(listener, socket, peer);
            }
        }
        if let Some(acceptor) = self.acceptors[listener as usize].take() {
            match acceptor.accepting {
                Accepting::Yes => self.driver.close(acceptor.socket.as_fd()),
                Accepting::BackingOff { timer } => {
                    self.wheel.cancel(timer);
                }
            }
        }
    }
}
