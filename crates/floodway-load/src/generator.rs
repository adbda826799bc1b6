//! The event loop: what happens to a connection that is writable or over; `receiving` has what happens to a readable one.
//!
//! The phases (`run`) decide *when* connections send, by setting the pace; this file only follows it.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use floodway_sys::epoll::{Epoll, EventBuffer, Flags};
use floodway_sys::{Errno, Timer};

use crate::answers::Answers;
use crate::area::Area;
use crate::connecting::Wave;
use crate::connection::{Connection, Link};
use crate::error::{LoadError, failed_to};
use crate::latency::Recorder;
use crate::message::Message;
use crate::pattern::{Pattern, SLICE_BYTES_MAX};
use crate::plan::Plan;
use crate::report::Corruption;
use crate::schedule::Schedule;
use crate::secure::Encryption;

/// Events per wait. A larger batch saves waits; a smaller one adds less of its own processing to the latencies in it.
const EVENTS_PER_WAIT: usize = 128;
/// The longest wait: how soon a stop and the end of a phase are noticed.
const WAIT_MAX_NANOS: u64 = 50_000_000;
/// Messages sent between two waits, so that a rate beyond all reach still reads answers and notices a stop.
const SCHEDULED_PER_TURN: usize = 1_024;
/// The timer's key; all others are numbers of connections.
const TIMER: u64 = u64::MAX;

/// What a connection does once it has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nothing: the message was its only one, or the run is ending.
    Rest,
    /// It sends the next message at once.
    ClosedLoop,
    /// Nothing: messages are sent when the schedule says so.
    Scheduled,
    /// It sends all the time anyway.
    Flood,
    /// It is never answered, but ended by the server, and opened anew.
    Handshakes,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) bytes_sent: u64,
}

