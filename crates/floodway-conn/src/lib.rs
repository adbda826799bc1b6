//! The connection layer: drivers, the reactor, connections, limits. No Python in here.
//!
//! For readers who come from Python, what stands where:
//!
//! | Python | here |
//! | --- | --- |
//! | `floodway.conn.reactor.Reactor` | [`Reactor`] on its own thread, [`Shared`] for all others |
//! | `Connection` | a [`Token`](floodway_base::Token); its record is in `connection.rs` |
//! | `Batch` | [`Reactor::next_event`], in `batch.rs` |
//! | `add_route` | [`Route`] |
//! | `Newcomer`, `Admission` | [`Newcomer`], [`Admission`] |
//!
//! Reading order: `reactor.rs`, `driver/mod.rs`, `read.rs`, `batch.rs`, `write.rs`, `settle.rs`.
#![deny(unsafe_code)]

mod acceptor;
mod admission;
mod batch;
mod budget;
mod clock;
mod connection;
mod deadlines;
pub mod driver;
mod ending;
mod foreign;
mod hand_off;
mod handshakes;
mod message;
mod notice;
mod output;
mod peer;
mod reactor;
mod read;
mod reason;
mod requests;
mod route;
mod seats;
mod security;
mod settle;
mod shared;
mod stats;
mod transport;
mod wake;
mod write;

pub use acceptor::{Delivery, Newcomer, Source};
pub use admission::{Admission, Seat};
pub use batch::Event;
pub use clock::{Clock, ticks};
pub use connection::{Closed, State};
pub use hand_off::{HandOff, Handed, Line, Outlet};
pub use message::{FilePart, Host, Message, Outgoing, Payload};
pub use notice::Notice;
pub use reactor::{Polled, Reactor, ReactorLimits};
pub use reason::CloseReason;
pub use route::{Framing, OutputPolicy, Route, Wanted};
pub use seats::Seats;
pub use security::Security;
pub use shared::{Admitted, MAX_ROUTES, Shared};
pub use stats::{Counter, Stats};
pub use write::REFERENCE_BYTES;
