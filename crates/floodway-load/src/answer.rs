//! One answer of an HTTP/1.1 server: where it ends, in whatever pieces it comes. No I/O here.

use std::fmt;

/// A head longer than this is an error. Servers that are measured send a few hundred bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// A chunk's first line, or one of a trailer.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// An answer of which something, but not all, may have come.
#[derive(Debug)]
pub(crate) struct Answer {
    part: Part,
    /// Of the last head that was complete.
    pub(crate) status: u16,
    /// Bytes of the body so far, without what chunks put around them.
    pub(crate) body_bytes: u64,
}

/// What is to come next.
#[derive(Debug)]
enum Part {
    /// A head, of which this has come.
    Head(Vec<u8>),
    /// So many bytes of a body, then nothing.
    Sized(u64),
    /// The line before a chunk, of which this has come.
    ChunkLine(Vec<u8>),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of the line after a chunk.
    ChunkEnd(Vec<u8>),
    /// Lines after the last chunk, up to an empty one.
    Trailer(Vec<u8>),
    /// The server closes after the body.
    UntilEnd,
    Complete,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    Head,
    Length,
    Chunk,
    Unasked,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Head => "a head that is not HTTP/1",
            Self::Length => "a head that does not tell where its answer ends",
            Self::Chunk => "a malformed chunk",
            Self::Unasked => "bytes that nobody had asked for",
        })
    }
}

impl Answer {
    pub(crate) fn new() -> Self {
        Self {
            part: Part::Head(Vec::new()),
            status: 0,
            body_bytes: 0,
        }
    }

    /// Takes what has come; `on_body` gets each piece of the body with its offset. Returns how many bytes lie behind
    /// the end of the answer, or None if it goes on.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        on_body: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Option<usize>, Fault> {
        loop {
            if matches!(self.part, Part::Complete) {
                return Ok(Some(bytes.len()));
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            bytes = self.advance(bytes, on_body)?;
        }
    }

    /// Whether the end of the connection is the end of the answer.
    pub(crate) fn ends_with_connection(&self) -> bool {
        matches!(self.part, Part::UntilEnd)
    }

    /// Takes bytes up to the end of the current part; returns the others.
    fn advance<'a>(
        &mut self,
        bytes: &'a [u8],
        on_body: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<&'a [u8], Fault> {
        match &mut self.part {
            Part::Head(partial) => {
                let Some((head, rest)) = take_head(partial, bytes)? else {
                    return Ok(&[]);
                };
                self.status = head.status;
                self.part = head.next;
                Ok(rest)
            }
            Part::Sized(left) | Part::Chunk(left) => {
                let len = (*left).min(bytes.len() as u64) as usize;
                let (piece, rest) = bytes.split_at(len);
                *left -= len as u64;
                if *left == 0 {
                    self.part = match self.part {
                        Part::Chunk(_) => Part::ChunkEnd(Vec::new()),
                        _ => Part::Complete,
                    };
                }
                self.take_body(piece, on_body);
                Ok(rest)
            }
            Part::UntilEnd => {
                self.take_body(bytes, on_body);
                Ok(&[])
            }
            Part::ChunkLine(held) | Part::ChunkEnd(held) | Part::Trailer(held) => {
                let Some(rest) = take_line(held, bytes)? else {
                    return Ok(&[]);
                };
                let line = std::mem::take(held);
                self.part = match self.part {
                    Part::ChunkLine(_) => match chunk_size(&line)? {
                        0 => Part::Trailer(Vec::new()),
                        size => Part::Chunk(size),
                    },
                    Part::ChunkEnd(_) if line.is_empty() => Part::ChunkLine(Vec::new()),
                    Part::ChunkEnd(_) => return Err(Fault::Chunk),
                    _ if line.is_empty() => Part::Complete,
                    _ => Part::Trailer(Vec::new()),
                };
                Ok(rest)
            }
            Part::Complete => Ok(bytes),
        }
    }

    fn take_body(&mut self, piece: &[u8], on_body: &mut dyn FnMut(u64, &[u8])) {
        on_body(self.body_bytes, piece);
        self.body_bytes += piece.len() as u64;
    }
}

/// What a complete head says.
struct Head {
    len: usize,
    status: u16,
    next: Part,
}

/// Adds bytes to what is held of a head; once it is complete, what it says and the bytes behind it.
fn take_head<'a>(held: &mut Vec<u8>, bytes: &'a [u8]) -> Result<Option<(Head, &'a [u8])>, Fault> {
    let held_before = held.len();
    // Nearly always a head comes whole, and need not be copied.
    let found = if held.is_empty() {
        read_head(bytes)?
    } else {
        held.extend_from_slice(bytes);
        read_head(held)?
    };
    if let Some(head) = found {
        let rest = &bytes[head.len - held_before..];
        return Ok(Some((head, rest)));
    }
    if held.is_empty() {
        held.extend_from_slice(bytes);
    }
    if held.len() > HEAD_BYTES_MAX {
        return Err(Fault::Head);
    }
    Ok(None)
}

fn read_head(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Fault::Head),
    };
    let status = response.code.ok_or(Fault::Head)?;
    let next = match status {
        101 => return Err(Fault::Head),
        100..200 => Part::Head(Vec::new()),
        204 | 304 => Part::Complete,
        _ => body_of(response.headers)?,
    };
    Ok(Some(Head { len, status, next }))
}

