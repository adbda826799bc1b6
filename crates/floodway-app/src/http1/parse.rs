//! From the bytes of a whole head to a [`Head`].

use std::mem::MaybeUninit;

use memchr::{memchr, memchr2, memchr3};

use super::chunked::BODY_TOO_LONG;
use super::config::{Config, MAX_HEADERS};
use super::framing::{Facts, Framing};
use super::head::{ENTRY_BYTES, Head, Span, Version, entry};
use super::octets;
use super::refusal::Refused;

/// A head, and what it says about what follows it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
}

/// `bytes`: a head that [`Scan`](super::scan::Scan) has found.
pub(super) fn parse(bytes: &[u8], config: &Config) -> Result<Parsed, Refused> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let fields = &mut fields[..config.max_headers.min(MAX_HEADERS)];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, fields) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Refused::bad("malformed head")),
        Err(error) => return Err(refused(error)),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(Refused::bad("malformed request line"));
    };
    if method == "CONNECT" {
        return Err(Refused::new(501, "CONNECT"));
    }
    let version = if request.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    let span = |part: &[u8]| {
        let start = part.as_ptr() as usize - bytes.as_ptr() as usize;
        Span::new(start, start + part.len())
    };

    let mut copy = Vec::with_capacity(bytes.len() + ENTRY_BYTES * request.headers.len());
    copy.extend_from_slice(bytes);
    let mut facts = Facts::default();
    for header in &*request.headers {
        let name = span(header.name.as_bytes());
        let lower = &mut copy[usize::from(name.start)..usize::from(name.end)];
        lower.make_ascii_lowercase();
        facts.note(lower, header.value)?;
        copy.extend_from_slice(&entry(name, span(header.value)));
    }
    let framing = facts.framing(version)?;
    if let (Framing::Length(length), Some(most)) = (framing, config.max_body)
        && length > most
    {
        return Err(BODY_TOO_LONG);
    }
    let mut head = Head {
        bytes: copy.into_boxed_slice(),
        table: bytes.len() as u16,
        method_end: method.len() as u16,
        target: span(target.as_bytes()),
        authority: None,
        path: Span::default(),
        query: Span::default(),
        version,
        expects_continue: false,
        content_length: None,
    };
    head.adopt(&facts);
    read_target(&mut head)?;
    Ok(Parsed {
        head,
        framing,
        keep_alive: facts.keep_alive(version),
    })
}

fn refused(error: httparse::Error) -> Refused {
    match error {
        httparse::Error::HeaderName => Refused::bad("malformed header name"),
        httparse::Error::HeaderValue => Refused::bad("malformed header value"),
        httparse::Error::TooManyHeaders => Refused::new(431, "too many headers"),
        _ => Refused::bad("malformed request line"),
    }
}

/// Finds path, query and authority in the target.
fn read_target(head: &mut Head) -> Result<(), Refused> {
    const MALFORMED: Refused = Refused::bad("malformed target");
    let target = head.target();
    let base = usize::from(head.target.start);
    if !octets::is_visible(target) {
        return Err(MALFORMED);
    }
    let mut authority = None;
    let mut path = 0;
    if target == b"*" {
        if head.method() != b"OPTIONS" {
            return Err(MALFORMED);
        }
    } else if !target.starts_with(b"/") {
        let start = after_scheme(target).ok_or(MALFORMED)?;
        path = memchr3(b'/', b'?', b'#', &target[start..]).map_or(target.len(), |at| start + at);
        if start == path || !octets::is_host(&target[start..path]) {
            return Err(MALFORMED);
        }
        authority = Some(Span::new(base + start, base + path));
    }
    // A fragment has no place in a request, but some clients send theirs.
    let end = memchr(b'#', target).unwrap_or(target.len());
    let path_end = memchr2(b'?', b'#', &target[path..]).map_or(end, |at| path + at);
    let query = (path_end + 1).min(end);
    head.authority = authority;
    head.query = Span::new(base + query, base + end);
    head.path = Span::new(base + path, base + path_end);
    Ok(())
}

/// Where the authority begins in a target that names one.
fn after_scheme(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let front = target.get(..scheme.len())?;
            front.eq_ignore_ascii_case(scheme).then_some(scheme.len())
        })
}
