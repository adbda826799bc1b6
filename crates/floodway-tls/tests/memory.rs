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

/// Bytes for each session that `make` returns.
fn bytes_each(mut make: impl FnMut() -> Box<dyn Session>) -> usize {
    let mut sessions = Vec::with_capacity(SESSIONS);
    let before = live_bytes();
    sessions.extend((0..SESSIONS).map(|_| make()));
    (live_bytes() - before) / SESSIONS
}

/// One test, since the count is the process's.
///
/// Where they go (TLS 1.3, rustls 0.23.46): rustls' connection 1,088 bytes, the keys of the two directions 560 each, room for
/// sixteen parts of a handshake message 640, the key schedule 224, its two empty queues 96 each; ours are 48 and the name.
#[test]
fn an_idle_session_holds_less_than_4_kib_and_no_buffer() {
    let config = server_config();
    for version in VERSIONS {
        // Without the tickets, which would be counted as the server's.
        let mut client_config = rustls_config(version).as_ref().clone();
        client_config.resumption = rustls::client::Resumption::disabled();
        let client_config = client_config.into();
        let of_fresh = bytes_each(|| config.session());
        let of_idle = bytes_each(|| {
            let mut client = rustls_client(&client_config, "localhost");
            let mut server = Ours::new(config.session());
            converse(&mut client, &mut server, usize::MAX).expect("a handshake");
            // A request in pieces, and an answer.
            write(&mut client, &[b'x'; 10_000]);
            converse(&mut client, &mut server, 1_000).expect("data");
            server.send(&[b'y'; 10_000]);
            converse(&mut client, &mut server, usize::MAX).expect("data");
            server.session
        });
        let name = version.version;
        eprintln!("{name:?}: {of_fresh} bytes before, {of_idle} bytes after the handshake");
        assert!(of_idle < 4_096, "{name:?}: {of_idle} bytes");
    }
}
