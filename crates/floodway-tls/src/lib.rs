//! Floodway's encryption: [`rustls`] behind [`Session`](floodway_base::Session), without I/O.
//!
//! # For readers who come from Python
//!
//! | here | in Python | what to know |
//! | --- | --- | --- |
//! | [`ServerConfig`] | a listener's `tls=` | cheap to clone; a reload makes a new one, sessions keep theirs |
//! | [`ClientConfig`] | `tls=` of `connect` | holds the tickets that servers gave, so keep it |
//! | [`Certificate`], [`CredentialError`] | `TLSConfig.from_files` | PEM in memory; Python reads files, and names them in errors |
//! | [`TicketSecret`] | the supervisor's, handed to its workers | who has it resumes what another one began |
//!
//! # Reading order
//!
//! `session.rs` is what happens on a connection; `server.rs` and `client.rs` are what it is told beforehand; `credentials.rs`,
//! `names.rs` and `tickets.rs` stand under them.
//!
//! # What is absent
//!
//! No system call but the random numbers and the system's root certificates, no thread, no lock on a server's way, no 0-RTT
//! data (which an attacker can replay), no renegotiation, no session cache on the server. An idle session has no buffer.
//!
//! The cryptography is `ring`'s.

#![forbid(unsafe_code)]

mod client;
mod credentials;
mod error;
mod names;
mod plain_http;
mod server;
mod session;
mod tickets;

pub use client::{ClientConfig, ClientOptions, Trust};
pub use credentials::{Certificate, CredentialError, pem_of};
pub use error::ConfigError;
pub use server::{ClientCertificates, ServerConfig, ServerOptions};
pub use tickets::TicketSecret;

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

/// The oldest version of the protocol that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => ONLY_TLS13,
        }
    }
}

/// Cipher suites, key exchanges and signatures. Each configuration names it, none depends on what the process has installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
