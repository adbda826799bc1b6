//! When a message is due, at a fixed rate.
//!
//! Message k is due k/rate seconds after the schedule began, on connection k mod n, whatever became of the messages
//! before it. Latency counts from that moment. A generator that instead sent "one period after the last answer" would
//! stop asking while the server stalls and so omit the worst from its figures: coordinated omission (Gil Tene).
//!
//! Nothing is stored per message: which messages a connection owes, and when each was due, follows from its number.

/// Times are nanoseconds since the generator's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    begin: u64,
    nanos_per_message: f64,
    /// Over how many connections the messages are dealt out.
    connections: u64,
    /// The number of the next message to be sent.
    next: u64,
    /// No message is due from here on.
    end: u64,
}

impl Schedule {
    pub(crate) fn new(begin: u64, rate: f64, connections: usize) -> Self {
        Self {
            begin,
            nanos_per_message: 1e9 / rate,
            connections: connections as u64,
            next: 0,
            end: u64::MAX,
        }
    }

    /// Ends the schedule. Messages due earlier stay due, however late they are sent.
    pub(crate) fn end_at(&mut self, end: u64) {
        self.end = end;
    }

    /// When the next message is due; None after the last.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let due = self.due(self.next);
        (due < self.end).then_some(due)
    }

    /// How many messages were due before the end and have not been taken. An open schedule has no such number: 0.
    pub(crate) fn not_taken(&self) -> u64 {
        match self.next_due() {
            Some(due) if self.end < u64::MAX => {
                nanos(((self.end - due) as f64 / self.nanos_per_message).ceil())
            }
            Some(_) | None => 0,
        }
    }

    /// Takes the next message if it is due: the slot that sends it, and when it was due.
    pub(crate) fn take(&mut self, now: u64) -> Option<(usize, u64)> {
        let due = self.next_due().filter(|&due| due <= now)?;
        let slot = self.next % self.connections;
        self.next += 1;
        Some((slot as usize, due))
    }

    /// When the `number`th message of a slot was due.
    pub(crate) fn due_of_slot(&self, slot: u32, number: u64) -> u64 {
        self.due(number * self.connections + u64::from(slot))
    }

    fn due(&self, message: u64) -> u64 {
        self.begin + nanos(message as f64 * self.nanos_per_message)
    }
}

/// Rounds down to a whole number.
#[expect(clippy::cast_sign_loss, reason = "positive by the plan's check")]
fn nanos(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_dealt_out_evenly_and_in_time() {
        let mut schedule = Schedule::new(1_000, 1e6, 3);
        assert_eq!(schedule.take(999), None);
        let taken: Vec<_> = std::iter::from_fn(|| schedule.take(5_500)).collect();
        assert_eq!(
            taken,
            [(0, 1_000), (1, 2_000), (2, 3_000), (0, 4_000), (1, 5_000)]
        );
        assert_eq!(schedule.next_due(), Some(6_000));
    }

    #[test]
    fn what_was_due_before_the_end_stays_due() {
        let mut schedule = Schedule::new(0, 1e6, 2);
        assert_eq!(schedule.not_taken(), 0);
        schedule.end_at(3_500);
        assert_eq!(schedule.not_taken(), 4);
        assert_eq!(schedule.take(900_000), Some((0, 0)));
        assert_eq!(schedule.not_taken(), 3);
        assert_eq!(std::iter::from_fn(|| schedule.take(900_000)).count(), 3);
        assert_eq!((schedule.next_due(), schedule.not_taken()), (None, 0));
    }

    #[test]
    fn what_a_slot_owes_follows_from_its_number() {
        let mut schedule = Schedule::new(50, 3.0e4, 7);
        let mut sent = [0_u64; 7];
        while let Some((slot, due)) = schedule.take(10_000_000) {
            assert_eq!(schedule.due_of_slot(slot as u32, sent[slot]), due);
            sent[slot] += 1;
        }
        assert!(sent.iter().all(|&count| count >= 42), "{sent:?}");
    }
}
