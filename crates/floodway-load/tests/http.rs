//! Against HTTP servers, that are correct or wrong in one known way.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use floodway_load::{Expected, LoadError, Method, Mode, Plan, Report, Request};
use helpers::{Server, Stream, run};

/// Answers requests until the peer ends: `answer` gets the request's number on this connection, its head and its body.
fn serve(
    stream: &mut dyn Stream,
    mut answer: impl FnMut(&mut dyn Stream, u64, &str, &[u8]) -> io::Result<()>,
) {
    let (mut received, mut area) = (Vec::new(), vec![0; 65_536]);
    for number in 0.. {
        let (head_len, end) = loop {
            if let Some((head_len, end)) = end_of_request(&received) {
                break (head_len, end);
            }
            let Ok(len @ 1..) = stream.read(&mut area) else {
                return;
            };
            received.extend_from_slice(&area[..len]);
        };
        assert_eq!(
            received.len(),
            end,
            "a second request while the first is unanswered"
        );
        let head = String::from_utf8(received[..head_len].to_vec()).unwrap();
        if answer(stream, number, &head, &received[head_len..end]).is_err() {
            return;
        }
        received.clear();
    }
}

/// Where the head and the body of a complete request end.
fn end_of_request(received: &[u8]) -> Option<(usize, usize)> {
    let head_len = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..head_len]).unwrap();
    let length = head.split_once("Content-Length: ");
    let length = length.map_or(0, |(_, rest)| {
        rest.split_once('\r').unwrap().0.parse().unwrap()
    });
    (received.len() >= head_len + length).then_some((head_len, head_len + length))
}

fn answer(stream: &mut dyn Stream, status: u16, body: &[u8]) -> io::Result<()> {
    let text = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[text.as_bytes(), body].concat())
}

fn hello(_number: usize, stream: &mut dyn Stream) {
    serve(stream, |stream, _, head, body| {
        assert!(
            head.starts_with("GET /hello?x=1 HTTP/1.1\r\nHost: here:80\r\n") && body.is_empty()
        );
        answer(stream, 200, b"hello")
    });
}

fn echo(_number: usize, stream: &mut dyn Stream) {
    serve(stream, |stream, _, _, body| answer(stream, 200, body));
}

/// GET without a body on four connections for a tenth of a second.
fn plan(server: &Server) -> Plan {
    Plan {
        request: Some(Request {
            method: Method::Get,
            target: "/hello?x=1".to_owned(),
            host: "here:80".to_owned(),
            expected: Expected::OneLength,
        }),
        ..helpers::plan(server)
    }
}

/// POST of so many bytes that have to come back.
fn echoed(server: &Server, size: usize) -> Plan {
    let mut plan = plan(server);
    let request = plan.request.as_mut().unwrap();
    (request.method, request.expected) = (Method::Post, Expected::Echo);
    Plan { size, ..plan }
}

/// POST of so many bytes, of which so many have to be added up.
fn summed(server: &Server, size: usize, additions: u64) -> Plan {
    let mut plan = echoed(server, size);
    plan.request.as_mut().unwrap().expected = Expected::Sum(additions);
    plan
}

/// The sum that is asked for, as the loop that the server would have to run, as long as the body.
fn sum(body: &[u8], additions: usize) -> Vec<u8> {
    let addends = (0..additions).map(|index| u64::from(body[index % body.len()]));
    let mut answer = addends.sum::<u64>().to_string().into_bytes();
    answer.resize(body.len(), b' ');
    answer
}

fn assert_clean(report: &Report) {
    assert_eq!(
        (report.connected, report.closed_by_server),
        (4, 0),
        "{report:#?}"
    );
    assert!(
        report.failed.is_empty() && report.broken.is_empty(),
        "{report:#?}"
    );
    assert_eq!(
        (report.corrupt_bytes, report.unanswered),
        (0, 0),
        "{report:#?}"
    );
    assert_eq!(report.complaints, Vec::<String>::new());
    assert!(report.messages > 0, "{report:#?}");
}

#[test]
fn requests_are_repeated_and_counted() {
    let server = Server::start(hello);
    let report = run(&plan(&server));
    assert_clean(&report);
    assert!(report.bytes.abs_diff(report.messages * 5) <= 40);
    assert_eq!(report.bytes_checked, 0);
    let latency = report.latency.unwrap();
    assert!(latency.count.abs_diff(report.messages) <= 8, "{latency:?}");
}

