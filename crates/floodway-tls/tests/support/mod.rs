//! Certificates made for the tests, and two peers that talk through memory.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use floodway_base::{Session, SessionError};
use floodway_tls::{
    Certificate, ClientCertificates, ClientConfig, ClientOptions, MinVersion, ServerConfig,
    ServerOptions, TicketSecret, Trust,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

pub const SECRET: TicketSecret = TicketSecret([42; 32]);
pub const HTTP1: &[u8] = b"http/1.1";

/// What signed the others, as PEM.
pub static ROOT: LazyLock<(CertifiedIssuer<'static, KeyPair>, String)> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let root = CertifiedIssuer::self_signed(params, key).expect("signed");
    let pem = root.pem();
    (root, pem)
});

/// A certificate and its key, as PEM.
pub struct Pems {
    pub chain: String,
    pub key: String,
}

impl Pems {
    pub fn new(names: &[&str]) -> Self {
        Self::with_key(names, &KeyPair::generate().expect("a key"))
    }

    pub fn with_key(names: &[&str], key: &KeyPair) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let signed = params.signed_by(key, &ROOT.0).expect("signed");
        Self {
            chain: signed.pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn certificate(&self) -> Certificate<'_> {
        Certificate {
            chain_pem: self.chain.as_bytes(),
            key_pem: self.key.as_bytes(),
            password: None,
            names: &[],
        }
    }
}

pub static LOCALHOST: LazyLock<Pems> = LazyLock::new(|| Pems::new(&["localhost"]));

pub fn server_options<'a>(certificates: &'a [Certificate<'a>]) -> ServerOptions<'a> {
    ServerOptions {
        certificates,
        alpn: &[HTTP1],
        ticket_secret: Some(SECRET),
        min_version: MinVersion::Tls12,
        client_certificates: ClientCertificates::Unasked,
    }
}

/// A server for `localhost`.
pub fn server_config() -> ServerConfig {
    ServerConfig::new(&server_options(&[LOCALHOST.certificate()])).expect("a configuration")
}

/// Our client, which believes the root of these tests.
pub fn client_config() -> ClientConfig {
    let options = ClientOptions {
        trust: Trust::Roots(ROOT.1.as_bytes()),
        alpn: &[HTTP1],
        ..ClientOptions::default()
    };
    ClientConfig::new(&options).expect("a configuration")
}

/// rustls' own client, with buffers.
pub fn rustls_config(version: &'static SupportedProtocolVersion) -> Arc<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ROOT.1.as_bytes()).expect("PEM");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP1.to_vec()];
    Arc::new(config)
}

pub fn rustls_client(config: &Arc<rustls::ClientConfig>, name: &str) -> ClientConnection {
    let name = name.to_owned().try_into().expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a connection")
}

pub const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

/// Our session and what it got and said.
pub struct Ours {
    pub session: Box<dyn Session>,
    pub plain: Vec<u8>,
    pub out: Vec<u8>,
}

impl Ours {
    pub fn new(session: Box<dyn Session>) -> Self {
        Self {
            session,
            plain: Vec::new(),
            out: Vec::new(),
        }
    }

    pub fn receive(&mut self, arrived: &[u8]) -> Result<(), SessionError> {
        let mut arrived = arrived.to_vec();
        self.session
            .receive(&mut arrived, &mut self.plain, &mut self.out)
    }

    pub fn send(&mut self, plain: &[u8]) {
        self.session.send(plain, &mut self.out).expect("sent");
    }

    pub fn said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// A certificate for `localhost` and a key that OpenSSL wrote, as PKCS#8.
pub fn for_key(pkcs8: &str) -> Pems {
    Pems::with_key(&["localhost"], &KeyPair::from_pem(pkcs8).expect("a key"))
}

/// Believes every server, and checks signatures of these kinds.
#[derive(Debug)]
pub struct Anyone(Vec<SignatureScheme>);

impl Anyone {
    pub fn who_signs_with(schemes: &[SignatureScheme]) -> Arc<Self> {
        Arc::new(Self(schemes.to_vec()))
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// What rustls' client wants sent.
pub fn said_by(client: &mut ClientConnection) -> Vec<u8> {
    let mut said = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut said).expect("to memory");
    }
    said
}

/// Gives `arrived` to rustls' client and returns what it read.
pub fn heard_by(
    client: &mut ClientConnection,
    mut arrived: &[u8],
) -> Result<Vec<u8>, rustls::Error> {
    let mut plain = Vec::new();
    while !arrived.is_empty() {
        client.read_tls(&mut arrived).expect("from memory");
        client.process_new_packets()?;
        let mut space = [0; 4_096];
        while let Ok(length @ 1..) = client.reader().read(&mut space) {
            plain.extend_from_slice(&space[..length]);
        }
    }
    Ok(plain)
}

/// Lets both talk, in pieces of `piece_bytes`, until neither has anything to say; what the client read.
pub fn converse(
    client: &mut ClientConnection,
    server: &mut Ours,
    piece_bytes: usize,
) -> Result<Vec<u8>, SessionError> {
    let mut read = Vec::new();
    loop {
        let up = said_by(client);
        for piece in up.chunks(piece_bytes) {
            server.receive(piece)?;
        }
        let down = server.said();
        if up.is_empty() && down.is_empty() {
            return Ok(read);
        }
        for piece in down.chunks(piece_bytes) {
            read.extend(
                heard_by(client, piece).map_err(|error| SessionError::Failed(error.to_string()))?,
            );
        }
    }
}

/// The same for two of ours.
pub fn converse_ours(client: &mut Ours, server: &mut Ours) -> Result<(), SessionError> {
    client.receive(&[])?;
    loop {
        let (up, down) = (client.said(), server.said());
        if up.is_empty() && down.is_empty() {
            return Ok(());
        }
        server.receive(&up)?;
        client.receive(&down)?;
    }
}

/// A server and rustls' client, hands shaken.
pub fn established(version: &'static SupportedProtocolVersion) -> (ClientConnection, Ours) {
    let mut client = rustls_client(&rustls_config(version), "localhost");
    let mut server = Ours::new(server_config().session());
    converse(&mut client, &mut server, usize::MAX).expect("a handshake");
    (client, server)
}

pub fn write(client: &mut ClientConnection, plain: &[u8]) {
    client.writer().write_all(plain).expect("to memory");
}
