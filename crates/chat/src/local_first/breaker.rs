//! Whether the shared bus is worth asking now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Clock, Timestamp};

/// After a failure one probe is made this often.
const PROBE_EVERY_MS: i64 = 1_000;

/// Open after a failure, until a probe succeeds.
pub(super) struct Breaker {
    clock: Arc<dyn Clock>,
    /// When the next probe is due; `None` while all is well.
    probe_at: Mutex<Option<Timestamp>>,
}

impl Breaker {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, probe_at: Mutex::default() }
    }

    /// Whether something failed and nothing has succeeded since.
    pub(super) fn is_open(&self) -> bool {
        self.probe_at().is_some()
    }

    /// Something failed. Whether it is the first failure.
    pub(super) fn trip(&self) -> bool {
        let mut probe_at = self.probe_at();
        let was_closed = probe_at.is_none();
        *probe_at = Some(self.clock.now().plus_millis(PROBE_EVERY_MS));
        was_closed
    }

    /// Whether the caller is to make the probe that is due.
    pub(super) fn claim_probe(&self) -> bool {
        let now = self.clock.now();
        let mut probe_at = self.probe_at();
        let is_due = probe_at.is_some_and(|at| at <= now);
        if is_due {
            *probe_at = Some(now.plus_millis(PROBE_EVERY_MS));
        }
        is_due
    }

    /// Something succeeded. Whether that was news.
    pub(super) fn close(&self) -> bool {
        self.probe_at().take().is_some()
    }

    fn probe_at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.probe_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