#[test]
fn an_answer_may_come_in_any_pieces() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, number, _, _| {
            let text = if number % 2 == 0 {
                &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"[..]
            } else {
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            };
            let (first, second) = text.split_at(number as usize % text.len());
            stream.write_all(first)?;
            second
                .chunks(1 + number as usize % 7)
                .try_for_each(|piece| stream.write_all(piece))
        });
    });
    assert_clean(&run(&plan(&server)));
}

#[test]
fn bodies_are_sent_whole_and_every_byte_of_the_echo_is_compared() {
    let server = Server::start(echo);
    for size in [1, 1_000, 3_000_001] {
        let report = run(&echoed(&server, size));
        assert_clean(&report);
        assert!(report.bytes_checked >= report.messages * size as u64);
    }
}

#[test]
fn a_rate_does_not_make_a_pipeline() {
    // `serve` asserts that there is none.
    let server = Server::start(|_, stream| {
        serve(stream, |stream, number, _, _| {
            if number == 5 {
                std::thread::sleep(Duration::from_millis(100)); // the fault itself
            }
            answer(stream, 200, b"")
        });
    });
    let report = run(&Plan {
        rate: Some(1_000.0),
        seconds: 0.5,
        warmup_seconds: 0.0,
        ..plan(&server)
    });
    assert_clean(&report);
    let latency = report.latency.unwrap();
    // Those that were due meanwhile waited too.
    assert!(latency.count >= 499 && latency.p90 > 0.01, "{latency:?}");
}

#[test]
fn an_idle_connection_gets_one_answer() {
    let server = Server::start(hello);
    let report = run(&Plan {
        mode: Mode::Idle,
        size: 0,
        ..plan(&server)
    });
    assert_eq!(report.connect_latency.unwrap().count, 4);
    assert_eq!((report.messages, report.closed_by_server), (0, 0));
}

#[test]
fn other_statuses_are_counted_and_named() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, number, _, _| {
            let status = if number % 10 == 3 { 503 } else { 200 };
            answer(stream, status, if status == 200 { b"hello" } else { b"no" })
        });
    });
    let report = run(&plan(&server));
    let [(503, count)] = report.other_statuses[..] else {
        panic!("{report:#?}");
    };
    assert!(count > 0 && report.wrong_lengths == 0);
    let said = format!("answers with another status than 200 (503: {count})");
    assert_eq!(report.complaints, [said]);
}

#[test]
fn bodies_of_another_length_are_counted_and_named() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, number, _, _| {
            answer(stream, 200, if number == 9 { b"hell" } else { b"hello" })
        });
    });
    let report = run(&plan(&server));
    assert_eq!(report.wrong_lengths, 4, "{report:#?}");
    assert!(report.complaints[0].ends_with("than 5 bytes (the first had 4)"));
}

#[test]
fn a_wrong_byte_and_a_short_echo_are_caught() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, number, _, body| {
            let mut body = body.to_vec();
            match number {
                3 => body[1] ^= 1,
                4 => drop(body.pop()),
                5 => body.push(0),
                _ => {}
            }
            answer(stream, 200, &body)
        });
    });
    let report = run(&Plan {
        connections: 1,
        ..echoed(&server, 100)
    });
    assert_eq!(
        (report.corrupt_bytes, report.wrong_lengths),
        (2, 2),
        "{report:#?}"
    );
    assert_eq!(report.first_corruption.unwrap().offset, 301);
}

#[test]
fn the_sum_of_every_body_is_checked() {
    for (size, additions) in [(1_024, 2_500), (300_000, 700_001)] {
        let server = Server::start(|_, stream| {
            serve(stream, |stream, _, _, body| {
                let additions = if body.len() == 1_024 { 2_500 } else { 700_001 };
                answer(stream, 200, &sum(body, additions))
            });
        });
        let report = run(&summed(&server, size, additions));
        assert_clean(&report);
        assert_eq!(report.wrong_sums, 0, "{report:#?}");
        assert!(report.bytes_checked >= report.messages * size as u64);
    }
}

#[test]
fn a_wrong_sum_is_counted_and_named() {
    let server = Server::start(|_, stream| {
        let mut first = Vec::new();
        serve(stream, |stream, number, _, body| {
            if number == 0 {
                first = sum(body, 2_500);
            }
            match number {
                // Known from another body, not computed from this one.
                3 => answer(stream, 200, &first),
                // The right sum, and more digits.
                4 => {
                    let right = String::from_utf8(sum(body, 2_500)).unwrap();
                    answer(stream, 200, right.replacen(' ', "0", 1).as_bytes())
                }
                5 => answer(stream, 200, &sum(body, 2_500)[..99]),
                _ => answer(stream, 200, &sum(body, 2_500)),
            }
        });
    });
    let report = run(&Plan {
        connections: 1,
        ..summed(&server, 100, 2_500)
    });
    assert_eq!(
        (report.wrong_sums, report.wrong_lengths),
        (2, 1),
        "{report:#?}"
    );
    assert_eq!(
        report.complaints[1],
        "2 answers with another sum than that of 2500 additions"
    );
}

