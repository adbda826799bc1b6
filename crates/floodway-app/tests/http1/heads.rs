//! What a head may be.

use std::sync::Arc;

use floodway_app::http1::{Config, Http1, Message};
use floodway_base::{Progress, Protocol};

use crate::client::{Outcome, give, send, send_to, text};

#[track_caller]
fn refused(status: u16, input: impl AsRef<[u8]>) {
    let outcome = send(&input);
    let requests = outcome.requests.len();
    assert_eq!(
        (outcome.status, requests),
        (Some(status), 0),
        "{:?}: {outcome:?}",
        text(input.as_ref())
    );
}

#[track_caller]
fn accepted(input: impl AsRef<[u8]>) -> Outcome {
    let outcome = send(&input);
    assert_eq!(outcome.status, None, "{outcome:?}");
    assert!(outcome.rest.is_empty(), "{outcome:?}");
    outcome
}

/// A request with these lines behind its first and `Host`.
fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn a_request_has_its_names_in_lower_case_and_its_values_trimmed() {
    let outcome =
        accepted("GET /a?b HTTP/1.1\r\nHOST: a\r\nX-Y:  1 2\t \r\nEmpty:\r\nx-y:3\r\n\r\n");
    let seen = &outcome.requests[0];
    assert_eq!(seen.line, "GET /a?b Http11");
    let expected = [("host", "a"), ("x-y", "1 2"), ("empty", ""), ("x-y", "3")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen.headers, expected);
}

#[test]
fn requests_in_a_row_are_seen_one_by_one() {
    let one = with("");
    assert_eq!(accepted(one.repeat(3)).requests.len(), 3);
}

#[test]
fn what_follows_a_close_is_ignored() {
    let outcome = accepted(with("Connection: foo, Close\r\n") + &with("") + "\0");
    assert_eq!(outcome.requests.len(), 1);
}

#[test]
fn http_1_0_ends_the_connection_unless_asked_otherwise() {
    let old = "GET / HTTP/1.0\r\n\r\n";
    assert_eq!(accepted(old.repeat(2)).requests.len(), 1);
    let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    assert_eq!(accepted(kept.repeat(2)).requests.len(), 2);
    let both = "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n";
    assert_eq!(accepted(both.repeat(2)).requests.len(), 1);
}

