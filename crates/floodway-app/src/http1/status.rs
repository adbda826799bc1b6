//! Status lines.

use std::borrow::Cow;

/// The whole line of the statuses that nearly every answer has; of the others, the reason.
macro_rules! statuses {
    ($($code:literal $reason:literal),* $(,)?) => {
        /// The status line, with its end, of a status whose reason we know.
        pub(super) fn line(status: u16) -> Option<&'static [u8]> {
            match status {
                $($code => Some(concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n").as_bytes()),)*
                _ => None,
            }
        }
    };
}

statuses! {
    200 "OK", 201 "Created", 202 "Accepted", 203 "Non-Authoritative Information", 204 "No Content", 205 "Reset Content",
    206 "Partial Content", 207 "Multi-Status", 208 "Already Reported", 226 "IM Used",
    300 "Multiple Choices", 301 "Moved Permanently", 302 "Found", 303 "See Other", 304 "Not Modified", 305 "Use Proxy",
    307 "Temporary Redirect", 308 "Permanent Redirect",
    400 "Bad Request", 401 "Unauthorized", 402 "Payment Required", 403 "Forbidden", 404 "Not Found",
    405 "Method Not Allowed", 406 "Not Acceptable", 407 "Proxy Authentication Required", 408 "Request Timeout",
    409 "Conflict", 410 "Gone", 411 "Length Required", 412 "Precondition Failed", 413 "Content Too Large",
    414 "URI Too Long", 415 "Unsupported Media Type", 416 "Range Not Satisfiable", 417 "Expectation Failed",
    418 "I'm a teapot", 421 "Misdirected Request", 422 "Unprocessable Content", 423 "Locked", 424 "Failed Dependency",
    425 "Too Early", 426 "Upgrade Required", 428 "Precondition Required", 429 "Too Many Requests",
    431 "Request Header Fields Too Large", 451 "Unavailable For Legal Reasons",
    500 "Internal Server Error", 501 "Not Implemented", 502 "Bad Gateway", 503 "Service Unavailable",
    504 "Gateway Timeout", 505 "HTTP Version Not Supported", 506 "Variant Also Negotiates", 507 "Insufficient Storage",
    508 "Loop Detected", 510 "Not Extended", 511 "Network Authentication Required",
}

/// Bytes of a status line before its reason, and behind it.
const START: usize = "HTTP/1.1 200 ".len();
const END: usize = "\r\n".len();

/// The status line, with its end, of any status; `reason` None: the usual one, or none if we know none.
pub(super) fn line_for(status: u16, reason: Option<&[u8]>) -> Cow<'static, [u8]> {
    if let Some(line) = line(status)
        && reason.is_none_or(|reason| line[START..line.len() - END] == *reason)
    {
        return Cow::Borrowed(line);
    }
    let mut line = format!("HTTP/1.1 {status} ").into_bytes();
    line.extend_from_slice(reason.unwrap_or_default());
    line.extend_from_slice(b"\r\n");
    Cow::Owned(line)
}
