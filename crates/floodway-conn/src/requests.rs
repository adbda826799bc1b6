//! What is asked of a connection or of the reactor, on its own thread: by Python directly, by others through the inbox.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use floodway_base::{Protocol, Sessions, Token};
use floodway_sys::{Errno, SocketAddress, socket};

use crate::acceptor::Newcomer;
use crate::clock::ticks;
use crate::connection::{Active, Input, Marks, Pauses, Pending, Slot, State};
use crate::driver::Interest;
use crate::message::{Host, Message};
use crate::reactor::{Opening, Reactor};
use crate::reason::CloseReason;
use crate::route::Framing;
use crate::shared::control;
use crate::transport::Transport;

impl<H: Host> Reactor<H> {
    /// Does what other threads have asked for. Every call of the owner does this first, so that order follows
    /// happens-before.
    pub fn take_messages(&mut self) {
        if self.shared.inbox.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        for message in shared.inbox.drain() {
            match message {
                Message::Write(token, pieces) => self.write_pieces(token, pieces),
                Message::Finish(token) => self.finish(token),
                Message::Close(token, reason) => self.close(token, reason),
                Message::Abort(token, reason) => self.abort(token, reason),
                Message::Refresh(token) => self.refresh_if_live(token),
                Message::Command(token, command) => self.command(token, command),
                Message::Done(token, left) => self.done(token, left),
                Message::Adopt(newcomer, route) => self.adopt(newcomer, route),
                Message::Connect(token, timeout, name) => self.connect(token, timeout, name),
                Message::Resolved(token, addresses) => self.resolved(token, addresses),
                Message::AskLocal(token, answer) => {
                    let local = self
                        .local_and_half_closed(token)
                        .and_then(|(local, _)| local);
                    // Who asked may have stopped waiting.
                    let _ = answer.try_send(local);
                }
                Message::AskSecurity(token, answer) => {
                    let _ = answer.try_send(self.security(token)); // as above
                }
                Message::DescriptorFreed => self.retry_listeners(),
                Message::Call(call) => self.calls.push_back(call),
                Message::CancelTimer(number) => {
                    // The host drops what it holds, and only its own threads may: it finds the call cancelled.
                    let cancelled = self.cancel_timer(number);
                    self.calls.extend(cancelled);
                }
            }
        }
    }

    /// Half-close after flushing.
    pub fn finish(&mut self, token: Token) {
        if !self.shared.is_live(token) {
            return;
        }
        self.touch(token.slot);
        if let Some((_, active)) = self.connections.busy(token.slot) {
            active.finishing = true;
        }
    }

    /// Flush, then close.
    pub fn close(&mut self, token: Token, reason: CloseReason) {
        if !self.shared.is_live(token) {
            return;
        }
        let index = token.slot;
        let slot = self.connections.slots.get(index);
        if slot.is_some_and(|slot| slot.state == State::Handshaking) {
            // What was written to it cannot be encrypted yet.
            return self.retire(index, reason);
        }
        self.begin_close(index, reason);
    }

    /// Close at once.
    pub fn abort(&mut self, token: Token, reason: CloseReason) {
        if self.shared.is_live(token) {
            self.fail(token.slot, reason);
        }
    }

    /// Tells a connection's protocol what the application says.
    pub fn command(&mut self, token: Token, command: <H::Protocol as Protocol>::Command) {
        if !self.shared.is_live(token) {
            return;
        }
        let Some((_, Some(active))) = self.connections.parts(token.slot) else {
            return;
        };
        let Some(conversation) = &mut active.conversation else {
            return;
        };
        if conversation.state.obey(command, self.now) {
            return self.begin_close(token.slot, CloseReason::Closed);
        }
        self.touch(token.slot);
        self.look(token.slot);
    }

    /// A connection's framing or timeout was changed, or its reading paused or resumed, by whatever thread: does what
    /// is wanted now.
    pub fn refresh_if_live(&mut self, token: Token) {
        if !self.shared.is_live(token) {
            return;
        }
        let index = token.slot;
        // First of all: what is changed from here on sends another message.
        let before = self.shared.clear_bits(token, control::REFRESH);
        if before & control::OVERRIDE != 0
            && let Some(framing) = self.shared.take_reframe(index)
        {
            self.apply_framing(index, &framing);
        }
        if let Some((slot, active)) = self.connections.busy(index) {
            let paused = before & control::PAUSED != 0;
            active
                .pauses
                .set(Pauses::USER, paused && slot.state == State::Open);
        }
        self.touch(index);
        self.look(index);
    }

    /// Owns an accepted socket.
    pub fn adopt(&mut self, newcomer: Newcomer, route: u16) {
        // Counted in when it was sent here. Whoever balances reads the count at any time: not even for a moment may it
        // have this connection twice.
        let Some(token) = self.shared.reserve_counted(route) else {
            return self.shared.count_out();
        };
        if let Some((socket, peer)) = newcomer.into_parts() {
            self.begin(token, socket, peer, route, Marks::ADMITTED);
        }
    }

