//! Clients that have to say who they are.

mod support;

use floodway_base::SessionError;
use floodway_tls::{
    ClientCertificates, ClientConfig, ClientOptions, ServerConfig, ServerOptions, Trust,
};

use support::{LOCALHOST, Ours, Pems, ROOT, converse_ours, server_options};

/// A handshake of a server that asks in this way and a client with this certificate.
fn result(asked: ClientCertificates<'_>, shown: Option<&Pems>) -> Result<(), SessionError> {
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
    converse_ours(
        &mut Ours::new(client.expect("a session")),
        &mut Ours::new(server.expect("a configuration").session()),
    )
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
        assert_eq!(result(asked, shown).is_ok(), is_let_in, "{asked:?}");
    }
}
