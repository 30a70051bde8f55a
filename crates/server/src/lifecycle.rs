//! Stopping: the first signal asks for an orderly end, the second one does not ask.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a stop that did not wait for what was running.
const HURRIED: i32 = 1;

/// A token that is cancelled at SIGTERM or SIGINT. A second signal ends the process at once.
pub fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "the listener belongs to the process, not to a service")]
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            if asked.is_cancelled() {
                tracing::warn!("second signal: stopping at once");
                std::process::exit(HURRIED);
            }
            tracing::info!("stopping: no new connections; waiting for what is running");
            asked.cancel();
        }
    });
    Ok(stop)
}
