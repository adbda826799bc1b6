//! Where bodies end, how they are asked for, and what becomes of those that nobody reads.

use std::sync::Arc;

use floodway_app::http1::{Config, Http1, Message, Next};
use floodway_base::{Progress, Protocol};

use crate::client::{Outcome, asked, finish, give, send, send_to, text};

fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[track_caller]
fn accepted(input: &str) -> Vec<String> {
    let outcome = send(input);
    assert_eq!(outcome.status, None, "{outcome:?}");
    assert!(outcome.requests.iter().all(|seen| seen.is_complete));
    outcome
        .requests
        .iter()
        .map(|seen| text(&seen.body))
        .collect()
}

#[track_caller]
fn refused(status: u16, input: &str) {
    let outcome = send(input);
    assert_eq!(outcome.status, Some(status), "{input:?}: {outcome:?}");
    assert!(outcome.requests.iter().all(|seen| !seen.is_complete));
}

#[test]
fn a_body_has_the_length_that_was_announced() {
    let one = post("Content-Length: 5\r\n", "a\r\nb\0");
    assert_eq!(accepted(&(one.clone() + &one)), ["a\r\nb\0", "a\r\nb\0"]);
    assert_eq!(accepted(&post("Content-Length: 0\r\n", "")), [""]);
    assert_eq!(accepted(&post("Content-Length: 0002\r\n", "ab")), ["ab"]);
    assert_eq!(accepted(&post("", "")), [""]);
}

#[test]
fn a_length_is_one_number() {
    for value in [
        "",
        "+5",
        "-5",
        "5, 5",
        "5,5",
        "0x5",
        "5a",
        "5 5",
        " ",
        "\u{665}",
        "1_0",
        "5.0",
        "18446744073709551616",
    ] {
        refused(400, &post(&format!("Content-Length: {value}\r\n"), "abcde"));
    }
    refused(
        400,
        &post("Content-Length: 5\r\nContent-Length: 5\r\n", "abcde"),
    );
    refused(
        400,
        &post("Content-Length: 5\r\nContent-Length: 6\r\n", "abcde"),
    );
}

#[test]
fn chunks_are_put_together() {
    assert_eq!(accepted(&chunked("5\r\nhello\r\n0\r\n\r\n")), ["hello"]);
    assert_eq!(accepted(&chunked("0\r\n\r\n")), [""]);
    let two =
        chunked("1;a=b;c=\"d e\"\r\n\n\r\n00A ; x\r\n0123456789\r\n000;y\r\nX-T: 1\r\nY:\r\n\r\n");
    assert_eq!(
        accepted(&(two.clone() + &two)),
        ["\n0123456789", "\n0123456789"]
    );
    let upper = post(
        "TRANSFER-ENCODING: Chunked\r\n",
        "a\r\n0123456789\r\n0\r\n\r\n",
    );
    assert_eq!(accepted(&upper), ["0123456789"]);
}

#[test]
fn malformed_chunks_are_refused() {
    for body in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\n",
        "1 \r\n",
        "0x1\r\n",
        "1\n",
        "1\r\r",
        "1;a\n",
        "1;\0\r\n",
        "1;a\rb",
        ";a\r\n",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\rb",
        "1\r\na0",
        "0\r\n\n",
        "0\r\n\rx",
        "0\r\nX\r\n",
        "0\r\n X: a\r\n",
        "0\r\n: a\r\n",
        "0\r\nX: \0",
        "0\r\nX: a\n",
        "0\r\nX: a\r\r",
        "00000000000000001\r\n",
        "fffffffffffffffff\r\n",
        "1\r\na\r\nffffffffffffffff\r\n",
        "1,2\r\n",
        "1\t2\r\n",
    ] {
        refused(400, &chunked(body));
    }
}

#[test]
fn trailers_say_nothing_about_the_message() {
    for name in ["Content-Length", "host", "TRANSFER-ENCODING"] {
        refused(400, &chunked(&format!("0\r\nA: b\r\n{name}: 5\r\n\r\n")));
    }
    for name in [
        "Content-Lengt",
        "Content-Length2",
        "hos",
        "hosts",
        "x-host",
        "c",
    ] {
        accepted(&chunked(&format!("0\r\n{name}: 5\r\n\r\n")));
    }
}

#[test]
fn only_chunked_is_a_transfer_encoding() {
    let with = |lines: &str| post(lines, "0\r\n\r\n");
    for value in [
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "chunkedd",
        "",
        "\"chunked\"",
        "chunked;q=1",
    ] {
        refused(501, &with(&format!("Transfer-Encoding: {value}\r\n")));
    }
    refused(
        501,
        &with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    );
    refused(
        501,
        &with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
    );
    refused(
        400,
        &with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    );
    refused(
        400,
        &with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    );
    refused(
        400,
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    refused(400, &with("Transfer-Encoding : chunked\r\n"));
}

#[test]
fn bodies_have_a_limit() {
    let status = |input: &str| {
        let config = Config {
            max_body: Some(4),
            ..Config::default()
        };
        send_to(config, input).status
    };
    assert_eq!(status(&post("Content-Length: 4\r\n", "abcd")), None);
    assert_eq!(status(&post("Content-Length: 5\r\n", "")), Some(413));
    assert_eq!(status(&chunked("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")), None);
    assert_eq!(status(&chunked("2\r\nab\r\n3\r\n")), Some(413));
    assert_eq!(status(&chunked("ffffffffffffffff\r\n")), Some(413));
}

#[test]
fn what_is_dropped_of_chunks_has_a_limit() {
    let status = |body: &str| {
        let (mut server, message) = give(
            Config {
                whole_bodies: true,
                ..Config::default()
            },
            chunked("").as_bytes(),
        );
        assert!(message.is_none());
        match server.receive(body.as_bytes(), false, 0).step {
            Progress::Refuse(refusal) => text(&refusal.farewell[9..12]),
            _ => "accepted".to_owned(),
        }
    };
    let long = "x".repeat(4_090);
    let longer = "x".repeat(4_097);
    assert_eq!(status(&format!("1;{long}\r\na\r\n0\r\n\r\n")), "accepted");
    assert_eq!(status(&format!("1;{longer}")), "400");
    assert_eq!(status(&"1;xxxxxxxxx\r\na\r\n".repeat(500)), "400");
    // A signature in front of each long chunk is what some clients send.
    let signed = format!("400;{}\r\n{}\r\n", "s".repeat(100), "x".repeat(1_024));
    assert_eq!(status(&(signed.repeat(200) + "0\r\n\r\n")), "accepted");
    assert_eq!(status(&format!("0\r\nX: {long}\r\n\r\n")), "accepted");
    assert_eq!(status(&format!("0\r\nX: {longer}")), "431");
    assert_eq!(status(&format!("0\r\n{}", "X:\r\n".repeat(3_000))), "431");
}

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
