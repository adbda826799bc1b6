//! `TlsServer` and `TlsClient`: what encrypts the connections of a listener or a connector. `TLSInfo`: what one agreed on.
//!
//! Files are read in Python: here is PEM in memory, with the names of its files for errors.

use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};

use floodway_base::{Session, SessionError, Sessions};
use floodway_conn::Security;
use floodway_tls::{
    Certificate, ClientCertificates, ClientConfig, ClientOptions, ConfigError, CredentialError,
    MinVersion, ServerConfig, ServerOptions, TicketSecret, Trust,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyTuple};

/// A text out of a file.
#[derive(FromPyObject)]
struct Pem {
    file: PyBackedStr,
    content: PyBackedBytes,
}

/// A certificate and its key.
#[derive(FromPyObject)]
struct Credentials {
    chain: Pem,
    key: Pem,
    password: Option<PyBackedBytes>,
    names: Vec<PyBackedStr>,
}

impl Credentials {
    fn certificate<'a>(&'a self, names: &'a [&'a str]) -> Certificate<'a> {
        Certificate {
            chain_pem: &self.chain.content,
            key_pem: &self.key.content,
            password: self.password.as_deref(),
            names,
        }
    }

    fn error(&self, why: &CredentialError) -> PyErr {
        let (chain, key) = (&self.chain.file, &self.key.file);
        match why {
            CredentialError::KeyMismatch => PyValueError::new_err(format!(
                "{key}: the private key does not belong to the certificate in {chain}"
            )),
            why if why.is_about_key() => PyValueError::new_err(format!("{key}: {why}")),
            why => PyValueError::new_err(format!("{chain}: {why}")),
        }
    }
}

fn error(error: ConfigError, credentials: &[Credentials], roots: Option<&Pem>) -> PyErr {
    match (error, roots) {
        (ConfigError::Credentials(index, why), _) if index < credentials.len() => {
            credentials[index].error(&why)
        }
        (ConfigError::Roots(why), Some(roots)) => {
            PyValueError::new_err(format!("{}: {why}", roots.file))
        }
        (other, _) => PyValueError::new_err(other.to_string()),
    }
}

fn min_version(text: &str) -> PyResult<MinVersion> {
    match text {
        "1.2" => Ok(MinVersion::Tls12),
        "1.3" => Ok(MinVersion::Tls13),
        other => Err(PyValueError::new_err(format!(
            "min_version is {other:?}; write \"1.2\" or \"1.3\""
        ))),
    }
}

fn alpn(names: &[PyBackedStr]) -> Vec<&[u8]> {
    names.iter().map(|name| name.as_bytes()).collect()
}

#[derive(Debug)]
struct ServerSessions(RwLock<ServerConfig>);

impl Sessions for ServerSessions {
    fn begin(&self, _: Option<&str>, _: &mut Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(config.session())
    }
}

/// Encrypts what listeners accept. Shared by all reactors of a process. Any thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct TlsServer(Arc<ServerSessions>);

#[pymethods]
impl TlsServer {
    #[new]
    #[pyo3(signature = (certificates, *, alpn, ticket_secret, min_version, client_roots, require_client))]
    fn new(
        certificates: Vec<Credentials>,
        alpn: Vec<PyBackedStr>,
        ticket_secret: Option<[u8; 32]>,
        min_version: &str,
        client_roots: Option<Pem>,
        require_client: bool,
    ) -> PyResult<Self> {
        let names: Vec<Vec<&str>> = certificates
            .iter()
            .map(|one| one.names.iter().map(|name| &**name).collect())
            .collect();
        let given: Vec<_> = certificates
            .iter()
            .zip(&names)
            .map(|(one, names)| one.certificate(names))
            .collect();
        let client_certificates = match &client_roots {
            None => ClientCertificates::Unasked,
            Some(roots) if require_client => ClientCertificates::Required(&roots.content),
            Some(roots) => ClientCertificates::Optional(&roots.content),
        };
        let config = ServerConfig::new(&ServerOptions {
            certificates: &given,
            alpn: &self::alpn(&alpn),
            ticket_secret: ticket_secret.map(TicketSecret),
            min_version: self::min_version(min_version)?,
            client_certificates,
        })
        .map_err(|why| error(why, &certificates, client_roots.as_ref()))?;
        Ok(Self(Arc::new(ServerSessions(RwLock::new(config)))))
    }