/// Which body follows the head with these fields.
fn body_of(headers: &[httparse::Header<'_>]) -> Result<Part, Fault> {
    let values = |name: &'static str| {
        let named = headers.iter();
        let named = named.filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii())
    };
    let mut lengths = values("content-length");
    let mut codings = values("transfer-encoding");
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() || codings.next().is_some() {
        return Err(Fault::Length);
    }
    match (length, coding) {
        (None, None) => Ok(Part::UntilEnd),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Part::ChunkLine(Vec::new()))
        }
        (Some(length), None) => match number(length, 10).ok_or(Fault::Length)? {
            0 => Ok(Part::Complete),
            length => Ok(Part::Sized(length)),
        },
        _ => Err(Fault::Length),
    }
}

/// Adds bytes to a line; once it has ended, and lost its end, the bytes behind it.
fn take_line<'a>(held: &mut Vec<u8>, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    held.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
    if held.len() > LINE_BYTES_MAX {
        return Err(Fault::Chunk);
    }
    let Some(end) = end else { return Ok(None) };
    if held.pop() != Some(b'\r') {
        return Err(Fault::Chunk);
    }
    Ok(Some(&bytes[end + 1..]))
}

/// The size that the line before a chunk tells; extensions are passed over.
fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or(line);
    number(digits.trim_ascii_end(), 16).ok_or(Fault::Chunk)
}

/// Digits and nothing else, small enough to be counted.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_plain = !text.starts_with('+');
    u64::from_str_radix(text, radix).ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";
    const EMPTY: &[u8] = b"HTTP/1.0 404 Not Found\r\ncontent-length:0\r\n\r\n";
    const WITHOUT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    const INTERIM: &[u8] =
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        2\r\nhe\r\n1;note=\"a\"\r\nl\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n";

    /// Status, body and how many bytes lie behind the answer; the pieces in which it comes are what differs.
    fn heard<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(u16, Vec<u8>, usize), Fault> {
        let (mut answer, mut body, mut behind) = (Answer::new(), Vec::new(), None);
        for piece in pieces {
            if let Some(count) = &mut behind {
                *count += piece.len();
                continue;
            }
            behind = answer.push(piece, &mut |offset, piece| {
                assert_eq!(offset, body.len() as u64);
                body.extend_from_slice(piece);
            })?;
        }
        assert_eq!(answer.body_bytes, body.len() as u64);
        Ok((answer.status, body, behind.expect("it does not end")))
    }

    #[test]
    fn every_framing_has_its_end() {
        for (text, status, body) in [
            (SIZED, 200, &b"hello"[..]),
            (EMPTY, 404, b""),
            (WITHOUT, 204, b""),
            (INTERIM, 200, b"x"),
            (CHUNKED, 200, b"hel0123456789"),
        ] {
            assert_eq!(heard([text]), Ok((status, body.to_vec(), 0)));
            assert_eq!(heard([text, b"xyz"]), Ok((status, body.to_vec(), 3)));
        }
    }

    #[test]
    fn every_answer_may_be_cut_at_every_two_bytes() {
        for text in [SIZED, EMPTY, WITHOUT, INTERIM, CHUNKED] {
            let whole = heard([text]);
            assert_eq!(heard(text.chunks(1)), whole);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let pieces = [&text[..first], &text[first..second], &text[second..]];
                    assert_eq!(heard(pieces), whole, "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn without_a_length_the_body_ends_with_the_connection() {
        let mut answer = Answer::new();
        let text = b"HTTP/1.1 200 OK\r\n\r\nall of it";
        assert_eq!(answer.push(text, &mut |_, _| {}), Ok(None));
        assert!(answer.ends_with_connection());
        assert_eq!(answer.body_bytes, 9);
    }

    #[test]
    fn what_is_no_answer_is_named() {
        let with = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        let chunk = |text: &str| with("Transfer-Encoding: chunked") + text;
        let wrong = [
            ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), Fault::Head),
            ("HTTP/1.1 101 Switching\r\n\r\n".to_owned(), Fault::Head),
            (with("Content-Length: five"), Fault::Length),
            (with("Content-Length: +5"), Fault::Length),
            (with("Content-Length: 99999999999999999999"), Fault::Length),
            (
                with("Content-Length: 1\r\nContent-Length: 2"),
                Fault::Length,
            ),
            (
                with("Content-Length: 1\r\nTransfer-Encoding: chunked"),
                Fault::Length,
            ),
            (with("Transfer-Encoding: gzip"), Fault::Length),
            (chunk("x\r\n"), Fault::Chunk),
            (chunk("\r\n"), Fault::Chunk),
            (chunk("2\n"), Fault::Chunk),
            (chunk("2\r\nhello\r\n"), Fault::Chunk),
            (chunk(&"1".repeat(10_000)), Fault::Chunk),
            (
                with(&format!("X: {}", "y".repeat(HEAD_BYTES_MAX)))[..=HEAD_BYTES_MAX].to_owned(),
                Fault::Head,
            ),
        ];
        for (text, fault) in wrong {
            assert_eq!(heard([text.as_bytes()]), Err(fault), "{text:.80}");
            assert_eq!(heard(text.as_bytes().chunks(997)), Err(fault), "{text:.80}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_make_no_difference(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            is_chunked in any::<bool>(),
        ) {
            let body = chunks.concat();
            let mut text = b"HTTP/1.1 200 OK\r\nDate: now\r\n".to_vec();
            if is_chunked {
                text.extend_from_slice(b"transfer-encoding: Chunked\r\n\r\n");
                for chunk in &chunks {
                    text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    text.extend_from_slice(chunk);
                    text.extend_from_slice(b"\r\n");
                }
                text.extend_from_slice(b"0\r\n\r\n");
            } else {
                text.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
                text.extend_from_slice(&body);
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut from = 0;
            let pieces = cuts.iter().map(|&to| &text[std::mem::replace(&mut from, to)..to]);
            prop_assert_eq!(heard(pieces), Ok((200, body, 0)));
        }
    }
}
