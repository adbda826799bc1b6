//! Floodway's only door to the kernel: thin, safe wrappers around system calls.
//!
//! *For readers who come from Python:* nothing here is visible from Python. The crate is to Floodway what
//! `Modules/socketmodule.c` and `Modules/selectmodule.c` are to `CPython`: one function per system call, and no opinion.
//!
//! | module | what it wraps | who decides what to do with it |
//! | --- | --- | --- |
//! | [`socket`] | receive, send, shut down, connect, options, addresses | `floodway-conn`, the connection |
//! | [`accept()`] | one connection from a listener | `floodway-conn`, the acceptor |
//! | [`errno`] | the named sets of errors that `accept(2)` speaks of | the acceptor's back-off |
//! | [`file`] | files that are sent: opening, reading, `sendfile` | `floodway-conn`, the transport |
//! | [`handover`] | sockets on their way to another process | `floodway-conn`, the acceptor |
//! | [`shared_memory`] | numbers that several processes see | `floodway-conn`, the seats |
//! | [`epoll`] | readiness on Linux | the epoll driver (`driver="epoll"`) |
//! | [`wake`] | waking a waiting reactor from another thread | the reactor's inbox |
//! | [`timer`] | a deadline more precise than epoll's milliseconds | the load generator's schedule |
//! | [`limits`] | descriptor limit, memory and processor time | `floodway.limits`, `engine.stats()` |
//! | [`probe`] | facts about this kernel and this machine | `floodway info`, `conn/reactor.py` |
//!
//! Rules, which hold for every function:
//!
//! * It makes the system calls that its name says and takes no decision. Errors are [`Errno`]s, unchanged.
//! * `EINTR` is retried where the call does not wait (it then only means "again"). A *wait* that was interrupted
//!   returns without events, as `EINTR`: the caller may have a signal to look at.
//! * It borrows descriptors and never closes one that it was lent.
//!
//! ```
//! # #[cfg(target_os = "linux")] {
//! use std::os::fd::AsFd;
//! use floodway_sys::Waker;
//! use floodway_sys::epoll::{Epoll, EventBuffer, Interest};
//!
//! let (epoll, waker) = (Epoll::new()?, Waker::new()?);
//! epoll.add(waker.as_fd(), 7, Interest::IN)?;
//! waker.wake(); // from any thread
//! let mut events = EventBuffer::with_capacity(128);
//! assert_eq!(epoll.wait(&mut events, None)?, 1);
//! assert_eq!(events.get(0), Some((7, Interest::IN)));
//! waker.drain();
//! # }
//! # Ok::<(), floodway_sys::Errno>(())
//! ```

pub mod accept;
#[cfg(target_os = "linux")]
pub mod epoll;
pub mod errno;
pub mod file;
pub mod handover;
pub mod limits;
pub mod probe;
pub mod shared_memory;
pub mod socket;
#[cfg(target_os = "linux")]
pub mod timer;
pub mod wake;

mod address;

pub use crate::accept::accept;
pub use crate::errno::{Errno, is_transient_accept_error};
pub use crate::probe::Probe;
pub use crate::socket::{SocketAddress, UnixName};
#[cfg(target_os = "linux")]
pub use crate::timer::Timer;
pub use crate::wake::Waker;
