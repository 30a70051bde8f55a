//! Watchers of this instance first: decorators that put an in-process bus and buffer before those that all
//! instances share.
//!
//! What happens here is told here at once, whatever becomes of the shared ones. They get it from a bounded queue; when
//! they fail they are left alone but for one probe a second, and the watchers of other instances read the log
//! meanwhile.

mod breaker;
mod broadcaster;
mod buffer;
mod outbox;

use std::sync::Arc;

use kernel::{Clock, Tasks};

use crate::ports::{Broadcaster, StreamBuffer};
use breaker::Breaker;
pub use broadcaster::LocalFirstBroadcaster;
pub use buffer::LocalFirstBuffer;
use outbox::Outbox;

/// A bus, and the buffer that publishes on it.
#[derive(Clone)]
pub struct Lane {
    /// The bus.
    pub broadcaster: Arc<dyn Broadcaster>,
    /// The buffer.
    pub buffer: Arc<dyn StreamBuffer>,
}

/// The decorated pair. Of what `local` has published, `remote` MUST NOT bring anything back.
pub fn local_first(
    local: Lane,
    remote: Lane,
    clock: Arc<dyn Clock>,
    tasks: Arc<dyn Tasks>,
) -> (LocalFirstBroadcaster, LocalFirstBuffer) {
    let breaker = Arc::new(Breaker::new(Arc::clone(&clock)));
    let outbox = Outbox::new(remote.clone(), Arc::clone(&breaker), tasks);
    let broadcaster =
        LocalFirstBroadcaster::new(local.broadcaster, remote.broadcaster, Arc::clone(&outbox), clock);
    (broadcaster, LocalFirstBuffer::new(local.buffer, remote.buffer, outbox))
}
