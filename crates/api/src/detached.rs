//! Writes that outlive their connection.
//!
//! A client that hangs up drops the future of its handler, which could cut a transaction in two. What changes
//! anything therefore runs as a task of its own, and the handler only waits for its answer.

use std::future::{Future, Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures::channel::oneshot;
use kernel::Tasks;

use crate::problem::Problem;

/// A service whose writes outlive the connection that asked for them.
pub struct Writes<S> {
    service: Arc<S>,
    tasks: Arc<dyn Tasks>,
}

impl<S> Writes<S> {
    /// The service, for reading.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The service, for a write of which it is only a part.
    pub fn shared(&self) -> Arc<S> {
        Arc::clone(&self.service)
    }

    /// Runs a write to its end whatever becomes of the caller, and answers with its outcome.
    pub async fn run<T, E, F>(&self, work: impl FnOnce(Arc<S>) -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        detached(&self.tasks, work(Arc::clone(&self.service))).await
    }
}

impl<S: 'static> FromRequest for Writes<S> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let service = request.app_data::<web::Data<S>>();
        let tasks = request.app_data::<web::Data<Arc<dyn Tasks>>>();
        let Some((service, tasks)) = service.zip(tasks) else {
            return ready(Err(Problem::internal("a service is not wired")));
        };
        let service = Arc::clone(service);
        ready(Ok(Self { service, tasks: Arc::clone(tasks.get_ref()) }))
    }
}

/// Runs `work` to its end whatever becomes of the caller, and answers with its outcome. A panic inside is an
/// internal problem.
pub async fn detached<T, E>(
    tasks: &Arc<dyn Tasks>,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    let (answer, outcome) = oneshot::channel();
    tasks.spawn(Box::pin(async move {
        // Nobody may be there to hear the answer any more.
        let _ = answer.send(work.await);
    }));
    match outcome.await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(oneshot::Canceled) => Err(Problem::internal(Abandoned)),
    }
}

/// The task ended without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a task panicked or was dropped")]
struct Abandoned;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use kernel::PortError;

    use super::*;

    /// Tasks that a test runs by hand.
    #[derive(Default)]
    struct Parked(Mutex<Vec<BoxFuture<'static, ()>>>);

    impl Tasks for Parked {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            self.0.lock().unwrap().push(task);
        }
    }

    #[tokio::test]
    async fn the_work_goes_on_when_the_caller_is_dropped() {
        let parked = Arc::new(Parked::default());
        let tasks: Arc<dyn Tasks> = parked.clone();
        let (done, seen) = oneshot::channel();
        let mut call = Box::pin(detached(&tasks, async move {
            let _ = done.send(());
            Ok::<_, PortError>(())
        }));
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        let work = parked.0.lock().unwrap().pop().unwrap();
        work.await;
        assert!(seen.await.is_ok());
    }

    #[tokio::test]
    async fn a_task_that_dies_is_an_internal_problem() {
        let parked = Arc::new(Parked::default());
        let tasks: Arc<dyn Tasks> = parked.clone();
        let mut call = Box::pin(detached(&tasks, async { Ok::<_, PortError>(()) }));
        assert!((&mut call).now_or_never().is_none());
        parked.0.lock().unwrap().clear();
        assert_eq!(call.await.map_err(|problem| problem.slug().as_str()), Err("internal"));
    }
}
