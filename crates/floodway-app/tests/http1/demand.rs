//! How bodies are asked for, what becomes of those that nobody reads, and of peers that leave or wait.

use std::sync::Arc;

use floodway_app::http1::{Config, Http1, Message, Next};
use floodway_base::{Progress, Protocol};

use crate::client::{Outcome, asked, chunked, finish, give, post, send};

#[test]
fn a_peer_that_leaves_is_reported_or_refused() {
    let half = post("Content-Length: 5\r\n", "ab");
    let Outcome {
        requests, status, ..
    } = send(&half);
    assert_eq!(status, None);
    assert!(requests[0].has_left && !requests[0].is_complete);
    assert_eq!(requests[0].body, b"ab");
    let Outcome { requests, .. } = send(chunked("5\r\nab"));
    assert!(requests[0].has_left);
    let Outcome {
        requests,
        status,
        reason,
        ..
    } = send("GET / HT");
    assert!(requests.is_empty());
    assert_eq!(
        (status, reason),
        (Some(0), Some("the peer left within the request's head"))
    );
    assert_eq!(send("").status, None);

    let (mut server, _) = give(
        Config {
            whole_bodies: true,
            ..Config::default()
        },
        half.as_bytes(),
    );
    let Progress::Refuse(refusal) = server.receive(b"", true, 0).step else {
        panic!("not refused");
    };
    assert_eq!(refusal.farewell, b"");
}

#[test]
fn nothing_follows_a_body_that_was_cut_off() {
    let mut server = asked(
        Config::default(),
        post("Content-Length: 5\r\n", "").as_bytes(),
    );
    server.want_body(0);
    let received = server.receive(b"", true, 0);
    assert!(matches!(received.step, Progress::Message(Message::Left, _)));
    server.want_body(0); // there is nothing to wait for
    assert_eq!(server.deadline(), None);
    assert_eq!(finish(&mut server), Next::Close);
}

#[test]
fn a_peer_that_leaves_while_it_is_answered_is_reported_once() {
    let mut server = asked(Config::default(), post("", "").as_bytes());
    assert!(matches!(
        server.receive(b"GET", false, 0).step,
        Progress::More
    ));
    assert!(matches!(
        server.receive(b"GET", true, 0).step,
        Progress::Message(Message::Left, _)
    ));
    assert!(matches!(
        server.receive(b"GET", true, 0).step,
        Progress::More
    ));
    assert!(server.owes());
    assert_eq!(finish(&mut server), Next::Keep);
    assert!(!server.owes());
    assert!(server.is_at_rest());
}

#[test]
fn a_body_stays_in_the_input_until_it_is_wanted() {
    for (request, body) in [
        (post("Content-Length: 8\r\n", "abc"), &b"abcdef"[..]),
        (chunked("3\r\nabc\r\n"), b"3\r\nabc\r\n3\r\ndef\r\n"),
    ] {
        let mut server = asked(Config::default(), request.as_bytes());
        let received = server.receive(body, false, 0);
        assert_eq!(received.consumed, 0);
        assert!(matches!(received.step, Progress::More));
        server.want_body(0);
        let received = server.receive(body, false, 0);
        assert_eq!(received.consumed, body.len());
        let Progress::Message(Message::Body { bytes, more: true }, payload) = received.step else {
            panic!("{received:?}");
        };
        assert_eq!([&bytes, &body[payload]].concat(), b"abcdef");
        assert_eq!(server.receive(b"gh", false, 0).consumed, 0); // once
    }
}

#[test]
fn a_message_has_a_bounded_part_of_a_chunked_body() {
    let mut server = asked(Config::default(), chunked("").as_bytes());
    let mut input = format!("{:x}\r\n{}\r\n0\r\n\r\n", 100_000, "x".repeat(100_000)).into_bytes();
    let mut lengths = Vec::new();
    loop {
        server.want_body(0);
        let received = server.receive(&input, false, 0);
        let Progress::Message(Message::Body { bytes, more }, _) = received.step else {
            panic!("{received:?}");
        };
        input.drain(..received.consumed);
        lengths.push(bytes.len());
        if !more {
            break;
        }
    }
    assert_eq!(lengths, [65_536, 34_464]);
    assert!(input.is_empty());
}

