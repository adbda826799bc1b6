//! Which bytes may stand where (RFC 9110 section 5, RFC 3986).

/// `tchar`: methods and header names.
const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
/// What a host with its port is made of: `unreserved`, `sub-delims`, percent-encoding, brackets and the colon.
const HOST: [bool; 256] = table(b"-._~!$&'()*+,;=%[]:");

const fn table(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// A host with or without a port. An empty one is allowed: the peer knows no name for us.
pub(super) fn is_host(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| HOST[usize::from(byte)])
}

/// A byte of a header's value, or of a reason: visible, space, tab, or beyond ASCII.
pub(super) fn is_text_byte(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

// In these two, no early exit: so the compiler can look at many bytes at once.

pub(super) fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |all, &byte| all & is_text_byte(byte))
}

/// Visible ASCII: what a target may be made of.
pub(super) fn is_visible(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |all, &byte| all & (b'!'..=b'~').contains(&byte))
}

/// A number without sign, space or overflow.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// The elements of a comma-separated value, without white space around them.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
