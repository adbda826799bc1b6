//! The answering side of one exchange: which bytes an application's answer becomes.
//!
//! # Rules
//! - Nothing that the application gives can end a line, or the answer, earlier than it means to.
//! - What frames the answer is ours: of `connection` and `transfer-encoding` the application's wish is taken, not its line.
//! - A `content-length` is kept to, or the answer fails where it does not.
//! - After a [`Fault`] in [`Exchange::start`] nothing was written, and another answer can be started.

use std::sync::Arc;

use super::config::Config;
use super::date::Date;
use super::fault::Fault;
use super::head::{Head, Version};
use super::octets;
use super::status;
use super::wrapped::Wrapped;

/// One answer.
#[derive(Debug)]
pub struct Exchange {
    config: Arc<Config>,
    state: State,
    version: Version,
    is_head: bool,
    keep_alive: bool,
    /// The peer waits for a 100.
    pub(super) expects_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// So many bytes are missing.
    Length(u64),
    Chunked,
    /// The end of the connection is the end of the answer.
    UntilClose,
    /// The answer has no body, whatever the application gives.
    Bodiless,
    Finished,
}

/// What the application's headers decide.
#[derive(Default)]
struct Given {
    content_length: Option<u64>,
    date: bool,
    server: bool,
    close: bool,
}

impl Exchange {
    /// What [`continues`](Self::continues) returns.
    pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

    pub(super) fn new(
        config: &Arc<Config>,
        head: &Head,
        keep_alive: bool,
        expects_continue: bool,
    ) -> Self {
        Self {
            config: Arc::clone(config),
            state: State::Waiting,
            version: head.version(),
            is_head: head.method() == b"HEAD",
            keep_alive,
            expects_continue,
        }
    }

    /// Appends status line and headers to `out`.
    ///
    /// `length`: of the body, if it is known. Without, and without a `content-length` among `headers`, the body is sent in
    /// chunks, or to HTTP/1.0 until the connection ends. `reason` None: the usual one.
    pub fn start<'a>(
        &mut self,
        out: &mut Vec<u8>,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        length: Option<u64>,
        date: &Date,
    ) -> Result<(), Fault> {
        let before = out.len();
        let started = self.try_start(out, status, reason, headers, length, date);
        if started.is_err() {
            out.truncate(before);
        }
        started
    }

    fn try_start<'a>(
        &mut self,
        out: &mut Vec<u8>,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        length: Option<u64>,
        date: &Date,
    ) -> Result<(), Fault> {
        if self.started() {
            return Err(Fault::StartedTwice);
        }
        check_status(status, reason)?;
        out.extend_from_slice(&status::line_for(status, reason));
        let has_content = !matches!(status, 204 | 304);
        let mut given = Given::default();
        for (name, value) in headers {
            if takes(name, value, &mut given)? && (status != 204 || !is_content_length(name)) {
                field(out, name, value);
            }
        }
        let is_bodiless = self.is_head || !has_content;
        if let (Some(length), Some(given), false) = (length, given.content_length, is_bodiless)
            && length != given
        {
            return Err(Fault::Length {
                announced: given,
                found: length,
            });
        }
        let mut keep_alive = self.keep_alive && !given.close;
        let state = if is_bodiless {
            // An application that left the body of an answer to HEAD away did not say how long it is.
            let told = length.filter(|&length| has_content && length > 0);
            if let (Some(length), None) = (told, given.content_length) {
                content_length(out, length);
            }
            State::Bodiless
        } else if let Some(length) = given.content_length {
            State::Length(length)
        } else if let Some(length) = length {
            content_length(out, length);
            State::Length(length)
        } else if self.version == Version::Http11 {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            State::Chunked
        } else {
            keep_alive = false;
            State::UntilClose
        };
        if !given.date {
            field(out, b"date", date.as_bytes());
        }
        if let (Some(server), false) = (&self.config.server, given.server) {
            field(out, b"server", server);
        }
        if !keep_alive {
            out.extend_from_slice(b"connection: close\r\n");
        } else if self.version == Version::Http10 {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
        self.state = state;
        self.keep_alive = keep_alive;
        self.expects_continue = false;
        Ok(())
    }

    /// Says what surrounds the next piece of the body, of `len` bytes. `more` false: the last one.
    ///
    /// After a fault the answer cannot be completed: the connection has to be closed.
    pub fn body(&mut self, len: usize, more: bool) -> Result<Wrapped, Fault> {
        let wrapped = match &mut self.state {
            State::Waiting => return Err(Fault::NotStarted),
            State::Finished => return Err(Fault::Finished),
            State::Length(left) => match left.checked_sub(len as u64) {
                None => {
                    self.keep_alive = false;
                    return Err(Fault::TooLong);
                }
                Some(missing @ 1..) if !more => {
                    self.keep_alive = false;
                    return Err(Fault::TooShort { missing });
                }
                Some(missing) => {
                    *left = missing;
                    Wrapped::plain(true)
                }
            },
            State::Chunked => Wrapped::chunk(len, more),
            State::UntilClose => Wrapped::plain(true),
            State::Bodiless => Wrapped::plain(false),
        };
        if !more {
            self.state = State::Finished;
        }
        Ok(wrapped)
    }

    /// What to send before the body can come: once, if the peer waits for it and the answer has not been started.
    pub fn continues(&mut self) -> Option<&'static [u8]> {
        std::mem::take(&mut self.expects_continue).then_some(Self::CONTINUE)
    }

    /// Whether the answer has been started.
    pub fn started(&self) -> bool {
        self.state != State::Waiting
    }

    /// Whether the answer is complete.
    pub fn finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether the connection can stay after the answer: the peer wants it, the answer does not forbid it, and it has not
    /// failed.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// The server is stopping: the connection ends after the answer, and an answer that has not been started says so.
    pub fn close(&mut self) {
        self.keep_alive = false;
    }
}

