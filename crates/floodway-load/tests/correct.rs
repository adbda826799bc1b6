//! Against a server that does everything right: the figures are complete and agree with each other.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use floodway_load::{Errno, LoadError, Mode, Phase, Plan, Report, UnixName};
use helpers::{Server, echo, plan, run, run_watching, serve, silent};

/// What holds for every run against a correct server. Not fairness: which of the server's threads run how often in a
/// tenth of a second is the scheduler's affair.
fn assert_clean(report: &Report, connections: usize) {
    assert_eq!(report.connected, connections, "{report:#?}");
    assert_eq!(
        (report.failed.len(), report.broken.len()),
        (0, 0),
        "{report:#?}"
    );
    assert_eq!(
        (report.not_attempted, report.closed_by_server),
        (0, 0),
        "{report:#?}"
    );
    assert_eq!(
        (report.corrupt_bytes, report.first_corruption),
        (0, None),
        "{report:#?}"
    );
    assert_eq!(report.unanswered, 0, "{report:#?}");
    assert!(!report.stopped);
}

#[test]
fn a_closed_loop_counts_messages_bytes_and_latency() {
    let server = Server::start(echo);
    let report = run(&Plan {
        pid: Some(std::process::id()),
        ..plan(&server)
    });
    assert_clean(&report, 4);
    assert!(report.messages > 0);
    assert!(report.bytes.abs_diff(report.messages * 100) < 400);
    assert!(report.seconds >= 0.1);
    let rate = report.messages as f64 / report.seconds;
    assert!((report.messages_per_second / rate - 1.0).abs() < 1e-9);
    let latency = report.latency.unwrap();
    // Those in flight at either end of the measured time are recorded at most once more.
    assert!(latency.count.abs_diff(report.messages) <= 8, "{latency:?}");
    assert!(0.0 < latency.p50 && latency.p50 <= latency.p90 && latency.p90 <= latency.p99);
    assert!(latency.p99 <= latency.p999 && latency.p999 <= latency.max);
    assert_eq!(report.connect_latency.unwrap().count, 4);
    assert!(report.connects_per_second > 0.0 && report.connect_seconds > 0.0);
    assert!(report.generator_cpu_per_message.unwrap() > 0.0);
    assert_eq!(report.lateness, None);
    let usage = report.server.unwrap();
    assert!(usage.cpu_per_message.unwrap() > 0.0);
    assert!(
        (usage.cpu_seconds / usage.cpu_per_message.unwrap() / report.messages as f64 - 1.0).abs()
            < 1e-9
    );
    assert!(usage.memory_connected.resident_bytes > 0);
    assert!(usage.memory_end.proportional_bytes.is_some());
    assert!(usage.peak_resident_bytes >= usage.memory_end.resident_bytes);
}

#[test]
fn a_fixed_rate_is_kept_and_dealt_out_evenly() {
    let server = Server::start(echo);
    let plan = Plan {
        connections: 10,
        rate: Some(2_000.0),
        seconds: 1.0,
        ..plan(&server)
    };
    let report = run(&plan);
    assert_clean(&report, 10);
    // All that were due in the measured time, and perhaps those that were in flight when it began.
    let latency = report.latency.unwrap();
    assert!((1_999..=2_021).contains(&latency.count), "{latency:?}");
    assert!(
        report.messages <= latency.count && report.unsent == 0,
        "{report:#?}"
    );
    assert_eq!(report.fairness.fair, Some(true), "{:?}", report.fairness);
    assert!(
        report
            .lateness
            .is_some_and(|lateness| lateness.count >= 1_999)
    );
}

#[test]
fn large_messages_survive_partial_writes() {
    let server = Server::start(echo);
    for size in [128 * 1024, 3_000_001] {
        let report = run(&Plan {
            size,
            seconds: 0.2,
            ..plan(&server)
        });
        assert_clean(&report, 4);
        assert_eq!(report.connect_latency.unwrap().count, 4, "{size}");
    }
}

#[test]
fn single_bytes_are_messages_too() {
    let server = Server::start(echo);
    let report = run(&Plan {
        size: 1,
        ..plan(&server)
    });
    assert_clean(&report, 4);
    assert!(report.messages > 0);
}

