//! What lies between a socket and a protocol when bytes travel encrypted.
//!
//! A session makes no system call and knows no clock: the connection layer brings what arrived and sends what the session
//! wants sent. It holds a buffer only while half a record has arrived.

use std::fmt;

/// One connection's encryption.
pub trait Session: Send + fmt::Debug {
    /// Takes what arrived, which it may overwrite, and appends what it means to `plain` and what is to be sent to `out`.
    ///
    /// A client's session speaks first: call this once with nothing arrived, and send what it says.
    ///
    /// # Errors
    /// The peer broke the protocol or refused ours. `out` then has the alert to send before closing, if there is one.
    /// What `plain` got before that is valid.
    fn receive(
        &mut self,
        arrived: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), SessionError>;

    /// Encrypts `plain` behind what was encrypted before. Not before [`is_open`](Self::is_open).
    ///
    /// # Errors
    /// The keys are used up, or the session has ended.
    fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError>;

    /// Says that no more will be sent (`close_notify`). Once; later calls say nothing.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Whether the handshake is done.
    fn is_open(&self) -> bool;

    /// Whether the peer has said that it sends no more: an end of input without that was cut off.
    fn peer_finished(&self) -> bool;

    /// What was agreed on; None before [`is_open`](Self::is_open).
    fn agreed(&self) -> Option<Agreed<'_>>;

    /// A certificate that the peer has shown, as DER: its own is number 0, behind it those that lead to the root. None where
    /// there are no more; of clients that were not asked there is none.
    fn peer_certificate(&self, number: usize) -> Option<&[u8]>;
}

/// Where the connections of a listener or connector get their sessions from.
pub trait Sessions: Send + Sync + fmt::Debug {
    /// A session for a new connection. What it wants sent first, if it begins the handshake, goes to `out`.
    /// `server_name`: whom an outgoing connection is for.
    ///
    /// # Errors
    /// The configuration does not allow any.
    fn begin(
        &self,
        server_name: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<Box<dyn Session>, SessionError>;
}

/// What a handshake has agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed<'a> {
    /// The version of the protocol, such as `TLSv1.3`.
    pub version: &'static str,
    /// The same as a number on the wire, such as `0x0304`.
    pub version_number: u16,
    /// The cipher suite by its name in RFC 8446 or RFC 5246, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The same as a number on the wire, such as `0x1301`.
    pub cipher_number: u16,
    /// The application protocol (ALPN), such as `http/1.1`.
    pub alpn: Option<&'a [u8]>,
    /// The name that the client asked for (SNI).
    pub server_name: Option<&'a str>,
}

/// Why a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The client speaks HTTP without encryption. `out` is as it was, so that it can be answered in its own language.
    PlainHttp,
    /// Anything else, in words for a log.
    Failed(String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("the client sent HTTP without encryption"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SessionError {}
