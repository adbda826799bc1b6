//! `FakeClock`: time for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use floodway_conn::Clock;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A clock that moves only when told to; a reactor made with it fires timers by it. Any thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    pub(crate) fn clock(&self) -> Clock {
        Clock::Fake(self.0.clone())
    }
}

#[pymethods]
impl FakeClock {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    /// Move on by so many seconds. A reactor notices at its next poll: wake it.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        let micros = std::time::Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("seconds={seconds}: {error}")))?
            .as_micros() as u64;
        self.0.fetch_add(micros, Ordering::SeqCst);
        Ok(())
    }

    /// Seconds since the clock was made.
    fn now(&self) -> f64 {
        self.0.load(Ordering::SeqCst) as f64 / 1e6
    }
}