#[test]
fn a_server_that_answers_in_pieces_is_as_correct_as_any() {
    let server = Server::start(|_, stream| {
        serve(stream, |stream, bytes, offset| {
            let mut rest = &*bytes;
            for turn in offset.. {
                let (piece, others) = rest.split_at(rest.len().min(1 + turn as usize * 31 % 977));
                stream.write_all(piece)?;
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            Ok(())
        });
    });
    let report = run(&Plan {
        size: 5_000,
        ..plan(&server)
    });
    assert_clean(&report, 4);
    assert!(report.messages > 0);
}

#[test]
fn every_kind_of_address_is_loaded_and_several_share_the_connections() {
    let name = format!("floodway-load-{}", std::process::id());
    let path = std::env::temp_dir().join(&name);
    let servers = [
        Server::start(echo),
        Server::start_tcp("127.0.0.9:0", echo),
        Server::start_tcp("[::1]:0", echo),
        Server::start_unix(UnixName::Path(path.clone()), echo),
        Server::start_unix(UnixName::Abstract(name.into_bytes()), echo),
    ];
    for server in &servers {
        let report = run(&plan(server));
        assert_clean(&report, 4);
        assert!(report.messages > 0, "{}", server.address);
    }
    let addresses = servers
        .iter()
        .map(|server| server.address.clone())
        .collect();
    let report = run(&Plan {
        addresses,
        connections: 15,
        ..plan(&servers[0])
    });
    assert_clean(&report, 15);
    drop(servers);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn idle_connections_exchange_one_message_and_are_held() {
    let server = Server::start(echo);
    let mut most_open = 0;
    let plan = Plan {
        mode: Mode::Idle,
        connections: 300,
        seconds: 0.25,
        pid: Some(std::process::id()),
        ..plan(&server)
    };
    let report = run_watching(&plan, |progress| most_open = progress.open.max(most_open));
    assert_clean(&report, 300);
    assert_eq!((most_open, server.accepted()), (300, 300));
    assert_eq!(report.connect_latency.unwrap().count, 300);
    assert_eq!((report.messages, report.latency), (0, None));
    assert!(report.seconds >= 0.25);
    let memory = report.server.unwrap();
    assert!(memory.memory_before.resident_bytes > 0);
    assert!(memory.memory_connected.resident_bytes > 0);
}

#[test]
fn idle_connections_without_a_message_only_connect() {
    let server = Server::start(silent);
    let report = run(&Plan {
        mode: Mode::Idle,
        size: 0,
        connections: 50,
        ..plan(&server)
    });
    assert_clean(&report, 50);
    assert_eq!(report.bytes_sent, 0);
    assert_eq!(report.fairness.fair, None);
}

#[test]
fn a_flood_is_checked_and_counted() {
    let server = Server::start(echo);
    let report = run(&Plan {
        mode: Mode::Flood,
        size: 65_536,
        ..plan(&server)
    });
    assert_clean(&report, 4);
    assert!(report.bytes > 0, "{report:#?}");
    assert!(report.bytes_sent > 0 && report.latency.is_none());
}

#[test]
fn a_flood_needs_no_answers() {
    let server = Server::start(silent);
    let report = run(&Plan {
        mode: Mode::Flood,
        ..plan(&server)
    });
    assert_clean(&report, 4);
    assert_eq!((report.messages, report.bytes), (0, 0));
    assert!(report.bytes_sent > 0);
}

#[test]
fn the_phases_are_told_in_order() {
    let server = Server::start(echo);
    let mut phases = Vec::new();
    run_watching(&plan(&server), |progress| phases.push(progress.phase));
    phases.dedup();
    let expected = [
        Phase::Connecting,
        Phase::WarmingUp,
        Phase::Running,
        Phase::Draining,
        Phase::Closing,
    ];
    assert_eq!(phases, expected);
}

#[test]
fn a_stop_ends_every_phase_at_once_with_a_report() {
    let server = Server::start(echo);
    for phase in [
        Phase::Connecting,
        Phase::WarmingUp,
        Phase::Running,
        Phase::Draining,
        Phase::Closing,
    ] {
        let stop = AtomicBool::new(false);
        let long = Plan {
            // Only the first phase is slow where it is to be stopped.
            connect_rate: (phase == Phase::Connecting).then_some(1.0),
            warmup_seconds: if phase == Phase::WarmingUp {
                60.0
            } else {
                0.01
            },
            seconds: if phase == Phase::Running { 60.0 } else { 0.05 },
            ..plan(&server)
        };
        let mut stopped_at = None;
        let report = floodway_load::run(&long, &stop, &mut |progress| {
            if progress.phase == phase && stopped_at.is_none() {
                stop.store(true, Ordering::Relaxed);
                stopped_at = Some(Instant::now());
            }
        });
        assert!(
            stopped_at.unwrap().elapsed() < Duration::from_secs(5),
            "{phase}"
        );
        let is_measured = matches!(phase, Phase::Draining | Phase::Closing);
        assert_eq!(report.unwrap().stopped, !is_measured, "{phase}");
    }
}

#[test]
fn only_the_active_connections_take_part_in_the_load() {
    let server = Server::start(echo);
    for rate in [None, Some(300.0)] {
        let report = run(&Plan {
            connections: 20,
            active: Some(3),
            rate,
            first_source: "127.3.4.5".parse().unwrap(),
            ..plan(&server)
        });
        assert_clean(&report, 20);
        assert_eq!(report.connect_latency.unwrap().count, 20);
        assert!(report.fairness.min > 0, "{:?}", report.fairness);
        assert!(
            report.fairness.max * 3 >= report.messages,
            "others took part: {report:?}"
        );
        assert!(report.bytes_checked > report.bytes);
    }
}

/// However long the caller takes before it lets the load begin.
#[test]
fn the_load_begins_when_warming_up_has_been_told() {
    let server = Server::start(echo);
    let plan = Plan {
        rate: Some(100.0),
        warmup_seconds: 0.0,
        ..plan(&server)
    };
    let mut is_told = false;
    let report = run_watching(&plan, |progress| {
        if progress.phase == Phase::WarmingUp && !is_told {
            is_told = true;
            std::thread::sleep(Duration::from_millis(700));
        }
    });
    assert!(report.lateness.unwrap().max < 0.6, "{:?}", report.lateness);
}

#[test]
fn connections_are_opened_at_the_rate_asked_for() {
    let server = Server::start(echo);
    let plan = Plan {
        connections: 41,
        connect_rate: Some(200.0),
        mode: Mode::Idle,
        ..plan(&server)
    };
    let report = run(&plan);
    assert_clean(&report, 41);
    assert!(report.connect_seconds >= 0.2, "{}", report.connect_seconds);
}

#[test]
fn what_cannot_be_run_is_said_before_anything_happens() {
    let server = Server::start(echo);
    let attempt = |plan: &Plan| floodway_load::run(plan, &AtomicBool::new(false), &mut |_| {});
    let nobody = attempt(&Plan {
        pid: Some(u32::MAX),
        ..plan(&server)
    })
    .unwrap_err();
    assert_eq!(nobody, LoadError::NoSuchProcess(u32::MAX));
    assert!(
        nobody
            .to_string()
            .starts_with("process 4294967295 cannot be measured")
    );
    let far: std::net::SocketAddr = "198.51.100.7:80".parse().unwrap();
    let far = attempt(&Plan {
        addresses: vec![far.into()],
        ..plan(&server)
    })
    .unwrap_err();
    assert!(far.to_string().contains("not on this machine"), "{far}");
    let many = attempt(&Plan {
        connections: 1 << 40,
        ..plan(&server)
    })
    .unwrap_err();
    assert!(
        matches!(many, LoadError::TooManyConnections { .. }),
        "{many}"
    );
    assert_eq!(server.accepted(), 0);
}

#[test]
fn a_closed_port_fails_every_connection_with_the_kernels_reason() {
    let mut plan = plan(&Server::start(echo));
    plan.connections = 10;
    let report = run(&plan);
    assert_eq!(report.failed, [(Errno::CONNREFUSED, 10)]);
    assert_eq!(
        (report.connected, report.messages, report.latency),
        (0, 0, None)
    );
    assert_eq!(report.fairness.fair, None);
}
