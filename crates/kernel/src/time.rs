//! Time as a port: services ask [`Clock`], pure functions take a [`Timestamp`].

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::channel::oneshot;
use serde::{Deserialize, Serialize};

/// A moment, in Unix milliseconds. Databases store the same integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Unix milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment and `millis` more; stays at the end of time on overflow.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This moment and `seconds` more.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this; negative if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The time now, and waiting for another.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present moment. MUST NOT block.
    fn now(&self) -> Timestamp;

    /// Returns when [`Clock::now`] is at or past `at`; MUST return at once if it already is.
    async fn sleep_until(&self, at: Timestamp);
}

/// A clock that a test moves by hand; sleepers wake when it passes them.
pub struct ManualClock {
    state: Mutex<Hands>,
}

struct Hands {
    now: Timestamp,
    sleepers: Vec<(Timestamp, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { state: Mutex::new(Hands { now, sleepers: Vec::new() }) }
    }

    /// Moves the clock forward and wakes whoever slept until then.
    pub fn advance_millis(&self, millis: i64) {
        let mut hands = self.hands();
        hands.now = hands.now.plus_millis(millis);
        let now = hands.now;
        let (due, waiting): (Vec<_>, Vec<_>) = hands.sleepers.drain(..).partition(|(at, _)| *at <= now);
        hands.sleepers = waiting;
        drop(hands);
        for (_, sleeper) in due {
            // A sleeper that was dropped meanwhile has nobody to tell.
            let _ = sleeper.send(());
        }
    }

    /// How many sleep: lets a test wait until the code under test waits.
    pub fn sleeper_count(&self) -> usize {
        self.hands().sleepers.iter().filter(|(_, sleeper)| !sleeper.is_canceled()).count()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }

    async fn sleep_until(&self, at: Timestamp) {
        let woken = {
            let mut hands = self.hands();
            if hands.now >= at {
                return;
            }
            let (sleeper, woken) = oneshot::channel();
            hands.sleepers.push((at, sleeper));
            woken
        };
        // The clock owns the sender until it fires; if the clock is gone, so is the reason to wait.
        let _ = woken.await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_sleeper_wakes_when_the_clock_passes_it() {
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let mut sleep = clock.sleep_until(Timestamp::from_millis(10));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance_millis(9);
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance_millis(1);
        assert!((&mut sleep).now_or_never().is_some());
    }

    #[test]
    fn a_moment_that_has_passed_is_not_waited_for() {
        let clock = ManualClock::at(Timestamp::from_millis(5));
        assert!(clock.sleep_until(Timestamp::from_millis(5)).now_or_never().is_some());
    }
}
