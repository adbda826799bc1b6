//! Over TLS: against servers that are correct or wrong in one known way.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use floodway_load::{Errno, Expected, LoadError, Method, Mode, Plan, Request};
use helpers::http::assert_undisturbed;
use helpers::{Server, echo, run, serve};
use rustls::version::{TLS12, TLS13};

fn plan(server: &Server) -> Plan {
    Plan {
        server_name: Some("localhost".to_owned()),
        ..helpers::plan(server)
    }
}

/// The fault itself: a server that does nothing until the test is over.
fn wait_for(ending: &AtomicBool) {
    while !ending.load(Ordering::Acquire) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn messages_come_back_by_either_version() {
    for version in [&TLS12, &TLS13] {
        let server = Server::start_tls(version, echo);
        for (size, rate) in [
            (1, None),
            (100, Some(500.0)),
            (16_384, None),
            (3_000_001, None),
        ] {
            let report = run(&Plan {
                size,
                rate,
                ..plan(&server)
            });
            assert_undisturbed(&report);
            assert!(report.messages > 0, "{report:#?}");
            assert!(report.bytes_checked >= report.messages * size as u64);
            assert!(report.latency.unwrap().p50 > 0.0);
        }
    }
}

#[test]
fn a_flood_is_compared_too() {
    let server = Server::start_tls(&TLS13, echo);
    let report = run(&Plan {
        mode: Mode::Flood,
        size: 20_000,
        seconds: 0.3,
        ..plan(&server)
    });
    assert_eq!(report.corrupt_bytes, 0, "{report:#?}");
    assert!(report.bytes > 1_000_000, "{report:#?}");
}

#[test]
fn an_idle_connection_shakes_hands_and_exchanges_one_message() {
    let server = Server::start_tls(&TLS13, echo);
    for size in [0, 100] {
        let report = run(&Plan {
            mode: Mode::Idle,
            size,
            ..plan(&server)
        });
        assert_undisturbed(&report);
        assert_eq!(report.connect_latency.unwrap().count, 4);
        assert_eq!(
            (report.messages, report.bytes_checked),
            (0, 4 * size as u64)
        );
    }
}

#[test]
fn requests_travel_encrypted() {
    let server = Server::start_tls(&TLS13, |_, stream| {
        serve(stream, |stream, bytes, _| {
            let head_len = bytes
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap()
                + 4;
            // Head and body come in one record, as `Secure::encrypt` has it.
            let body = &bytes[head_len..];
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat())
        });
    });
    let report = run(&Plan {
        request: Some(Request {
            method: Method::Post,
            target: "/".to_owned(),
            host: "here".to_owned(),
            expected: Expected::Echo,
        }),
        size: 1_000,
        ..plan(&server)
    });
    assert_undisturbed(&report);
    assert!(report.messages > 0);
    assert!(report.bytes_checked >= report.messages * 1_000);
}

