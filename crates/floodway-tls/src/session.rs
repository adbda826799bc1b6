//! One connection's encryption by rustls.
//!
//! # Rules
//! rustls' unbuffered interface reads and decrypts where the bytes lie. What it cannot use yet, half a record or a handshake
//! message in several records, is kept in `unused`, which has no memory otherwise. Nothing that is to be sent is kept.
//!
//! # Cost
//! rustls copies each record's plaintext once, and we copy it once more to `plain`; a record that arrives in parts is copied
//! once before that. What is kept is bounded by [`MAX_UNUSED_BYTES`] and what arrives at once.

use std::fmt;
use std::mem;
use std::ops::DerefMut;

use floodway_base::{Agreed, Session, SessionError};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedConnectionCommon, UnbufferedStatus,
};
use rustls::{CipherSuite, ProtocolVersion};

use crate::names::take_name_asked_for;
use crate::plain_http::looks_like_http;

/// The longest handshake message that rustls reads: what a peer can make us keep.
const MAX_UNUSED_BYTES: usize = 0xffff;

/// A record's header, and where its length stands (RFC 8446 §5.1).
const HEADER_BYTES: usize = 5;
const LENGTH_AT: usize = 3;

/// The most plaintext in a record.
const RECORD_BYTES: usize = 16 * 1_024;
/// The most that encryption adds to it: header, explicit nonce (TLS 1.2), type (TLS 1.3) and tag.
const RECORD_OVERHEAD_BYTES: usize = HEADER_BYTES + 8 + 1 + 16;
/// More than a `close_notify` takes, also behind the answer to a key update.
const CLOSE_BYTES: usize = 128;

/// rustls' connections of either side.
pub(crate) trait Side:
    DerefMut<Target = UnbufferedConnectionCommon<Self::Data>> + Send
{
    type Data;

    /// The same method of both, which have no trait in common.
    fn process<'c, 'i>(&'c mut self, arrived: &'i mut [u8])
    -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// The name in the greeting that this thread has read since the last call.
    fn take_name_asked_for(&self) -> Option<Box<str>>;

    /// Whether these, the first bytes that arrived, are a request in plain text.
    fn is_plain_http(first: &[u8]) -> bool;
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        arrived: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(arrived)
    }

    fn take_name_asked_for(&self) -> Option<Box<str>> {
        take_name_asked_for()
    }

    fn is_plain_http(first: &[u8]) -> bool {
        looks_like_http(first)
    }
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        arrived: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(arrived)
    }

    fn take_name_asked_for(&self) -> Option<Box<str>> {
        None
    }

    fn is_plain_http(_first: &[u8]) -> bool {
        false
    }
}

/// One connection's encryption by rustls.
pub(crate) struct RustlsSession<S> {
    connection: S,
    /// What arrived and cannot be used before more does.
    unused: Vec<u8>,
    server_name: Option<Box<str>>,
    peer_finished: bool,
    /// We have said that we send no more.
    has_finished: bool,
    has_failed: bool,
}

impl<S: Side> RustlsSession<S> {
    /// `server_name` is what a client asks for; a server learns it.
    pub(crate) fn new(connection: S, server_name: Option<Box<str>>) -> Self {
        Self {
            connection,
            unused: Vec::new(),
            server_name,
            peer_finished: false,
            has_finished: false,
            has_failed: false,
        }
    }

    /// Takes what can be used of `arrived` and returns how much that was.
    fn advance(
        &mut self,
        arrived: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<usize, SessionError> {
        // rustls would judge by the first byte, and then nobody sees what a client without TLS wanted.
        if (1..HEADER_BYTES).contains(&arrived.len()) {
            return Ok(0);
        }
        let mut used = 0;
        let error = 'records: loop {
            let status = self.connection.process(&mut arrived[used..]);
            used += status.discard;
            match status.state {
                Ok(ConnectionState::EncodeTlsData(mut record)) => append(&mut record, out),
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        match record {
                            Ok(record) => {
                                plain.extend_from_slice(record.payload);
                                used += record.discard;
                            }
                            Err(error) => break 'records error,
                        }
                    }
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_finished = true;
                    // What follows has to be ignored: RFC 8446 §6.1.
                    return Ok(arrived.len());
                }
                // It waits for more, or for us to send something. Data before the handshake's end it never accepts.
                Ok(_) => return Ok(used),
                Err(error) => break error,
            }
        };
        Err(self.fail(&error, &arrived[used..], out))
    }

    fn fail(&mut self, error: &rustls::Error, at: &[u8], out: &mut Vec<u8>) -> SessionError {
        self.has_failed = true;
        if self.connection.protocol_version().is_none() && S::is_plain_http(at) {
            return SessionError::PlainHttp;
        }
        // Nothing may follow our end: RFC 8446 §6.1.
        if !self.has_finished {
            self.append_alert(out);
        }
        SessionError::Failed(error.to_string())
    }

    /// What rustls wants sent although it has failed.
    fn append_alert(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            match self.connection.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut record)) => append(&mut record, out),
                _ => return,
            }
        }
    }

    /// Appends what `write` writes into at most `most_bytes`, when rustls is ready to send.
    fn append_traffic(
        &mut self,
        most_bytes: usize,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Traffic<'_, S>, &mut [u8]) -> Result<usize, String>,
    ) -> Result<(), SessionError> {
        let before = out.len();
        out.resize(before + most_bytes, 0);
        let written = match self.connection.process(&mut self.unused).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                write(&mut traffic, &mut out[before..])
            }
            other => Err(format!("nothing can be sent now ({other:?})")),
        };
        out.truncate(before + *written.as_ref().unwrap_or(&0));
        written.map(drop).map_err(|why| {
            self.has_failed = true;
            self.append_alert(out);
            SessionError::Failed(why)
        })
    }
}

