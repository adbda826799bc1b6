//! What a server is told before it meets a client.

use std::sync::Arc;

use floodway_base::Session;
use ring::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoClientAuth, NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier,
};

use crate::client::roots_from_pem;
use crate::names::Certificates;
use crate::session::RustlsSession;
use crate::tickets::Tickets;
use crate::{Certificate, ConfigError, MinVersion, TicketSecret, provider};

/// What a server is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerOptions<'a> {
    /// Who the server is. The first is for clients that ask for no name or for one that none has.
    pub certificates: &'a [Certificate<'a>],
    /// The application protocols (ALPN), the preferred first, such as `http/1.1`. A client that offers only others is refused;
    /// empty: what clients offer is not looked at.
    pub alpn: &'a [&'a [u8]],
    /// What tickets are sealed by. None: no session is resumed.
    pub ticket_secret: Option<TicketSecret>,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
    /// Whether clients have to say who they are.
    pub client_certificates: ClientCertificates<'a>,
}

/// Whether clients have to say who they are, and by which root certificates (PEM) that is judged.
#[derive(Clone, Copy, Debug, Default)]
pub enum ClientCertificates<'a> {
    /// They are not asked.
    #[default]
    Unasked,
    /// They may. What they show must be valid.
    Optional(&'a [u8]),
    /// They must.
    Required(&'a [u8]),
}

/// A server's configuration: what its sessions share.
///
/// Cheap to clone, for any thread, and good after a fork: nothing in it changes.
#[derive(Clone, Debug)]
pub struct ServerConfig(Arc<rustls::ServerConfig>);

impl ServerConfig {
    /// Reads certificates and keys and checks that they belong together.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn new(options: &ServerOptions<'_>) -> Result<Self, ConfigError> {
        if options.certificates.is_empty() {
            return Err(ConfigError::NoCertificates);
        }
        let certificates = options
            .certificates
            .iter()
            .enumerate()
            .map(|(index, one)| {
                one.load_with_names()
                    .map_err(|why| ConfigError::Credentials(index, why))
            })
            .collect::<Result<_, _>>()?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(options.min_version.versions())?
            .with_client_cert_verifier(options.client_certificates.verifier()?)
            .with_cert_resolver(Arc::new(Certificates::new(certificates)));
        config.alpn_protocols = options.alpn.iter().map(|name| name.to_vec()).collect();
        // Tickets take nothing of the server's memory and work in every process; a cache would do neither.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match &options.ticket_secret {
            Some(secret) => {
                let context = options.client_certificates.context();
                config.ticketer = Arc::new(Tickets::new(secret, &context));
            }
            None => config.send_tls13_tickets = 0,
        }
        Ok(Self(Arc::new(config)))
    }

    /// A session for a client that has just connected.
    ///
    /// # Panics
    /// Never: rustls refuses only maximum fragment sizes, of which we set none.
    pub fn session(&self) -> Box<dyn Session> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.0));
        let connection = connection.expect("rustls accepts its own defaults");
        Box::new(RustlsSession::new(connection, None))
    }
}

impl ClientCertificates<'_> {
    fn verifier(self) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
        let (roots, is_required) = match self {
            Self::Unasked => return Ok(Arc::new(NoClientAuth)),
            Self::Optional(roots) => (roots, false),
            Self::Required(roots) => (roots, true),
        };
        let roots: RootCertStore = roots_from_pem(roots)?;
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = if is_required {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        builder
            .build()
            .map_err(|error| ConfigError::Roots(error.to_string()))
    }

    /// What differs where other clients are let in. A resumed client is not asked again who it is.
    fn context(self) -> Vec<u8> {
        let (kind, roots) = match self {
            Self::Unasked => (0, [].as_slice()),
            Self::Optional(roots) => (1, roots),
            Self::Required(roots) => (2, roots),
        };
        [&[kind], digest(&SHA256, roots).as_ref()].concat()
    }
}
