//! `load`: the native load generator, with its plan and report in Python's terms.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use floodway_load::{
    Expected, Latency, LoadError, Method, Mode, Phase, Plan, Progress, Report, Request,
};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{address, gate};

/// Put load on an echo server, or with a `target` on an HTTP server, on this machine and return a `LoadReport`. With a
/// `server_name` connections are encrypted, and whoever answers is believed. Blocks, detached from the interpreter;
/// `progress(phase, connections open, messages per second)` is called several times a second, and a signal ends it.
///
/// Raises ValueError for a plan that cannot be run, OSError for what the system refuses.
#[pyfunction]
#[pyo3(signature = (address, *, connections, mode, rate, size, seconds, pid, progress = None, active = None,
    connect_rate = None, first_source = None, target = None, host = "", method = "GET", expect_echo = false,
    additions = None, server_name = None))]
#[allow(
    clippy::too_many_arguments,
    reason = "one for each flag of `floodway load`"
)]
pub(crate) fn load(
    py: Python<'_>,
    address: &Bound<'_, PyAny>,
    connections: usize,
    mode: &str,
    rate: Option<f64>,
    size: usize,
    seconds: f64,
    pid: Option<u32>,
    progress: Option<Py<PyAny>>,
    active: Option<usize>,
    connect_rate: Option<f64>,
    first_source: Option<IpAddr>,
    target: Option<String>,
    host: &str,
    method: &str,
    expect_echo: bool,
    additions: Option<u64>,
    server_name: Option<String>,
) -> PyResult<Py<PyAny>> {
    let mode = match mode {
        "echo" => Mode::Echo,
        "idle" => Mode::Idle,
        "flood" => Mode::Flood,
        "handshake" => Mode::Handshake,
        other => {
            return Err(PyValueError::new_err(format!(
                "mode is {other:?}; write \"echo\", \"idle\", \"flood\" or \"handshake\""
            )));
        }
    };
    let request = match target {
        None => None,
        Some(target) => Some(Request {
            method: method_of(method)?,
            target,
            host: host.to_owned(),
            expected: expected_of(expect_echo, additions)?,
        }),
    };
    let plan = Plan {
        connections,
        server_name,
        request,
        mode,
        rate,
        size,
        seconds,
        pid,
        active,
        connect_rate,
        first_source: match first_source {
            None => Ipv4Addr::LOCALHOST,
            Some(IpAddr::V4(source)) => source,
            Some(IpAddr::V6(source)) => {
                return Err(PyValueError::new_err(format!(
                    "{source} is no IPv4 address"
                )));
            }
        },
        ..Plan::new(address::from_python(address)?)
    };
    let stop = AtomicBool::new(false);
    let mut failure = None;
    let report = gate::detached(py, || {
        floodway_load::run(&plan, &stop, &mut |now: Progress| {
            if failure.is_some() {
                return; // it is stopping; an error that took this one's place would be dropped detached
            }
            let told = gate::attached(|py| {
                py.check_signals()?;
                if let Some(progress) = &progress {
                    progress.call1(
                        py,
                        (phase_name(now.phase), now.open, now.messages_per_second),
                    )?;
                }
                Ok(())
            });
            if let Err(error) = told {
                failure = Some(error);
                stop.store(true, Ordering::Relaxed);
            }
        })
    });
    match (failure, report) {
        (Some(failure), _) => Err(failure),
        (None, Ok(report)) => to_python(py, &report),
        (None, Err(LoadError::System { errno, .. })) => Err(PyOSError::new_err((
            errno.raw_os_error(),
            std::io::Error::from(errno).to_string(),
        ))),
        (None, Err(error)) => Err(PyValueError::new_err(error.to_string())),
    }
}

fn method_of(name: &str) -> PyResult<Method> {
    match name {
        "GET" => Ok(Method::Get),
        "POST" => Ok(Method::Post),
        other => Err(PyValueError::new_err(format!(
            "method is {other:?}; write \"GET\" or \"POST\""
        ))),
    }
}