    /// Takes a connected socket into the table. The token is reserved.
    pub(crate) fn begin(
        &mut self,
        token: Token,
        socket: OwnedFd,
        peer: SocketAddress,
        route: u16,
        marks: u8,
    ) {
        let index = token.slot;
        let mut all = Marks::default();
        all.set(marks);
        self.shared.publish(token, peer, self.now);
        let configured = self.shared.route(route);
        let state = match configured.sessions {
            Some(_) => State::Handshaking,
            None => State::Open,
        };
        self.shared.publish_state(index, state);
        if matches!(configured.framing, Framing::Buffered) {
            all.set(Marks::BUFFERED);
        }
        if configured.protocol.is_some() {
            configured.local.get_or_init(|| {
                let unknown = SocketAddress::Unix(floodway_sys::UnixName::Unnamed);
                socket::local_address(socket.as_fd()).unwrap_or(unknown)
            });
        }
        let sessions = configured.sessions.clone();
        let tell = configured.wanted.open;
        let idle = configured.idle_timeout.is_some() || configured.silence_timeout.is_some();
        let added = self.driver.open(token, socket.as_fd(), Interest::RECEIVE);
        self.connections.slots.put(
            index,
            Slot {
                socket: Some(socket),
                active: 0,
                timer: None,
                progress: self.now,
                route,
                state: State::Open,
                marks: all,
            },
        );
        if let Err(errno) = added {
            return self.retire_unregistered(index, errno);
        }
        if let Some(sessions) = sessions {
            if let Some(slot) = self.connections.slots.get_mut(index) {
                slot.marks.set(Marks::UNHEARD);
            }
            return self.begin_handshake(token, sessions.as_ref(), None);
        }
        if tell && let Some((_, active)) = self.connections.busy(index) {
            active.pending.set(Pending::OPEN);
            self.make_ready(index);
        }
        if idle || self.draining.is_some() {
            self.touch(index);
        }
    }

    /// Encrypts a connection whose socket is connected. It is open when the handshake is done.
    fn begin_handshake(
        &mut self,
        token: Token,
        sessions: &dyn Sessions,
        server_name: Option<&str>,
    ) {
        let index = token.slot;
        let mut first = Vec::new();
        let session = match sessions.begin(server_name, &mut first) {
            Ok(session) => session,
            Err(error) => {
                return self.retire(index, CloseReason::Session(error.to_string().into()));
            }
        };
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        let timeout = self.shared.route(slot.route).handshake_timeout;
        active.transport = Transport::secure(session, first);
        active.deadline = Some(self.now.wrapping_add(ticks(timeout)));
        slot.state = State::Handshaking;
        self.shared.publish_state(index, State::Handshaking);
        self.touch(index);
    }

    /// The driver would not take a connection: ends it.
    fn retire_unregistered(&mut self, index: u32, errno: Errno) {
        if let Some(slot) = self.connections.slots.get_mut(index) {
            slot.socket = None;
        }
        self.retire(index, CloseReason::System(errno));
    }

    /// Opens a connection for a token that `Shared::reserve` has made; `resolved` follows. `server_name`: whom an encrypted
    /// one is for.
    pub fn connect(
        &mut self,
        token: Token,
        timeout: Option<Duration>,
        server_name: Option<Box<str>>,
    ) {
        if !self.shared.is_live(token) {
            return;
        }
        let index = token.slot;
        let route = (self.shared.control(token) >> control::ROUTE_SHIFT) as u16;
        let nobody = SocketAddress::Unix(floodway_sys::UnixName::Unnamed);
        self.shared.publish(token, nobody, self.now);
        self.shared.publish_state(index, State::Opening);
        let mut marks = Marks::default();
        let configured = self.shared.route(route);
        if matches!(configured.framing, Framing::Buffered) {
            marks.set(Marks::BUFFERED);
        }
        let mut active = Active::new(Interest::RECEIVE);
        active.deadline = timeout.map(|timeout| self.now.wrapping_add(ticks(timeout)));
        let active = self.connections.actives.insert(active) + 1;
        self.connections.slots.put(
            index,
            Slot {
                socket: None,
                active,
                timer: None,
                progress: self.now,
                route,
                state: State::Opening,
                marks,
            },
        );
        let opening = Opening {
            server_name,
            fallbacks: Vec::new(),
        };
        self.openings.insert(index, opening);
        self.touch(index);
    }

    /// Goes on with a connection whose addresses have become known: they are tried in order.
    pub fn resolved(&mut self, token: Token, mut addresses: Vec<SocketAddress>) {
        if !self.shared.is_live(token) {
            return;
        }
        addresses.reverse();
        if let Some(opening) = self.openings.get_mut(&token.slot) {
            opening.fallbacks = addresses;
        }
        self.connect_next(token.slot, Errno::ADDRNOTAVAIL);
    }

