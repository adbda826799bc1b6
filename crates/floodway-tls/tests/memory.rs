//! What an idle session holds, counted by the allocator.

mod support;

#[path = "../../floodway-base/benches/receive_schemes/counting.rs"]
mod counting;

use counting::{CountingAllocator, live_bytes};
use floodway_base::Session;

use support::{Ours, VERSIONS, converse, rustls_client, rustls_config, server_config, write};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const SESSIONS: usize = 100;

/// One test, since the count is the process's.
#[test]
fn an_idle_session_holds_few_kilobytes_and_no_buffer() {
    let config = server_config();
    for version in VERSIONS {
        let client_config = rustls_config(version);
        let mut idle: Vec<Box<dyn Session>> = Vec::with_capacity(SESSIONS);
        let mut fresh: Vec<Box<dyn Session>> = Vec::with_capacity(SESSIONS);
        let before = live_bytes();
        fresh.extend((0..SESSIONS).map(|_| config.session()));
        let of_fresh = (live_bytes() - before) / SESSIONS;
        drop(fresh);
        for _ in 0..SESSIONS {
            let mut client = rustls_client(&client_config, "localhost");
            let mut server = Ours::new(config.session());
            converse(&mut client, &mut server, usize::MAX).expect("a handshake");
            // A request in two pieces, and an answer.
            write(&mut client, &[b'x'; 10_000]);
            converse(&mut client, &mut server, 1_000).expect("data");
            server.send(&[b'y'; 10_000]);
            converse(&mut client, &mut server, usize::MAX).expect("data");
            idle.push(server.session);
        }
        drop(client_config);
        let of_idle = (live_bytes() - before) / SESSIONS;
        eprintln!("{version:?}: {of_fresh} bytes before, {of_idle} bytes after the handshake");
        assert!(of_idle < 4_096, "{version:?}: {of_idle} bytes");
    }
}
