//! Floodway's application layer: protocols as state machines that do no I/O and know no clock.
//!
//! # For readers who come from Python
//!
//! | here | in Python | what to know |
//! | --- | --- | --- |
//! | [`http1`] | what `floodway.serve` gives an application | requests in, the bytes of answers out |
//!
//! # What is absent
//!
//! No system call, no thread, no clock (time is an argument), no connection and no interpreter: `floodway-conn` drives a
//! [`Protocol`](floodway_base::Protocol) and names none, and only `floodway-py` knows both.

#![forbid(unsafe_code)]

pub mod http1;
