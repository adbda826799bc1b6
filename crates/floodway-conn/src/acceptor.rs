//! One listening socket: accepting, pausing while descriptors or memory are exhausted, closing.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use floodway_base::TimerId;
use floodway_sys::{Errno, SocketAddress, is_transient_accept_error};

use crate::admission::{Admission, Paused};
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
    number: u64,
    peer: SocketAddress,
    admission: Arc<Admission>,
}

impl Newcomer {
    /// A socket that `Admission::enter` has admitted.
    pub(crate) fn new(
        socket: OwnedFd,
        number: u64,
        peer: SocketAddress,
        admission: Arc<Admission>,
    ) -> Self {
        Self {
            socket: Some(socket),
            number,
            peer,
            admission,
        }
    }

    /// The number to balance by: the descriptor's, or a count where that does not stay.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The socket.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
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
    /// Exhausted: tried again when the timer fires or a connection of this process closes.
    BackingOff {
        timer: TimerId,
    },
    /// Python said so, and will say when it is over.
    Paused,
}

/// Where a listener's sockets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A listening socket.
    Listening,
    /// A listening socket on which others, perhaps in other processes, accept as well.
    Shared,
    /// A process that accepts, and hands its sockets over on this one to whoever serves at the seat.
    Channel {
        /// The seat's number.
        seat: usize,
    },
}

/// What becomes of accepted sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// This reactor owns them.
    Own,
    /// Python gets them, to choose a reactor.
    HandOver,
    /// Python gets them, to choose another process. Their descriptors do not stay here, so the kernel would hand out the
    /// same few numbers again and again: the number to balance by is a count instead.
    Depart,
}

#[derive(Debug)]
pub(crate) struct Acceptor {
    pub socket: OwnedFd,
    pub route: u16,
    pub delivery: Delivery,
    pub source: Source,
    pub accepting: Accepting,
    /// The pause after the next failure, doubled by each in a row.
    pub next_pause: Duration,
}

impl Acceptor {
    pub fn new(socket: OwnedFd, route: u16, delivery: Delivery, source: Source) -> Self {
        Self {
            socket,
            route,
            delivery,
            source,
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
        let Some(Some(acceptor)) = self.acceptors.get_mut(listener as usize) else {
            return;
        };
        acceptor.next_pause = FIRST_BACK_OFF;
        let (route, delivery, source) = (acceptor.route, acceptor.delivery, acceptor.source);
        let is_admitted = self.admission.enter(ip_of(&peer));
        match source {
            // One by one: who balances reads the load at any time, and must not see what has come as on its way too.
            Source::Channel { seat } => self.admission.taken_over(seat, 1),
            Source::Listening | Source::Shared => self.shared.stats.accepted.add(1),
        }
        if !is_admitted {
            self.shared.stats.shed.add(1);
            self.notices.shed(self.now);
            return;
        }
        match delivery {
            Delivery::HandOver | Delivery::Depart => {
                let number = match delivery {
                    Delivery::Depart => self.shared.stats.accepted.get(),
                    _ => socket.as_raw_fd().unsigned_abs().into(),
                };
                let newcomer = Newcomer::new(socket, number, peer, self.admission.clone());
                self.newcomers.push_back((newcomer, listener));
            }
            Delivery::Own => match self.shared.reserve(route) {
                Some(token) => self.begin(token, socket, peer, route, Marks::ADMITTED),
                None => self.admission.leave(ip_of(&peer)),
            },
        }
    }

    /// Another process has handed over `count` sockets that cannot be accepted: for `lost` there was no descriptor here.
    pub(crate) fn on_not_taken(&mut self, listener: u32, count: usize, lost: usize) {
        if let Some(Some(acceptor)) = self.acceptors.get(listener as usize)
            && let Source::Channel { seat } = acceptor.source
        {
            self.admission.taken_over(seat, count);
        }
        if lost > 0 {
            self.shared.stats.lost.add(lost as u64);
            self.on_accept_failed(listener, Errno::MFILE);
        }
    }

    /// Accepts what waits now.
    fn accept_all(&mut self, listener: u32) {
        let mut completions = Vec::new();
        loop {
            let Some(Some(acceptor)) = self.acceptors.get(listener as usize) else {
                return;
            };
            if !acceptor.is_accepting() {
                return;
            }
            crate::driver::accept(
                listener,
                acceptor.fd(),
                acceptor.source,
                1,
                &mut completions,
            );
            if completions.is_empty() {
                return;
            }
            for completion in completions.drain(..) {
                self.run_completion(completion);
            }
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
        self.back_off(listener);
        self.wait_for_descriptor();
    }

    /// Asks to be told of a descriptor that any reactor of the process closes.
    fn wait_for_descriptor(&self) {
        let shared: Arc<dyn Paused> = self.shared.clone();
        self.admission.wait_for_descriptor(Arc::downgrade(&shared));
    }

    /// Stops accepting until `resume_accepting`: there is nobody who could take more.
    pub fn pause_accepting(&mut self) {
        for acceptor in self.acceptors.iter_mut().flatten() {
            match acceptor.accepting {
                Accepting::Yes => self.driver.close(acceptor.socket.as_fd()),
                Accepting::BackingOff { timer } => {
                    self.wheel.cancel(timer);
                }
                Accepting::Paused => {}
            }
            acceptor.accepting = Accepting::Paused;
        }
    }

    /// Accepts again after `pause_accepting`.
    pub fn resume_accepting(&mut self) {
        for listener in 0..self.acceptors.len() as u32 {
            if let Some(Some(acceptor)) = self.acceptors.get(listener as usize)
                && acceptor.accepting == Accepting::Paused
            {
                self.retry_listener(listener);
            }
        }
    }

    fn back_off(&mut self, listener: u32) {
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
            .open_listener(listener, acceptor.socket.as_fd(), acceptor.source);
        if let Err(errno) = opened {
            self.on_accept_failed_to_resume(listener, errno);
        }
    }

    /// Looks at every shared listener whether somebody waits there: another who was woken for it may be gone.
    pub fn look_again(&mut self) {
        for listener in 0..self.acceptors.len() as u32 {
            if let Some(Some(acceptor)) = self.acceptors.get(listener as usize)
                && acceptor.source == Source::Shared
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
            self.wait_for_descriptor();
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
            self.accept_all(listener);
        }
        if let Some(acceptor) = self.acceptors[listener as usize].take() {
            match acceptor.accepting {
                Accepting::Yes => self.driver.close(acceptor.socket.as_fd()),
                Accepting::BackingOff { timer } => {
                    self.wheel.cancel(timer);
                }
                Accepting::Paused => {}
            }
        }
    }
}
