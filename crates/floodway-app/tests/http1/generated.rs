//! Requests that nobody thought of: made of parts that are right, nearly right and wrong.

use floodway_app::http1::Config;
use floodway_testkit::config as cases;
use floodway_testkit::strategies::repetitive;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::client::{send, send_to, text};

/// Few limits are met by chance unless they are small.
fn tight() -> Config {
    Config {
        max_body: Some(20),
        max_head_bytes: 120,
        max_headers: 4,
        max_target_bytes: 16,
        ..Config::default()
    }
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => Just("\r\n"), 1 => select(vec!["\n", "\r", "", "\r\r\n", "\r\n\r\n"])]
}

fn request_line() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just("GET / HTTP/1.1".to_owned()),
        2 => Just("POST /a?b#c HTTP/1.0".to_owned()),
        1 => Just("OPTIONS * HTTP/1.1".to_owned()),
        1 => Just("GET http://h/p HTTP/1.1".to_owned()),
        1 => Just("CONNECT a:1 HTTP/1.1".to_owned()),
        1 => Just("PRI * HTTP/2.0".to_owned()),
        1 => "[A-Z]{0,3}[ ]{0,2}[/a*]{0,20}[ ]{0,2}HTTP/1\\.[012]",
    ]
}

fn header() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => Just("Host: a".to_owned()),
        4 => Just("Transfer-Encoding: chunked".to_owned()),
        4 => (0..30_u32).prop_map(|length| format!("Content-Length: {length}")),
        1 => Just("Transfer-Encoding: gzip".to_owned()),
        2 => Just("Connection: close".to_owned()),
        2 => Just("Connection: keep-alive".to_owned()),
        1 => Just("Expect: 100-continue".to_owned()),
        1 => "[ a:\t\\x00é]{0,6}",
        3 => "[a-z]{1,5}: [a-z]{0,60}",
    ]
}

fn chunk(payload: &str, extension: &str) -> String {
    format!("{:x}{extension}\r\n{payload}\r\n", payload.len())
}

/// The strings that `part` makes, in a row.
fn several(part: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    vec(part, 0..most).prop_map(|parts| parts.concat())
}

fn body() -> impl Strategy<Value = String> {
    let chunks = several("[a-z\r\n]{1,9}".prop_map(|payload| chunk(&payload, "")), 4);
    prop_oneof![
        4 => Just(String::new()),
        4 => chunks.prop_map(|chunks| chunks + "0\r\n\r\n"),
        1 => "[0-9a-f]{1,2}\r\n[a-z]{0,9}",
        1 => "[0-3a;\r\n]{0,12}",
        2 => "[a-z]{0,20}",
    ]
}

fn request() -> impl Strategy<Value = String> {
    let line = (header(), line_end()).prop_map(|(header, end)| header + end);
    (
        request_line(),
        line_end(),
        several(line, 5),
        line_end(),
        body(),
    )
        .prop_map(|(first, end, headers, last, body)| format!("{first}{end}{headers}{last}{body}"))
}

/// A request that is right, with the body it has.
fn valid() -> impl Strategy<Value = (String, Vec<u8>)> {
    let line = "[A-Za-z-]{1,9}: [ -~]{0,20}".prop_map(|line| format!("x{line}\r\n"));
    let pieces = vec("[a-z\r\n]{1,30}", 0..5);
    (several(line, 4), pieces, any::<bool>()).prop_map(|(extra, pieces, is_chunked)| {
        let body = pieces.concat();
        let head = format!("POST /x HTTP/1.1\r\nhost: a\r\n{extra}");
        let whole = if is_chunked {
            let chunks: Vec<_> = pieces.iter().map(|piece| chunk(piece, ";e")).collect();
            let chunks = chunks.concat();
            format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}0\r\nt: u\r\n\r\n")
        } else {
            format!("{head}content-length: {}\r\n\r\n{body}", body.len())
        };
        (whole, body.into_bytes())
    })
}

proptest! {
    #![proptest_config(cases(400))]

    /// The check is `send`'s: every division gives the same, streamed and collected.
    #[test]
    fn the_cut_never_matters(requests in vec(request(), 1..3)) {
        send(requests.concat());
        send_to(tight(), requests.concat());
    }

    #[test]
    fn anything_ends_in_a_request_a_refusal_or_a_need_for_more(input in repetitive(60)) {
        prop_assert!(send(&input).requests.is_empty());
    }

    #[test]
    fn what_is_right_is_read(requests in vec(valid(), 1..4)) {
        let input: String = requests.iter().map(|(bytes, _)| bytes.as_str()).collect();
        let outcome = send(&input);
        prop_assert_eq!(outcome.status, None, "{:?}", text(input.as_bytes()));
        let bodies: Vec<_> = outcome.requests.into_iter().map(|seen| seen.body).collect();
        let expected: Vec<_> = requests.into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(bodies, expected);
    }
}
