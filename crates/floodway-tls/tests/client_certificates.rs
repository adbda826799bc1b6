//! Clients that have to say who they are.

mod support;

use floodway_base::SessionError;
use floodway_tls::{
    ClientCertificates, ClientConfig, ClientOptions, ServerConfig, ServerOptions, Trust,
};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use support::{
    LOCALHOST, Ours, Pems, ROOT, client_config, converse_ours, server_config, server_options,
};

/// The server after a handshake in which it asks in this way and the client has this certificate.
fn served(asked: ClientCertificates<'_>, shown: Option<&Pems>) -> Result<Ours, SessionError> {
    let server = ServerConfig::new(&ServerOptions {
        client_certificates: asked,
        ..server_options(&[LOCALHOST.certificate()])
    });
    let client = ClientConfig::new(&ClientOptions {
        trust: Trust::Roots(ROOT.1.as_bytes()),
        certificate: shown.map(Pems::certificate),
        ..ClientOptions::default()
    });
    let client = client.expect("a configuration").session("localhost");
    let mut client = Ours::new(client.expect("a session"));
    let mut server = Ours::new(server.expect("a configuration").session());
    converse_ours(&mut client, &mut server)?;
    Ok(server)
}

fn der(pems: &Pems) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pems.chain.as_bytes()).expect("PEM")
}

#[test]
fn clients_are_let_in_as_the_server_asks() {
    let root = ROOT.1.as_bytes();
    let known = Pems::new(&["client"]);
    let stranger = rcgen::generate_simple_self_signed(["client".to_owned()]).expect("signed");
    let stranger = Pems {
        chain: stranger.cert.pem(),
        key: stranger.signing_key.serialize_pem(),
    };
    for (asked, shown, is_let_in) in [
        (ClientCertificates::Unasked, None, true),
        (ClientCertificates::Optional(root), None, true),
        (ClientCertificates::Optional(root), Some(&known), true),
        (ClientCertificates::Optional(root), Some(&stranger), false),
        (ClientCertificates::Required(root), None, false),
        (ClientCertificates::Required(root), Some(&known), true),
        (ClientCertificates::Required(root), Some(&stranger), false),
    ] {
        assert_eq!(served(asked, shown).is_ok(), is_let_in, "{asked:?}");
    }
}

#[test]
fn both_see_the_certificates_of_the_other() {
    let root = ROOT.1.as_bytes();
    let known = Pems::new(&["client"]);
    let server = served(ClientCertificates::Required(root), Some(&known)).expect("a handshake");
    assert_eq!(
        server.session.peer_certificate(0),
        Some(der(&known).as_ref())
    );
    assert_eq!(server.session.peer_certificate(1), None);

    let server = served(ClientCertificates::Unasked, Some(&known)).expect("a handshake");
    assert_eq!(server.session.peer_certificate(0), None);

    let mut client = Ours::new(client_config().session("localhost").expect("a session"));
    let mut server = Ours::new(server_config().session());
    converse_ours(&mut client, &mut server).expect("a handshake");
    let expected = der(&LOCALHOST);
    assert_eq!(client.session.peer_certificate(0), Some(expected.as_ref()));
}
