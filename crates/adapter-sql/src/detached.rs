//! Writes that outlive their caller.

use std::future::Future;

use kernel::PortError;
use tracing::Instrument;

use crate::error::{rejected, unavailable};

/// Runs a whole write in a task of its own and waits for it.
///
/// A caller that is dropped (a client that hung up) stops waiting; the write itself goes on to its commit or
/// its error. The task ends with the transaction, which the database's own time limits bound.
pub(crate) async fn detached<T: Send + 'static>(
    write: impl Future<Output = Result<T, PortError>> + Send + 'static,
) -> Result<T, PortError> {
    #[expect(clippy::disallowed_methods, reason = "the one home of tasks here: each is one bounded write")]
    let task = tokio::spawn(write.in_current_span());
    match task.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => Err(rejected("a write panicked")),
        Err(error) => Err(unavailable(error)),
    }
}
