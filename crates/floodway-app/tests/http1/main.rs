//! HTTP/1.1 under every split of its input, rule by rule, and what answers become.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bodies;
mod client;
mod demand;
mod generated;
mod heads;
mod reader;
mod sizes;
mod times;
