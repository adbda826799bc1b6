//! A peer's bytes, and an application that reads everything and answers each request at once.

use std::sync::Arc;

use floodway_app::http1::{Config, Date, Exchange, Http1, Message, Next};
use floodway_base::{Progress, Protocol};
use floodway_testkit::{Divisions, check_conversation};

/// What the application saw of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub is_complete: bool,
    pub has_left: bool,
}

/// What all divisions of the input come to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub requests: Vec<Seen>,
    /// Of the refusal; 0 for one without words.
    pub status: Option<u16>,
    pub reason: Option<&'static str>,
    pub rest: Vec<u8>,
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn now() -> Date {
    Date::at(784_111_777)
}

/// Sends `input` in every division, then the end, to a server that streams bodies.
#[track_caller]
pub fn send(input: impl AsRef<[u8]>) -> Outcome {
    send_to(Config::default(), input)
}

/// The same to a server of this configuration.
#[track_caller]
pub fn send_to(config: Config, input: impl AsRef<[u8]>) -> Outcome {
    send_in(Divisions::Every, config, input)
}

/// Sends `input` in these divisions, then the end, to a server that streams bodies, and to one that collects them and must see
/// the same. Applications that answer without reading the body must see the same requests.
#[track_caller]
pub fn send_in(divisions: Divisions, config: Config, input: impl AsRef<[u8]>) -> Outcome {
    let whole = Arc::new(Config {
        whole_bodies: true,
        ..config.clone()
    });
    let streaming = Arc::new(Config {
        whole_bodies: false,
        ..config
    });
    let input = input.as_ref();
    let streamed = converse(divisions, &streaming, input);
    let collected = converse(divisions, &whole, input);
    let complete = |outcome: &Outcome| {
        let complete = outcome.requests.iter().filter(|seen| seen.is_complete);
        complete
            .map(|seen| (seen.line.clone(), seen.body.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(complete(&streamed), complete(&collected));
    assert!(collected.requests.iter().all(|seen| seen.is_complete));
    if streamed.status.is_some() {
        assert_eq!(
            (streamed.status, streamed.reason),
            (collected.status, collected.reason)
        );
    }
    streamed
}

#[track_caller]
fn converse(divisions: Divisions, config: &Arc<Config>, input: &[u8]) -> Outcome {
    let new = || Http1::new(config, 0);
    check_conversation(divisions, new, input, answer_unread);
    let conversation = check_conversation(divisions, new, input, answer);
    let status = conversation.refusal.as_ref().map(|refusal| {
        let line = refusal.farewell.get(9..12).unwrap_or(b"0");
        text(line).parse().unwrap()
    });
    Outcome {
        requests: conversation.transcript.0,
        status,
        reason: conversation.refusal.map(|refusal| refusal.reason),
        rest: conversation.rest,
    }
}

/// The requests, and whether the current one keeps the connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transcript(Vec<Seen>, bool);

fn answer(server: &mut Http1, message: Message, payload: &[u8], log: &mut Transcript) {
    let more = match message {
        Message::Request(request) => {
            let head = &request.head;
            log.0.push(Seen {
                line: format!(
                    "{} {} {:?}",
                    text(head.method()),
                    text(head.target()),
                    head.version()
                ),
                headers: head
                    .headers()
                    .map(|(name, value)| (text(name), text(value)))
                    .collect(),
                body: [&request.body[..], payload].concat(),
                ..Seen::default()
            });
            log.1 = request.exchange.keep_alive();
            request.more
        }
        Message::Body { bytes, more } => {
            let seen = log.0.last_mut().unwrap();
            seen.body.extend_from_slice(&bytes);
            seen.body.extend_from_slice(payload);
            more
        }
        Message::Continue => return,
        Message::Left => {
            log.0.last_mut().unwrap().has_left = true;
            return;
        }
    };
    if more {
        server.want_body(0);
    } else {
        log.0.last_mut().unwrap().is_complete = true;
        server.finish(log.1, 0);
    }
}

/// An application that reads no body and answers at once. Bodies are left out: how much of one comes with its request depends
/// on the cut. So does what becomes of a peer that may or may not wait for a 100.
fn answer_unread(server: &mut Http1, message: Message, _: &[u8], log: &mut Vec<String>) {
    if let Message::Request(request) = message {
        log.push(text(request.head.target()));
        let is_clear = !request.head.expects_continue();
        server.finish(is_clear && request.exchange.keep_alive(), 0);
    }
}

/// A request with these header lines, which end themselves, and this body.
pub fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}")
}

/// A request with a body in chunks, which `body` is already.
pub fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A server that has got `input`, and what it made of it.
pub fn give(config: Config, input: &[u8]) -> (Http1, Option<Message>) {
    let mut server = Http1::new(&Arc::new(config), 0);
    let received = server.receive(input, false, 0);
    let message = match received.step {
        Progress::Message(message, _) => Some(message),
        Progress::More => None,
        Progress::Refuse(refusal) => panic!("refused: {refusal:?}"),
    };
    (server, message)
}

/// The answering side of `request`.
pub fn exchange(config: Config, request: &[u8]) -> Exchange {
    match give(config, request) {
        (_, Some(Message::Request(request))) => request.exchange,
        other => panic!("no request but {other:?}"),
    }
}

/// A server that owes an answer to `request`, of which it got no more than that.
pub fn asked(config: Config, request: &[u8]) -> Http1 {
    let (server, message) = give(config, request);
    assert!(matches!(message, Some(Message::Request(_))), "{message:?}");
    server
}

pub fn finish(server: &mut Http1) -> Next {
    server.finish(true, 0)
}
