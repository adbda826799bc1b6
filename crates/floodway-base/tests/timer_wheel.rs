//! The wheel against a sorted list, over the wrap of its ticks.
#![cfg(not(loom))]
#![allow(clippy::cast_sign_loss, reason = "ticks are time modulo 2^32")]

use floodway_base::{TimerId, TimerWheel};
use floodway_testkit::config;
use proptest::prelude::*;

const REVOLUTION: u32 = 8_192;
const HORIZON: u32 = u32::MAX / 2;

fn advance(wheel: &mut TimerWheel<u32>, now: u32) -> Vec<u32> {
    let mut expired = Vec::new();
    wheel.advance(now, &mut expired);
    expired.into_iter().map(|(_, owner)| owner).collect()
}

#[test]
fn a_timer_fires_at_its_deadline_and_not_a_tick_before() {
    let mut wheel = TimerWheel::new(u32::MAX - 5);
    wheel.arm(10, 1);
    assert_eq!(wheel.next_wake(), Some(10));
    assert!(advance(&mut wheel, 9).is_empty());
    assert_eq!(advance(&mut wheel, 10), [1]);
    assert!(wheel.is_empty() && wheel.next_wake().is_none());
}

#[test]
fn what_has_passed_fires_at_the_next_advance_even_in_the_same_tick() {
    let mut wheel = TimerWheel::new(100);
    wheel.arm(100, 1);
    wheel.arm(7, 2);
    assert_eq!(wheel.next_wake(), Some(100));
    assert_eq!(advance(&mut wheel, 100), [1, 2]);
}

#[test]
fn later_revolutions_are_passed_over() {
    let mut wheel = TimerWheel::new(0);
    let far = wheel.arm(5 + 3 * REVOLUTION, 1);
    wheel.arm(5, 2);
    assert_eq!(advance(&mut wheel, 5 + 2 * REVOLUTION), [2]);
    assert_eq!((wheel.deadline(far), wheel.len()), (5 + 3 * REVOLUTION, 1));
    assert_eq!(advance(&mut wheel, 4 + 3 * REVOLUTION), []);
    assert_eq!(advance(&mut wheel, 5 + 3 * REVOLUTION), [1]);
}

#[test]
fn a_clock_that_goes_back_moves_nothing() {
    let mut wheel = TimerWheel::new(100);
    wheel.arm(101, 1);
    assert!(advance(&mut wheel, 50).is_empty());
    assert_eq!(advance(&mut wheel, 101), [1]);
}

#[test]
fn timers_of_one_tick_fire_in_the_order_in_which_they_were_armed() {
    let mut wheel = TimerWheel::new(0);
    let ids: Vec<_> = (0..5).map(|owner| wheel.arm(9, owner)).collect();
    wheel.rearm(ids[1], 9);
    assert_eq!(wheel.cancel(ids[3]), 3);
    assert_eq!(advance(&mut wheel, 9), [0, 2, 4, 1]);
}

#[test]
fn a_hundred_thousand_idle_timeouts_come_and_go() {
    let count = if cfg!(miri) { 2_000 } else { 100_000 };
    let mut wheel = TimerWheel::new(0);
    let ids: Vec<_> = (0..count)
        .map(|owner| wheel.arm(6_000 + owner % 100, owner))
        .collect();
    for id in ids.iter().step_by(2) {
        wheel.rearm(*id, 12_000);
    }
    assert_eq!(advance(&mut wheel, 6_100).len() as u32, count / 2);
    assert_eq!(advance(&mut wheel, 12_000).len() as u32, count / 2);
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Arm(i32),
    Rearm(usize, i32),
    Cancel(usize),
    Advance(u32),
    AdvanceToNextWake,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let ahead = || {
        let revolution = REVOLUTION.cast_signed();
        prop_oneof![
            4 => -20..200_i32,
            2 => revolution - 3..revolution + 3,
            1 => 0..5 * revolution,
            1 => Just(HORIZON.cast_signed()),
            1 => Just(i32::MIN + 1),
        ]
    };
    let ticks = prop_oneof![
        4 => 0..100_u32,
        2 => REVOLUTION - 3..REVOLUTION + 3,
        1 => 0..10 * REVOLUTION,
        1 => Just(HORIZON),
    ];
    prop_oneof![
        4 => ahead().prop_map(Arm),
        1 => (any::<usize>(), ahead()).prop_map(|(which, ahead)| Rearm(which, ahead)),
        1 => any::<usize>().prop_map(Cancel),
        2 => ticks.prop_map(Advance),
        1 => Just(AdvanceToNextWake),
    ]
}

