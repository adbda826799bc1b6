//! What a connection is encrypted with, for who asks from outside of its reactor.

use floodway_base::{Session, Token};

use crate::message::Host;
use crate::reactor::Reactor;

/// What a handshake has agreed on, and who the peer has shown to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// The same as a number on the wire.
    pub version_number: u16,
    /// Such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The same as a number on the wire.
    pub cipher_number: u16,
    /// The application protocol (ALPN).
    pub alpn: Option<Box<[u8]>>,
    /// The name that the client asked for (SNI).
    pub server_name: Option<Box<str>>,
    /// The peer's certificates as DER, its own first.
    pub peer_certificates: Vec<Box<[u8]>>,
}

impl Security {
    /// None before the end of the handshake.
    fn of(session: &dyn Session) -> Option<Self> {
        let agreed = session.agreed()?;
        Some(Self {
            version: agreed.version,
            version_number: agreed.version_number,
            cipher: agreed.cipher,
            cipher_number: agreed.cipher_number,
            alpn: agreed.alpn.map(Box::from),
            server_name: agreed.server_name.map(Box::from),
            peer_certificates: (0..)
                .map_while(|number| session.peer_certificate(number).map(Box::from))
                .collect(),
        })
    }
}

impl<H: Host> Reactor<H> {
    /// What a connection is encrypted with; None if it is not, not yet, or not any more.
    pub fn security(&mut self, token: Token) -> Option<Security> {
        if !self.shared.is_live(token) {
            return None;
        }
        let (_, active) = self.connections.parts(token.slot)?;
        Security::of(active?.transport.session()?)
    }
}
