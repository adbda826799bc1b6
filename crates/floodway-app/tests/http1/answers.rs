//! What answers become on the wire, read back by a parser that is not ours.

use floodway_app::http1::{Config, Date, Exchange, Fault, Wrapped, simple_response};
use floodway_testkit::config as cases;
use proptest::prelude::*;

use crate::client::{asked, exchange, now, text};
use crate::reader::{dechunk, parse, value};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const OLD: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
const OLD_KEPT: &[u8] = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

type Headers<'a> = &'a [(&'a str, &'a str)];

fn to(request: &[u8]) -> Exchange {
    exchange(Config::default(), request)
}

fn start(
    exchange: &mut Exchange,
    status: u16,
    headers: Headers<'_>,
    length: Option<u64>,
) -> Result<String, Fault> {
    let mut out = b"before".to_vec();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let started = exchange.start(&mut out, status, None, headers, length, &now());
    assert_eq!(&out[..6], b"before");
    if started.is_err() {
        assert_eq!(out.len(), 6, "a fault left bytes behind");
    }
    started.map(|()| text(&out[6..]))
}

fn on_the_wire(wrapped: &Wrapped, piece: &[u8]) -> Vec<u8> {
    let piece = if wrapped.send { piece } else { b"" };
    [wrapped.prefix(), piece, wrapped.suffix].concat()
}

/// The whole answer with a body in these pieces.
fn answer(
    request: &[u8],
    status: u16,
    headers: Headers<'_>,
    length: Option<u64>,
    pieces: &[&[u8]],
) -> (Vec<u8>, Exchange) {
    let mut exchange = to(request);
    let mut out = start(&mut exchange, status, headers, length)
        .unwrap()
        .into_bytes();
    for (at, piece) in pieces.iter().enumerate() {
        let wrapped = exchange.body(piece.len(), at + 1 < pieces.len()).unwrap();
        out.extend(on_the_wire(&wrapped, piece));
    }
    assert!(exchange.finished());
    (out, exchange)
}

#[test]
fn an_answer_of_known_length_looks_like_this() {
    let (out, exchange) = answer(
        GET,
        200,
        &[("content-type", "text/plain")],
        Some(5),
        &[b"hello"],
    );
    assert_eq!(
        text(&out),
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         server: floodway\r\n\r\nhello"
    );
    assert!(exchange.keep_alive());
}

#[test]
fn the_application_may_say_how_long_its_body_is() {
    for length in [None, Some(5)] {
        let (out, _) = answer(
            GET,
            200,
            &[("Content-Length", "5")],
            length,
            &[b"hel", b"lo"],
        );
        let (_, headers, rest) = parse(&out);
        assert_eq!(value(&headers, "content-length"), Some("5"));
        assert_eq!(rest, b"hello");
    }
    let mut exchange = to(GET);
    let announced = start(&mut exchange, 200, &[("content-length", "4")], Some(5));
    assert_eq!(
        announced,
        Err(Fault::Length {
            announced: 4,
            found: 5
        })
    );
    for value in ["", "x", "+1", "1, 1"] {
        let fault = start(&mut exchange, 200, &[("content-length", value)], None);
        assert_eq!(fault, Err(Fault::ContentLength));
    }
    let twice = [("content-length", "5"), ("Content-Length", "5")];
    assert_eq!(
        start(&mut exchange, 200, &twice, None),
        Err(Fault::ContentLength)
    );
    assert!(!exchange.started());
    assert!(start(&mut exchange, 500, &[], Some(0)).is_ok()); // what a server does then
}

#[test]
fn a_body_keeps_to_its_length() {
    let mut exchange = to(GET);
    start(&mut exchange, 200, &[("content-length", "3")], None).unwrap();
    assert!(exchange.body(2, true).unwrap().send);
    assert_eq!(exchange.body(2, true).unwrap_err(), Fault::TooLong);
    assert_eq!(
        exchange.body(0, false).unwrap_err(),
        Fault::TooShort { missing: 1 }
    );
    assert!(!exchange.keep_alive());
    assert!(exchange.body(1, false).is_ok());
    assert_eq!(exchange.body(0, false).unwrap_err(), Fault::Finished);
}

#[test]
fn a_body_of_unknown_length_comes_in_chunks() {
    let (out, exchange) = answer(
        GET,
        200,
        &[],
        None,
        &[b"hello", b"", b"0123456789abcdef", b""],
    );
    let (_, headers, rest) = parse(&out);
    assert_eq!(value(&headers, "transfer-encoding"), Some("chunked"));
    assert_eq!(value(&headers, "content-length"), None);
    assert_eq!(
        text(rest),
        "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
    );
    assert!(exchange.keep_alive());
    let (out, _) = answer(
        GET,
        200,
        &[("Transfer-Encoding", "chunked")],
        None,
        &[b"last"],
    );
    assert_eq!(dechunk(parse(&out).2), b"last");
}

