//! What a client is told before it meets a server.

use std::sync::Arc;

use floodway_base::Session;
use rustls::RootCertStore;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::session::RustlsSession;
use crate::{Certificate, ConfigError, MinVersion, provider};

/// What a client is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientOptions<'a> {
    /// Which servers are believed.
    pub trust: Trust<'a>,
    /// The application protocols (ALPN) that are offered, the preferred first. Empty: none.
    pub alpn: &'a [&'a [u8]],
    /// Who the client is, if it is asked.
    pub certificate: Option<Certificate<'a>>,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
    /// Whether every handshake is a whole one: tickets are not kept.
    pub without_resumption: bool,
}

/// Which servers are believed.
#[derive(Clone, Copy, Debug, Default)]
pub enum Trust<'a> {
    /// Those whose certificate leads to a root of this system: the administrator's decision, kept up to date with the system.
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as with OpenSSL.
    #[default]
    System,
    /// Those whose certificate leads to one of these roots (PEM), and no others. A root is not a server: a certificate that
    /// signs itself as one (`openssl req -x509` makes such) is refused when a server shows it as its own.
    Roots(&'a [u8]),
    /// All of them. The connection is private, but nobody knows with whom.
    Anyone,
}

/// A client's configuration: what its sessions share, and the tickets of the last 256 servers unless it keeps none.
///
/// Cheap to clone, and for any thread.
#[derive(Clone, Debug)]
pub struct ClientConfig(Arc<rustls::ClientConfig>);

impl ClientConfig {
    /// Reads the roots, and the client's certificate and key.
    ///
    /// # Errors
    /// What is wrong with which of them; index 0 is the client's certificate.
    pub fn new(options: &ClientOptions<'_>) -> Result<Self, ConfigError> {
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(options.min_version.versions())?
            .dangerous()
            .with_custom_certificate_verifier(options.trust.verifier()?);
        let mut config = match &options.certificate {
            Some(certificate) => {
                let key = certificate
                    .load()
                    .map_err(|why| ConfigError::Credentials(0, why))?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
            None => builder.with_no_client_auth(),
        };
        if options.without_resumption {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols = options.alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Self(Arc::new(config)))
    }

    /// A session with the server of this name, a DNS name or an IP address, which has to be in its certificate.
    ///
    /// # Errors
    /// It is neither.
    pub fn session(&self, server_name: &str) -> Result<Box<dyn Session>, ConfigError> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| ConfigError::ServerName(server_name.to_owned()))?;
        // An address is not asked for: RFC 6066 §3.
        let asked_for = matches!(name, ServerName::DnsName(_)).then(|| Box::from(server_name));
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.0), name)?;
        Ok(Box::new(RustlsSession::new(connection, asked_for)))
    }
}

impl Trust<'_> {
    fn verifier(self) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
        let roots = match self {
            Self::System => roots_of_system()?,
            Self::Roots(pem) => roots_from_pem(pem)?,
            Self::Anyone => return Ok(Arc::new(BelievesAnyone(provider()))),
        };
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        Ok(builder
            .build()
            .map_err(|error| ConfigError::Roots(error.to_string()))?)
    }
}

fn roots_of_system() -> Result<RootCertStore, ConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system's store has roots that are too old to be read; the others are good.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(ToString::to_string);
        return Err(ConfigError::Roots(why.unwrap_or_else(|| {
            "this system has none; name a file with SSL_CERT_FILE".to_owned()
        })));
    }
    Ok(roots)
}

/// All of them, each of which has to be readable.
pub(crate) fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, ConfigError> {
    let bad = |error: &dyn std::fmt::Display| ConfigError::Roots(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| bad(&error))?;
        roots.add(certificate).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() {
        return Err(ConfigError::Roots(
            "there is no certificate in it".to_owned(),
        ));
    }
    Ok(roots)
}

/// Checks that the server has the key of the certificate that it shows, and not whose certificate that is.
#[derive(Debug)]
struct BelievesAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for BelievesAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
