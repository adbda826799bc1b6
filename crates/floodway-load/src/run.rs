//! The phases of a run: connecting, warming up, running, closing.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use floodway_sys::epoll::Flags;
use floodway_sys::limits;

use crate::error::LoadError;
use crate::generator::{Generator, Pace, Tally};
use crate::plan::{Mode, Plan};
use crate::progress::{Phase, Progress};
use crate::report::Report;
use crate::schedule::Schedule;
use crate::server::Server;
use crate::usage::CpuSnapshot;

const PROGRESS_NANOS: u64 = 200_000_000;
/// How long the end waits for answers that are due.
const DRAIN_NANOS: u64 = 1_000_000_000;
/// How often it looks whether there are any.
const LOOK_NANOS: u64 = 5_000_000;

/// Runs a plan to its end, or until `stop` is set (looked at every 50 ms at the latest), and reports.
///
/// Blocks the calling thread, which does all the work. `progress` is called at the beginning of each phase and five
/// times a second; what it does delays the load. Connections that fail are figures of the report, not errors.
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use floodway_load::{LoadError, Plan, run};
///
/// let elsewhere: std::net::SocketAddr = "192.0.2.1:80".parse()?;
/// let plan = Plan { connections: 50, ..Plan::new(elsewhere.into()) };
/// let refused = run(&plan, &AtomicBool::new(false), &mut |progress| println!("{}", progress.phase));
/// assert!(matches!(refused, Err(LoadError::NotLoopback(_))));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn run(
    plan: &Plan,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, LoadError> {
    plan.check()?;
    let server = match plan.pid {
        Some(pid) => Some(Server::new(pid)?),
        None => None,
    };
    let generator = Generator::new(plan, stop)?;
    let teller = Teller {
        progress,
        phase: Phase::Connecting,
        phase_began: 0,
        last: 0,
        last_messages: 0,
    };
    Run {
        generator,
        server,
        teller,
        connect_seconds: 0.0,
    }
    .run()
}

pub(crate) struct Run<'a> {
    pub(crate) generator: Generator<'a>,
    pub(crate) server: Option<Server>,
    teller: Teller<'a>,
    pub(crate) connect_seconds: f64,
}

/// What was used and counted up to a moment. A process that the server starts later than connecting is not seen.
pub(crate) struct Mark {
    pub(crate) at: u64,
    pub(crate) tally: Tally,
    pub(crate) generator_cpu: f64,
    pub(crate) server_cpu: CpuSnapshot,
}

/// Tells the caller where the run is.
struct Teller<'a> {
    progress: &'a mut dyn FnMut(Progress),
    phase: Phase,
    phase_began: u64,
    last: u64,
    last_messages: u64,
}

