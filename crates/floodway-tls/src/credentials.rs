//! Certificates and their keys, out of PEM.
//!
//! Files are Python's: what went wrong is said by kind, so that it can name the file.

use std::fmt;
use std::sync::Arc;

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use webpki::EndEntityCert;

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// How OpenSSL before 1.0 marked an encrypted key, inside its PEM.
const OLD_ENCRYPTED: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// A certificate with its chain, its private key, and the names that it is for.
#[derive(Clone, Copy)]
pub struct Certificate<'a> {
    /// The certificate, followed by those that lead to the root, as PEM. Anything else in there is skipped.
    pub chain_pem: &'a [u8],
    /// The private key as PEM: PKCS#8, also encrypted, PKCS#1 or SEC 1. Anything else in there is skipped, so this may be the
    /// same text as the chain.
    pub key_pem: &'a [u8],
    /// What the key is encrypted with; unused if it is not.
    pub password: Option<&'a [u8]>,
    /// The names that clients ask for to get this one, such as `example.com` or `*.example.com`. Empty: those in the certificate.
    pub names: &'a [&'a str],
}

/// Leaves the key out.
impl fmt::Debug for Certificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a certificate or its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialError {
    /// The chain has no certificate in it.
    NoCertificate,
    /// The chain has something in it that is no certificate.
    BadCertificate(String),
    /// There is no private key.
    NoKey,
    /// The private key cannot be read.
    BadKey(String),
    /// The private key is encrypted, and there is no password.
    PasswordNeeded,
    /// The password does not open the private key.
    WrongPassword,
    /// The private key is encrypted in a way that cannot be read.
    UnsupportedEncryption(String),
    /// The private key is of a kind that cannot sign here.
    UnsupportedKey(String),
    /// The private key belongs to another certificate.
    KeyMismatch,
}

impl CredentialError {
    /// Whether the key is to blame rather than the certificate.
    pub fn is_about_key(&self) -> bool {
        !matches!(self, Self::NoCertificate | Self::BadCertificate(_))
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate in it"),
            Self::BadCertificate(why) => write!(f, "the certificate cannot be read: {why}"),
            Self::NoKey => f.write_str("there is no private key in it"),
            Self::BadKey(why) => write!(f, "the private key cannot be read: {why}"),
            Self::PasswordNeeded => {
                f.write_str("the private key is encrypted and there is no password")
            }
            Self::WrongPassword => f.write_str("the password does not open the private key"),
            Self::UnsupportedEncryption(why) => write!(
                f,
                "the private key is encrypted in a way that is not supported: {why}; \
                 convert it with `openssl pkcs8 -topk8`"
            ),
            Self::UnsupportedKey(why) => write!(
                f,
                "the private key is not supported (RSA of 2048 to 8192 bits, ECDSA P-256 or P-384, and Ed25519 are): {why}"
            ),
            Self::KeyMismatch => f.write_str("the private key does not belong to the certificate"),
        }
    }
}

impl std::error::Error for CredentialError {}

impl Certificate<'_> {
    /// What rustls signs with.
    pub(crate) fn load(&self) -> Result<CertifiedKey, CredentialError> {
        let chain = self.chain()?;
        let key = any_supported_type(&self.key()?)
            .map_err(|error| CredentialError::UnsupportedKey(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => Err(CredentialError::KeyMismatch),
            Err(error) => Err(CredentialError::BadCertificate(error.to_string())),
        }
    }

    /// The same with its names.
    pub(crate) fn load_with_names(
        &self,
    ) -> Result<(Arc<CertifiedKey>, Vec<String>), CredentialError> {
        let certified = self.load()?;
        let names = if self.names.is_empty() {
            let bad = |error: &dyn fmt::Display| CredentialError::BadCertificate(error.to_string());
            let end_entity = certified.end_entity_cert().map_err(|error| bad(&error))?;
            EndEntityCert::try_from(end_entity)
                .map_err(|error| bad(&error))?
                .valid_dns_names()
                .map(str::to_owned)
                .collect()
        } else {
            self.names.iter().map(|name| (*name).to_owned()).collect()
        };
        Ok((Arc::new(certified), names))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| CredentialError::BadCertificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(CredentialError::NoCertificate);
        }
        Ok(chain)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, CredentialError> {
        if contains(self.key_pem, OLD_ENCRYPTED) {
            let why = "PKCS#1 or SEC 1 with a password, as OpenSSL once wrote it";
            return Err(CredentialError::UnsupportedEncryption(why.to_owned()));
        }
        match PrivateKeyDer::from_pem_slice(self.key_pem) {
            Ok(key) => Ok(key),
            Err(PemError::NoItemsFound) => match encrypted_section(self.key_pem) {
                Some(section) => decrypted(section, self.password),
                None => Err(CredentialError::NoKey),
            },
            Err(error) => Err(CredentialError::BadKey(error.to_string())),
        }
    }
}

/// A certificate, which is DER, as PEM (RFC 7468).
///
/// # Panics
/// Never: its label is valid, and memory bounds its length.
pub fn pem_of(certificate: &[u8]) -> String {
    let encoded =
        pkcs8::der::pem::encode_string("CERTIFICATE", pkcs8::der::pem::LineEnding::LF, certificate);
    encoded.expect("the label is valid and the length is bounded")
}

/// An encrypted key's PEM within `pem`, with the lines around it.
fn encrypted_section(pem: &[u8]) -> Option<&str> {
    let begin = find(pem, format!("-----BEGIN {ENCRYPTED}-----").as_bytes())?;
    let end_line = format!("-----END {ENCRYPTED}-----");
    let length = find(&pem[begin..], end_line.as_bytes())? + end_line.len();
    str::from_utf8(&pem[begin..begin + length]).ok()
}

fn decrypted(
    section: &str,
    password: Option<&[u8]>,
) -> Result<PrivateKeyDer<'static>, CredentialError> {
    let (_, document) = SecretDocument::from_pem(section)
        .map_err(|error| CredentialError::BadKey(error.to_string()))?;
    let unsupported =
        |error: pkcs8::Error| CredentialError::UnsupportedEncryption(error.to_string());
    // It is well-formed so far: what is not understood is how it was encrypted.
    let encrypted =
        EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(unsupported)?;
    let password = password.ok_or(CredentialError::PasswordNeeded)?;
    match encrypted.decrypt(password) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        // The padding is wrong; or by chance it is right, and what is in it is no key.
        Err(
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed)
            | pkcs8::Error::Asn1(_),
        ) => Err(CredentialError::WrongPassword),
        Err(error) => Err(unsupported(error)),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
