//! How sessions end: politely, by an alert, or because the peer speaks another language.

mod support;

use floodway_base::SessionError;
use floodway_tls::{ClientOptions, MinVersion, ServerConfig, ServerOptions, Trust};
use rustls::{AlertDescription, Error};

use support::{
    LOCALHOST, Ours, ROOT, VERSIONS, client_config, converse, converse_ours, established, heard_by,
    rustls_client, rustls_config, said_by, server_config, server_options, write,
};

fn failed(result: Result<(), SessionError>) -> String {
    match result {
        Err(SessionError::Failed(why)) => why,
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// The alert that rustls' client reads in `out`.
fn alert_in(client: &mut rustls::ClientConnection, out: &[u8]) -> AlertDescription {
    match heard_by(client, out) {
        Err(Error::AlertReceived(alert)) => alert,
        other => panic!("expected an alert, got {other:?}"),
    }
}

#[test]
fn either_side_may_finish_first_and_the_other_still_sends() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        client.send_close_notify();
        server.receive(&said_by(&mut client)).expect("the end");
        assert!(server.session.peer_finished());
        server.send(b"the rest");
        server.session.finish(&mut server.out);
        assert_eq!(
            heard_by(&mut client, &server.said()).expect("data"),
            b"the rest"
        );

        let (mut client, mut server) = established(version);
        server.session.finish(&mut server.out);
        assert_eq!(heard_by(&mut client, &server.said()).expect("the end"), b"");
        assert!(!server.session.peer_finished());
        write(&mut client, b"the rest");
        client.send_close_notify();
        server.receive(&said_by(&mut client)).expect("the rest");
        assert_eq!(server.plain, b"the rest");
        assert!(server.session.peer_finished());
    }
}

#[test]
fn nothing_is_sent_behind_the_end_and_it_is_said_once() {
    let (_, mut server) = established(VERSIONS[1]);
    server.session.finish(&mut server.out);
    let said = server.said();
    assert!(!said.is_empty());
    server.session.finish(&mut server.out);
    assert!(server.session.send(b"late", &mut server.out).is_err());
    assert_eq!(server.out, b"");
}

#[test]
fn what_arrives_behind_the_end_is_ignored() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        client.send_close_notify();
        let mut up = said_by(&mut client);
        up.extend(b"anything at all");
        server.receive(&up).expect("the end");
        server.receive(b"more of that").expect("nothing");
        assert_eq!((server.plain, server.out), (vec![], vec![]));
    }
}

#[test]
fn a_corrupted_record_is_answered_by_an_alert() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        write(&mut client, b"good");
        let mut up = said_by(&mut client);
        write(&mut client, b"bad");
        up.extend(said_by(&mut client));
        *up.last_mut().expect("bytes") ^= 1;
        assert_eq!(failed(server.receive(&up)), "cannot decrypt peer's message");
        assert_eq!(server.plain, b"good");
        let out = server.said();
        assert_eq!(alert_in(&mut client, &out), AlertDescription::BadRecordMac);
        // From then on nothing is said or heard.
        assert!(server.receive(&up).is_err());
        assert!(server.session.send(b"more", &mut server.out).is_err());
        server.session.finish(&mut server.out);
        assert_eq!(server.out, b"");
    }
}

#[test]
fn a_corrupted_record_behind_our_end_is_an_error_too() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        server.session.finish(&mut server.out);
        write(&mut client, b"bad");
        let mut up = said_by(&mut client);
        *up.last_mut().expect("bytes") ^= 1;
        server.out.clear();
        failed(server.receive(&up));
        assert_eq!(server.out, b"");
    }
}

#[test]
fn a_client_that_offers_only_other_protocols_is_refused() {
    let mut config = rustls_config(VERSIONS[1]).as_ref().clone();
    config.alpn_protocols = vec![b"other".to_vec()];
    let mut client = rustls_client(&config.into(), "localhost");
    let mut server = Ours::new(server_config().session());
    failed(server.receive(&said_by(&mut client)));
    assert_eq!(
        alert_in(&mut client, &server.said()),
        AlertDescription::NoApplicationProtocol
    );
}

