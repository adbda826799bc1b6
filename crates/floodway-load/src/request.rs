//! The request that HTTP connections repeat.

use crate::error::LoadError;

/// Sums of so many additions fit into 64 bits, whatever the bytes.
const ADDITIONS_MAX: u64 = 1 << 56;

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// With a body of [`Plan::size`](crate::Plan::size) bytes of the connection's stream.
    Post,
}

/// Which answers are right, beside being a 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Those with a body as long as that of the first.
    OneLength,
    /// Those with the request's body, byte for byte.
    Echo,
    /// Those whose body, as long as the request's, is the sum of so many of its bytes, begun anew at its end as often as
    /// it takes: in decimal digits, and then spaces. A server has to compute it, for the bodies of requests differ.
    Sum(u64),
}

/// What is asked of an HTTP/1.1 server, again and again: one request in flight per connection, never a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Path and query, as they stand in the request line.
    pub target: String,
    /// The value of the Host field.
    pub host: String,
    /// What has to be answered; anything but one length needs a POST.
    pub expected: Expected,
}

impl Request {
    /// Bytes of the body, of a plan that says `size`.
    pub(crate) fn body_bytes(&self, size: usize) -> usize {
        match self.method {
            Method::Get => 0,
            Method::Post => size,
        }
    }

    /// The head, as it is sent: as little as HTTP allows, as other generators do.
    pub(crate) fn head(&self, size: usize) -> Vec<u8> {
        let Self { target, host, .. } = self;
        match self.method {
            Method::Get => format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Method::Post => {
                format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n")
            }
        }
        .into_bytes()
    }

    /// Refuses what would not be a request, or could not be answered as expected; bodies have `size` bytes.
    pub(crate) fn check(&self, size: usize) -> Result<(), LoadError> {
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let refused = if !self.target.starts_with('/') || !is_visible(&self.target) {
            "its target has to begin with / and be of visible ASCII characters: encode all others with %"
        } else if self.host.is_empty() || !is_visible(&self.host) {
            "its host has to be of visible ASCII characters"
        } else if self.expected != Expected::OneLength && self.method == Method::Get {
            "a GET sends no body that could come back or be summed: write POST"
        } else if !self.leaves_room_for_sums(size) {
            "its body has to be long enough for the sum of its bytes, which is what has to come back"
        } else if matches!(self.expected, Expected::Sum(additions) if additions > ADDITIONS_MAX) {
            "there may be at most 2**56 additions: more might not fit into 64 bits"
        } else {
            return Ok(());
        };
        Err(LoadError::Request(refused))
    }

    fn leaves_room_for_sums(&self, size: usize) -> bool {
        match self.expected {
            Expected::Sum(additions) => {
                let greatest = additions.saturating_mul(u64::from(u8::MAX));
                greatest.to_string().len() <= size
            }
            Expected::OneLength | Expected::Echo => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get() -> Request {
        Request {
            method: Method::Get,
            target: "/a?b=c".to_owned(),
            host: "localhost:8000".to_owned(),
            expected: Expected::OneLength,
        }
    }

    #[test]
    fn a_head_is_complete_and_short() {
        assert_eq!(
            get().head(9),
            b"GET /a?b=c HTTP/1.1\r\nHost: localhost:8000\r\n\r\n"
        );
        let post = Request {
            method: Method::Post,
            ..get()
        };
        assert!(post.head(9).ends_with(b"\r\nContent-Length: 9\r\n\r\n"));
        assert_eq!((get().body_bytes(9), post.body_bytes(9)), (0, 9));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(get().check(9), Ok(()));
        let target = |target: &str| Request {
            target: target.to_owned(),
            ..get()
        };
        let sum_of = |additions| Request {
            method: Method::Post,
            expected: Expected::Sum(additions),
            ..get()
        };
        let wrong = [
            target("a"),
            target("/a b"),
            target("/\r\nX: y"),
            target("/\u{e9}"),
            Request {
                host: String::new(),
                ..get()
            },
            Request {
                expected: Expected::Echo,
                ..get()
            },
            Request {
                expected: Expected::Sum(1),
                ..get()
            },
            sum_of(4_000_000), // up to 1,020,000,000: ten digits
            sum_of(ADDITIONS_MAX + 1),
        ];
        assert_eq!(sum_of(3_000_000).check(9), Ok(()));
        for request in wrong {
            let refused = request.check(9);
            assert!(matches!(refused, Err(LoadError::Request(_))), "{request:?}");
        }
    }
}
