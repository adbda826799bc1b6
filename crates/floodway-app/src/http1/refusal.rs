//! What a peer is told that broke the protocol or a limit.

use floodway_base::Refusal;

use super::date::Date;
use super::status;

/// Why a request cannot be had: the status that says so, and the reason for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: &'static str,
}

impl Refused {
    pub(super) const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    /// A 400.
    pub(super) const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }

    /// The end of the connection, with an answer.
    pub(super) fn told(self) -> Refusal {
        Refusal {
            farewell: simple_response(self.status, self.reason, None),
            reason: self.reason,
        }
    }

    /// The end of the connection, without: nobody listens, or an answer is already under way.
    pub(super) fn untold(self) -> Refusal {
        Refusal {
            farewell: Vec::new(),
            reason: self.reason,
        }
    }
}

/// A whole answer in plain text that ends the connection. `date` None: the moment is not known, as in a refusal that is
/// made where there is no clock.
pub fn simple_response(status: u16, body: &str, date: Option<&Date>) -> Vec<u8> {
    let mut out = status::line_for(status, None).into_owned();
    if let Some(date) = date {
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let length = body.len() + 1;
    out.extend_from_slice(
        format!("connection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{body}\n")
            .as_bytes(),
    );
    out
}
