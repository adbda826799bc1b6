//! What lies between a connection's stream and its socket when it is encrypted.
//!
//! The kernel may take less than a record, and a record cannot be encrypted twice: so what it did not take is kept here,
//! at most one slice of the stream, and nothing more is encrypted until it is gone.

use std::os::fd::BorrowedFd;

use floodway_base::Session;
use floodway_sys::{Errno, socket};
use floodway_tls::{ClientConfig, ClientOptions, ConfigError, Trust};

use crate::error::LoadError;
use crate::plan::Plan;

const HTTP: &[&[u8]] = &[b"http/1.1"];
/// Memory for what is encrypted that a connection keeps between two messages.
const KEPT_BYTES_MAX: usize = 16 * 1_024;

/// Where the connections of a run get their encryption from.
#[derive(Debug)]
pub(crate) struct Encryption {
    config: ClientConfig,
    server_name: String,
}

/// One connection's encryption.
#[derive(Debug)]
pub(crate) struct Secure {
    session: Box<dyn Session>,
    /// Encrypted, of which the kernel has taken `taken` bytes.
    out: Vec<u8>,
    taken: usize,
    /// Why it has failed: the errno is `PROTO` then.
    failure: Option<String>,
}

impl Encryption {
    /// None if the plan asks for none.
    pub(crate) fn new(plan: &Plan) -> Result<Option<Self>, LoadError> {
        let Some(server_name) = plan.server_name.clone() else {
            return Ok(None);
        };
        let refused = |error: ConfigError| LoadError::Tls(error.to_string());
        let config = ClientConfig::new(&ClientOptions {
            trust: Trust::Anyone,
            alpn: if plan.request.is_some() { HTTP } else { &[] },
            without_resumption: true,
            ..ClientOptions::default()
        })
        .map_err(refused)?;
        // A name that is none is found now, and not on every connection.
        config.session(&server_name).map_err(refused)?;
        Ok(Some(Self {
            config,
            server_name,
        }))
    }

    /// For a new connection: the greeting is ready to be sent.
    pub(crate) fn begin(&self) -> Result<Secure, Errno> {
        // The name is good, so what is left is a system without random numbers.
        let session = self.config.session(&self.server_name);
        let mut secure = Secure {
            session: session.map_err(|_| Errno::PROTO)?,
            out: Vec::new(),
            taken: 0,
            failure: None,
        };
        secure.decrypt(&mut [], &mut Vec::new())?;
        Ok(secure)
    }
}

impl Secure {
    pub(crate) fn is_open(&self) -> bool {
        self.session.is_open()
    }

    pub(crate) fn peer_finished(&self) -> bool {
        self.session.peer_finished()
    }

    /// Why it has failed, once.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Takes what has arrived; what has to be sent because of it waits for [`flush`](Self::flush).
    pub(crate) fn decrypt(&mut self, arrived: &mut [u8], plain: &mut Vec<u8>) -> Result<(), Errno> {
        let outcome = self.session.receive(arrived, plain, &mut self.out);
        outcome.map_err(|error| self.fail(error.to_string()))
    }

    /// Encrypts both as one: what is encrypted apart travels apart, and costs the server two records.
    pub(crate) fn encrypt(&mut self, head: &[u8], body: &[u8]) -> Result<(), Errno> {
        let outcome = match (head, body) {
            (one, []) | ([], one) => self.session.send(one, &mut self.out),
            (head, body) => self.session.send(&[head, body].concat(), &mut self.out),
        };
        outcome.map_err(|error| self.fail(error.to_string()))
    }

    /// Says goodbye.
    pub(crate) fn finish(&mut self) {
        self.session.finish(&mut self.out);
    }

    /// Sends what waits; returns whether nothing is left.
    pub(crate) fn flush(&mut self, fd: BorrowedFd<'_>) -> Result<bool, Errno> {
        while self.taken < self.out.len() {
            match socket::send(fd, &self.out[self.taken..]) {
                Ok(len) => self.taken += len,
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        self.taken = 0;
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES_MAX);
        Ok(true)
    }

    pub(crate) fn fail(&mut self, why: String) -> Errno {
        self.failure = Some(why);
        Errno::PROTO
    }
}
