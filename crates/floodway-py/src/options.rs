//! Reads limits and options from Python objects by their attributes' names.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use floodway_app::http1::{Bodies, Config, Http1, Message};
use floodway_conn::{Outlet, OutputPolicy, ReactorLimits, Route, Wanted, ticks};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::framing::{Framing, Http};
use crate::tls::Tls;

/// The most bytes of a body that is kept in memory until it is complete, unless a limit says otherwise.
const MAX_WHOLE_BODY_BYTES: u64 = 16 << 20;

/// The seconds over which the rate of a request's body is judged.
const RATE_SECONDS: u64 = 10;

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

/// The budget of a reactor's bodies.
pub(crate) fn bodies(limits: &Bound<'_, PyAny>) -> PyResult<Arc<Bodies>> {
    let most = attribute(limits, "max_reactor_bodies")?;
    Ok(Arc::new(Bodies::new(most)))
}

/// What a listener's or connector's connections have in common.
#[allow(clippy::too_many_arguments, reason = "what `add_route` is given")]
pub(crate) fn route(
    interest: u32,
    framing: &Framing,
    limits: &Bound<'_, PyAny>,
    keepalive: Option<f64>,
    nodelay: bool,
    serialized: bool,
    outlet: Option<Outlet<Message>>,
    tls: Option<&Tls<'_>>,
    bodies: &Arc<Bodies>,
) -> PyResult<Route<Http1>> {
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
    let protocol = match &framing.1 {
        Some(http) => Some(Arc::new(http1_config(http, limits, bodies)?)),
        None => None,
    };
    let idle_timeout = match protocol {
        Some(_) => "keep_alive_timeout",
        None => "idle_timeout",
    };
    Ok(Route {
        local: OnceLock::new(),
        wanted: Wanted {
            open: wants(ROUTE_OPEN),
            data: wants(ROUTE_DATA) || outlet.is_some(),
            writable: wants(ROUTE_WRITABLE),
            close: wants(ROUTE_CLOSE),
        },
        sessions: tls.map(Tls::sessions),
        handshake_timeout: duration("handshake_timeout", attribute(limits, "handshake_timeout")?)?
            .unwrap_or(Duration::MAX),
        framing: framing.0.clone(),
        protocol,
        outlet,
        silence_timeout: duration("head_timeout", attribute(limits, "head_timeout")?)?,
        max_input: attribute(limits, "max_input")?,
        high_water: attribute(limits, "high_water")?,
        low_water: attribute(limits, "low_water")?,
        max_output: attribute(limits, "max_output")?,
        output_policy,
        idle_timeout: duration(idle_timeout, attribute(limits, idle_timeout)?)?,
        write_timeout: duration("write_timeout", attribute(limits, "write_timeout")?)?,
        keepalive: duration("keepalive", keepalive)?,
        nodelay,
        thread_backlog: serialized.then_some(backlog),
    })
}

/// The limits of HTTP.
fn http1_config(http: &Http, limits: &Bound<'_, PyAny>, bodies: &Arc<Bodies>) -> PyResult<Config> {
    let seconds = |name: &str| -> PyResult<u32> {
        let timeout = duration(name, attribute(limits, name)?)?;
        Ok(ticks(timeout.unwrap_or(Duration::MAX)))
    };
    let max_body = limits.getattr("max_body")?;
    let max_body = if max_body.is_instance_of::<PyString>() {
        http.whole_bodies.then_some(MAX_WHOLE_BODY_BYTES) // "auto"
    } else {
        max_body.extract()?
    };
    let most = http.whole_bodies.then(|| bodies.most());
    let rate: Option<u64> = attribute(limits, "min_body_rate")?;
    Ok(Config {
        max_body: max_body.into_iter().chain(most).min(), // 413: there would never be room for more
        whole_bodies: http.whole_bodies,
        bodies: Arc::clone(bodies),
        max_head_bytes: attribute(limits, "max_head")?,
        max_headers: attribute(limits, "max_headers")?,
        max_target_bytes: attribute(limits, "max_target")?,
        head_ticks: seconds("head_timeout")?,
        body_ticks: seconds("body_timeout")?,
        min_body_rate: (
            rate.unwrap_or(0) * RATE_SECONDS,
            ticks(Duration::from_secs(RATE_SECONDS)),
        ),
        server: http.server.clone(),
        ..Config::default()
    })
}
