//! What a run's counts and marks amount to: its report.

use std::collections::HashMap;

use floodway_sys::Errno;

use crate::fairness::{Service, judge};
use crate::report::{Report, ServerUsage};
use crate::run::{Mark, Run};
use crate::schedule::Schedule;
use crate::usage::Memory;

impl Run<'_> {
    pub(crate) fn server_usage(
        &self,
        start: &Mark,
        connected: &Mark,
        begin: &Mark,
        end: &Mark,
        memory_end: Option<Memory>,
    ) -> Option<ServerUsage> {
        let server = self.server.as_ref()?;
        let cpu_seconds = end.server_cpu.seconds_since(&begin.server_cpu);
        Some(ServerUsage {
            cpu_seconds,
            cpu_per_message: per(cpu_seconds, end.tally.messages - begin.tally.messages),
            connecting_cpu_seconds: connected.server_cpu.seconds_since(&start.server_cpu),
            memory_before: server.before,
            memory_connected: server.connected,
            memory_end: memory_end?,
            peak_resident_bytes: server.peak_resident_bytes,
        })
    }

    pub(crate) fn report(
        &self,
        begin: &Mark,
        end: &Mark,
        server: Option<ServerUsage>,
        unanswered: u64,
        stopped: bool,
    ) -> Report {
        let generator = &self.generator;
        let seconds = (end.at - begin.at) as f64 / 1e9;
        let messages = end.tally.messages - begin.tally.messages;
        let generator_cpu_seconds = end.generator_cpu - begin.generator_cpu;
        let answered = generator
            .connect_latencies
            .summary()
            .map_or(0, |latency| latency.count);
        Report {
            connected: generator.wave.opened.len(),
            failed: by_count(&generator.failed),
            not_attempted: generator.plan.connections - generator.wave.next,
            closed_by_server: generator.closed_by_server,
            broken: by_count(&generator.broken),
            connect_seconds: self.connect_seconds,
            connects_per_second: rate(answered, self.connect_seconds),
            connect_latency: generator.connect_latencies.summary(),
            seconds,
            messages,
            messages_per_second: rate(messages, seconds),
            bytes: end.tally.bytes - begin.tally.bytes,
            bytes_checked: if generator.plan.compares_bytes() {
                generator.total.bytes
            } else {
                0
            },
            bytes_sent: end.tally.bytes_sent - begin.tally.bytes_sent,
            latency: generator.latencies.summary(),
            latency_counts: generator.latencies.counts(),
            unanswered,
            unsent: generator.schedule.as_ref().map_or(0, Schedule::not_taken),
            lateness: generator.lateness.summary(),
            fairness: judge(
                &self.services(),
                generator.plan.has_first_message(),
                stopped,
            ),
            other_statuses: generator.answers.other_statuses(),
            wrong_lengths: generator.answers.wrong_lengths,
            wrong_sums: generator.answers.wrong_sums,
            malformed: generator.answers.malformed(),
            complaints: [generator.tls_complaints(), generator.answers.complaints()].concat(),
            corrupt_bytes: generator.corrupt_bytes,
            first_corruption: generator.first_corruption,
            server,
            generator_cpu_per_message: per(generator_cpu_seconds, messages),
            generator_cpu_seconds,
            stopped,
        }
    }

    fn services(&self) -> Vec<Service> {
        let size = self.generator.message.bytes();
        let active = self.generator.active().iter();
        active
            .map(|&number| {
                let connection = &self.generator.connections[number as usize];
                Service {
                    answers: connection.answers,
                    ever: connection.received >= size,
                }
            })
            .collect()
    }
}

/// The commonest first.
fn by_count(errors: &HashMap<Errno, usize>) -> Vec<(Errno, usize)> {
    let mut all: Vec<_> = errors
        .iter()
        .map(|(&errno, &count)| (errno, count))
        .collect();
    all.sort_by_key(|&(errno, count)| (std::cmp::Reverse(count), errno.raw_os_error()));
    all
}

fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

fn per(seconds: f64, messages: u64) -> Option<f64> {
    (messages > 0).then(|| seconds / messages as f64)
}
