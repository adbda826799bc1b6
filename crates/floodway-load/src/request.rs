//! The request that HTTP connections repeat.

use crate::error::LoadError;

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// With a body of [`Plan::size`](crate::Plan::size) bytes of the connection's stream.
    Post,
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
    /// Whether the answer's body has to be the request's, byte for byte. Otherwise all have to be of one length.
    pub expects_echo: bool,
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

    /// Refuses what would not be a request, or could not be answered as expected.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let refused = if !self.target.starts_with('/') || !is_visible(&self.target) {
            "its target has to begin with / and be of visible ASCII characters: encode all others with %"
        } else if self.host.is_empty() || !is_visible(&self.host) {
            "its host has to be of visible ASCII characters"
        } else if self.expects_echo && self.method == Method::Get {
            "a GET sends no body that could come back: write POST"
        } else {
            return Ok(());
        };
        Err(LoadError::Request(refused))
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
            expects_echo: false,
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
        assert_eq!(get().check(), Ok(()));
        let target = |target: &str| Request {
            target: target.to_owned(),
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
                expects_echo: true,
                ..get()
            },
        ];
        for request in wrong {
            let refused = request.check();
            assert!(matches!(refused, Err(LoadError::Request(_))), "{request:?}");
        }
    }
}
