//! The budget of output: what all connections of a reactor have pending together is bounded.
//!
//! # Rules
//! - Bytes that several connections were sent by reference are in memory once, so they count once. Each of the
//!   connections has an equal share of them.
//! - Above the budget, connections are ended until what is left is within it: of those with at least half an average share, the
//!   one first of which the kernel took nothing for longest (less than `SAME_TICKS` are no difference), and among equals the
//!   one that was sent least before, of which the least is known.
//! - It is judged once the kernel had the chance to take what was written.
//!
//! # Theory
//! Whoever reads fast makes progress all the time, and whoever does not read makes none, whatever both have pending; but to
//! end those with little would bring nothing. Half, since a reader that was just sent a large answer has more than those that
//! stopped reading theirs in the middle. Some connection always has the average, so the bound holds for whatever clients do: those that take a byte now and then are ended after those that take none.
//!
//! # Cost
//! A comparison, while the plain sum is within the budget. Above it all that is pending is counted: once in a tick, unless
//! more is pending by then than was shared.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;

use floodway_base::limits::TICK_MILLIS;

use crate::message::{Host, Payload};
use crate::output::OutQueue;
use crate::reactor::Reactor;
use crate::reason::CloseReason;

/// Differences of less than this in how long nothing was taken say nothing about a reader.
const SAME_TICKS: u32 = 200 / TICK_MILLIS;

/// What was found by counting.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// When.
    tick: u32,
    /// How many of the pending bytes were the same as others.
    repeated: u64,
}

/// What queues hold, together.
#[derive(Debug, Default)]
struct Held {
    /// Bytes in memory.
    bytes: u64,
    /// By the address at which a segment ends: how many queues have it, and the most that one has of it.
    segments: HashMap<usize, (u64, u64)>,
}

/// A connection with output.
#[derive(Debug)]
struct Consumer {
    /// The highest goes first.
    rank: (u32, Reverse<u64>),
    share: u64,
    pending: usize,
    index: u32,
}

impl Held {
    fn add<P: Payload>(&mut self, queue: &OutQueue<P>) {
        self.bytes += queue.tail_len() as u64;
        for (end, len) in queue.segments() {
            let len = len as u64;
            let (holders, most) = self.segments.entry(end).or_default();
            self.bytes += len.saturating_sub(*most);
            *most = len.max(*most);
            *holders += 1;
        }
    }

    /// The bytes that a queue which was added answers for.
    fn share<P: Payload>(&self, queue: &OutQueue<P>) -> u64 {
        let shares = queue.segments().map(|(end, _)| {
            let (holders, most) = self.segments.get(&end).copied().unwrap_or((1, 0));
            most / holders
        });
        queue.tail_len() as u64 + shares.sum::<u64>()
    }
}

impl<H: Host> Reactor<H> {
    /// See the module text.
    pub(crate) fn keep_output_budget(&mut self) {
        let budget = self.limits.max_reactor_output;
        loop {
            let queued = self.shared.stats.output_queued.get();
            let is_counted = self.counted.tick == self.now;
            let repeated = if is_counted { self.counted.repeated } else { 0 };
            if queued <= budget.saturating_add(repeated) {
                return;
            }
            let mut held = Held::default();
            for (_, active) in self.connections.actives.iter() {
                held.add(&active.output);
            }
            if held.bytes <= budget {
                self.counted = Counted {
                    tick: self.now,
                    repeated: queued - held.bytes,
                };
                return;
            }
            if !self.end_slowest(&held, budget) {
                return;
            }
        }
    }

    /// Ends connections until what they held is within the budget. Returns whether there were any.
    fn end_slowest(&mut self, held: &Held, budget: u64) -> bool {
        let mut consumers: Vec<_> = self
            .connections
            .slots
            .iter()
            .filter_map(|(index, slot)| {
                let active = self.connections.actives.get(slot.active.checked_sub(1)?)?;
                let waited = self.now.wrapping_sub(active.output_progress) / SAME_TICKS;
                let pending = active.output.len();
                let sent = self.shared.slots.shared(index).bytes_out.load(Relaxed);
                (pending > 0).then(|| Consumer {
                    rank: (waited, Reverse(sent)),
                    share: held.share(&active.output),
                    pending,
                    index,
                })
            })
            .collect();
        let Some(count) = u64::try_from(consumers.len())
            .ok()
            .filter(|count| *count > 0)
        else {
            return false;
        };
        let average = consumers.iter().map(|it| it.share).sum::<u64>() / count;
        consumers.retain(|it| it.share >= average / 2);
        consumers.sort_unstable_by_key(|it| Reverse((it.rank, it.share)));
        let mut bytes = held.bytes;
        for consumer in consumers {
            if bytes <= budget {
                break;
            }
            bytes = bytes.saturating_sub(consumer.share);
            self.notices.output_budget(self.now);
            let reason = CloseReason::SlowConsumer(consumer.pending as u32);
            self.fail(consumer.index, reason);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use floodway_base::BlockPool;

    use super::*;
    use crate::output::OutArea;

    #[derive(Debug)]
    struct Shared(&'static [u8]);

    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            self.0
        }
    }

    impl Payload for Shared {}

    static LONG: [u8; 3_000] = [7; 3_000];

    fn queue(payloads: &[&'static [u8]], own: usize, sent: usize) -> OutQueue<Shared> {
        let (mut area, pool) = (OutArea::new(), BlockPool::new(0));
        let mut queue = OutQueue::new();
        for payload in payloads {
            queue.push(Shared(payload), &area, &pool);
        }
        queue.copy(&vec![1; own], &mut area, &pool);
        queue.leave_area(&area, &pool);
        queue.advance(sent, &mut Vec::new());
        queue
    }

    fn held(queues: &[OutQueue<Shared>]) -> (u64, Vec<u64>) {
        let mut held = Held::default();
        for queue in queues {
            held.add(queue);
        }
        let shares = queues.iter().map(|queue| held.share(queue)).collect();
        (held.bytes, shares)
    }

    #[test]
    fn what_is_sent_to_many_counts_once_and_is_shared_equally() {
        let queues = [
            queue(&[&LONG], 0, 0),
            queue(&[&LONG], 0, 0),
            queue(&[&LONG], 50, 0),
        ];
        assert_eq!(held(&queues), (3_050, vec![1_000, 1_000, 1_050]));
    }

    #[test]
    fn however_much_of_it_each_was_sent() {
        let queues = [queue(&[&LONG], 0, 2_900), queue(&[&LONG], 0, 1_000)];
        assert_eq!(held(&queues), (2_000, vec![1_000, 1_000]));
    }

    #[test]
    fn what_was_copied_counts_for_each() {
        let queues = [
            queue(&[], 70, 0),
            queue(&[], 70, 10),
            queue(&[&LONG[..9], &LONG], 1, 0),
        ];
        assert_eq!(
            held(&queues),
            (70 + 60 + 9 + 3_000 + 1, vec![70, 60, 3_010])
        );
    }

    #[test]
    fn nothing_counts_for_nothing() {
        assert_eq!(held(&[queue(&[&LONG], 5, 3_005)]), (0, vec![0]));
    }
}