#[test]
fn a_client_that_offers_no_protocol_is_served() {
    let mut config = rustls_config(VERSIONS[1]).as_ref().clone();
    config.alpn_protocols.clear();
    let mut client = rustls_client(&config.into(), "localhost");
    let mut server = Ours::new(server_config().session());
    converse(&mut client, &mut server, usize::MAX).expect("a handshake");
    assert_eq!(server.session.agreed().expect("open").alpn, None);
}

#[test]
fn a_client_that_speaks_only_an_older_version_is_refused() {
    let options = ServerOptions {
        min_version: MinVersion::Tls13,
        ..server_options(&[])
    };
    let config = ServerConfig::new(&ServerOptions {
        certificates: &[LOCALHOST.certificate()],
        ..options
    });
    let mut client = rustls_client(&rustls_config(VERSIONS[0]), "localhost");
    let mut server = Ours::new(config.expect("a configuration").session());
    failed(server.receive(&said_by(&mut client)));
    assert_eq!(
        alert_in(&mut client, &server.said()),
        AlertDescription::ProtocolVersion
    );
}

#[test]
fn a_client_that_expects_another_name_goes_away() {
    let mut client = Ours::new(client_config().session("example.org").expect("a session"));
    let mut server = Ours::new(server_config().session());
    let why = failed(converse_ours(&mut client, &mut server));
    assert!(why.contains("not valid for name \"example.org\""), "{why}");
    let told = failed(server.receive(&client.said()));
    assert_eq!(told, "received fatal alert: BadCertificate");
}

#[test]
fn a_server_that_nobody_vouches_for_is_believed_on_request_only() {
    let root_of_others = rcgen::generate_simple_self_signed(["root".to_owned()]).expect("signed");
    let root_of_others = root_of_others.cert.pem();
    for (trust, is_believed) in [
        (Trust::Roots(ROOT.1.as_bytes()), true),
        (Trust::Roots(root_of_others.as_bytes()), false),
        (Trust::Anyone, true),
    ] {
        let options = ClientOptions {
            trust,
            ..ClientOptions::default()
        };
        let config = floodway_tls::ClientConfig::new(&options).expect("a configuration");
        let mut client = Ours::new(config.session("localhost").expect("a session"));
        let mut server = Ours::new(server_config().session());
        let result = converse_ours(&mut client, &mut server);
        assert_eq!(result.is_ok(), is_believed, "{trust:?}: {result:?}");
    }
}

#[test]
fn http_without_encryption_is_recognised_however_it_is_cut() {
    for request in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(),
        b"POST /upload HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for piece_bytes in 1..=request.len() {
            let mut server = Ours::new(server_config().session());
            let result = request
                .chunks(piece_bytes)
                .try_for_each(|piece| server.receive(piece));
            assert_eq!(result, Err(SessionError::PlainHttp));
            assert_eq!(server.out, b"");
        }
    }
}

#[test]
fn whatever_else_is_no_tls_is_answered_by_an_alert() {
    let mut server = Ours::new(server_config().session());
    let why = failed(server.receive(b"SSH-2.0-OpenSSH_9.6\r\n"));
    assert!(why.contains("InvalidContentType"), "{why}");
    // A fatal alert, not encrypted: decode_error.
    assert_eq!(server.out, [21, 3, 3, 0, 2, 2, 50]);
}

#[test]
fn a_request_within_a_session_is_data() {
    let (mut client, mut server) = established(VERSIONS[1]);
    write(&mut client, b"GET / HTTP/1.1\r\n\r\n");
    server.receive(&said_by(&mut client)).expect("data");
    assert_eq!(server.plain, b"GET / HTTP/1.1\r\n\r\n");
    // And not TLS where TLS is due, which is a failure of another kind.
    failed(server.receive(b"GET / HTTP/1.1\r\n\r\n"));
}