/// Everything of a run. Times are nanoseconds since its start.
pub(crate) struct Generator<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) connections: Vec<Connection>,
    pub(crate) open: usize,
    /// Handshake mode: connections that are being opened anew.
    pub(crate) reopening: usize,
    pub(crate) wave: Wave,
    pub(crate) pace: Pace,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) message: Message,
    pub(crate) encryption: Option<Encryption>,
    /// Of an HTTP server.
    pub(crate) answers: Answers,

    /// Over the whole run.
    pub(crate) total: Tally,
    pub(crate) corrupt_bytes: u64,
    pub(crate) first_corruption: Option<Corruption>,
    pub(crate) failed: HashMap<Errno, usize>,
    pub(crate) broken: HashMap<Errno, usize>,
    pub(crate) closed_by_server: usize,
    /// Connections whose encryption failed, which are among those that failed or broke, and why the first did.
    pub(crate) tls_failures: usize,
    pub(crate) first_tls_failure: Option<String>,
    pub(crate) connect_latencies: Recorder,
    /// Of the measured time: while it lasts, answers count for their connection.
    pub(crate) is_counting: bool,
    /// Of the measured time and the wait for its last answers.
    pub(crate) is_recording: bool,
    pub(crate) latencies: Recorder,
    pub(crate) lateness: Recorder,

    stop: &'a AtomicBool,
    start: Instant,
    pub(crate) pattern: Pattern,
    pub(crate) epoll: Epoll,
    events: EventBuffer,
    timer: Timer,
    timer_set_for: Option<u64>,
    pub(crate) area: Area,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(plan: &'a Plan, stop: &'a AtomicBool) -> Result<Self, LoadError> {
        let epoll = Epoll::new().map_err(failed_to("make an epoll instance"))?;
        let timer = Timer::new().map_err(failed_to("make a timer"))?;
        epoll
            .add(timer.as_fd(), TIMER, Flags::IN)
            .map_err(failed_to("wait for a timer"))?;
        Ok(Self {
            plan,
            connections: (0..plan.connections).map(Connection::new).collect(),
            open: 0,
            reopening: 0,
            wave: Wave::new(),
            pace: Pace::Rest,
            schedule: None,
            message: Message::of(plan),
            encryption: Encryption::new(plan)?,
            answers: Answers::new(plan),
            total: Tally::default(),
            corrupt_bytes: 0,
            first_corruption: None,
            failed: HashMap::new(),
            broken: HashMap::new(),
            closed_by_server: 0,
            tls_failures: 0,
            first_tls_failure: None,
            connect_latencies: Recorder::new(),
            is_counting: false,
            is_recording: false,
            latencies: Recorder::new(),
            lateness: Recorder::new(),
            stop,
            start: Instant::now(),
            pattern: Pattern::new(),
            epoll,
            events: EventBuffer::with_capacity(EVENTS_PER_WAIT),
            timer,
            timer_set_for: None,
            area: Area::new(),
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until something happens, until `precisely` or, to the millisecond, `until`; handles what happened.
    pub(crate) fn turn(&mut self, until: u64, precisely: Option<u64>) -> Result<(), LoadError> {
        let now = self.now();
        let deadline = precisely.map_or(until, |moment| until.min(moment));
        let wait = deadline.saturating_sub(now).min(WAIT_MAX_NANOS);
        if wait > 0 {
            self.set_timer(precisely.filter(|&moment| moment == deadline), now)?;
        }
        match self
            .epoll
            .wait(&mut self.events, Some(Duration::from_nanos(wait)))
        {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed_to("wait for the connections")(errno)),
        }
        let mut next = 0;
        while let Some((key, flags)) = self.events.get(next) {
            next += 1;
            if key != TIMER {
                self.handle(key as usize, flags);
            }
        }
        Ok(())
    }

    /// Makes the messages due that the schedule says are, and sends them.
    pub(crate) fn send_scheduled(&mut self, now: u64) {
        let size = self.message.bytes();
        for _ in 0..SCHEDULED_PER_TURN {
            let taken = self
                .schedule
                .as_mut()
                .and_then(|schedule| schedule.take(now));
            let Some((slot, due)) = taken else { return };
            let number = self.wave.opened[slot] as usize;
            self.connections[number].due += size;
            if self.is_recording {
                self.lateness.record(now - due);
            }
            if !self.connections[number].is_blocked {
                self.send(number);
            }
        }
    }

    /// Whether an opened connection takes part in the load: those that were opened first do.
    pub(crate) fn is_active(&self, number: usize) -> bool {
        let slot = self.connections[number].slot as usize;
        self.plan.active.is_none_or(|active| slot < active)
    }

    /// The connections that take part in the load, in the order of their slots.
    pub(crate) fn active(&self) -> &[u32] {
        let opened = &self.wave.opened;
        &opened[..self.plan.active.unwrap_or(usize::MAX).min(opened.len())]
    }

    /// Sends the first message or the next one.
    pub(crate) fn send_next(&mut self, number: usize, now: u64) {
        let connection = &mut self.connections[number];
        connection.due += self.message.bytes();
        connection.sent_at = now;
        self.send(number);
    }

    /// Sends what is due, and hears of the socket's being writable exactly while something is left.
    pub(crate) fn send(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let (sent, was_blocked) = (connection.sent, connection.is_blocked);
        let outcome = connection.send_due(&self.message, &self.pattern);
        self.total.bytes_sent += connection.sent - sent;
        if let Err(errno) = outcome {
            return self.end(number, Some(errno));
        }
        let is_blocked = connection.is_blocked;
        if is_blocked != was_blocked {
            let interest = if is_blocked {
                Flags::IN | Flags::OUT
            } else {
                Flags::IN
            };
            self.watch(number, interest);
        }
    }

    /// Changes what is heard of an open connection.
    pub(crate) fn watch(&mut self, number: usize, interest: Flags) {
        let Some(fd) = self.connections[number].open_fd() else {
            return;
        };
        if let Err(errno) = self.epoll.modify(fd, number as u64, interest) {
            self.end(number, Some(errno));
        }
    }

    /// From when the latency of a connection's message counts: when it was sent, or due.
    pub(crate) fn origin_of(&self, number: usize, message: u64) -> u64 {
        let connection = &self.connections[number];
        match &self.schedule {
            // The first message was sent before the schedule began.
            Some(schedule) if message > 0 => schedule.due_of_slot(connection.slot, message - 1),
            Some(_) | None => connection.sent_at,
        }
    }

    fn handle(&mut self, number: usize, flags: Flags) {
        match self.connections[number].link {
            Link::Open(_) => {
                if flags.intersects(Flags::IN | Flags::ERR | Flags::HUP) {
                    self.receive(number);
                }
                // Meanwhile it may have ended, and been opened anew.
                let is_open = self.connections[number].open_fd().is_some();
                if flags.contains(Flags::OUT) && is_open {
                    self.continue_sending(number);
                }
            }
            Link::Connecting(_) => self.finish_connecting(number),
            Link::Unopened | Link::Ended => {}
        }
    }

    fn continue_sending(&mut self, number: usize) {
        match self.pace {
            Pace::Flood => self.flood(number),
            Pace::Rest | Pace::ClosedLoop | Pace::Scheduled | Pace::Handshakes => {
                self.send(number);
            }
        }
    }

    /// One send as long as the kernel may take. The socket stays watched for room, so the next turn continues.
    fn flood(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let sent = connection.sent;
        match connection.send_once(&self.message, &self.pattern, SLICE_BYTES_MAX) {
            Ok(_) => self.total.bytes_sent += connection.sent - sent,
            Err(errno) => self.end(number, Some(errno)),
        }
    }

    /// Whether nobody is left to load.
    pub(crate) fn is_deserted(&self) -> bool {
        self.open == 0 && self.reopening == 0
    }

    /// Whether messages are due that have not been sent, or not been answered on connections still open.
    pub(crate) fn owes_answers(&self) -> bool {
        let mut open = self
            .connections
            .iter()
            .filter(|connection| connection.open_fd().is_some());
        let is_unsent = self
            .schedule
            .as_ref()
            .is_some_and(|schedule| schedule.not_taken() > 0);
        is_unsent || open.any(|connection| connection.received < connection.due)
    }

    /// Whether the server was asked and has not answered a single connection.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.plan.has_first_message() && self.connect_latencies.is_empty()
    }

    /// Sets the timer, or clears it: one that has passed stays readable.
    fn set_timer(&mut self, moment: Option<u64>, now: u64) -> Result<(), LoadError> {
        if self.timer_set_for != moment {
            let after = moment.map(|moment| Duration::from_nanos(moment - now));
            self.timer.set(after).map_err(failed_to("set a timer"))?;
            self.timer_set_for = moment;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounded to epoll's milliseconds, every one of these waits would take at least one. The quickest is what counts:
    /// how long the scheduler lets a woken thread wait is not ours to promise.
    #[test]
    fn a_precise_moment_is_not_rounded_to_milliseconds() {
        let plan = Plan::new(
            "127.0.0.1:9"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        );
        let stop = AtomicBool::new(false);
        let mut generator = Generator::new(&plan, &stop).unwrap();
        let waits = (0..100).map(|_| {
            let begin = generator.now();
            generator
                .turn(begin + 1_000_000_000, Some(begin + 300_000))
                .unwrap();
            generator.now() - begin
        });
        let quickest = waits.min().unwrap();
        assert!((300_000..900_000).contains(&quickest), "{quickest}");
    }
}
