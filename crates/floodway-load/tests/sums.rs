//! Against HTTP servers that have to add up what they are sent.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use floodway_load::{Expected, Plan};
use helpers::http::{answer, assert_clean, echoed, serve};
use helpers::{Server, run};

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
