//! Whether a body that is waited for comes fast enough.

use super::config::Config;
use super::refusal::Refused;

/// Counts only while somebody waits: a peer is not slow because an application is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    /// When the waiting began, or when something last came.
    since: u32,
    /// Ticks of waiting that are not judged yet, up to `since`.
    waited: u32,
    /// Bytes that came in them.
    bytes: u64,
}

impl Meter {
    /// One for a body that is waited for from now on.
    pub(super) fn starting(now: u32) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    /// The waiting begins, or goes on.
    pub(super) fn wait(&mut self, now: u32) {
        self.since = now;
    }

    /// When it has lasted too long with nothing coming.
    pub(super) fn deadline(&self, config: &Config) -> u32 {
        self.since.wrapping_add(config.body_ticks)
    }

    /// So many bytes have come.
    pub(super) fn progress(
        &mut self,
        bytes: usize,
        now: u32,
        config: &Config,
    ) -> Result<(), Refused> {
        let (least, ticks) = config.min_body_rate;
        self.waited = self.waited.saturating_add(now.wrapping_sub(self.since));
        self.since = now;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.waited < ticks.max(1) {
            return Ok(());
        }
        let expected = u128::from(least) * u128::from(self.waited);
        if u128::from(self.bytes) * u128::from(ticks) < expected {
            return Err(Refused::new(408, "the request's body came too slowly"));
        }
        (self.waited, self.bytes) = (0, 0);
        Ok(())
    }
}
