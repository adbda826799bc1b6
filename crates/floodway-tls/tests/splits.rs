//! However the bytes are cut, the session does the same.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use rustls::ClientConnection;

use support::{
    Ours, VERSIONS, converse, established, heard_by, rustls_client, rustls_config, said_by,
    server_config, write,
};

/// Lets both shake hands, each flight of the client's cut where `cut` says.
fn shake_hands(
    client: &mut ClientConnection,
    server: &mut Ours,
    mut cut: impl FnMut(usize, &[u8]) -> usize,
) {
    for flight in 0.. {
        let up = said_by(client);
        let (front, back) = up.split_at(cut(flight, &up));
        server.receive(front).expect("the front");
        server.receive(back).expect("the back");
        let down = server.said();
        if up.is_empty() && down.is_empty() {
            return;
        }
        heard_by(client, &down).expect("a flight");
    }
}

#[test]
fn a_handshake_may_be_cut_at_every_byte() {
    for version in VERSIONS {
        let config = rustls_config(version);
        let server_config = server_config();
        for flight in 0..2 {
            let mut at = 0;
            let mut length = usize::MAX;
            while at <= length {
                // Without tickets that the last round left, so that each is a whole handshake.
                let mut config = config.as_ref().clone();
                config.resumption = rustls::client::Resumption::disabled();
                let mut client = rustls_client(&config.into(), "localhost");
                let mut server = Ours::new(server_config.session());
                shake_hands(&mut client, &mut server, |this, bytes| {
                    if this != flight {
                        return 0;
                    }
                    length = bytes.len();
                    at.min(length)
                });
                assert!(server.session.is_open() && !client.is_handshaking());
                at += 1;
            }
        }
    }
}

#[test]
fn everything_may_arrive_byte_by_byte() {
    for version in VERSIONS {
        let mut client = rustls_client(&rustls_config(version), "localhost");
        let mut server = Ours::new(server_config().session());
        converse(&mut client, &mut server, 1).expect("a handshake");
        write(&mut client, b"a question");
        server.send(b"an answer");
        let read = converse(&mut client, &mut server, 1).expect("data");
        assert_eq!(
            (server.plain.as_slice(), read.as_slice()),
            (b"a question".as_slice(), b"an answer".as_slice())
        );
    }
}

/// The handshake messages of a record, each byte of them in a record of its own.
fn one_byte_records(record: &[u8]) -> Vec<u8> {
    let (header, body) = record.split_at(5);
    let one = |byte: &u8| [header[0], header[1], header[2], 0, 1, *byte];
    body.iter().flat_map(one).collect()
}

#[test]
fn a_greeting_may_come_in_records_of_one_byte() {
    for piece_bytes in [1, 2, 5, 7, usize::MAX] {
        let mut client = rustls_client(&rustls_config(VERSIONS[1]), "localhost");
        let mut server = Ours::new(server_config().session());
        for piece in one_byte_records(&said_by(&mut client)).chunks(piece_bytes) {
            server.receive(piece).expect("a piece");
        }
        heard_by(&mut client, &server.said()).expect("the answer");
        converse(&mut client, &mut server, usize::MAX).expect("the rest");
        assert!(server.session.is_open());
    }
}

#[test]
fn a_greeting_that_never_ends_is_not_kept() {
    let mut server = Ours::new(server_config().session());
    // A message of 60,000 bytes, each in a record of its own: 360,000 bytes.
    let mut hello = vec![1, 0, 0xea, 0x60];
    hello.resize(60_000, 0);
    let record = [[0x16, 3, 1, 0, 0].as_slice(), &hello].concat();
    let sent = one_byte_records(&record);
    let refused_at = sent
        .chunks(1_000)
        .position(|piece| server.receive(piece).is_err());
    assert!(refused_at.is_some_and(|at| at <= 66));
}

proptest! {
    #![proptest_config(floodway_testkit::config(64))]

    #[test]
    fn data_may_be_cut_anywhere(
        version in 0..2_usize,
        writes in vec(0..40_000_usize, 1..5),
        pieces in vec(1..30_000_usize, 1..20),
    ) {
        let (mut client, mut server) = established(VERSIONS[version]);
        let mut sent = Vec::new();
        let mut up = Vec::new();
        for (number, length) in writes.into_iter().enumerate() {
            let plain = vec![number as u8; length];
            write(&mut client, &plain);
            up.extend(said_by(&mut client));
            sent.extend(plain);
        }
        let mut rest = up.as_slice();
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (front, back) = rest.split_at((*piece).min(rest.len()));
            server.receive(front).expect("a piece");
            rest = back;
        }
        prop_assert_eq!(&server.plain, &sent);
    }

    #[test]
    fn whatever_arrives_is_survived(
        version in 0..2_usize,
        flight in 0..3_usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        garbage in vec(any::<u8>(), 0..100),
        piece_bytes in 1..700_usize,
    ) {
        let mut client = rustls_client(&rustls_config(VERSIONS[version]), "localhost");
        let mut server = Ours::new(server_config().session());
        for this in 0..3 {
            if this == 2 && !client.is_handshaking() {
                write(&mut client, b"data");
            }
            let mut up = said_by(&mut client);
            if this == flight && !up.is_empty() {
                for (at, value) in &changes {
                    *at.get_mut(&mut up) = *value;
                }
                up.extend(&garbage);
            }
            // An error is for good.
            let results: Vec<_> = up.chunks(piece_bytes).map(|piece| server.receive(piece)).collect();
            prop_assert!(results.is_sorted_by_key(Result::is_err));
            if heard_by(&mut client, &server.said()).is_err() {
                break;
            }
        }
    }
}
