//! What passes between a connection and the application.

use super::bodies::Share;
use super::exchange::Exchange;
use super::head::Head;
#[cfg(doc)]
use super::server::Http1;

/// What the application gets.
#[derive(Debug)]
pub enum Message {
    /// A request. Its payload is the body if that lies whole in the input; see [`Request::body`] for the other case.
    Request(Box<Request>),
    /// More of the body that was asked for by [`Http1::want_body`]: the payload, or `bytes` if it came in chunks.
    Body {
        /// What came in chunks.
        bytes: Vec<u8>,
        /// Whether this is not all.
        more: bool,
    },
    /// With whole bodies only, before the request: the peer waits for `HTTP/1.1 100 Continue` ([`Exchange::CONTINUE`]), which
    /// is to be sent to it, and the body to be collected.
    Continue,
    /// Without whole bodies only, and once: the peer has finished. What it sent before has been delivered, or (if the body was
    /// not complete) as much of it as was asked for.
    Left,
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Method, target and headers.
    pub head: Head,
    /// The body if it was collected or came in chunks; otherwise it is the message's payload.
    pub body: Vec<u8>,
    /// Whether a body follows, on demand.
    pub more: bool,
    /// What the body holds of [`Config::bodies`](super::Config::bodies), if it was collected: to be kept for as long as it is.
    pub share: Option<Share>,
    /// How it is answered.
    pub exchange: Exchange,
}

/// What the application says about the current request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// See [`Http1::want_body`](super::Http1::want_body).
    WantBody,
    /// See [`Http1::answer_started`](super::Http1::answer_started).
    AnswerStarted,
    /// See [`Http1::finish`](super::Http1::finish).
    Finish {
        /// Whether the answer told the peer that the connection stays.
        keep_alive: bool,
    },
}

/// What the connection is to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look for the next request.
    Keep,
    /// Close once the answer has been flushed.
    Close,
}