#[test]
fn a_body_that_is_there_comes_with_the_request() {
    for request in [
        post("Content-Length: 3\r\n", "abc"),
        chunked("3\r\nabc\r\n0\r\n\r\n"),
    ] {
        for whole_bodies in [false, true] {
            let config = Arc::new(Config {
                whole_bodies,
                ..Config::default()
            });
            let mut server = Http1::new(&config, 0);
            let received = server.receive(request.as_bytes(), false, 0);
            assert_eq!(received.consumed, request.len());
            let Progress::Message(Message::Request(got), payload) = received.step else {
                panic!("{received:?}");
            };
            assert!(!got.more);
            assert_eq!([&got.body, &request.as_bytes()[payload]].concat(), b"abc");
        }
    }
}

#[test]
fn a_peer_that_waits_is_told_to_continue() {
    let request = post("Content-Length: 3\r\nExpect: 100-continue\r\n", "");
    let (mut server, message) = give(Config::default(), request.as_bytes());
    let Some(Message::Request(mut got)) = message else {
        panic!("{message:?}");
    };
    assert_eq!(
        got.exchange.continues(),
        Some(&b"HTTP/1.1 100 Continue\r\n\r\n"[..])
    );
    assert_eq!(got.exchange.continues(), None);
    // Nobody knows what follows if the body was not asked for.
    assert_eq!(finish(&mut server), Next::Close);
    let mut server = asked(Config::default(), request.as_bytes());
    server.want_body(0);
    assert_eq!(finish(&mut server), Next::Keep);

    // It has not waited, or there is nothing to wait for.
    for input in [
        format!("{request}a"),
        format!("{request}abc"),
        post("Expect: 100-continue\r\n", ""),
        request.replace("1.1", "1.0"),
    ] {
        let (_, Some(Message::Request(mut got))) = give(Config::default(), input.as_bytes()) else {
            panic!("no request");
        };
        assert_eq!(got.exchange.continues(), None, "{input:?}");
    }

    let whole = Config {
        whole_bodies: true,
        ..Config::default()
    };
    let (mut server, message) = give(whole, request.as_bytes());
    assert!(matches!(message, Some(Message::Continue)));
    let Progress::Message(Message::Request(mut got), _) = server.receive(b"abc", false, 0).step
    else {
        panic!("no request");
    };
    assert_eq!(
        (&got.body[..], got.exchange.continues()),
        (&b"abc"[..], None)
    );
}

#[test]
fn a_short_body_that_nobody_reads_is_drained() {
    let config = Config {
        drain_bytes: 4,
        ..Config::default()
    };
    let next = post("", "");
    for (request, rest) in [
        (post("Content-Length: 5\r\n", "a"), "bcde"),
        (chunked("1\r\n"), "1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n"),
    ] {
        let mut server = asked(config.clone(), request.as_bytes());
        server.want_body(0);
        if request.contains("chunked") {
            assert!(matches!(
                server.receive(b"1\r", false, 0).step,
                Progress::More
            ));
            assert_eq!(finish(&mut server), Next::Keep);
            server.receive(b"\na\r\n3", false, 0);
        } else {
            server.receive(b"a", false, 0);
            assert_eq!(finish(&mut server), Next::Keep);
        }
        assert!(!server.owes() && !server.is_at_rest());
        let rest = if request.contains("chunked") {
            "\r\nbcd\r\n0\r\n\r\n"
        } else {
            rest
        };
        let received = server.receive(format!("{rest}{next}").as_bytes(), false, 0);
        assert_eq!(received.consumed, rest.len() + next.len());
        assert!(matches!(
            received.step,
            Progress::Message(Message::Request(_), _)
        ));
    }
}

#[test]
fn a_long_body_that_nobody_reads_ends_the_connection() {
    let config = Config {
        drain_bytes: 4,
        ..Config::default()
    };
    let mut server = asked(config.clone(), post("Content-Length: 5\r\n", "").as_bytes());
    assert_eq!(finish(&mut server), Next::Close);
    assert_eq!(server.receive(b"anything", false, 0).consumed, 8);

    let mut server = asked(config, chunked("").as_bytes());
    assert_eq!(finish(&mut server), Next::Keep); // how long it is, nobody knows yet
    let Progress::Refuse(refusal) = server.receive(b"5\r\nabcde", false, 0).step else {
        panic!("not refused");
    };
    assert_eq!(refusal.farewell, b"");
}

#[test]
fn a_refusal_never_stands_within_an_answer() {
    let mut server = asked(Config::default(), chunked("").as_bytes());
    server.want_body(0);
    server.answer_started();
    let Progress::Refuse(refusal) = server.receive(b"x", false, 0).step else {
        panic!("not refused");
    };
    assert_eq!(
        (&refusal.farewell[..], refusal.reason),
        (&b""[..], "malformed chunk")
    );
}
