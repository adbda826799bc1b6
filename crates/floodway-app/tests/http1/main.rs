//! HTTP/1.1 under every split of its input, rule by rule, and what answers become.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bodies;
mod client;
mod generated;
mod heads;
mod sizes;
mod times;
