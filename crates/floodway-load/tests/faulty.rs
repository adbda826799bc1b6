//! Against servers that are wrong in one known way: each has to be caught.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use floodway_load::{Corruption, Errno, Mode, Plan};
use helpers::{Server, echo, plan, run, serve, silent};

/// One wrong byte a million, at a place that no message size divides.
const WRONG_AT: u64 = 1_000_003;

#[test]
fn one_wrong_byte_in_a_million_is_counted_and_located() {
    let server = Server::start(|number, stream| {
        serve(stream, |stream, bytes, offset| {
            for (at, byte) in (offset..).zip(bytes.iter_mut()) {
                if number == 0 && at % WRONG_AT == WRONG_AT - 1 {
                    *byte ^= 0x40;
                }
            }
            stream.write_all(bytes)
        });
    });
    for mode in [Mode::Echo, Mode::Flood] {
        let report = run(&Plan {
            connections: 1,
            size: 20_000,
            mode,
            seconds: 0.4,
            warmup_seconds: 0.0,
            ..plan(&server)
        });
        if mode == Mode::Echo {
            let wrong = report.bytes / WRONG_AT;
            assert!(report.corrupt_bytes.abs_diff(wrong) <= 1, "{report:#?}");
            let first = Corruption {
                connection: 0,
                offset: WRONG_AT - 1,
            };
            assert_eq!(report.first_corruption, Some(first));
        } else {
            // The server's second connection answers correctly.
            assert_eq!(report.corrupt_bytes, 0, "{report:#?}");
        }
    }
}

#[test]
fn a_lost_byte_makes_all_that_follow_wrong() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, bytes, offset| {
            let lost = 350_u64
                .checked_sub(offset)
                .map_or(bytes.len(), |at| at as usize);
            if lost < bytes.len() {
                stream.write_all(&bytes[..lost])?;
                return stream.write_all(&bytes[lost + 1..]);
            }
            stream.write_all(bytes)
        });
    });
    // A closed loop waits for the lost byte for ever; a flood goes on.
    let flood = run(&Plan {
        mode: Mode::Flood,
        connections: 2,
        ..plan(&server)
    });
    assert!(flood.corrupt_bytes > flood.bytes / 2, "{flood:#?}");
    assert!(flood.first_corruption.unwrap().offset >= 350);
    let closed_loop = run(&Plan {
        connections: 2,
        ..plan(&server)
    });
    assert_eq!(closed_loop.unanswered, 2, "{closed_loop:#?}");
}

#[test]
fn bytes_of_another_connection_are_wrong() {
    static LAST: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let server = Server::start(|_, stream| {
        serve(stream, |stream, bytes, _| {
            let mut last = LAST.lock().unwrap();
            let answer = if last.len() == bytes.len() {
                last.clone()
            } else {
                bytes.to_vec()
            };
            last.clear();
            last.extend_from_slice(bytes);
            stream.write_all(&answer)
        });
    });
    let report = run(&plan(&server));
    assert!(report.corrupt_bytes > 0, "{report:#?}");
}

#[test]
fn more_than_was_sent_is_wrong_even_if_it_was_sent_before() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, bytes, _| {
            stream.write_all(&bytes.repeat(2))
        });
    });
    let report = run(&plan(&server));
    assert!(report.corrupt_bytes > report.bytes / 4, "{report:#?}");
    assert!(report.first_corruption.unwrap().offset < 200, "{report:#?}");
}