    /// Tries the next address of a connection that is being opened; without one it has failed for this reason.
    pub(crate) fn connect_next(&mut self, index: u32, mut errno: Errno) {
        let Some(token) = self.shared.slots.token(index) else {
            return;
        };
        loop {
            let Some(slot) = self.connections.slots.get_mut(index) else {
                return;
            };
            if let Some(failed) = slot.socket.take() {
                self.driver.close(failed.as_fd());
            }
            let opening = self.openings.get_mut(&index);
            let Some(address) = opening.and_then(|it| it.fallbacks.pop()) else {
                return self.retire(index, CloseReason::System(errno));
            };
            match self.begin_connect(index, token, address) {
                Ok(socket::ConnectProgress::Done) => return self.connected(index),
                Ok(socket::ConnectProgress::InProgress) => return,
                Err(failure) => errno = failure,
            }
        }
    }

    fn begin_connect(
        &mut self,
        index: u32,
        token: Token,
        address: SocketAddress,
    ) -> Result<socket::ConnectProgress, Errno> {
        let (socket, progress) = socket::connect(&address)?;
        self.shared.publish(token, address, self.now);
        let (slot, active) = self.connections.busy(index).ok_or(Errno::CANCELED)?;
        let route = self.shared.route(slot.route);
        configure_socket(socket.as_fd(), route.nodelay, route.keepalive)?;
        self.driver.open(token, socket.as_fd(), Interest::OPENING)?;
        slot.socket = Some(socket);
        active.interest = Interest::OPENING;
        active.blocked = false;
        Ok(progress)
    }

    /// A connect has succeeded.
    pub(crate) fn connected(&mut self, index: u32) {
        let opening = self.openings.remove(&index);
        let Some(slot) = self.connections.slots.get(index) else {
            return;
        };
        let sessions = self.shared.route(slot.route).sessions.clone();
        match (sessions, self.shared.slots.token(index)) {
            (Some(sessions), Some(token)) => {
                let server_name = opening.and_then(|it| it.server_name);
                self.begin_handshake(token, sessions.as_ref(), server_name.as_deref());
            }
            _ => self.opened(index),
        }
    }

    /// Bytes may travel: a connect has succeeded, or a handshake.
    pub(crate) fn opened(&mut self, index: u32) {
        let now = self.now;
        let Some((slot, active)) = self.connections.busy(index) else {
            return;
        };
        let is_accepted = slot.marks.has(Marks::UNHEARD);
        slot.marks.clear(Marks::UNHEARD);
        slot.state = State::Open;
        slot.progress = now;
        let shared = self.shared.slots.shared(index);
        shared
            .opened
            .store(now, std::sync::atomic::Ordering::Relaxed);
        self.shared.publish_state(index, State::Open);
        active.deadline = None;
        if self.shared.route(slot.route).wanted.open {
            active.pending.set(Pending::OPEN);
            self.make_ready(index);
        }
        if !is_accepted {
            self.shared.stats.connected.add(1);
        }
        self.touch(index);
        self.look(index);
    }

    /// Takes a connection's socket and the input that was not delivered out of the reactor. None: it is gone, still
    /// opening, closing, encrypted, or has output pending.
    pub fn take_socket(&mut self, token: Token) -> Option<(OwnedFd, Vec<u8>)> {
        if !self.shared.is_live(token) {
            return None;
        }
        let index = token.slot;
        if !self.flush(index, token) {
            return None;
        }
        let area = self.driver.area();
        let slot = self.connections.slots.get_mut(index)?;
        let active = match slot.active {
            0 => None,
            number => self.connections.actives.get_mut(number - 1),
        };
        if slot.state != State::Open
            || active
                .as_ref()
                .is_some_and(|active| !active.output.is_empty() || !active.transport.is_plain())
        {
            return None;
        }
        let unread = active.map_or_else(Vec::new, |active| match &active.input {
            Input::Chain(buffer) => buffer.chunks().flatten().copied().collect(),
            input => input.bytes(area).to_vec(),
        });
        let socket = slot.socket.take()?;
        self.driver.close(socket.as_fd());
        self.retire(index, CloseReason::Taken);
        Some((socket, unread))
    }

    /// Our address of a connection, and whether one of its directions has ended.
    pub fn local_and_half_closed(&mut self, token: Token) -> Option<(Option<SocketAddress>, bool)> {
        if !self.shared.is_live(token) {
            return None;
        }
        let (slot, active) = self.connections.parts(token.slot)?;
        let finishing = active.is_some_and(|active| active.finishing);
        let local = slot
            .socket
            .as_ref()
            .and_then(|fd| socket::local_address(fd.as_fd()).ok());
        Some((local, finishing || slot.marks.has(Marks::PEER_FINISHED)))
    }
}

/// Applies socket options to an outgoing connection; accepted ones inherit those of their listener.
fn configure_socket(
    fd: BorrowedFd<'_>,
    nodelay: bool,
    keepalive: Option<Duration>,
) -> Result<(), Errno> {
    if socket::is_tcp(fd)? {
        socket::set_nodelay(fd, nodelay)?;
        socket::set_keepalive(fd, keepalive)?;
    }
    Ok(())
}