/// A timer as the list knows it, in ticks that do not wrap.
struct Entry {
    id: TimerId,
    owner: u32,
    deadline: i64,
    /// When it can fire first, and which of those of the same tick it is: the order to expect.
    rank: (i64, u32),
}

struct Checked {
    wheel: TimerWheel<u32>,
    list: Vec<Entry>,
    now: i64,
    armed: u32,
}

impl Checked {
    fn new(start: u32) -> Self {
        Self {
            wheel: TimerWheel::new(start),
            list: Vec::new(),
            now: start.into(),
            armed: 0,
        }
    }

    fn perform(&mut self, operation: Operation) {
        use Operation::*;
        self.armed += 1;
        let armed = self.armed;
        let (now, count) = (self.now, self.list.len());
        let rank = |deadline: i64| (deadline.max(now), armed);
        match operation {
            Arm(ahead) => {
                let deadline = now + i64::from(ahead);
                let id = self.wheel.arm(deadline as u32, armed);
                self.list.push(Entry {
                    id,
                    owner: armed,
                    deadline,
                    rank: rank(deadline),
                });
            }
            Rearm(which, ahead) if count > 0 => {
                let entry = &mut self.list[which % count];
                entry.deadline = now + i64::from(ahead);
                entry.rank = rank(entry.deadline);
                self.wheel.rearm(entry.id, entry.deadline as u32);
            }
            Cancel(which) if count > 0 => {
                let entry = self.list.swap_remove(which % count);
                assert_eq!(self.wheel.cancel(entry.id), entry.owner);
            }
            Advance(ticks) => self.advance(ticks),
            AdvanceToNextWake => {
                let ticks = self
                    .wheel
                    .next_wake()
                    .map_or(0, |tick| tick.wrapping_sub(now as u32));
                self.advance(ticks);
            }
            Rearm(..) | Cancel(_) => {}
        }
    }

    fn advance(&mut self, ticks: u32) {
        self.now += i64::from(ticks);
        let now = self.now;
        let mut expected: Vec<_> = self
            .list
            .extract_if(.., |entry| entry.deadline <= now)
            .collect();
        expected.sort_by_key(|entry| entry.rank);
        let mut expected: Vec<_> = expected
            .iter()
            .map(|entry| (entry.id, entry.owner))
            .collect();

        let mut expired = Vec::new();
        self.wheel.advance(now as u32, &mut expired);
        if ticks >= REVOLUTION {
            // Buckets are then met in another order than ticks.
            expected.sort_by_key(|&(_, owner)| owner);
            expired.sort_by_key(|&(_, owner)| owner);
        }
        assert_eq!(expired, expected);
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.list.len());
        for entry in &self.list {
            assert_eq!(self.wheel.deadline(entry.id), entry.rank.0 as u32);
        }
        let earliest = self
            .list
            .iter()
            .map(|entry| entry.deadline.max(self.now))
            .min();
        let wake = self.wheel.next_wake();
        assert_eq!(wake.is_some(), earliest.is_some());
        if let (Some(wake), Some(earliest)) = (wake, earliest) {
            let early = (earliest as u32).wrapping_sub(wake);
            assert!(
                early <= (earliest - self.now) as u32,
                "{wake} is not between now and {earliest}"
            );
            assert!(early % REVOLUTION == 0 || self.list.len() > 1);
        }
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn it_fires_what_a_sorted_list_would(
        start in prop_oneof![Just(0), u32::MAX - 300..=u32::MAX, any::<u32>()],
        operations in prop::collection::vec(operation(), 0..if cfg!(miri) { 20 } else { 100 }),
    ) {
        let mut checked = Checked::new(start);
        for operation in operations {
            checked.perform(operation);
            checked.check();
        }
    }
}
