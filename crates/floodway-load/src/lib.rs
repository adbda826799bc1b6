//! Floodway's load generator: drives an echo server, or an HTTP server, and reports what it cost.
//!
//! *For readers who come from Python:* this crate is what `floodway load`, `floodway demo` and the benchmarks run, and
//! [`run`] is the whole of it: a [`Plan`] goes in, a [`Report`] comes out, `floodway.cli.load` prints it. Nothing here
//! runs Python, so the generator does not measure itself.
//!
//! How to read it: [`plan`](Plan) says what to do; `run` goes through the phases; `connecting` opens the connections in
//! waves, and `handshake` has TLS shake hands on them; `generator` and `receiving` are the event loop, `ending` is how
//! connections end; `connection` sends and checks one stream, which `secure` encrypts if it has to; `schedule` says
//! when a message is due; `message` and `pattern` say which bytes; `answer` and `answers` find the end of HTTP answers,
//! and `sum` says which sum has to stand in them; `fairness`, `latency`, `server`, `usage` and `summary` turn what
//! happened into figures.
//!
//! What a figure can be trusted for:
//!
//! * **Contents.** Every connection sends a pseudo-random stream of its own, a function of its number and the offset.
//!   Every byte that comes back is compared with what that connection sent at that offset.
//!   Over HTTP that holds where an echo is expected, or a sum of what was sent; elsewhere every answer has to be a 200 of
//!   one length.
//! * **Latency at a fixed rate** counts from the moment the schedule intended the message to be sent, whatever the
//!   server did to the messages before it; messages that are never answered count with the time they have waited.
//!   Without a rate (closed loop) a slow server is asked less: such figures compare servers, they promise nothing.
//! * **Fairness.** A server that answers some connections and not others has a fine mean; it gets a verdict.
//! * **Cost.** Processor time is the scheduler's own count (`schedstat`), of the server's whole process tree.
//!
//! One thread, level-triggered epoll, some sixty bytes a connection; no message is ever built or stored. A connection's
//! encryption costs some kilobytes more.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod answer;
mod answers;
mod area;
mod connecting;
mod connection;
mod ending;
mod error;
mod fairness;
mod generator;
mod handshake;
mod latency;
mod message;
mod pattern;
mod plan;
mod progress;
mod receiving;
mod report;
mod request;
mod run;
mod schedule;
mod secure;
mod server;
mod sum;
mod summary;
mod usage;

pub use floodway_sys::{Errno, SocketAddress, UnixName};

pub use crate::error::LoadError;
pub use crate::fairness::Fairness;
pub use crate::latency::Latency;
pub use crate::plan::{Mode, Plan};
pub use crate::progress::{Phase, Progress};
pub use crate::report::{Corruption, Report, ServerUsage};
pub use crate::request::{Expected, Method, Request};
pub use crate::run::run;
pub use crate::usage::Memory;
