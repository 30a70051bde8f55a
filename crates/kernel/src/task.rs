//! Background work as a port, so that domain crates start tasks without a runtime.

use futures::future::BoxFuture;

/// Starts work that outlives the caller.
pub trait Tasks: Send + Sync {
    /// Runs the future to its end, whatever becomes of the caller. MUST NOT block; a panic inside stays inside.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}