fn expected_of(expect_echo: bool, additions: Option<u64>) -> PyResult<Expected> {
    match (expect_echo, additions) {
        (false, None) => Ok(Expected::OneLength),
        (true, None) => Ok(Expected::Echo),
        (false, Some(additions)) => Ok(Expected::Sum(additions)),
        (true, Some(_)) => Err(PyValueError::new_err(
            "an answer is the echo or the sum of its body, not both; leave expect_echo or additions away",
        )),
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::WarmingUp => "warming up",
        Phase::Running => "running",
        Phase::Draining => "draining",
        Phase::Closing => "closing",
    }
}

fn to_python(py: Python<'_>, report: &Report) -> PyResult<Py<PyAny>> {
    let fields = PyDict::new(py);
    let sum =
        |counts: &[(floodway_load::Errno, usize)]| counts.iter().map(|(_, n)| n).sum::<usize>();
    let latency = report.latency.as_ref();
    let of = |pick: fn(&Latency) -> f64| latency.map(pick);
    let server = report.server.as_ref();
    let mut verdict = report.complaints.clone();
    verdict.push(report.fairness.reason.clone());
    fields.set_item("connected", report.connected)?;
    fields.set_item("failed", sum(&report.failed) + report.not_attempted)?;
    let ended = report.closed_by_server + sum(&report.broken);
    fields.set_item("broken", ended as u64 + report.malformed)?;
    let answered = report.connect_latency.map_or(0, |latency| latency.count);
    fields.set_item("answered", answered)?;
    fields.set_item("connects_per_second", report.connects_per_second)?;
    fields.set_item("messages", report.messages)?;
    fields.set_item("messages_per_second", report.messages_per_second)?;
    fields.set_item("unanswered", report.unanswered)?;
    fields.set_item("p50", of(|latency| latency.p50))?;
    fields.set_item("p90", of(|latency| latency.p90))?;
    fields.set_item("p99", of(|latency| latency.p99))?;
    fields.set_item("p999", of(|latency| latency.p999))?;
    fields.set_item("max", of(|latency| latency.max))?;
    fields.set_item(
        "lateness_p99",
        report.lateness.as_ref().map(|lateness| lateness.p99),
    )?;
    fields.set_item("per_connection_min", report.fairness.min)?;
    fields.set_item("per_connection_mean", report.fairness.mean)?;
    fields.set_item("per_connection_max", report.fairness.max)?;
    fields.set_item("fair", report.fairness.fair)?;
    fields.set_item("verdict", verdict.join("; "))?;
    let statuses: BTreeMap<_, _> = report.other_statuses.iter().copied().collect();
    fields.set_item("other_statuses", statuses)?;
    fields.set_item("wrong_lengths", report.wrong_lengths)?;
    fields.set_item("wrong_sums", report.wrong_sums)?;
    fields.set_item("malformed", report.malformed)?;
    fields.set_item("latency_counts", &report.latency_counts)?;
    fields.set_item("bytes_checked", report.bytes_checked)?;
    fields.set_item("corrupt_bytes", report.corrupt_bytes)?;
    fields.set_item(
        "server_cpu_seconds",
        server.map(|server| server.cpu_seconds),
    )?;
    fields.set_item(
        "cpu_per_message",
        server.and_then(|server| server.cpu_per_message),
    )?;
    let memory = |pick: fn(&floodway_load::ServerUsage) -> floodway_load::Memory| {
        server.map(|server| pick(server).resident_bytes)
    };
    fields.set_item("server_rss_before", memory(|server| server.memory_before))?;
    fields.set_item(
        "server_rss_with_connections",
        memory(|server| server.memory_connected),
    )?;
    fields.set_item("server_rss_end", memory(|server| server.memory_end))?;
    fields.set_item(
        "generator_cpu_per_message",
        report.generator_cpu_per_message,
    )?;
    let class = py.import("floodway.conn.stats")?.getattr("LoadReport")?;
    Ok(class.call((), Some(&fields))?.unbind())
}