impl Run<'_> {
    fn run(mut self) -> Result<Report, LoadError> {
        let start = self.mark();
        self.connect()?;
        self.connect_seconds = self.generator.wave.seconds();
        if let Some(server) = &mut self.server {
            server.tree.refresh();
        }
        let connected = self.mark();
        if let Some(server) = &mut self.server {
            server.connected = server.memory();
        }
        self.enter(Phase::WarmingUp);
        // Now, since the caller may have taken its time: it is told before the first message is due.
        self.begin_load();
        self.load_for(self.generator.plan.warmup_seconds)?;

        self.generator.is_counting = true;
        self.generator.is_recording = true;
        self.enter(Phase::Running);
        let begin = self.mark();
        let seconds = self.generator.plan.seconds;
        if let Some(schedule) = &mut self.generator.schedule {
            schedule.end_at(begin.at + nanos(seconds));
        }
        self.load_for(seconds)?;
        let end = self.mark();
        self.generator.is_counting = false;
        let stopped = self.generator.is_stopped();

        self.enter(Phase::Draining);
        self.drain()?;
        let unanswered = self.record_unanswered();
        // Reading a large process's memory takes milliseconds: not while answers are awaited.
        let memory_end = self.server.as_mut().map(Server::memory);
        self.enter(Phase::Closing);
        let server = self.server_usage(&start, &connected, &begin, &end, memory_end);
        let report = self.report(&begin, &end, server, unanswered, stopped);
        self.generator.close_all();
        Ok(report)
    }

    fn connect(&mut self) -> Result<(), LoadError> {
        self.enter(Phase::Connecting);
        self.generator.begin_connecting();
        loop {
            let until = self.tell_if_time();
            if self.generator.is_stopped() || !self.generator.connect_turn(until)? {
                return Ok(());
            }
        }
    }

    /// Sets the pace of the plan, and lets every connection begin.
    fn begin_load(&mut self) {
        let generator = &mut self.generator;
        let now = generator.now();
        match (generator.plan.mode, generator.plan.rate) {
            (Mode::Idle, _) => {}
            (Mode::Echo, Some(rate)) => {
                generator.pace = Pace::Scheduled;
                // With nobody to send on there is no schedule either.
                let active = generator.active().len();
                generator.schedule = (active > 0).then(|| Schedule::new(now, rate, active));
            }
            (Mode::Echo, None) => {
                generator.pace = Pace::ClosedLoop;
                for slot in 0..generator.active().len() {
                    let number = generator.active()[slot] as usize;
                    let connection = &generator.connections[number];
                    // The others follow when their first message is answered.
                    if connection.open_fd().is_some() && connection.received == connection.due {
                        let now = generator.now();
                        generator.send_next(number, now);
                    }
                }
            }
            (Mode::Handshake, _) => {
                generator.pace = Pace::Handshakes;
                for number in 0..generator.connections.len() {
                    generator.say_goodbye(number);
                }
            }
            (Mode::Flood, _) => {
                generator.pace = Pace::Flood;
                for number in 0..generator.connections.len() {
                    generator.watch(number, Flags::IN | Flags::OUT);
                }
            }
        }
    }

    /// Keeps the load up for some seconds, or until nobody is left or the run is stopped.
    fn load_for(&mut self, seconds: f64) -> Result<(), LoadError> {
        let end = self.generator.now() + nanos(seconds);
        loop {
            let until = self.tell_if_time().min(end);
            let generator = &mut self.generator;
            let now = generator.now();
            if now >= end
                || generator.is_stopped()
                || generator.is_deserted()
                || generator.is_hopeless()
            {
                return Ok(());
            }
            generator.send_scheduled(now);
            let next_due = generator.schedule.as_ref().and_then(Schedule::next_due);
            generator.turn(until, next_due)?;
        }
    }

    /// Sends nothing that was not due in the measured time, and waits for the answers; but not for long.
    fn drain(&mut self) -> Result<(), LoadError> {
        let generator = &mut self.generator;
        let pace = std::mem::replace(&mut generator.pace, Pace::Rest);
        if matches!(pace, Pace::Flood | Pace::Handshakes) {
            return Ok(());
        }
        let end = generator.now() + DRAIN_NANOS;
        // Whether all have been answered is asked of all, so not after every turn.
        while generator.now() < end && !generator.is_stopped() && generator.owes_answers() {
            let look_again = generator.now() + LOOK_NANOS;
            while generator.now() < look_again {
                generator.send_scheduled(generator.now());
                generator.turn(look_again, None)?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        self.teller.phase = phase;
        self.teller.phase_began = self.generator.now();
        self.tell();
    }

    /// Tells the caller if it is time to; returns when it will be again.
    fn tell_if_time(&mut self) -> u64 {
        if self.generator.now() >= self.teller.last + PROGRESS_NANOS {
            self.tell();
        }
        self.teller.last + PROGRESS_NANOS
    }

    fn tell(&mut self) {
        let now = self.generator.now();
        let messages = self.generator.total.messages;
        let teller = &mut self.teller;
        let since_last = now.saturating_sub(teller.last).max(1) as f64 / 1e9;
        let view = Progress {
            phase: teller.phase,
            seconds: now.saturating_sub(teller.phase_began) as f64 / 1e9,
            open: self.generator.open,
            messages,
            messages_per_second: (messages - teller.last_messages) as f64 / since_last,
            latency: self.generator.latencies.summary(),
            server_resident_bytes: self.server.as_mut().map(Server::resident_bytes),
        };
        (teller.last, teller.last_messages) = (now, messages);
        (teller.progress)(view);
    }

    fn mark(&self) -> Mark {
        Mark {
            server_cpu: self
                .server
                .as_ref()
                .map(|server| server.tree.cpu())
                .unwrap_or_default(),
            tally: self.generator.total,
            generator_cpu: limits::thread_cpu_time().as_secs_f64(),
            at: self.generator.now(),
        }
    }

    /// Lets messages that are still unanswered count with the time they have waited; returns how many those are.
    fn record_unanswered(&mut self) -> u64 {
        let generator = &mut self.generator;
        if generator.plan.mode == Mode::Handshake {
            let patience = generator.now().saturating_sub(DRAIN_NANOS);
            return generator.not_ended_since(patience);
        }
        if !generator.plan.has_first_message() {
            return 0;
        }
        let (now, size) = (generator.now(), generator.message.bytes());
        let mut unanswered = 0;
        for number in 0..generator.connections.len() {
            let connection = &generator.connections[number];
            if connection.open_fd().is_none() {
                continue;
            }
            for message in connection.received / size..connection.due / size {
                unanswered += 1;
                if generator.plan.mode == Mode::Echo {
                    let origin = generator.origin_of(number, message);
                    generator.latencies.record(now.saturating_sub(origin));
                }
            }
        }
        unanswered
    }
}

/// Seconds of the plan, which are few enough.
fn nanos(seconds: f64) -> u64 {
    Duration::from_secs_f64(seconds).as_nanos() as u64
}
