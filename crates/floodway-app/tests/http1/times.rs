//! How long a peer may take.

use std::sync::Arc;

use floodway_app::http1::{Config, Http1};
use floodway_base::{Progress, Protocol};

use crate::client::{asked, text};

fn config() -> Arc<Config> {
    Arc::new(Config {
        head_ticks: 10,
        body_ticks: 30,
        min_body_rate: (100, 20),
        ..Config::default()
    })
}

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n";

fn expired(server: &mut Http1, now: u32) -> Option<String> {
    let refusal = server.expire(now)?;
    Some(text(&refusal.farewell).chars().skip(9).take(3).collect())
}

#[test]
fn a_head_has_to_be_complete_in_time_from_its_first_byte() {
    for start in [0, u32::MAX - 3] {
        let at = |ticks: u32| start.wrapping_add(ticks);
        let mut server = Http1::new(&config(), start);
        assert_eq!(server.deadline(), None);
        server.receive(b"", false, start);
        assert!(server.is_at_rest());
        server.receive(b"G", false, start);
        assert!(!server.is_at_rest());
        server.receive(b"GE", false, at(9));
        assert_eq!(server.deadline(), Some(at(10)));
        assert_eq!(expired(&mut server, at(9)), None);
        assert_eq!(expired(&mut server, at(10)).as_deref(), Some("408"));
        assert_eq!(server.deadline(), None);
    }
}

#[test]
fn silence_before_the_first_head_is_part_of_its_time() {
    let mut server = Http1::new(&config(), 5);
    server.receive(b"G", false, 12);
    assert_eq!(server.deadline(), Some(15));
}

#[test]
fn an_application_has_all_the_time_it_takes() {
    let mut server = asked((*config()).clone(), POST);
    assert_eq!(server.deadline(), None);
    assert_eq!(expired(&mut server, 1_000_000), None);
}

#[test]
fn a_body_that_is_waited_for_has_to_come() {
    let mut server = asked((*config()).clone(), POST);
    server.want_body(100);
    assert_eq!(server.deadline(), Some(130));
    server.receive(b"some", false, 110);
    assert_eq!(server.deadline(), None);
    server.want_body(1_000);
    assert_eq!(expired(&mut server, 1_029), None);
    assert_eq!(expired(&mut server, 1_030).as_deref(), Some("408"));

    let mut server = asked((*config()).clone(), POST);
    server.want_body(0);
    server.answer_started();
    assert_eq!(expired(&mut server, 30).as_deref(), Some(""));
}

#[test]
fn a_body_that_is_collected_has_to_come() {
    let whole = Arc::new(Config {
        whole_bodies: true,
        ..(*config()).clone()
    });
    let mut server = Http1::new(&whole, 0);
    server.receive(POST, false, 0);
    server.receive(&[0; 500], false, 19);
    assert_eq!(server.deadline(), Some(49));
    assert_eq!(expired(&mut server, 49).as_deref(), Some("408"));
}

#[test]
fn a_body_that_drips_is_refused_also_if_the_application_asks_for_every_drop() {
    let mut server = asked((*config()).clone(), POST);
    let mut now = 0;
    let refusal = loop {
        server.want_body(now);
        now += 5;
        match server.receive(b"12345", false, now).step {
            Progress::Refuse(refusal) => break refusal,
            step => assert!(matches!(step, Progress::Message(..)), "{step:?}"),
        }
        assert!(now < 10_000);
        now += 1_000; // the application's own time does not count
    };
    assert_eq!(now, 3 * 1_005 + 5);
    assert_eq!(refusal.reason, "the request's body came too slowly");
}

#[test]
fn a_body_that_comes_fast_enough_is_not_refused() {
    let mut server = asked((*config()).clone(), POST);
    for now in 0..1_000 {
        server.want_body(now);
        let step = server.receive(b"12345", false, now + 1).step;
        assert!(matches!(step, Progress::Message(..)), "{step:?}");
    }
}

#[test]
fn a_pause_is_forgiven_to_a_body_that_came_fast() {
    let mut server = asked((*config()).clone(), POST);
    server.want_body(0);
    server.receive(&[0; 200], false, 1);
    server.want_body(1);
    assert!(matches!(
        server.receive(b"1", false, 30).step,
        Progress::Message(..)
    ));
}

#[test]
fn what_is_drained_has_to_come_too() {
    let mut server = asked((*config()).clone(), POST);
    server.finish(true, 0);
    assert_eq!(server.deadline(), Some(30));
    assert_eq!(expired(&mut server, 30).as_deref(), Some(""));
}

#[test]
fn no_time_counts_in_which_nothing_was_read() {
    let mut server = asked((*config()).clone(), POST);
    server.want_body(0);
    server.resume(1_000); // held from a tick before 30 on
    assert_eq!(server.deadline(), Some(1_030));
    assert_eq!(expired(&mut server, 1_029), None);
    let step = server.receive(b"1", false, 1_019).step; // a 19th tick: too early to judge the rate
    assert!(matches!(step, Progress::Message(..)), "{step:?}");

    let mut server = asked((*config()).clone(), POST);
    server.finish(true, 0);
    server.resume(500);
    assert_eq!(server.deadline(), Some(530));

    let mut server = Http1::new(&config(), 0);
    server.resume(3);
    assert_eq!(server.deadline(), None);
    server.receive(b"G", false, 5);
    assert_eq!(server.deadline(), Some(10));
    server.resume(100);
    assert_eq!(server.deadline(), Some(110));
}