#[test]
fn http_1_0_gets_no_chunks() {
    for request in [OLD, OLD_KEPT] {
        let (out, exchange) = answer(request, 200, &[], None, &[b"a", b"b"]);
        let (_, headers, rest) = parse(&out);
        assert_eq!(value(&headers, "connection"), Some("close"));
        assert_eq!(rest, b"ab");
        assert!(!exchange.keep_alive());
    }
    let (out, exchange) = answer(OLD_KEPT, 200, &[], Some(1), &[b"a"]);
    assert_eq!(value(&parse(&out).1, "connection"), Some("keep-alive"));
    assert!(exchange.keep_alive());
}

#[test]
fn some_answers_have_no_body() {
    for (request, status, headers, length, announced) in [
        (
            HEAD,
            200,
            &[("content-length", "9")][..],
            Some(0),
            Some("9"),
        ),
        (HEAD, 200, &[("content-length", "9")], None, Some("9")),
        (HEAD, 200, &[], Some(4), Some("4")),
        (HEAD, 200, &[], Some(0), None),
        (HEAD, 200, &[], None, None),
        (GET, 204, &[("content-length", "9")], Some(4), None),
        (GET, 204, &[], None, None),
        (GET, 304, &[("content-length", "9")], Some(4), Some("9")),
        (GET, 304, &[], Some(4), None),
    ] {
        let (out, exchange) = answer(request, status, headers, length, &[b"body"]);
        let (_, headers, rest) = parse(&out);
        assert_eq!(value(&headers, "content-length"), announced);
        assert_eq!(value(&headers, "transfer-encoding"), None);
        assert_eq!(rest, b"");
        assert!(exchange.keep_alive());
    }
}

#[test]
fn the_connection_ends_if_either_side_or_the_server_wants_it() {
    let (out, exchange) = answer(CLOSE, 200, &[], Some(0), &[b""]);
    assert_eq!(value(&parse(&out).1, "connection"), Some("close"));
    assert!(!exchange.keep_alive());
    let (out, exchange) = answer(GET, 200, &[("Connection", "x, Close")], Some(0), &[b""]);
    assert_eq!(value(&parse(&out).1, "connection"), Some("close"));
    assert!(!exchange.keep_alive());
    let (out, _) = answer(GET, 200, &[("connection", "keep-alive")], Some(0), &[b""]);
    assert_eq!(value(&parse(&out).1, "connection"), None);
    let mut exchange = to(GET);
    exchange.close();
    assert!(
        start(&mut exchange, 200, &[], None)
            .unwrap()
            .contains("\r\nconnection: close\r\n")
    );
}

#[test]
fn date_and_server_are_the_applications_if_it_gives_them() {
    let (out, _) = answer(GET, 200, &[("Date", "d"), ("SERVER", "s")], Some(0), &[b""]);
    let (_, headers, _) = parse(&out);
    assert_eq!(value(&headers, "date"), Some("d"));
    assert_eq!(value(&headers, "server"), Some("s"));
    let mut exchange = exchange(
        Config {
            server: None,
            ..Config::default()
        },
        GET,
    );
    assert!(
        !start(&mut exchange, 200, &[], None)
            .unwrap()
            .contains("server")
    );
}

#[test]
fn nothing_can_be_smuggled_into_a_head() {
    let mut exchange = to(GET);
    for name in ["", "a b", "a:", "a\r\nb", "a\0", "\u{e9}", "a\n", " a"] {
        let fault = start(&mut exchange, 200, &[("ok", "1"), (name, "b")], None);
        assert_eq!(fault, Err(Fault::HeaderName(name.as_bytes().into())));
    }
    for value in ["a\r\nb: c", "\n", "\r", "\0", "a\u{7f}", "\u{1}", "a\u{b}b"] {
        let fault = start(&mut exchange, 200, &[("ok", value)], None);
        assert_eq!(fault, Err(Fault::HeaderValue((*b"ok").into())));
    }
    for reason in ["a\r\nb: c", "\n", "\0"] {
        let mut out = Vec::new();
        let fault = exchange.start(
            &mut out,
            200,
            Some(reason.as_bytes()),
            [].into_iter(),
            None,
            &now(),
        );
        assert_eq!((fault, out), (Err(Fault::Reason), vec![]));
    }
    let fault = start(
        &mut exchange,
        200,
        &[("transfer-encoding", "gzip, chunked")],
        None,
    );
    assert_eq!(fault, Err(Fault::TransferEncoding));
    assert!(start(&mut exchange, 200, &[("a", "b\tc \u{e9}")], None).is_ok());
}

