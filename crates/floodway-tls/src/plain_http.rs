//! HTTP that was sent to a port for TLS.

/// What requests begin with: the methods of RFC 9110 and RFC 5789, and HTTP/2's preface, as far as five bytes go.
const BEGINNINGS: [&[u8; 5]; 10] = [
    b"GET /", b"HEAD ", b"POST ", b"PUT /", b"DELET", b"CONNE", b"OPTIO", b"TRACE", b"PATCH",
    b"PRI *",
];

/// Whether these, the first bytes of a connection, begin a request of HTTP.
///
/// Five bytes are enough, and as many as rustls wants to see before it rejects them: a record's header.
pub fn looks_like_http(first: &[u8]) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| first.starts_with(*beginning))
}
