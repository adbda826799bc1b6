//! Reads limits and options from Python objects by their attributes' names.

use std::time::Duration;

use floodway_conn::{Framing, OutputPolicy, ReactorLimits, Route, Wanted};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Offsets of a route's events, and bits of `interest`.
pub(crate) const ROUTE_OPEN: u32 = 0;
pub(crate) const ROUTE_DATA: u32 = 1;
pub(crate) const ROUTE_WRITABLE: u32 = 2;
pub(crate) const ROUTE_CLOSE: u32 = 3;
pub(crate) const ROUTE_EVENTS: u32 = 4;

fn attribute<'py, T>(limits: &Bound<'py, PyAny>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    limits.getattr(name)?.extract()
}

/// Seconds as a duration; None stays None.
pub(crate) fn duration(name: &str, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    seconds
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|error| {
                PyValueError::new_err(format!("{name} is {seconds} seconds: {error}"))
            })
        })
        .transpose()
}

/// The limits of a reactor.
pub(crate) fn reactor_limits(limits: &Bound<'_, PyAny>) -> PyResult<ReactorLimits> {
    Ok(ReactorLimits {
        read_chunk: attribute(limits, "read_chunk")?,
        max_ready: attribute(limits, "max_ready")?,
        max_batch: attribute(limits, "max_batch")?,
        max_reactor_output: attribute(limits, "max_reactor_output")?,
    })
}

/// What a listener's or connector's connections have in common.
pub(crate) fn route(
    interest: u32,
    framing: Framing,
    limits: &Bound<'_, PyAny>,
    keepalive: Option<f64>,
    nodelay: bool,
    serialized: bool,
) -> PyResult<Route> {
    let wants = |event: u32| interest & 1 << event != 0;
    let policy: String = attribute(limits, "output_policy")?;
    let output_policy = match policy.as_str() {
        "close" => OutputPolicy::Close,
        "drop" => OutputPolicy::Drop,
        "error" => OutputPolicy::Error,
        other => {
            return Err(PyValueError::new_err(format!(
                "output_policy is {other:?}; write \"close\", \"drop\" or \"error\""
            )));
        }
    };
    let backlog: usize = attribute(limits, "thread_backlog_bytes")?;
    Ok(Route {
        wanted: Wanted {
            open: wants(ROUTE_OPEN),
            data: wants(ROUTE_DATA),
            writable: wants(ROUTE_WRITABLE),
            close: wants(ROUTE_CLOSE),
        },
        sessions: None,
        handshake_timeout: duration("handshake_timeout", attribute(limits, "handshake_timeout")?)?
            .unwrap_or(Duration::MAX),
        framing,
        max_input: attribute(limits, "max_input")?,
        high_water: attribute(limits, "high_water")?,
        low_water: attribute(limits, "low_water")?,
        max_output: attribute(limits, "max_output")?,
        output_policy,
        idle_timeout: duration("idle_timeout", attribute(limits, "idle_timeout")?)?,
        write_timeout: duration("write_timeout", attribute(limits, "write_timeout")?)?,
        keepalive: duration("keepalive", keepalive)?,
        nodelay,
        thread_backlog: serialized.then_some(backlog),
    })
}