#[test]
fn a_status_is_a_final_one() {
    for status in [0, 99, 100, 101, 103, 199, 1_000, 65_535] {
        assert_eq!(
            start(&mut to(GET), status, &[], None),
            Err(Fault::Status(status))
        );
    }
    for status in 200..=999 {
        let (out, _) = answer(GET, status, &[], Some(0), &[b""]);
        assert_eq!(parse(&out).0, status);
    }
    assert!(
        start(&mut to(GET), 799, &[], None)
            .unwrap()
            .starts_with("HTTP/1.1 799 \r\n")
    );
    let mut out = Vec::new();
    let started = to(GET).start(&mut out, 200, Some(b"Fine"), [].into_iter(), None, &now());
    assert_eq!(started, Ok(()));
    assert!(out.starts_with(b"HTTP/1.1 200 Fine\r\n"));
}

#[test]
fn an_answer_has_one_start_before_its_body() {
    let mut exchange = to(GET);
    assert_eq!(exchange.body(0, false).unwrap_err(), Fault::NotStarted);
    start(&mut exchange, 200, &[], None).unwrap();
    assert_eq!(
        start(&mut exchange, 200, &[], None),
        Err(Fault::StartedTwice)
    );
    assert_eq!(exchange.continues(), None);
}

#[test]
fn faults_say_what_to_do() {
    for fault in [
        Fault::Status(99),
        Fault::HeaderName((*b"a\r\n").into()),
        Fault::HeaderValue((*b"a").into()),
        Fault::TooShort { missing: 3 },
    ] {
        let said = fault.to_string();
        assert!(!said.contains('\n') && said.contains(';'), "{said}");
    }
}

#[test]
fn a_simple_response_is_whole() {
    let date = Date::at(0);
    for (status, date) in [
        (400, None),
        (408, None),
        (431, Some(&date)),
        (503, Some(&date)),
        (799, None),
    ] {
        let out = simple_response(status, "because", date);
        let (code, headers, rest) = parse(&out);
        assert_eq!(code, status);
        assert_eq!(value(&headers, "connection"), Some("close"));
        assert_eq!(value(&headers, "content-length"), Some("8"));
        assert_eq!(value(&headers, "date").is_some(), date.is_some());
        assert_eq!(rest, b"because\n");
    }
}

#[test]
fn an_answer_may_begin_before_the_body_of_its_request_has_come() {
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    let mut server = asked(Config::default(), request);
    let mut exchange = to(request);
    start(&mut exchange, 200, &[], None).unwrap();
    server.answer_started();
    server.want_body(0);
    assert!(exchange.body(3, true).is_ok());
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_sent_is_what_is_read(
        request in prop::sample::select(vec![GET, HEAD, OLD, OLD_KEPT, CLOSE]),
        status in prop::sample::select(vec![200_u16, 204, 304, 404]),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
        is_known in any::<bool>(),
        is_announced in any::<bool>(),
    ) {
        let body = pieces.concat();
        let length = body.len().to_string();
        let headers = [("x", "1"), ("content-length", length.as_str())];
        let headers = &headers[..=usize::from(is_announced)];
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let known = is_known.then_some(body.len() as u64);
        let (out, exchange) = answer(request, status, headers, known, &pieces);
        let (code, headers, rest) = parse(&out);
        prop_assert_eq!(code, status);
        let received = if value(&headers, "transfer-encoding").is_some() { dechunk(rest) } else { rest.to_vec() };
        if request == HEAD || matches!(status, 204 | 304) {
            prop_assert_eq!(received, b"");
        } else {
            if let Some(length) = value(&headers, "content-length") {
                prop_assert_eq!(length, body.len().to_string());
            } else {
                prop_assert!(value(&headers, "transfer-encoding").is_some() || !exchange.keep_alive());
            }
            prop_assert_eq!(received, body);
        }
        let says_close = value(&headers, "connection") == Some("close");
        prop_assert_eq!(says_close, !exchange.keep_alive());
    }

    #[test]
    fn a_chunk_announces_its_size(len in 1_usize.., more in any::<bool>()) {
        let mut exchange = to(GET);
        start(&mut exchange, 200, &[], None).unwrap();
        let wrapped = exchange.body(len, more).unwrap();
        prop_assert_eq!(text(wrapped.prefix()), format!("{len:x}\r\n"));
    }
}
