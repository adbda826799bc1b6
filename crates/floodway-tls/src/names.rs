//! Which certificate a client is shown: by the name that it asks for (SNI) and the signatures that it can check.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    /// The name in the greeting that this thread has just read. rustls tells it to who chooses a certificate, and has no other
    /// way to ask for it without buffers; the session takes it before the thread reads another greeting.
    static ASKED_FOR: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// The name in the greeting that this thread has read since the last call.
pub(crate) fn take_name_asked_for() -> Option<Box<str>> {
    ASKED_FOR.take()
}

/// Certificates by name.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// In lower case; `*.example.com` stands for one label more. Several for a name differ in their keys' type.
    by_name: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// For a client that asks for no name or for an unknown one: those with the names of the first.
    default: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Of each certificate its names; the first one is the default.
    pub(crate) fn new(certificates: Vec<(Arc<CertifiedKey>, Vec<String>)>) -> Self {
        let mut by_name: HashMap<Box<str>, Vec<Arc<CertifiedKey>>> = HashMap::new();
        let mut default = Vec::new();
        let first_names = certificates.first().map(|(_, names)| names.clone());
        for (key, names) in certificates {
            if first_names.as_ref() == Some(&names) {
                default.push(Arc::clone(&key));
            }
            for name in names {
                let name = name.to_ascii_lowercase().into_boxed_str();
                by_name.entry(name).or_default().push(Arc::clone(&key));
            }
        }
        Self { by_name, default }
    }

    fn of(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let Some(name) = name else {
            return &self.default;
        };
        self.by_name
            .get(name)
            .or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(format!("*.{parent}").as_str())
            })
            .unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let suitable = self.of(name.as_deref());
        let schemes = hello.signature_schemes();
        let chosen = suitable
            .iter()
            .find(|certificate| certificate.key.choose_scheme(schemes).is_some());
        ASKED_FOR.set(name.map(String::into_boxed_str));
        // Without a signature that the client can check, rustls says so to it better than we do.
        chosen.or(suitable.first()).cloned()
    }
}
