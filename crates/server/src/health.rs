//! Readiness: a look at each system behind the server, at most once a second.

use std::sync::Arc;
use std::time::Duration;

use api::{Dependency, Health, Readiness};
use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use kernel::{Clock, Timestamp};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// A look at one system: whether it answers.
pub type Probe = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const REMEMBERED_MS: i64 = 1_000;

/// One system and how to look at it.
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether the server is of no use without it.
    pub is_required: bool,
    /// The look.
    pub probe: Probe,
}

/// All looks, and whether this instance is leaving.
pub struct Checks {
    systems: Vec<Check>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Timestamp, Vec<Dependency>)>>,
}

impl Checks {
    /// These checks; not ready once `stop` is cancelled.
    pub fn new(systems: Vec<Check>, stop: CancellationToken, clock: Arc<dyn Clock>) -> Self {
        Self { systems, stop, clock, last: Mutex::new(None) }
    }

    async fn look(&self) -> Vec<Dependency> {
        join_all(self.systems.iter().map(|check| async {
            let answer = tokio::time::timeout(PROBE_TIMEOUT, (check.probe)()).await;
            Dependency { name: check.name, is_up: answer.unwrap_or(false), is_required: check.is_required }
        }))
        .await
    }
}

#[async_trait]
impl Health for Checks {
    async fn readiness(&self) -> Readiness {
        // Held across the look on purpose: probes that arrive meanwhile share it.
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        let fresh = last.take().filter(|(at, _)| (0..REMEMBERED_MS).contains(&now.millis_since(*at)));
        let (at, dependencies) = match fresh {
            Some(known) => known,
            None => (now, self.look().await),
        };
        *last = Some((at, dependencies.clone()));
        let is_whole = dependencies.iter().all(|one| one.is_up || !one.is_required);
        Readiness { is_ready: is_whole && !self.stop.is_cancelled(), dependencies }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use kernel::ManualClock;

    use super::*;

    fn check(name: &'static str, is_required: bool, up: bool, looks: &Arc<AtomicU32>) -> Check {
        let looks = Arc::clone(looks);
        let probe: Probe = Box::new(move || {
            looks.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { up })
        });
        Check { name, is_required, probe }
    }

    fn checks(list: Vec<Check>) -> (Checks, Arc<ManualClock>, CancellationToken) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let stop = CancellationToken::new();
        (Checks::new(list, stop.clone(), clock.clone()), clock, stop)
    }

    #[tokio::test]
    async fn what_is_not_required_may_be_down() {
        let looks = Arc::default();
        let (one, _, _) =
            checks(vec![check("store", true, true, &looks), check("bus", false, false, &looks)]);
        assert!(one.readiness().await.is_ready);
        let (other, _, _) = checks(vec![check("store", true, false, &looks)]);
        assert!(!other.readiness().await.is_ready);
    }

    #[tokio::test]
    async fn a_server_that_stops_is_not_ready() {
        let (checks, _, stop) = checks(Vec::new());
        assert!(checks.readiness().await.is_ready);
        stop.cancel();
        assert!(!checks.readiness().await.is_ready);
    }

    #[tokio::test]
    async fn many_questions_in_a_second_are_one_look() {
        let looks = Arc::default();
        let (checks, clock, _) = checks(vec![check("store", true, true, &looks)]);
        for _ in 0..10 {
            checks.readiness().await;
        }
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        clock.advance_millis(1_000);
        checks.readiness().await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }
}