    /// Encrypt further connections as the other one does. Those that exist stay as they are.
    fn become_like(&self, other: &Self) {
        let other = other.0.0.read().unwrap_or_else(PoisonError::into_inner);
        let config = other.clone();
        drop(other); // it may be this one
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

#[derive(Debug)]
struct ClientSessions(ClientConfig);

impl Sessions for ClientSessions {
    fn begin(
        &self,
        server_name: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<Box<dyn Session>, SessionError> {
        let failed = |why: &dyn Display| SessionError::Failed(why.to_string());
        let name = server_name.ok_or_else(|| failed(&"a TLS client needs the server's name"))?;
        let mut session = self.0.session(name).map_err(|why| failed(&why))?;
        session.receive(&mut [], &mut Vec::new(), out)?;
        Ok(session)
    }
}

/// Encrypts outgoing connections; holds the tickets that servers gave. Any thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct TlsClient(Arc<ClientSessions>);

#[pymethods]
impl TlsClient {
    #[new]
    #[pyo3(signature = (*, roots, verify, alpn, certificate, min_version))]
    fn new(
        roots: Option<Pem>,
        verify: bool,
        alpn: Vec<PyBackedStr>,
        certificate: Option<Credentials>,
        min_version: &str,
    ) -> PyResult<Self> {
        let trust = match &roots {
            _ if !verify => Trust::Anyone,
            Some(roots) => Trust::Roots(&roots.content),
            None => Trust::System,
        };
        let config = ClientConfig::new(&ClientOptions {
            trust,
            alpn: &self::alpn(&alpn),
            certificate: certificate.as_ref().map(|one| one.certificate(&[])),
            min_version: self::min_version(min_version)?,
            without_resumption: false,
        })
        .map_err(|why| error(why, certificate.as_slice(), roots.as_ref()))?;
        Ok(Self(Arc::new(ClientSessions(config))))
    }
}

/// What encrypts a route's connections.
#[derive(FromPyObject)]
pub(crate) enum Tls<'py> {
    Server(PyRef<'py, TlsServer>),
    Client(PyRef<'py, TlsClient>),
}

impl Tls<'_> {
    pub(crate) fn sessions(&self) -> Arc<dyn Sessions> {
        match self {
            Self::Server(server) => server.0.clone(),
            Self::Client(client) => client.0.clone(),
        }
    }
}

/// What a TLS connection has agreed on. Immutable; any thread.
#[pyclass(frozen, module = "floodway", name = "TLSInfo")]
pub(crate) struct TlsInfo(Security);

impl TlsInfo {
    pub(crate) fn new(security: Security) -> Self {
        Self(security)
    }
}

#[pymethods]
impl TlsInfo {
    /// "TLSv1.3" or "TLSv1.2".
    #[getter]
    fn version(&self) -> &'static str {
        self.0.version
    }

    /// The cipher suite, such as "TLS_AES_128_GCM_SHA256".
    #[getter]
    fn cipher(&self) -> &'static str {
        self.0.cipher
    }

    /// The application protocol that was agreed on (ALPN), such as "http/1.1"; None if there was no talk of it.
    #[getter]
    fn alpn(&self) -> Option<String> {
        let name = self.0.alpn.as_deref()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// The name that the client asked for (SNI); None if it asked for none.
    #[getter]
    fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_deref()
    }

    /// The peer's certificates as DER: its own, then those that lead to the root. Empty if it has shown none.
    #[getter]
    fn peer_certificates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let certificates = self.0.peer_certificates.iter();
        PyTuple::new(py, certificates.map(|der| PyBytes::new(py, der)))
    }

    fn __repr__(&self) -> String {
        format!("<floodway.TLSInfo {} {}>", self.0.version, self.0.cipher)
    }
}
