//! The kernel's ports answered by this process: the clock, the task tracker and the CSPRNG of the system.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use kernel::{Clock, Entropy, Tasks, Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The system's clock, corrected by an offset so that all instances on one database agree on leases.
#[derive(Debug, Default)]
pub struct SystemClock {
    offset_millis: AtomicI64,
}

/// Differences up to here are the time that asking takes, and not worth a jump of the clock.
const TOLERATED_MS: i64 = 500;

impl SystemClock {
    /// Shows `reference` from now on if it differs by more than a trifle, and counts on from there.
    pub fn correct(&self, reference: Timestamp) {
        let difference = reference.millis_since(self.now());
        if difference.abs() > TOLERATED_MS {
            let offset = reference.millis_since(system_now());
            self.offset_millis.store(offset, Ordering::Relaxed);
            tracing::warn!(
                offset,
                "this machine's clock differs from the database's by {offset} ms; corrected"
            );
        }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        system_now().plus_millis(self.offset_millis.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, at: Timestamp) {
        let distance = time_to(at, self.now());
        tokio::time::sleep(distance).await;
        // A clock that is slowed down lacks a little. One that was set back by an hour lacks an hour, and leases
        // and sweeps cannot wait for that: so never longer than was asked for.
        tokio::time::sleep(time_to(at, self.now()).min(distance)).await;
    }
}

/// Nothing where `at` has passed.
fn time_to(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.millis_since(now)).unwrap_or(0))
}

#[expect(clippy::disallowed_methods, reason = "the one home of the system's clock")]
fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Tasks that a stopping server waits for.
#[derive(Debug, Clone)]
pub struct TrackedTasks {
    tracker: TaskTracker,
    runtime: Handle,
}

impl TrackedTasks {
    /// Runs tasks on this runtime, whichever thread spawns them.
    pub fn on(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime }
    }

    /// Waits until no task is left, at most so long. Whether none is left.
    pub async fn finish(&self, longest: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(longest, self.tracker.wait()).await.is_ok()
    }

    /// For tasks without an end of their own: nobody waits for them, and they end when `stop` is cancelled.
    pub fn lasting(&self, stop: CancellationToken) -> Arc<dyn Tasks> {
        Arc::new(LastingTasks { stop, runtime: self.runtime.clone() })
    }

    /// Tasks at work.
    pub fn count(&self) -> usize {
        self.tracker.len()
    }
}

impl Tasks for TrackedTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tracker.spawn_on(contained(task), &self.runtime);
    }
}

struct LastingTasks {
    stop: CancellationToken,
    runtime: Handle,
}

impl Tasks for LastingTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let stop = self.stop.clone();
        self.runtime.spawn(async move { stop.run_until_cancelled(contained(task)).await });
    }
}

/// A panic inside stays inside.
async fn contained(task: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        tracing::error!("a background task panicked; what it had begun is left to the sweeps");
    }
}

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let filled = getrandom::fill(buffer);
        assert!(filled.is_ok(), "without the system's randomness no token can be made");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrected_clock_shows_the_reference() {
        let clock = SystemClock::default();
        clock.correct(Timestamp::from_millis(1_000_000));
        let shown = clock.now().millis_since(Timestamp::from_millis(1_000_000));
        assert!((0..5_000).contains(&shown), "{shown}");
    }

    #[test]
    fn a_trifle_is_not_worth_a_jump() {
        let clock = SystemClock::default();
        clock.correct(clock.now().plus_millis(100));
        assert_eq!(clock.offset_millis.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_not_hold_up_a_sleeper() {
        let clock = SystemClock::default();
        let due = clock.now().plus_millis(50);
        let sleeper = tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(due));
        let set_back = async { clock.correct(clock.now().plus_millis(-3_600_000)) };
        let (slept, ()) = tokio::join!(sleeper, set_back);
        assert!(slept.is_ok());
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come() {
        let clock = SystemClock::default();
        let due = clock.now().plus_millis(20);
        clock.sleep_until(due).await;
        assert!(clock.now() >= due);
    }

    #[tokio::test]
    async fn a_task_that_panics_does_not_hold_up_the_end() {
        let tasks = TrackedTasks::on(Handle::current());
        tasks.spawn(Box::pin(async { panic!("on purpose") }));
        assert!(tasks.finish(Duration::from_secs(5)).await);
    }

    #[test]
    fn randomness_does_not_repeat() {
        let (mut first, mut second) = ([0_u8; 16], [0_u8; 16]);
        OsEntropy.fill(&mut first);
        OsEntropy.fill(&mut second);
        assert_ne!(first, second);
    }
}
