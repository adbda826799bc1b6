//! Helpers that Floodway's Rust tests share; a dev-dependency only.
//!
//! [`check_every_split`] is the one way in which codec tests feed bytes, and [`check_conversation`] that for protocols;
//! [`config`] is the one place that says how long property tests run; `strategies` are the kinds of bytes they run on.

#![forbid(unsafe_code)]

mod split;
pub mod strategies;

pub use split::{Conversation, Divisions, Outcome, check_conversation, check_every_split};

use proptest::test_runner::Config;

/// Property tests' configuration: `cases` of them, a few under Miri, which is some 1,000 times
/// slower and has no file system to keep failures in.
pub fn config(cases: u32) -> Config {
    let cases = if cfg!(miri) { 4 } else { cases };
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