#[test]
fn one_empty_line_may_come_before_a_request() {
    assert_eq!(accepted(format!("\r\n{}", with(""))).requests.len(), 1);
    refused(400, format!("\r\n\r\n{}", with("")));
    refused(400, format!("\n{}", with("")));
    refused(400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn lines_end_in_crlf() {
    refused(400, "GET / HTTP/1.1\nHost: a\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a\r\n\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n");
    refused(400, "GET / HTTP/1.1\rHost: a\r\n\r\n");
    refused(400, "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n");
}

#[test]
fn headers_are_not_folded() {
    refused(400, with("X: a\r\n b\r\n"));
    refused(400, with("X: a\r\n\tb\r\n"));
    refused(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
}

#[test]
fn names_are_tokens_that_the_colon_follows() {
    for lines in [
        "X : a\r\n",
        "X\t: a\r\n",
        ": a\r\n",
        "X\r\n",
        "X Y: a\r\n",
        "X\0: a\r\n",
        "X(: a\r\n",
        "X\u{e9}: a\r\n",
    ] {
        refused(400, with(lines));
    }
    accepted(with("!#$%&'*+-.^_`|~09azAZ: a\r\n"));
}

#[test]
fn values_have_no_controls() {
    for control in (0..=8).chain(11..=12).chain(14..=31).chain([127]) {
        refused(400, with(&format!("X: a{}b\r\n", char::from(control))));
    }
    accepted(with("X: a\tb \u{e9}\u{20ac}\r\n"));
    accepted(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\x80\r\n\r\n");
}

#[test]
fn a_host_is_named_once() {
    refused(400, "GET / HTTP/1.1\r\n\r\n");
    refused(400, with("Host: a\r\n"));
    refused(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
    for host in ["a b", "a/b", "a@b", "a?", "a,\"", "\u{e9}", "a#", "a\\b"] {
        refused(400, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for host in ["", "a:80", "[::1]:8000", "a_b.example", "%41", "127.0.0.1"] {
        accepted(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
}

#[test]
fn a_body_has_one_type() {
    refused(400, with("Content-Type: a/b\r\nContent-Type: a/b\r\n"));
    accepted(with("Content-Type: a/b\r\n"));
}

#[test]
fn versions_other_than_1_0_and_1_1_are_not_supported() {
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/9.9"] {
        refused(505, format!("GET / {version}\r\nHost: a\r\n\r\n"));
    }
    refused(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for version in [
        "HTTP/1",
        "HTTP/11",
        "HTTP/1.10",
        "http/1.1",
        "HTTP/1,1",
        "HTTPS/1.1",
        "1.1",
        "HTTP/\u{661}.1",
        "FOO/1.0",
    ] {
        refused(400, format!("GET / {version}\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn a_request_line_has_three_words_and_two_spaces() {
    for line in [
        "GET /",
        "GET",
        "",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
    ] {
        refused(400, format!("{line}\r\nHost: a\r\n\r\n"));
    }
    for method in ["G(T", "G\0T", "G\u{e9}T", "\u{16}\u{3}\u{1}"] {
        refused(400, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    accepted("M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n");
    accepted("get / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn what_cannot_become_a_request_is_refused_at_once() {
    let refuses = |input: &[u8]| {
        let Outcome { status, rest, .. } = send(input);
        assert_eq!((status, rest), (Some(400), vec![]), "{:?}", text(input));
    };
    refuses(b"\x16\x03\x01");
    refuses(b"GET /\r\n");
    refuses(&[b'A'; 33]);
}

#[test]
fn targets_have_one_of_the_forms() {
    for target in [
        "a",
        "*",
        "a/b",
        "ftp://a/",
        "http:/a",
        "http://",
        "http:///a",
        "http://a@b/",
        "//\u{e9}",
        "/\u{7f}",
        "?a",
        "#",
    ] {
        refused(400, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    refused(400, "POST * HTTP/1.1\r\nHost: a\r\n\r\n");
    refused(501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn targets_are_taken_apart() {
    for (method, target, authority, path, query) in [
        ("GET", "/", None, "/", ""),
        ("GET", "/a%20b?c=d?e&f", None, "/a%20b", "c=d?e&f"),
        ("GET", "/a?", None, "/a", ""),
        ("GET", "/a#b?c", None, "/a", ""),
        ("GET", "/a?b#c?d", None, "/a", "b"),
        ("GET", "//a//", None, "//a//", ""),
        ("OPTIONS", "*", None, "*", ""),
        ("GET", "http://h:80/a?b", Some("h:80"), "/a", "b"),
        ("GET", "HTTPS://h", Some("h"), "/", ""),
        ("OPTIONS", "http://h", Some("h"), "*", ""),
        ("GET", "http://h?q", Some("h"), "/", "q"),
        ("GET", "http://h#f", Some("h"), "/", ""),
        ("GET", "/http://h/", None, "/http://h/", ""),
    ] {
        let input = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (_, Some(Message::Request(request))) = give(Config::default(), input.as_bytes()) else {
            panic!("{target} is no request");
        };
        let head = &request.head;
        assert_eq!(text(head.method()), method);
        assert_eq!(text(head.target()), target);
        assert_eq!(head.authority().map(text).as_deref(), authority, "{target}");
        assert_eq!(
            (&*text(head.path()), &*text(head.query())),
            (path, query),
            "{target}"
        );
        assert_eq!(head.header(b"host"), Some(&b"a"[..]));
        assert_eq!(head.header(b"x"), None);
    }
}

#[test]
fn heads_have_limits() {
    let config = || Config {
        max_head_bytes: 200,
        max_headers: 3,
        max_target_bytes: 20,
        ..Config::default()
    };
    let status = |input: &str| send_to(config(), input).status;
    let target = |length: usize| {
        format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "x".repeat(length - 1)
        )
    };
    assert_eq!(status(&target(20)), None);
    assert_eq!(status(&target(21)), Some(414));
    assert_eq!(status(&format!("GET /{}", "x".repeat(50))), Some(414)); // its end never comes
    assert_eq!(
        status(&format!("GET / HTTP/1.1{}", " ".repeat(50))),
        Some(400)
    );
    assert_eq!(status(&with("B: 1\r\nC: 2\r\n")), None);
    assert_eq!(status(&with("B: 1\r\nC: 2\r\nD: 3\r\n")), Some(431));
    let head = |length: usize| {
        with(&format!(
            "X: {}\r\n",
            "x".repeat(length - with("X: \r\n").len())
        ))
    };
    assert_eq!(status(&head(200)), None);
    assert_eq!(status(&head(201)), Some(431));
    assert_eq!(
        status(&with("").replace("\r\n\r\n", &format!("\r\nX: {}", "x".repeat(300)))),
        Some(431)
    );
}

#[test]
fn limits_beyond_the_ceilings_are_the_ceilings() {
    let config = Config {
        max_head_bytes: usize::MAX,
        max_headers: usize::MAX,
        max_target_bytes: usize::MAX,
        ..Config::default()
    };
    let refused = |input: &[u8]| {
        let mut server = Http1::new(&Arc::new(config.clone()), 0);
        match server.receive(input, false, 0).step {
            Progress::Refuse(refusal) => text(&refusal.farewell[9..12]),
            step => panic!("{step:?}"),
        }
    };
    let endless = "x".repeat(70_000);
    assert_eq!(refused(format!("GET /{endless}").as_bytes()), "414");
    assert_eq!(
        refused(with(&format!("X: {endless}\r\n")).as_bytes()),
        "431"
    );
    assert_eq!(refused(with(&"X: y\r\n".repeat(256)).as_bytes()), "431");
}

#[test]
fn an_expectation_is_100_continue() {
    refused(417, with("Expect: 200-ok\r\n"));
    accepted(with("Expect: 100-Continue\r\n"));
}
