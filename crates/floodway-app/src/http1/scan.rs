//! Finding the end of a head, before it is parsed.
//!
//! # Rules
//! - What is refused here is refused at the first byte that shows it, wherever the input was cut: a request line that never
//!   ends is too long as soon as a shorter one could have ended.
//! - A line ends in CRLF. LF alone is refused here; CR alone is, by the parser.

use memchr::memchr;

use super::config::{Config, MAX_HEAD_BYTES};
use super::octets;
use super::refusal::Refused;

/// Bytes of a method; the longest registered one has 17.
const MAX_METHOD_BYTES: usize = 32;
/// What follows the target in its line.
const AFTER_TARGET: usize = b" HTTP/1.1\r\n".len();

/// How far a head has been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Bytes, behind an empty line at the front, in which the head does not end.
    searched: u32,
    /// Whether the request line is among them.
    has_line: bool,
}

impl Scan {
    /// Where in `input` a whole head lies, with the empty line at its end; None if it has not arrived.
    pub(super) fn find(
        &mut self,
        input: &[u8],
        config: &Config,
    ) -> Result<Option<(usize, usize)>, Refused> {
        let skipped = match input {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => 2, // what old clients send behind a body (RFC 9112 2.2)
            _ => 0,
        };
        let head = &input[skipped..];
        match head.first() {
            None => return Ok(None),
            Some(&first) if !octets::is_token_byte(first) => {
                return Err(Refused::bad("what arrived is not HTTP"));
            }
            Some(_) => {}
        }
        if !self.has_line && !self.find_line(head, config)? {
            return Ok(None);
        }
        Ok(self
            .find_end(head, config)?
            .map(|end| (skipped, skipped + end)))
    }

    /// Whether the request line is there.
    fn find_line(&mut self, head: &[u8], config: &Config) -> Result<bool, Refused> {
        let start = &head[..head.len().min(MAX_METHOD_BYTES + 1)];
        let space = memchr(b' ', start);
        let target = config.max_target_bytes.min(MAX_HEAD_BYTES);
        let most = space.map_or(MAX_METHOD_BYTES + 1, |space| {
            space + 1 + target + AFTER_TARGET
        });
        let window = &head[..head.len().min(most)];
        if let Some(at) = memchr(b'\n', &window[self.searched as usize..]) {
            let end = self.searched as usize + at;
            check_line(without_cr(&window[..end])?, config)?;
            self.has_line = true;
            self.searched = end as u32 + 1;
            return Ok(true);
        }
        self.searched = window.len() as u32;
        match space {
            _ if window.len() < most => Ok(false),
            Some(space) if memchr(b' ', &window[space + 1..=space + 1 + target]).is_none() => {
                Err(TARGET_TOO_LONG)
            }
            _ => Err(MALFORMED_LINE),
        }
    }

    /// Where the head ends.
    fn find_end(&mut self, head: &[u8], config: &Config) -> Result<Option<usize>, Refused> {
        let most = config.max_head_bytes.min(MAX_HEAD_BYTES);
        let window = &head[..head.len().min(most)];
        while let Some(at) = memchr(
            b'\n',
            window.get(self.searched as usize..).unwrap_or_default(),
        ) {
            let end = self.searched as usize + at;
            without_cr(&window[..end])?;
            self.searched = end as u32 + 1;
            if window[..=end].ends_with(b"\r\n\r\n") {
                return Ok(Some(end + 1));
            }
        }
        if window.len() == most {
            return Err(Refused::new(431, "the request's head is too long"));
        }
        self.searched = self.searched.max(window.len() as u32);
        Ok(None)
    }
}

const TARGET_TOO_LONG: Refused = Refused::new(414, "the request's target is too long");
const MALFORMED_LINE: Refused = Refused::bad("malformed request line");

fn without_cr(line: &[u8]) -> Result<&[u8], Refused> {
    line.strip_suffix(b"\r")
        .ok_or(Refused::bad("a line of the head ends in LF without CR"))
}

/// Method, target and version have exactly one space between them; what they are made of is the parser's to say.
fn check_line(line: &[u8], config: &Config) -> Result<(), Refused> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(_), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(MALFORMED_LINE);
    };
    if target.len() > config.max_target_bytes {
        return Err(TARGET_TOO_LONG);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refused::new(
                505,
                "the request's version is not HTTP/1.0 or 1.1",
            ))
        }
        _ => Err(MALFORMED_LINE),
    }
}
