//! Where a request's body ends (RFC 9112 section 6), and what else its head decides.

use super::head::Version;
use super::octets;
use super::refusal::Refused;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0: no body.
    Length(u64),
    Chunked,
}

/// What the headers say that concerns the connection.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(super) struct Facts {
    pub(super) content_length: Option<u64>,
    pub(super) expects_continue: bool,
    has_host: bool,
    has_content_type: bool,
    has_transfer_encoding: bool,
    is_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
}

impl Facts {
    /// Looks at one header, whose name is in lower case.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        // The lengths differ, so at most one name is compared.
        match name.len() {
            4 if name == b"host" => self.note_host(value),
            6 if name == b"expect" => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refused::new(417, "an expectation other than 100-continue"));
                }
                self.expects_continue = true;
                Ok(())
            }
            10 if name == b"connection" => {
                for element in octets::elements(value) {
                    self.says_close |= element.eq_ignore_ascii_case(b"close");
                    self.says_keep_alive |= element.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            12 if name == b"content-type" => {
                if self.has_content_type {
                    return Err(Refused::bad("more than one Content-Type"));
                }
                self.has_content_type = true;
                Ok(())
            }
            14 if name == b"content-length" => {
                if self.content_length.is_some() {
                    return Err(Refused::bad("more than one Content-Length"));
                }
                self.content_length =
                    Some(octets::decimal(value).ok_or(Refused::bad("malformed Content-Length"))?);
                Ok(())
            }
            17 if name == b"transfer-encoding" => {
                self.is_chunked =
                    !self.has_transfer_encoding && value.eq_ignore_ascii_case(b"chunked");
                self.has_transfer_encoding = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), Refused> {
        if self.has_host {
            return Err(Refused::bad("more than one Host"));
        }
        if !octets::is_host(value) {
            return Err(Refused::bad("malformed Host"));
        }
        self.has_host = true;
        Ok(())
    }

    /// Where the body ends, once all headers have been noted.
    pub(super) fn framing(&self, version: Version) -> Result<Framing, Refused> {
        if version == Version::Http11 && !self.has_host {
            return Err(Refused::bad("no Host"));
        }
        if !self.has_transfer_encoding {
            return Ok(Framing::Length(self.content_length.unwrap_or(0)));
        }
        if version == Version::Http10 {
            return Err(Refused::bad("Transfer-Encoding in HTTP/1.0"));
        }
        if self.content_length.is_some() {
            return Err(Refused::bad("Content-Length beside Transfer-Encoding"));
        }
        if !self.is_chunked {
            return Err(Refused::new(501, "a Transfer-Encoding other than chunked"));
        }
        Ok(Framing::Chunked)
    }

    /// Whether the peer wants to use the connection again.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        !self.says_close && (version == Version::Http11 || self.says_keep_alive)
    }
}
