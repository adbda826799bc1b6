//! Our sessions with each other and with rustls' own client.

mod support;

use floodway_base::Agreed;

use support::{
    HTTP1, Ours, VERSIONS, client_config, converse, converse_ours, established, heard_by,
    rustls_client, rustls_config, server_config, write,
};

/// More than four records, in a pattern that does not repeat with them.
fn long() -> Vec<u8> {
    (0..70_000_u32).map(|i| (i % 251) as u8).collect()
}

#[test]
fn rustls_own_client_and_our_server_exchange_data() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        assert!(server.session.is_open());
        write(&mut client, b"a question");
        server.send(b"an answer");
        server.send(&long());
        let read = converse(&mut client, &mut server, usize::MAX).expect("data");
        assert_eq!(server.plain, b"a question");
        assert_eq!(read, [b"an answer".as_slice(), &long()].concat());
    }
}

#[test]
fn what_was_agreed_on_is_known_when_the_handshake_is_done() {
    assert_eq!(server_config().session().agreed(), None);
    let tls12 = Agreed {
        version: "TLSv1.2",
        version_number: 0x0303,
        cipher: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        cipher_number: 0xc02c,
        alpn: Some(HTTP1),
        server_name: Some("localhost"),
    };
    let tls13 = Agreed {
        version: "TLSv1.3",
        version_number: 0x0304,
        cipher: "TLS_AES_256_GCM_SHA384",
        cipher_number: 0x1302,
        ..tls12
    };
    for (version, expected) in VERSIONS.into_iter().zip([tls12, tls13]) {
        let (_, server) = established(version);
        assert_eq!(server.session.agreed(), Some(expected));
    }
}

#[test]
fn our_client_and_our_server_exchange_data() {
    let mut client = Ours::new(client_config().session("localhost").expect("a session"));
    let mut server = Ours::new(server_config().session());
    converse_ours(&mut client, &mut server).expect("a handshake");
    assert_eq!(client.session.agreed(), server.session.agreed());

    client.send(&long());
    server.send(b"an answer");
    converse_ours(&mut client, &mut server).expect("data");
    assert_eq!(server.plain, long());
    assert_eq!(client.plain, b"an answer");
}

#[test]
fn a_session_that_is_not_open_sends_nothing() {
    let mut server = Ours::new(server_config().session());
    assert!(server.session.send(b"early", &mut server.out).is_err());
    server.session.finish(&mut server.out);
    assert_eq!(server.out, b"");
}

#[test]
fn data_in_the_same_segment_as_the_end_of_the_handshake_is_read() {
    for version in VERSIONS {
        let mut client = rustls_client(&rustls_config(version), "localhost");
        let mut server = Ours::new(server_config().session());
        write(&mut client, b"at once");
        converse(&mut client, &mut server, usize::MAX).expect("a handshake");
        assert_eq!(server.plain, b"at once");
    }
}

#[test]
fn a_long_write_becomes_records_of_at_most_16_kib() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        server.send(&long());
        let out = server.said();
        let mut rest = out.as_slice();
        let mut records = 0;
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
            assert!(length <= 16 * 1_024 + 256);
            rest = &rest[5 + length..];
            records += 1;
        }
        assert_eq!(records, 5);
        assert_eq!(heard_by(&mut client, &out).expect("data"), long());
    }
}

#[test]
fn keys_are_changed_when_the_client_asks_for_it() {
    let (mut client, mut server) = established(VERSIONS[1]);
    for round in 0..3_u8 {
        client.refresh_traffic_keys().expect("TLS 1.3");
        write(&mut client, &[round]);
        converse(&mut client, &mut server, usize::MAX).expect("an update");
        server.send(&[round]);
        let read = converse(&mut client, &mut server, usize::MAX).expect("data");
        assert_eq!(read, [round]);
    }
    assert_eq!(server.plain, [0, 1, 2]);
}
