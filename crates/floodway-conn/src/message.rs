//! What other threads ask of a reactor, and what a host (the Python side) brings along.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use floodway_base::{LinkBuffer, Protocol, Slice, Token};
use floodway_sys::SocketAddress;

use crate::acceptor::Newcomer;
use crate::reason::CloseReason;
use crate::security::Security;

/// Bytes that are sent without being copied and dropped by their owner's rules.
pub trait Payload: AsRef<[u8]> + Send + fmt::Debug + 'static {}

/// What the embedder of a reactor brings along.
pub trait Host: fmt::Debug + 'static {
    /// Output by reference; handed back through `Reactor::take_spent`, since a Python object may only be dropped
    /// by a thread that is attached to the interpreter.
    type Payload: Payload;
    /// What is spoken on routes that have a protocol.
    type Protocol: Protocol;
    /// Something to call on the reactor's thread.
    type Call: Send + fmt::Debug + 'static;
}

/// Output on its way to a connection.
#[derive(Debug)]
pub enum Outgoing<P> {
    /// To be copied when short, else queued by reference.
    Payload(P),
    /// Copied already.
    Copied(Slice),
    /// Blocks by reference.
    Buffer(LinkBuffer),
    /// To be copied.
    Owned(Vec<u8>),
    /// Part of a file, which is read when it is sent.
    File(FilePart),
}

/// Bytes of a file. Closes it when dropped.
#[derive(Debug)]
pub struct FilePart {
    /// The file, open for reading.
    pub file: OwnedFd,
    /// Where the bytes begin.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
}

impl<P: Payload> Outgoing<P> {
    /// Bytes to send that are in memory.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        match self {
            Self::Payload(payload) => payload.as_ref().len(),
            Self::Copied(slice) => slice.len(),
            Self::Buffer(buffer) => buffer.len(),
            Self::Owned(bytes) => bytes.len(),
            Self::File(_) => 0,
        }
    }
}

/// A request from a thread that does not own the reactor, in its inbox.
#[derive(Debug)]
pub enum Message<H: Host> {
    /// Send this; its bytes were counted by `Shared::admit`.
    Write(Token, Vec<Outgoing<H::Payload>>),
    /// Half-close after flushing.
    Finish(Token),
    /// Flush, then close.
    Close(Token, CloseReason),
    /// Close at once.
    Abort(Token, CloseReason),
    /// Look at the desired state in the connection's control bits and overrides.
    Refresh(Token),
    /// Tell the connection's protocol.
    Command(Token, <H::Protocol as Protocol>::Command),
    /// A worker thread has handled an event, and left this of the connection's buffer.
    Done(Token, Option<LinkBuffer>),
    /// Own this socket.
    Adopt(Newcomer, u16),
    /// Open a connection that `Shared::reserve` made a token for, with a server of this name; `Resolved` follows.
    Connect(Token, Option<Duration>, Option<Box<str>>),
    /// The addresses of a connection that is being opened, to be tried in order.
    Resolved(Token, Vec<SocketAddress>),
    /// Answer with our address of this connection.
    AskLocal(Token, SyncSender<Option<SocketAddress>>),
    /// Answer with what this connection is encrypted with.
    AskSecurity(Token, SyncSender<Option<Security>>),
    /// A descriptor was closed in this process: accept again, if that pauses for want of one.
    DescriptorFreed,
    /// Call this on the owner's thread.
    Call(H::Call),
    /// Forget this timer.
    CancelTimer(u64),
}
