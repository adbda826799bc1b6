//! Sessions that begin in one process and are resumed in another: what two configurations stand for here.

mod support;

use std::sync::Arc;

use floodway_tls::{ClientCertificates, ServerConfig, ServerOptions, TicketSecret};
use rustls::HandshakeKind;

use support::{
    LOCALHOST, Ours, ROOT, SECRET, VERSIONS, converse, rustls_client, rustls_config, server_options,
};

fn server_with(secret: Option<TicketSecret>, clients: ClientCertificates<'_>) -> ServerConfig {
    ServerConfig::new(&ServerOptions {
        ticket_secret: secret,
        client_certificates: clients,
        ..server_options(&[LOCALHOST.certificate()])
    })
    .expect("a configuration")
}

/// How the client's handshakes with these servers went, one after the other.
fn kinds(config: &Arc<rustls::ClientConfig>, servers: &[ServerConfig]) -> Vec<HandshakeKind> {
    servers
        .iter()
        .map(|server| {
            let mut client = rustls_client(config, "localhost");
            let mut server = Ours::new(server.session());
            converse(&mut client, &mut server, usize::MAX).expect("a handshake");
            client.handshake_kind().expect("done")
        })
        .collect()
}

#[test]
fn a_ticket_is_good_for_every_configuration_with_the_same_secret() {
    for version in VERSIONS {
        let servers = [(); 2].map(|()| server_with(Some(SECRET), ClientCertificates::Unasked));
        assert_eq!(
            kinds(&rustls_config(version), &servers),
            [HandshakeKind::Full, HandshakeKind::Resumed]
        );
    }
}

#[test]
fn a_ticket_of_another_secret_means_a_whole_handshake() {
    for version in VERSIONS {
        let servers = [SECRET, TicketSecret([1; 32])]
            .map(|secret| server_with(Some(secret), ClientCertificates::Unasked));
        assert_eq!(
            kinds(&rustls_config(version), &servers),
            [HandshakeKind::Full, HandshakeKind::Full]
        );
    }
}

#[test]
fn a_ticket_does_not_let_in_whom_other_roots_vouch_for() {
    let root = ROOT.1.as_bytes();
    for version in VERSIONS {
        let servers = [
            server_with(Some(SECRET), ClientCertificates::Unasked),
            server_with(Some(SECRET), ClientCertificates::Optional(root)),
        ];
        assert_eq!(
            kinds(&rustls_config(version), &servers),
            [HandshakeKind::Full, HandshakeKind::Full]
        );
    }
}

#[test]
fn without_a_secret_there_are_no_tickets() {
    for version in VERSIONS {
        let servers = [(); 2].map(|()| server_with(None, ClientCertificates::Unasked));
        assert_eq!(
            kinds(&rustls_config(version), &servers),
            [HandshakeKind::Full, HandshakeKind::Full]
        );
    }
}

#[test]
fn a_resumed_session_knows_the_name_that_was_asked_for() {
    let config = rustls_config(VERSIONS[1]);
    let servers = [(); 2].map(|()| server_with(Some(SECRET), ClientCertificates::Unasked));
    for server in servers {
        let mut client = rustls_client(&config, "localhost");
        let mut server = Ours::new(server.session());
        converse(&mut client, &mut server, usize::MAX).expect("a handshake");
        let agreed = server.session.agreed().expect("open");
        assert_eq!(agreed.server_name, Some("localhost"));
    }
}
