//! Time as a reactor sees it: ticks of ten milliseconds since it was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use floodway_base::limits::TICK_MILLIS;

const TICK_MICROS: u64 = TICK_MILLIS as u64 * 1_000;

/// Where a reactor's timers take their time from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The monotonic clock.
    Monotonic(Instant),
    /// Moved by hand, in microseconds; for tests.
    Fake(Arc<AtomicU64>),
}

impl Clock {
    /// The monotonic clock, starting now.
    pub fn monotonic() -> Self {
        Self::Monotonic(Instant::now())
    }

    /// Ticks since the start.
    pub fn tick(&self) -> u32 {
        (self.micros() / TICK_MICROS) as u32
    }

    /// How long from now until this tick begins; zero when it has begun.
    pub fn until(&self, tick: u32) -> Duration {
        let now_micros = self.micros();
        let ticks = tick.wrapping_sub((now_micros / TICK_MICROS) as u32);
        if ticks > u32::MAX / 2 {
            return Duration::ZERO;
        }
        let micros = u64::from(ticks) * TICK_MICROS;
        Duration::from_micros(micros.saturating_sub(now_micros % TICK_MICROS))
    }

    fn micros(&self) -> u64 {
        match self {
            Self::Monotonic(start) => start.elapsed().as_micros() as u64,
            Self::Fake(micros) => micros.load(Ordering::SeqCst),
        }
    }
}

/// Ticks of a duration, rounded up, so that nothing fires early: one more than the whole ticks, because the
/// current tick has already begun.
pub fn ticks(duration: Duration) -> u32 {
    let millis = duration.as_millis().min(u128::from(u32::MAX / 4));
    (millis as u32).div_ceil(TICK_MILLIS) + 1
}

/// Seconds of so many ticks.
pub(crate) fn seconds(ticks: u32) -> f64 {
    f64::from(ticks) * f64::from(TICK_MILLIS) / 1e3
}

/// Whether tick `a` lies before tick `b`; ticks wrap.
pub fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) > u32::MAX / 2
}
