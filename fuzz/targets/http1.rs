//! Any bytes at all: HTTP/1.1 reads the same requests however they are cut, streamed and collected, within every limit.

#![no_main]

use floodway_app::http1::Config;
use floodway_testkit::Divisions;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../crates/floodway-app/tests/http1/client.rs"]
mod client;

fuzz_target!(|input: &[u8]| {
    client::send_in(Divisions::Few, Config::default(), input);
    // Limits that a short input can exceed.
    let tight = Config {
        max_body: Some(20),
        max_head_bytes: 100,
        max_headers: 3,
        max_target_bytes: 12,
        ..Config::default()
    };
    client::send_in(Divisions::Few, tight, input);
});
