//! Why a configuration cannot be made.

use std::fmt;

use crate::CredentialError;

/// Why a configuration cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A server needs a certificate.
    NoCertificates,
    /// One of the certificates or its key, by its index among those given.
    Credentials(usize, CredentialError),
    /// The root certificates that the peer's is judged by.
    Roots(String),
    /// Neither a name in DNS nor an IP address.
    ServerName(String),
    /// Whatever else rustls refuses.
    Refused(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificates => f.write_str("a TLS server needs a certificate"),
            Self::Credentials(index, why) => write!(f, "certificate {index}: {why}"),
            Self::Roots(why) => write!(f, "root certificates: {why}"),
            Self::ServerName(name) => {
                write!(f, "{name:?} is neither a DNS name nor an IP address")
            }
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Credentials(_, why) => Some(why),
            _ => None,
        }
    }
}

impl From<rustls::Error> for ConfigError {
    fn from(error: rustls::Error) -> Self {
        Self::Refused(error.to_string())
    }
}
