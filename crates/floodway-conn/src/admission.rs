//! How many accepted connections a process may have: one count that all reactors of an engine share.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::seats::Seats;

/// A reactor that has stopped accepting for want of descriptors or memory.
pub(crate) trait Paused: Send + Sync + fmt::Debug {
    /// Something was given back: lets the reactor try again. Any thread.
    fn resume(&self);
}

/// Counts accepted connections against `max_connections` and `max_connections_per_ip`. Descriptors too are the
/// process's, so it also knows which reactors wait for one.
#[derive(Debug)]
pub struct Admission {
    max: Option<usize>,
    count: AtomicUsize,
    per_ip: Option<PerIp>,
    seat: Option<Seat>,
    /// Whether `paused` has entries: all that a close looks at.
    any_paused: AtomicBool,
    paused: Mutex<Vec<Weak<dyn Paused>>>,
}

/// Where other processes see how many connections this one has.
#[derive(Debug)]
pub struct Seat {
    /// The seats of all of them.
    pub seats: Arc<Seats>,
    /// Which one.
    pub index: usize,
    /// As it was given to `Seats::sit`.
    pub generation: u32,
}

#[derive(Debug)]
struct PerIp {
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    /// Limits; None: no limit. `seat`: where to tell other processes how many there are.
    pub fn new(max: Option<usize>, max_per_ip: Option<usize>, seat: Option<Seat>) -> Self {
        Self {
            max,
            count: AtomicUsize::new(0),
            per_ip: max_per_ip.map(|max| PerIp {
                max,
                counts: Mutex::default(),
            }),
            seat,
            any_paused: AtomicBool::new(false),
            paused: Mutex::default(),
        }
    }

    /// Counts one more connection, unless a limit is reached. Peers without an IP address share no limit.
    #[must_use]
    pub fn enter(&self, ip: Option<IpAddr>) -> bool {
        let admitted = self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < self.max.unwrap_or(usize::MAX)).then_some(count + 1)
            })
            .is_ok();
        if admitted && let (Some(per_ip), Some(ip)) = (&self.per_ip, ip) {
            let mut counts = per_ip.lock();
            let count = counts.entry(ip).or_default();
            if *count >= per_ip.max {
                self.count.fetch_sub(1, Ordering::Relaxed);
                return false;
            }
            *count += 1;
        }
        if admitted {
            self.tell_seat(1);
        }
        admitted
    }

    /// Takes its seat: others may hand over connections from now on. Before the first is counted.
    pub fn sit(&self) {
        if let Some(seat) = &self.seat {
            seat.seats.sit(seat.index, seat.generation, self.max);
        }
    }

    fn tell_seat(&self, change: i32) {
        if let Some(seat) = &self.seat {
            seat.seats.count(seat.index, seat.generation, change);
        }
    }

    /// Sockets that another process had handed over to a seat have come, perhaps on its behalf.
    pub(crate) fn taken_over(&self, seat: usize, sockets: usize) {
        if let Some(own) = &self.seat {
            own.seats.take(seat, sockets);
        }
    }

    /// Counts one connection less, whose socket is closed.
    pub fn leave(&self, ip: Option<IpAddr>) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.tell_seat(-1);
        if let (Some(per_ip), Some(ip)) = (&self.per_ip, ip) {
            let mut counts = per_ip.lock();
            if let Some(count) = counts.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&ip);
                }
            }
        }
        self.descriptor_freed();
    }

    /// Lets this reactor know once a descriptor was closed. One that is closed before this takes effect is missed: the
    /// reactor's back-off makes up for that.
    pub(crate) fn wait_for_descriptor(&self, reactor: Weak<dyn Paused>) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if !paused.iter().any(|other| other.ptr_eq(&reactor)) {
            paused.push(reactor);
        }
        self.any_paused.store(true, Ordering::Release);
    }

    /// A descriptor was closed: reactors that wait for one try again. One load while nobody waits.
    pub(crate) fn descriptor_freed(&self) {
        if self.any_paused.load(Ordering::Relaxed) {
            self.resume_paused();
        }
    }

    #[cold]
    fn resume_paused(&self) {
        let waiting = {
            let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
            self.any_paused.store(false, Ordering::Relaxed);
            std::mem::take(&mut *paused)
        };
        for reactor in waiting.iter().filter_map(Weak::upgrade) {
            reactor.resume();
        }
    }

    /// How many more connections the limit of the process allows now.
    pub fn room(&self) -> usize {
        self.max
            .map_or(usize::MAX, |max| max.saturating_sub(self.count()))
    }

    /// Connections counted now.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The limit of the process.
    pub fn max(&self) -> Option<usize> {
        self.max
    }
}

impl PerIp {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
