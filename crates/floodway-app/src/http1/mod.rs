//! The server's side of HTTP/1.1 (RFC 9110 and 9112).
//!
//! # Rules
//! - Strict where two readers of the same bytes could disagree: what is ambiguous ends the connection, with a 400.
//! - Nothing that a peer sends makes this allocate more than what has arrived, and everything it sends has a limit.
//! - One request at a time: what follows stays in the input until the current one has been answered.
//! - *Any split of the input gives the same messages*, once the pieces of a body are joined.
//!
//! # Theory
//! Two objects share one exchange. [`Http1`] stays with the connection and reads; it knows how much of a body is unread,
//! and so whether the connection can be used again. [`Exchange`] travels with the [`Request`] to whoever answers it, on any
//! thread, and says which bytes an answer becomes; it knows what the request's head asked of it and nothing of the
//! connection. They meet in [`Http1::finish`].
//!
//! # Cost
//! Linear in new bytes, also if a head arrives byte by byte. A request allocates itself and one copy of its head.

mod bodies;
mod chunked;
mod config;
mod date;
mod exchange;
mod fault;
mod framing;
mod head;
mod message;
mod meter;
mod octets;
mod parse;
mod receive;
mod refusal;
mod scan;
mod server;
mod status;
mod unread;
mod wrapped;

pub use bodies::{Bodies, Share};
pub use config::{Config, MAX_HEAD_BYTES, MAX_HEADERS};
pub use date::Date;
pub use exchange::{Exchange, check};
pub use fault::Fault;
pub use head::{Head, Headers, Version};
pub use message::{Command, Message, Next, Request};
pub use refusal::simple_response;
pub use server::Http1;
pub use wrapped::Wrapped;