/// Checks what [`Exchange::start`] is to be given later, for an application that is to learn of its mistake at once.
pub fn check<'a>(
    status: u16,
    reason: Option<&[u8]>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), Fault> {
    check_status(status, reason)?;
    let mut given = Given::default();
    for (name, value) in headers {
        takes(name, value, &mut given)?;
    }
    Ok(())
}

fn check_status(status: u16, reason: Option<&[u8]>) -> Result<(), Fault> {
    if !(200..=999).contains(&status) {
        return Err(Fault::Status(status));
    }
    if reason.is_some_and(|reason| !octets::is_text(reason)) {
        return Err(Fault::Reason);
    }
    Ok(())
}

/// Checks one header of the application, and says whether it is sent as it is.
fn takes(name: &[u8], value: &[u8], given: &mut Given) -> Result<bool, Fault> {
    if !octets::is_token(name) {
        return Err(Fault::HeaderName(name.into()));
    }
    if !octets::is_text(value) {
        return Err(Fault::HeaderValue(name.into()));
    }
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"date") => given.date = true,
        6 if name.eq_ignore_ascii_case(b"server") => given.server = true,
        10 if name.eq_ignore_ascii_case(b"connection") => {
            given.close |=
                octets::elements(value).any(|element| element.eq_ignore_ascii_case(b"close"));
            return Ok(false);
        }
        14 if is_content_length(name) => {
            let length = octets::decimal(value.trim_ascii())
                .filter(|_| given.content_length.is_none())
                .ok_or(Fault::ContentLength)?;
            given.content_length = Some(length);
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::TransferEncoding);
            }
            return Ok(false);
        }
        _ => {}
    }
    Ok(true)
}

fn is_content_length(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length")
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn content_length(out: &mut Vec<u8>, length: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = length;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    field(out, b"content-length", &digits[at..]);
}
