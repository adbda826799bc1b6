//! Where bodies end.

use std::sync::Arc;

use floodway_app::http1::{Bodies, Config, Http1};
use floodway_base::{Progress, Protocol};

use crate::client::{chunked, give, post, send, send_to, text};

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
fn bodies_that_are_collected_share_their_room() {
    let config = Arc::new(Config {
        whole_bodies: true,
        bodies: Arc::new(Bodies::new(10)),
        ..Config::default()
    });
    let begun = |body: &str| {
        let mut server = Http1::new(&config, 0);
        let head = post("Content-Length: 8\r\n", "");
        assert_eq!(given(&mut server, &head), "more");
        let outcome = given(&mut server, body);
        (server, outcome)
    };
    let (mut first, outcome) = begun("123456");
    assert_eq!(outcome, "more");
    let (second, outcome) = begun("1234");
    assert_eq!(outcome, "more");
    assert_eq!(begun("1").1, "503");
    drop(second); // its peer has left
    let (second, outcome) = begun("12");
    assert_eq!(outcome, "more");
    drop(second);
    let request = first.receive(b"78", false, 0).step;
    assert_eq!(begun("123").1, "503");
    drop(request); // answered
    assert_eq!(begun("12345678").1, "a message");
}

#[test]
fn bodies_that_come_with_their_heads_need_no_room() {
    let config = Arc::new(Config {
        whole_bodies: true,
        bodies: Arc::new(Bodies::new(0)),
        ..Config::default()
    });
    for request in [
        post("Content-Length: 2\r\n", "ab"),
        chunked("2\r\nab\r\n0\r\n\r\n"),
    ] {
        let mut server = Http1::new(&config, 0);
        assert_eq!(given(&mut server, &request), "a message");
    }
}

/// What comes of these bytes: "more", "a message", or the status of a refusal.
fn given(server: &mut Http1, input: &str) -> String {
    match server.receive(input.as_bytes(), false, 0).step {
        Progress::More => "more".to_owned(),
        Progress::Message(..) => "a message".to_owned(),
        Progress::Refuse(refusal) => text(&refusal.farewell[9..12]),
    }
}