#[test]
fn a_server_that_serves_half_of_its_connections_is_unfair() {
    let server = Server::start(|number, stream| {
        let mut first = true;
        serve(stream, |stream, bytes, _| {
            // All get their first answer: only the load tells the connections apart.
            if std::mem::take(&mut first) || number % 2 == 0 {
                stream.write_all(bytes)
            } else {
                Ok(())
            }
        });
    });
    for rate in [None, Some(1_000.0)] {
        let report = run(&Plan {
            connections: 10,
            rate,
            seconds: 0.3,
            ..plan(&server)
        });
        let fairness = &report.fairness;
        assert_eq!(fairness.fair, Some(false), "{report:#?}");
        assert_eq!(fairness.min, 0);
        assert!(fairness.share_near_mean <= 0.5, "{fairness:?}");
        assert!(report.unanswered >= 5, "{}", report.unanswered);
        // The starved count in the latency as well: they waited from when they were due, or sent, to the end.
        assert!(report.latency.unwrap().max > 0.1, "{:?}", report.latency);
    }
}

#[test]
fn connections_that_are_never_answered_do_not_keep_others_from_connecting() {
    let server = Server::start(|number, stream| {
        if number % 2 == 0 {
            silent(number, stream);
        } else {
            echo(number, stream);
        }
    });
    let report = run(&Plan {
        connections: 16,
        connect_wave: 8,
        patience_seconds: 1.5,
        ..plan(&server)
    });
    assert_eq!(
        (report.connected, report.not_attempted),
        (16, 0),
        "{report:#?}"
    );
    assert_eq!(report.fairness.fair, Some(false));
    assert_eq!(
        report.fairness.reason,
        "8 of 16 connections were never answered"
    );
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(silent);
    let start = Instant::now();
    let report = run(&Plan {
        connections: 8,
        connect_wave: 4,
        patience_seconds: 0.3,
        seconds: 60.0,
        ..plan(&server)
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(
        (report.connected, report.not_attempted),
        (4, 4),
        "{report:#?}"
    );
    assert_eq!((report.messages, report.unanswered), (0, 4));
    assert_eq!(report.fairness.fair, Some(false));
    assert_eq!(
        report.fairness.reason,
        "4 of 4 connections were never answered"
    );
}

#[test]
fn a_server_that_closes_early_is_told_from_one_that_resets() {
    let closing = Server::start(|_, stream| {
        serve(stream, |stream, bytes, offset| {
            // Not after an answer: the next message may be there by then, and closing with unread input resets.
            if offset > 1_000 {
                return Err(std::io::ErrorKind::Other.into());
            }
            stream.write_all(bytes)
        });
    });
    let start = Instant::now();
    let report = run(&Plan {
        seconds: 60.0,
        ..plan(&closing)
    });
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "nobody was left to load"
    );
    assert_eq!(
        (report.closed_by_server, report.broken.len()),
        (4, 0),
        "{report:#?}"
    );

    // Closing with unread input resets.
    let resetting = Server::start(|_, stream| {
        let _ = stream.read(&mut [0; 50]);
    });
    let report = run(&plan(&resetting));
    assert_eq!(report.broken, [(Errno::CONNRESET, 4)], "{report:#?}");
}

/// A server that stalls for 300 ms: of the messages due meanwhile, all waited; a generator that waits for answers
/// before it sends again would have asked ten times and called the stall one slow answer in a hundred.
#[test]
fn a_stall_counts_for_every_message_that_was_due_in_it() {
    static STALLED: AtomicBool = AtomicBool::new(false);
    let server = Server::start(|_, stream| {
        serve(stream, |stream, bytes, offset| {
            if offset > 2_500 && !STALLED.swap(true, Ordering::AcqRel) {
                // The fault itself, not a wait for something to happen.
                std::thread::sleep(Duration::from_millis(300));
            }
            stream.write_all(bytes)
        });
    });
    let plan = Plan {
        connections: 1,
        rate: Some(1_000.0),
        seconds: 1.0,
        warmup_seconds: 0.0,
        ..plan(&server)
    };
    let report = run(&plan);
    let latency = report.latency.unwrap();
    assert!(latency.count >= 999 && report.unsent == 0, "{report:#?}");
    assert!(latency.p90 > 0.1 && latency.max > 0.29, "{latency:?}");
    assert!(latency.p50 < 0.1, "{latency:?}");
}
