//! What a protocol with a memory is: bytes in, messages for the application out.
//!
//! A [`Codec`](crate::Codec) cuts frames and is shared by all connections; a protocol such as HTTP/1 has to remember where
//! in an exchange each connection is. Its state exists while it has something to remember: an idle connection has none.
//!
//! # Rules
//! - No system call and no clock: the time is an argument, in ticks of `limits::TICK_MILLIS` that wrap.
//! - *Any split of the input gives the same messages.*
//! - Nothing is allocated by what a peer announces, only by what has arrived.
//! - A call that finds nothing new is cheap: it is made whenever something happened to the connection.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The state of one connection.
pub trait Protocol: Send + fmt::Debug + Sized + 'static {
    /// What all connections of a listener have in common.
    type Config: Send + Sync + fmt::Debug;
    /// What the application gets.
    type Message: Send + fmt::Debug;
    /// What the application says.
    type Command: Send + fmt::Debug;

    /// The state of a connection on which nothing has happened, or nothing since the last exchange. `since`: the tick from
    /// which the peer's time for its next message counts.
    fn new(config: &Arc<Self::Config>, since: u32) -> Self;

    /// Looks for the next message at the front of `input`: what the last call has not consumed, and what came since.
    /// `ended`: the peer has finished, nothing follows.
    fn receive(&mut self, input: &[u8], ended: bool, now: u32) -> Received<Self::Message>;

    /// Does what the application says. Returns whether the connection ends once its output is flushed.
    fn obey(&mut self, command: Self::Command, now: u32) -> bool;

    /// The tick at which `expire` is to be called, if nothing happens before.
    fn deadline(&self) -> Option<u32>;

    /// The deadline has come, if this is not called too early. The connection ends if it returns something.
    fn expire(&mut self, now: u32) -> Option<Refusal>;

    /// `receive` is called again: for a while it was not, because nothing was read from the peer. What the peer could not
    /// do meanwhile does not make it late.
    fn resume(&mut self, now: u32);

    /// The end of a connection whose peer speaks this protocol unencrypted although it must be.
    fn rebuke_plain() -> Refusal;

    /// Whether the application owes the peer something: then the connection stays, even if the peer has finished or the
    /// engine stops.
    fn owes(&self) -> bool;

    /// Whether the state is as new, and can be dropped.
    fn is_at_rest(&self) -> bool;

    /// Whether a message begins an exchange. Those that do not belong to the one before.
    fn begins(message: &Self::Message) -> bool;

    /// Too much is going on for the exchange that has just begun. The connection ends.
    fn overloaded(&mut self) -> Refusal;
}

/// What [`Protocol::receive`] found.
#[derive(Debug)]
pub struct Received<M> {
    /// Bytes at the front of the input that are done with. Those of a message's payload are among them.
    pub consumed: usize,
    /// What is to happen.
    pub step: Progress<M>,
}

/// See [`Received`].
#[derive(Debug)]
pub enum Progress<M> {
    /// No whole message yet, or none that the application wants now.
    More,
    /// A message, and where in the input the bytes lie that belong to it.
    Message(M, Range<usize>),
    /// The peer has broken the protocol or a limit: the connection ends.
    Refuse(Refusal),
}

/// The end of a connection that the protocol demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the peer is told before, in its protocol; may be empty.
    pub farewell: Vec<u8>,
    /// Why, for the log and `on_close`.
    pub reason: &'static str,
}
