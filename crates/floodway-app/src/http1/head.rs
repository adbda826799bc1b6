//! The head of a request, kept apart from the input.
//!
//! # Theory
//! One allocation: the bytes of the head with the names in lower case, then a table with eight bytes for each header, which
//! say where in the head its name and value lie. A head has less than 64 KiB, so two bytes say where.

use std::fmt;

use super::framing::Facts;

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A part of the head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u16,
            end: end as u16,
        }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Bytes of a header in the table.
pub(super) const ENTRY_BYTES: usize = 8;

/// Method, target, version and headers of a request.
pub struct Head {
    /// The head, then the table.
    pub(super) bytes: Box<[u8]>,
    /// Where the table begins.
    pub(super) table: u16,
    pub(super) method_end: u16,
    pub(super) target: Span,
    pub(super) authority: Option<Span>,
    /// Empty if the target is absolute and ends behind its authority.
    pub(super) path: Span,
    pub(super) query: Span,
    pub(super) version: Version,
    pub(super) expects_continue: bool,
    pub(super) content_length: Option<u64>,
}

impl Head {
    /// The method, as sent: methods are case-sensitive.
    pub fn method(&self) -> &[u8] {
        &self.bytes[..usize::from(self.method_end)]
    }

    /// The target, as sent.
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.bytes)
    }

    /// The path, still percent-encoded: it begins with a slash, or is `*`.
    pub fn path(&self) -> &[u8] {
        match self.path.of(&self.bytes) {
            b"" if self.method() == b"OPTIONS" => b"*",
            b"" => b"/",
            path => path,
        }
    }

    /// What stands between the first question mark and a fragment, still percent-encoded; empty if there is none.
    pub fn query(&self) -> &[u8] {
        self.query.of(&self.bytes)
    }

    /// Host and port of a target that names them. They count instead of `Host`, which proxies may leave wrong.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|span| span.of(&self.bytes))
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// All headers in the order in which they came: name in lower case, value without white space around it.
    pub fn headers(&self) -> Headers<'_> {
        Headers {
            bytes: &self.bytes,
            table: self.bytes[usize::from(self.table)..]
                .as_chunks::<ENTRY_BYTES>()
                .0
                .iter(),
        }
    }

    /// The value of the first header of that name, which is given in lower case.
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values of all headers of that name, which is given in lower case.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.headers()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The announced length of the body; None if it is chunked or there is none.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Whether the peer waits for a 100 before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    pub(super) fn adopt(&mut self, facts: &Facts) {
        self.content_length = facts.content_length;
        // HTTP/1.0 has no 100 (RFC 9110 10.1.1).
        self.expects_continue = facts.expects_continue && self.version == Version::Http11;
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &String::from_utf8_lossy(self.method()))
            .field("target", &String::from_utf8_lossy(self.target()))
            .field("version", &self.version)
            .finish_non_exhaustive() // headers carry secrets
    }
}

/// See [`Head::headers`].
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    table: std::slice::Iter<'a, [u8; ENTRY_BYTES]>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = u64::from_le_bytes(*self.table.next()?);
        let name = Span::new(entry as usize, (entry >> 16) as usize);
        let value = Span::new((entry >> 32) as usize, (entry >> 48) as usize);
        Some((name.of(self.bytes), value.of(self.bytes)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.table.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_> {}

pub(super) fn entry(name: Span, value: Span) -> [u8; ENTRY_BYTES] {
    let [a, b, c, d] = [name.start, name.end, value.start, value.end].map(u64::from);
    (a | b << 16 | c << 32 | d << 48).to_le_bytes()
}