type Traffic<'c, S> = rustls::unbuffered::WriteTraffic<'c, <S as Side>::Data>;

impl<S: Side> Session for RustlsSession<S> {
    fn receive(
        &mut self,
        arrived: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), SessionError> {
        if self.has_failed {
            return Err(ended());
        }
        if self.peer_finished {
            return Ok(());
        }
        let was_open = self.is_open();
        if !was_open {
            // A session that failed on this thread may have left its own.
            drop(self.connection.take_name_asked_for());
        }
        let mut rest = arrived;
        // The record that is kept is completed first; the others are then read where they lie.
        while !self.unused.is_empty() && !rest.is_empty() {
            let (part, after) = rest.split_at_mut(missing_bytes(&self.unused).min(rest.len()));
            rest = after;
            self.unused.extend_from_slice(part);
            let mut joined = mem::take(&mut self.unused);
            let used = self.advance(&mut joined, plain, out)?;
            self.unused = if used == 0 {
                joined
            } else {
                joined[used..].to_vec() // without the memory of what is gone
            };
        }
        if self.unused.is_empty() {
            let used = self.advance(rest, plain, out)?;
            self.unused.extend_from_slice(&rest[used..]);
        }
        if !was_open {
            self.server_name = self
                .connection
                .take_name_asked_for()
                .or(self.server_name.take());
        }
        if self.unused.len() > MAX_UNUSED_BYTES {
            self.has_failed = true;
            self.unused = Vec::new();
            return Err(SessionError::Failed(format!(
                "the peer sent a handshake message of more than {MAX_UNUSED_BYTES} bytes"
            )));
        }
        Ok(())
    }

    fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        if self.has_failed || self.has_finished || !self.is_open() {
            return Err(ended());
        }
        // One more than the data's: keys may have to be changed before it.
        let records = plain.len().div_ceil(RECORD_BYTES) + 1;
        let most_bytes = plain.len() + records * RECORD_OVERHEAD_BYTES;
        self.append_traffic(most_bytes, out, |traffic, space| {
            let written = traffic.encrypt(plain, space);
            written.map_err(|error| error.to_string())
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.has_failed || self.has_finished || !self.is_open() {
            return;
        }
        self.has_finished = true;
        // There is nobody left to tell if it fails: the connection closes.
        let _ = self.append_traffic(CLOSE_BYTES, out, |traffic, space| {
            let written = traffic.queue_close_notify(space);
            written.map_err(|error| error.to_string())
        });
    }

    fn is_open(&self) -> bool {
        !self.connection.is_handshaking()
    }

    fn peer_finished(&self) -> bool {
        self.peer_finished
    }

    fn agreed(&self) -> Option<Agreed<'_>> {
        if !self.is_open() {
            return None;
        }
        let version = self.connection.protocol_version()?;
        let cipher = self.connection.negotiated_cipher_suite()?.suite();
        Some(Agreed {
            version: name_of_version(version),
            version_number: version.into(),
            cipher: name_of_cipher(cipher),
            cipher_number: cipher.into(),
            alpn: self.connection.alpn_protocol(),
            server_name: self.server_name.as_deref(),
        })
    }

    fn peer_certificate(&self, number: usize) -> Option<&[u8]> {
        Some(self.connection.peer_certificates()?.get(number)?.as_ref())
    }
}

impl<S: Side> fmt::Debug for RustlsSession<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustlsSession")
            .field("agreed", &self.agreed())
            .field("unused_bytes", &self.unused.len())
            .field("peer_finished", &self.peer_finished)
            .field("has_finished", &self.has_finished)
            .field("has_failed", &self.has_failed)
            .finish_non_exhaustive()
    }
}

fn append<D>(record: &mut EncodeTlsData<'_, D>, out: &mut Vec<u8>) {
    // Asked with too little space it says how much it needs, and changes nothing.
    if let Err(EncodeError::InsufficientSize(needed)) = record.encode(&mut []) {
        let before = out.len();
        out.resize(before + needed.required_size, 0);
        record
            .encode(&mut out[before..])
            .expect("it has the space that it asked for");
    }
}

/// How much `unused` lacks to be a whole record, or to say how long it is; at least 1.
///
/// Where it is not the beginning of a record but a handshake message in several of them, the number is a guess that is as good
/// as any: whatever is added, rustls looks at all of it.
fn missing_bytes(unused: &[u8]) -> usize {
    let Some(length) = unused.get(LENGTH_AT..HEADER_BYTES) else {
        return HEADER_BYTES - unused.len();
    };
    let whole = HEADER_BYTES + usize::from(u16::from_be_bytes([length[0], length[1]]));
    match whole.saturating_sub(unused.len()) {
        0 => usize::MAX,
        missing => missing,
    }
}

fn ended() -> SessionError {
    SessionError::Failed("the session is not open".to_owned())
}

fn name_of_version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

/// rustls has names of its own for the suites of TLS 1.3.
fn name_of_cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}