#[test]
fn an_answer_may_end_with_the_goodbye() {
    let server = Server::start_tls(&TLS13, |_, stream| {
        // In one flight with the answer, and long before the connection itself ends.
        let _ = stream.read(&mut [0; 1_000]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello");
        stream.say_goodbye();
        while let Ok(1..) = stream.read(&mut [0; 1_000]) {}
    });
    let report = run(&Plan {
        request: Some(Request {
            method: Method::Get,
            target: "/".to_owned(),
            host: "here".to_owned(),
            expected: Expected::OneLength,
        }),
        ..plan(&server)
    });
    assert_eq!(report.connect_latency.unwrap().count, 4, "{report:#?}");
    assert_eq!(report.closed_by_server, 4, "{report:#?}");
}

#[test]
fn a_wrong_byte_is_caught() {
    let server = Server::start_tls(&TLS13, |number, stream| {
        serve(stream, |stream, bytes, offset| {
            if let (2, Some(byte)) = (
                number,
                bytes.get_mut(250_usize.wrapping_sub(offset as usize)),
            ) {
                *byte ^= 1;
            }
            stream.write_all(bytes)
        });
    });
    let report = run(&plan(&server));
    assert_eq!(report.corrupt_bytes, 1, "{report:#?}");
    assert_eq!(report.first_corruption.unwrap().offset, 250);
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let server = Server::start(echo);
    let report = run(&plan(&server));
    assert_eq!(report.failed, [(Errno::PROTO, 4)], "{report:#?}");
    assert!(
        report.complaints[0].starts_with("TLS failed on 4 connections (received"),
        "{:?}",
        report.complaints
    );
}

#[test]
fn a_server_that_ends_in_the_handshake_is_named() {
    let server = Server::start(|_, stream| drop(stream.read(&mut [0; 10_000])));
    let report = run(&plan(&server));
    assert_eq!(
        report.complaints,
        ["TLS failed on 4 connections (the server ended the connection in the handshake)"],
        "{report:#?}"
    );
}

#[test]
fn handshakes_that_never_end_do_not_keep_others_from_theirs() {
    static ENDING: AtomicBool = AtomicBool::new(false);
    let server = Server::start_tls(&TLS13, |number, stream| {
        if number % 2 == 0 {
            wait_for(&ENDING);
        } else {
            echo(number, stream);
        }
    });
    let report = run(&Plan {
        connections: 8,
        connect_wave: 2,
        patience_seconds: 1.5,
        ..plan(&server)
    });
    ENDING.store(true, Ordering::Release);
    assert_eq!(report.connected, 4, "{report:#?}");
    assert_eq!(report.failed, [(Errno::TIMEDOUT, 4)]);
    assert!(report.messages > 0 && report.not_attempted == 0);
}

/// How many handshakes servers have seen, and how many of them were followed by the client's goodbye.
static SEEN: AtomicUsize = AtomicUsize::new(0);
static ENDED_WELL: AtomicUsize = AtomicUsize::new(0);

#[test]
fn handshakes_are_repeated_whole_and_to_their_end() {
    for version in [&TLS12, &TLS13] {
        SEEN.store(0, Ordering::Release);
        ENDED_WELL.store(0, Ordering::Release);
        let server = Server::start_tls(version, |_, stream| {
            if stream.read(&mut [0; 100]).is_ok_and(|len| len == 0) {
                ENDED_WELL.fetch_add(1, Ordering::AcqRel);
                assert!(stream.was_whole_handshake());
                stream.say_goodbye();
            }
            SEEN.fetch_add(1, Ordering::AcqRel);
        });
        let report = run(&Plan {
            mode: Mode::Handshake,
            seconds: 0.3,
            ..plan(&server)
        });
        drop(server);
        assert_undisturbed(&report);
        assert!(report.messages > 8, "{report:#?}");
        assert_eq!(report.fairness.fair, None);
        assert!(report.latency.unwrap().count.abs_diff(report.messages) <= 8);
        let (seen, well) = (
            SEEN.load(Ordering::Acquire),
            ENDED_WELL.load(Ordering::Acquire),
        );
        assert!(seen as u64 > report.messages);
        // The last four are cut off.
        assert!(seen - well <= 8, "{well} of {seen}");
    }
}

#[test]
fn a_server_that_never_ends_its_connections_is_told_in_handshake_mode() {
    static ENDING: AtomicBool = AtomicBool::new(false);
    let server = Server::start_tls(&TLS13, |_, stream| {
        let _ = stream.read(&mut [0; 100]);
        wait_for(&ENDING);
    });
    let report = run(&Plan {
        mode: Mode::Handshake,
        seconds: 1.2,
        ..plan(&server)
    });
    ENDING.store(true, Ordering::Release);
    assert_eq!((report.messages, report.unanswered), (0, 4), "{report:#?}");
}

#[test]
fn what_cannot_be_spoken_is_refused() {
    let server = Server::start(echo);
    for wrong in [
        Plan {
            mode: Mode::Handshake,
            ..helpers::plan(&server)
        },
        Plan {
            server_name: Some("no name".to_owned()),
            ..plan(&server)
        },
    ] {
        let refused = floodway_load::run(&wrong, &AtomicBool::new(false), &mut |_| {});
        assert!(matches!(refused, Err(LoadError::Tls(_))), "{refused:?}");
    }
}
