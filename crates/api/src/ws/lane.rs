//! A connection's operations, begun in the order in which they came.
//!
//! They run apart from the connection, so that what was begun ends although the client hangs up, and side by side, so
//! that one that waits for a commit holds up none behind it. One task runs them while there are any.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};
use kernel::Tasks;

/// The operations of one connection.
pub(crate) struct Lane {
    tasks: Arc<dyn Tasks>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<BoxFuture<'static, ()>>,
    waker: Option<Waker>,
    is_running: bool,
}

impl Lane {
    pub(crate) fn new(tasks: Arc<dyn Tasks>) -> Arc<Self> {
        Arc::new(Self { tasks, state: Mutex::default() })
    }

    /// Begins an operation after those that were begun before. The caller bounds how many there are.
    pub(crate) fn begin(self: &Arc<Self>, operation: impl Future<Output = ()> + Send + 'static) {
        // A panic ends its own operation only.
        let operation = AssertUnwindSafe(operation).catch_unwind().map(|_outcome| ()).boxed();
        let mut state = self.lock();
        state.waiting.push_back(operation);
        if state.is_running {
            let waker = state.waker.take();
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else {
            state.is_running = true;
            drop(state);
            let lane = Arc::clone(self);
            let mut running = FuturesUnordered::new();
            self.tasks.spawn(Box::pin(std::future::poll_fn(move |context| lane.run(&mut running, context))));
        }
    }

    /// Ready when nothing is left to do.
    fn run(
        &self,
        running: &mut FuturesUnordered<BoxFuture<'static, ()>>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let mut state = self.lock();
            running.extend(state.waiting.drain(..));
            if running.is_empty() {
                state.is_running = false;
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            drop(state);
            if Pin::new(&mut *running).poll_next(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::oneshot;

    use super::*;

    struct Spawned;

    impl Tasks for Spawned {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            tokio::runtime::Handle::current().spawn(task);
        }
    }

    #[tokio::test]
    async fn operations_begin_in_order_and_do_not_wait_for_each_other() {
        let lane = Lane::new(Arc::new(Spawned));
        let begun = Arc::new(Mutex::new(Vec::new()));
        let (release, held) = oneshot::channel::<()>();
        let (done, seen) = oneshot::channel::<()>();
        let note = |number: u32| {
            let begun = Arc::clone(&begun);
            move || begun.lock().unwrap().push(number)
        };
        let (first, second, third) = (note(1), note(2), note(3));
        lane.begin(async move {
            first();
            let _ = held.await;
        });
        lane.begin(async move {
            second();
            panic!("a defect");
        });
        lane.begin(async move {
            third();
            let _ = done.send(());
        });
        seen.await.unwrap();
        assert_eq!(*begun.lock().unwrap(), [1, 2, 3]);
        assert!(lane.lock().is_running);
        release.send(()).unwrap();
        while lane.lock().is_running {
            tokio::task::yield_now().await;
        }
    }
}
