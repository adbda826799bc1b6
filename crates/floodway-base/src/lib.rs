//! Floodway's base layer: memory and arithmetic, nothing that asks the kernel or the interpreter.
//!
//! # For readers who come from Python
//!
//! Everything here is used through a class of `floodway._core`, whose *home* is one Python module:
//!
//! | here | in Python | what to know |
//! | --- | --- | --- |
//! | [`LinkBuffer`], [`Reservation`] | `floodway.base.buffer` (`LinkBuffer`, its views) | a chain of blocks; a view keeps its block alive |
//! | [`BlockPool`], [`Block`], [`Slice`] | what the buffers of a reactor are made of | one pool per reactor; a block comes home from any thread |
//! | [`Codec`], [`framing`] | the framings of `floodway` (`Lines`, `Fixed`, ...) | bytes in, one frame out; no I/O, no clock |
//! | [`Protocol`] | HTTP and what follows it | a state for each connection; messages out, no I/O, no clock |
//! | [`Session`] | TLS | ciphertext in, plaintext out, no I/O |
//! | [`TimerWheel`] | `floodway.conn.timers` (`Timer`) | ticks of 10 ms; never early |
//! | [`Inbox`] | `Reactor.call_soon` and every call from a foreign thread | one wake-up per sleep |
//! | [`SlotTable`], [`Token`], [`Slab`], [`OnceTable`] | `Connection.id` | a slot's number with its generation |
//! | [`OwnerCell`] | the state of a `Reactor` | one thread owns it, the others get nothing |
//! | [`limits`] | `floodway.limits` | ceilings; the defaults are Python's |
//!
//! # Reading order
//!
//! [`limits`] first; then `raw_block`, `block`, `pool` and `link_buffer`, each of which stands on
//! the one before it; then [`Codec`] and one framing, say `framing/lines.rs`. The rest can be read
//! in any order.
//!
//! # What is absent
//!
//! No system call, no clock (time is an argument), no thread, no lock held for more than a few
//! loads and stores, and no allocation whose size a peer decides: lengths are compared with a limit
//! before a block is taken.

pub mod framing;
pub mod limits;

mod block;
mod codec;
mod inbox;
mod link_buffer;
mod once_table;
mod owner_cell;
mod pool;
mod protocol;
mod raw_block;
mod session;
mod slab;
mod slots;
mod stack;
mod sync;
mod timer_wheel;

pub use block::{Block, BlockMut, Slice};
pub use codec::{Codec, EncodeError, Envelope, FrameTooLong, Step, Suffix};
pub use inbox::{Drain, Inbox, Wake};
pub use link_buffer::{LinkBuffer, Reservation};
pub use once_table::OnceTable;
pub use owner_cell::{AlreadyOwned, OwnerCell, OwnerRef};
pub use pool::BlockPool;
pub use protocol::{Progress, Protocol, Received, Refusal};
pub use session::{Agreed, Session, SessionError, Sessions};
pub use slab::Slab;
pub use slots::{SharedSlot, SlotTable, Token};
pub use timer_wheel::{TimerId, TimerWheel};
