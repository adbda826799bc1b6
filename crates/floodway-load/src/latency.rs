//! How long answers took.

use hdrhistogram::Histogram;

/// Latencies below 100 ns do not occur over sockets; all others are kept to three digits, up to one day.
const LOWEST_NANOS: u64 = 100;
const HIGHEST_NANOS: u64 = 86_400_000_000_000;
const DIGITS: u8 = 3;

/// Percentiles, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// How many were recorded.
    pub count: u64,
    /// Half were at most this.
    pub p50: f64,
    /// Nine in ten were at most this.
    pub p90: f64,
    /// 99 in a hundred were at most this.
    pub p99: f64,
    /// 999 in a thousand were at most this.
    pub p999: f64,
    /// None was longer.
    pub max: f64,
}

/// Collects latencies in nanoseconds.
#[derive(Debug)]
pub(crate) struct Recorder {
    histogram: Histogram<u64>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NANOS, HIGHEST_NANOS, DIGITS);
        Self {
            histogram: histogram.expect("the bounds are constants that the histogram accepts"),
        }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.histogram.saturating_record(nanos);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// What was recorded so far, as (seconds, how many), ascending, to the recorder's three digits.
    pub(crate) fn counts(&self) -> Vec<(f64, u64)> {
        self.histogram
            .iter_recorded()
            .map(|value| {
                (
                    value.value_iterated_to() as f64 / 1e9,
                    value.count_at_value(),
                )
            })
            .collect()
    }

    /// What was recorded so far; None if that is nothing.
    pub(crate) fn summary(&self) -> Option<Latency> {
        if self.is_empty() {
            return None;
        }
        // One pass for all of them: this is also asked for while the load runs.
        let mut seconds = [0.0; 5];
        let quantiles = [0.5, 0.9, 0.99, 0.999, 1.0];
        for (second, nanos) in seconds
            .iter_mut()
            .zip(self.histogram.value_at_quantiles(quantiles))
        {
            *second = nanos as f64 / 1e9;
        }
        let [p50, p90, p99, p999, max] = seconds;
        Some(Latency {
            count: self.histogram.len(),
            p50,
            p90,
            p99,
            p999,
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut recorder = Recorder::new();
        assert_eq!(recorder.summary(), None);
        for micros in 1..=1_000 {
            recorder.record(micros * 1_000);
        }
        let latency = recorder.summary().unwrap();
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 2e-3;
        assert_eq!(latency.count, 1_000);
        assert!(
            near(latency.p50, 500e-6) && near(latency.p90, 900e-6),
            "{latency:?}"
        );
        assert!(
            near(latency.p99, 990e-6) && near(latency.p999, 999e-6),
            "{latency:?}"
        );
        assert!(near(latency.max, 1e-3), "{latency:?}");
        let counts = recorder.counts();
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
        assert!(
            near(counts[counts.len() - 1].0, 1e-3)
                && counts.is_sorted_by(|one, next| one.0 < next.0)
        );
    }

    #[test]
    fn the_extremes_are_kept() {
        let mut recorder = Recorder::new();
        recorder.record(0);
        recorder.record(u64::MAX);
        assert_eq!(recorder.summary().unwrap().count, 2);
    }
}
