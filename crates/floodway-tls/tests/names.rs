//! Which of several certificates a client is shown.

mod support;

use floodway_tls::{Certificate, ServerConfig};
use rustls::SignatureScheme;
use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, RSA_PSS_SHA256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use support::{
    Anyone, Ours, Pems, VERSIONS, converse, rustls_client, rustls_config, said_by, server_options,
};

/// The certificate that a client which asks for `name` is shown, by its index.
fn shown(server: &ServerConfig, certificates: &[&Pems], name: &str) -> usize {
    shown_to(&[ECDSA_NISTP256_SHA256], server, certificates, name)
}

/// The same for a client that can check signatures of these kinds.
fn shown_to(
    schemes: &[SignatureScheme],
    server: &ServerConfig,
    certificates: &[&Pems],
    name: &str,
) -> usize {
    let mut config = rustls_config(VERSIONS[1]).as_ref().clone();
    config
        .dangerous()
        .set_certificate_verifier(Anyone::who_signs_with(schemes));
    let mut client = rustls_client(&config.into(), name);
    let mut server = Ours::new(server.session());
    converse(&mut client, &mut server, usize::MAX).expect("a handshake");
    let shown = &client.peer_certificates().expect("shown")[0];
    certificates
        .iter()
        .position(|pems| {
            &CertificateDer::from_pem_slice(pems.chain.as_bytes()).expect("PEM") == shown
        })
        .expect("one of them")
}

fn server(certificates: &[Certificate<'_>]) -> ServerConfig {
    ServerConfig::new(&server_options(certificates)).expect("a configuration")
}

#[test]
fn a_client_is_shown_the_certificate_for_the_name_it_asks_for() {
    let first = Pems::new(&["a.example"]);
    let second = Pems::new(&["b.example", "*.c.example", "own.c.example"]);
    let third = Pems::new(&["own.c.example", "d.example"]);
    let all = [&first, &second, &third];
    let server = server(&all.map(Pems::certificate));
    for (name, expected) in [
        ("a.example", 0),
        ("b.example", 1),
        ("B.Example", 1),
        ("any.c.example", 1),
        ("own.c.example", 1),
        ("d.example", 2),
        // One label more, and no less: RFC 6125 §6.4.3. The others are nobody's.
        ("c.example", 0),
        ("two.more.c.example", 0),
        ("unknown.example", 0),
        ("127.0.0.1", 0), // which is not asked for
    ] {
        assert_eq!(shown(&server, &all, name), expected, "{name}");
    }
}

#[test]
fn names_that_are_given_replace_those_in_the_certificate() {
    let first = Pems::new(&["a.example"]);
    let second = Pems::new(&["b.example"]);
    let renamed = Certificate {
        names: &["c.example"],
        ..second.certificate()
    };
    let server = server(&[first.certificate(), renamed]);
    assert_eq!(shown(&server, &[&first, &second], "c.example"), 1);
    assert_eq!(shown(&server, &[&first, &second], "b.example"), 0);
}

#[test]
fn of_two_certificates_for_a_name_the_one_is_shown_that_the_client_can_check() {
    let rsa = support::for_key(include_str!("keys/pkcs8_rsa.pem"));
    let ecdsa = Pems::new(&["localhost"]);
    let all = [&ecdsa, &rsa];
    let server = server(&all.map(Pems::certificate));
    for name in ["localhost", "unknown.example"] {
        assert_eq!(shown_to(&[ECDSA_NISTP256_SHA256], &server, &all, name), 0);
        assert_eq!(shown_to(&[RSA_PSS_SHA256], &server, &all, name), 1);
    }
}

#[test]
fn a_session_does_not_take_the_name_of_one_that_failed_before() {
    let server = server(&[Pems::new(&["a.example"]).certificate()]);
    let mut other_protocol = rustls_config(VERSIONS[1]).as_ref().clone();
    other_protocol.alpn_protocols = vec![b"other".to_vec()];
    let mut failing = rustls_client(&other_protocol.into(), "a.example");
    let result = Ours::new(server.session()).receive(&said_by(&mut failing));
    result.expect_err("another protocol");

    let mut config = rustls_config(VERSIONS[1]).as_ref().clone();
    config
        .dangerous()
        .set_certificate_verifier(Anyone::who_signs_with(&[ECDSA_NISTP256_SHA256]));
    let mut client = rustls_client(&config.into(), "127.0.0.1");
    let mut server = Ours::new(server.session());
    converse(&mut client, &mut server, 100).expect("a handshake");
    assert_eq!(server.session.agreed().expect("open").server_name, None);
}
