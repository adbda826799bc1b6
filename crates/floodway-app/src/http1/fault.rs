//! Answers that cannot be sent.

use std::fmt;

/// An answer that cannot be sent: a mistake of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The status is not a final one of three digits.
    Status(u16),
    /// The reason has a byte that cannot stand in it.
    Reason,
    /// A header's name is empty or has a byte that cannot stand in it.
    HeaderName(Box<[u8]>),
    /// The value of the header of this name has a byte that cannot stand in it.
    HeaderValue(Box<[u8]>),
    /// `content-length` is not a number, or was given twice.
    ContentLength,
    /// `transfer-encoding` is something else than `chunked`.
    TransferEncoding,
    /// `content-length` is not the length of the body.
    Length {
        /// What the header says.
        announced: u64,
        /// What the body has.
        found: u64,
    },
    /// The answer was started before.
    StartedTwice,
    /// A body without a start.
    NotStarted,
    /// A body after its end.
    Finished,
    /// The body has more bytes than `content-length` says.
    TooLong,
    /// The body has fewer bytes than `content-length` says.
    TooShort {
        /// How many fewer.
        missing: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(
                f,
                "{status} is not the status of an answer; give one from 200 to 999"
            ),
            Self::Reason => write!(
                f,
                "the reason of the status has a control character; leave it away or give plain text"
            ),
            Self::HeaderName(name) => write!(
                f,
                "'{}' is not the name of a header; names have letters, digits and !#$%&'*+-.^_`|~",
                name.escape_ascii()
            ),
            Self::HeaderValue(name) => write!(
                f,
                "the value of the header '{}' has a control character, such as a line break; remove or encode it",
                name.escape_ascii()
            ),
            Self::ContentLength => write!(
                f,
                "content-length is not one decimal number; give it once, or leave it away"
            ),
            Self::TransferEncoding => write!(
                f,
                "transfer-encoding is the server's; leave it away: a body without content-length is sent in chunks"
            ),
            Self::Length { announced, found } => write!(
                f,
                "content-length is {announced} and the body has {found} bytes; leave content-length away, or correct it"
            ),
            Self::StartedTwice => write!(
                f,
                "the answer was started before; an answer has one status and one set of headers"
            ),
            Self::NotStarted => write!(
                f,
                "a body came before the answer was started; give status and headers first"
            ),
            Self::Finished => write!(
                f,
                "a body came after the answer's end; say of all pieces but the last that more follows"
            ),
            Self::TooLong => write!(
                f,
                "the body has more bytes than content-length says; leave content-length away, or correct it"
            ),
            Self::TooShort { missing } => write!(
                f,
                "the body has {missing} bytes fewer than content-length says; leave content-length away, or correct it"
            ),
        }
    }
}

impl std::error::Error for Fault {}
