//! What processes know of each other's loads: a line of numbers for each worker, in memory that all of them share.
//!
//! # Rules
//! - Connections are handed to a *seat*: to whoever serves there. Its load is what that process owns, and what was handed
//!   over and not taken yet; the one who hands over raises it when it chooses, so that a crowd does not go to one seat.
//! - A worker that is being replaced keeps counting while it drains, and must not count into its successor's number: the
//!   number of owned connections and the generation of the process that owns them are one word.
//! - What was handed to a seat whose process has died waits for the next one there, so those counts outlive it.

use std::sync::atomic::{AtomicU64, Ordering};

use floodway_sys::Errno;
use floodway_sys::shared_memory::SharedNumbers;

/// Numbers of one seat: a cache line, since different processes write to different seats.
const SEAT_NUMBERS: usize = 8;
/// In the upper half the generation of the process that serves there, 0 for nobody; in the lower what it owns.
const OWNED: usize = 0;
/// The most connections that it may own.
const MAX: usize = 1;
/// Sockets handed over to the seat.
const GIVEN: usize = 2;
/// Sockets taken there.
const TAKEN: usize = 3;

/// See the module text.
#[derive(Debug)]
pub struct Seats(SharedNumbers);

impl Seats {
    /// So many seats in which nobody serves.
    ///
    /// # Errors
    /// What the kernel said: `ENOMEM`, or `EINVAL` for none.
    pub fn new(seats: usize) -> Result<Self, Errno> {
        SharedNumbers::new(seats.saturating_mul(SEAT_NUMBERS)).map(Self)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len() / SEAT_NUMBERS
    }

    /// Whether there are none, which `new` refuses.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This process serves there from now on and owns nothing yet. `generation` is above 0 and no earlier one's.
    pub fn sit(&self, seat: usize, generation: u32, max: Option<usize>) {
        let max = max.map_or(u64::MAX, |max| max as u64);
        self.number(seat, MAX).store(max, Ordering::Relaxed);
        self.number(seat, OWNED)
            .store(u64::from(generation) << 32, Ordering::Release);
    }

    /// Whoever served there in this generation is gone; without effect if somebody else sits there by now.
    pub fn vacate(&self, seat: usize, generation: u32) {
        let owned = self.number(seat, OWNED);
        let _ = owned.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
            (generation_of(word) == generation).then_some(0)
        });
    }

    /// Whether somebody serves there.
    pub fn is_occupied(&self, seat: usize) -> bool {
        generation_of(self.number(seat, OWNED).load(Ordering::Acquire)) != 0
    }

    /// Connections owned there, or on their way.
    pub fn load(&self, seat: usize) -> usize {
        let owned = self.number(seat, OWNED).load(Ordering::Acquire) as u32;
        owned as usize + self.waiting(seat)
    }

    /// Of the first `seats` seats those to which connections may be handed over now, with their loads.
    pub fn open(&self, seats: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..seats.min(self.len()))
            .filter(|&seat| self.is_occupied(seat) && self.room(seat) > 0)
            .map(|seat| (seat, self.load(seat)))
    }

    /// How many more connections may be handed over.
    pub fn room(&self, seat: usize) -> usize {
        let max = self.number(seat, MAX).load(Ordering::Relaxed);
        usize::try_from(max)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.load(seat))
    }

    /// Sockets handed over and not taken yet.
    pub fn waiting(&self, seat: usize) -> usize {
        let taken = self.number(seat, TAKEN).load(Ordering::Acquire);
        let given = self.number(seat, GIVEN).load(Ordering::Acquire);
        given.saturating_sub(taken) as usize
    }

    /// Counts sockets that are about to be handed over.
    pub fn give(&self, seat: usize, sockets: usize) {
        self.number(seat, GIVEN)
            .fetch_add(sockets as u64, Ordering::AcqRel);
    }

    /// Counts sockets that came, or that after `give` were not handed over.
    pub fn take(&self, seat: usize, sockets: usize) {
        self.number(seat, TAKEN)
            .fetch_add(sockets as u64, Ordering::AcqRel);
    }

    /// Counts connections that begin (or with a negative number end) in the process of this generation.
    pub(crate) fn count(&self, seat: usize, generation: u32, change: i32) {
        let owned = self.number(seat, OWNED);
        let _ = owned.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
            let counted = (word as u32).wrapping_add_signed(change);
            (generation_of(word) == generation)
                .then_some(u64::from(generation) << 32 | u64::from(counted))
        });
    }

    fn number(&self, seat: usize, which: usize) -> &AtomicU64 {
        &self.0[seat * SEAT_NUMBERS + which]
    }
}

fn generation_of(word: u64) -> u32 {
    (word >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_what_is_owned_and_what_is_on_its_way() {
        let seats = Seats::new(2).unwrap();
        seats.sit(1, 1, Some(10));
        seats.give(1, 3);
        assert_eq!((seats.load(1), seats.room(1), seats.load(0)), (3, 7, 0));
        seats.count(1, 1, 1);
        seats.take(1, 1);
        assert_eq!((seats.load(1), seats.waiting(1)), (3, 2));
        seats.count(1, 1, -1);
        assert_eq!(seats.load(1), 2);
    }

    #[test]
    fn who_was_replaced_counts_into_nobody_elses_number() {
        let seats = Seats::new(1).unwrap();
        seats.sit(0, 1, None);
        seats.count(0, 1, 5);
        seats.sit(0, 2, None);
        seats.count(0, 2, 1);
        seats.count(0, 1, -5);
        assert_eq!(seats.load(0), 1);
        seats.vacate(0, 1);
        assert!(seats.is_occupied(0));
        seats.vacate(0, 2);
        assert!(!seats.is_occupied(0) && seats.load(0) == 0);
    }

    #[test]
    fn what_waits_for_a_seat_outlives_who_served_there() {
        let seats = Seats::new(1).unwrap();
        seats.sit(0, 1, Some(4));
        seats.give(0, 2);
        seats.vacate(0, 1);
        seats.sit(0, 2, Some(4));
        assert_eq!((seats.load(0), seats.room(0)), (2, 2));
    }
}