#[test]
fn a_server_that_serves_half_of_its_connections_is_unfair() {
    let server = Server::start(|number, stream| {
        serve(stream, |stream, count, _, _| {
            // All get their first answer: only the load tells the connections apart.
            if count == 0 || number % 2 == 0 {
                answer(stream, 200, b"hello")
            } else {
                Ok(())
            }
        });
    });
    let report = run(&plan(&server));
    assert_eq!(report.fairness.fair, Some(false), "{report:#?}");
    assert_eq!(report.unanswered, 2);
}

#[test]
fn with_fewer_than_three_answers_per_connection_fairness_is_not_judged() {
    let server = Server::start(|number, stream| {
        serve(stream, |stream, count, _, _| {
            // Most of them are only kept: all have had an answer, and one is busy.
            if count < 2 || number == 0 && count < 9 {
                answer(stream, 200, b"hello")
            } else {
                Ok(())
            }
        });
    });
    let report = run(&Plan {
        warmup_seconds: 0.0,
        ..plan(&server)
    });
    assert_eq!(report.fairness.fair, None, "{report:#?}");
    let reason = &report.fairness.reason;
    assert!(
        reason.ends_with("answers per connection are fewer than three"),
        "{reason}"
    );
}

#[test]
fn what_is_no_answer_ends_its_connection() {
    let server = Server::start(|number, stream| {
        serve(stream, |stream, count, _, _| match (count, number) {
            (2, 0) => stream.write_all(b"220 mail.example.com ESMTP\r\n\r\n"),
            (2, 1) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more")
            }
            _ => answer(stream, 200, b"hello"),
        });
    });
    let report = run(&plan(&server));
    assert_eq!(report.malformed, 2, "{report:#?}");
    assert_eq!(report.closed_by_server, 0);
    let said = report.complaints.join("; ");
    assert!(
        said.contains("a head that is not HTTP/1") && said.contains("nobody had asked for"),
        "{said}"
    );
}

#[test]
fn a_server_that_closes_after_each_answer_is_told() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, _, _, _| {
            // Without a length, so that the end of the connection is what completes the answer.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")?;
            Err(ErrorKind::Other.into())
        });
    });
    let report = run(&plan(&server));
    assert_eq!(
        (report.connected, report.connect_latency.unwrap().count),
        (4, 4)
    );
    let ended: usize = report.broken.iter().map(|&(_, count)| count).sum();
    assert_eq!(report.closed_by_server + ended, 4, "{report:#?}");
}

/// The rest of the body has to follow, or the server would take it for the next request's.
#[test]
fn a_request_may_be_answered_before_its_end() {
    static EARLY: AtomicBool = AtomicBool::new(false);
    let server = Server::start(|_, stream| {
        let (mut area, mut total) = (vec![0; 65_536], 0);
        while let Ok(len @ 1..) = stream.read(&mut area) {
            let is_first = total == 0;
            total += len;
            if is_first {
                answer(stream, 200, b"").unwrap();
            }
            EARLY.fetch_or(total > 8_000_000, Ordering::Release);
        }
    });
    let mut plan = echoed(&server, 8_000_000);
    plan.request.as_mut().unwrap().expected = Expected::OneLength;
    let report = run(&Plan {
        connections: 1,
        seconds: 0.4,
        ..plan
    });
    assert_eq!(report.malformed, 0, "{report:#?}");
    assert!(EARLY.load(Ordering::Acquire), "the rest was not sent");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let server = Server::start(hello);
    let attempt = |plan: &Plan| floodway_load::run(plan, &AtomicBool::new(false), &mut |_| {});
    let flood = attempt(&Plan {
        mode: Mode::Flood,
        ..plan(&server)
    })
    .unwrap_err();
    assert!(matches!(flood, LoadError::Request(_)), "{flood}");
    let mut spaced = plan(&server);
    spaced.request.as_mut().unwrap().target = "/a b".to_owned();
    assert!(
        attempt(&spaced)
            .unwrap_err()
            .to_string()
            .contains("encode all others")
    );
}
