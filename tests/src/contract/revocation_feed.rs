//! What every [`auth::ports::RevocationFeed`] must do. `near` and `far` are two instances' handles on one bus.

use std::time::Duration;

use auth::SessionId;
use auth::ports::{RevocationFeed, RevocationSignal};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::time::timeout;

use super::people::ids;

/// What the feed under test holds at most for a slow listener, where it holds anything.
pub const SIGNALS_MAX: usize = 16;
/// No feed is slower than this on one machine.
const PATIENCE: Duration = Duration::from_secs(10);

async fn next(signals: &mut BoxStream<'static, RevocationSignal>) -> RevocationSignal {
    timeout(PATIENCE, signals.next()).await.expect("a signal in time").expect("the feed goes on")
}

/// Tells all subscribers on the same bus.
pub async fn an_ended_session_is_heard_on_every_instance(
    near: &dyn RevocationFeed,
    far: &dyn RevocationFeed,
) {
    let mut listeners = [near.subscribe().await.unwrap(), far.subscribe().await.unwrap()];
    let sessions: [SessionId; 2] = {
        let ids = ids();
        [ids.next(), ids.next()]
    };
    near.announce(&sessions).await.unwrap();
    for signals in &mut listeners {
        for session in sessions {
            assert_eq!(next(signals).await, RevocationSignal::Ended(session));
        }
    }
}

/// What was announced before is not heard, and nobody listening is no failure.
pub async fn listening_begins_when_it_is_asked_for(near: &dyn RevocationFeed, far: &dyn RevocationFeed) {
    let ids = ids();
    let (early, late): (SessionId, SessionId) = (ids.next(), ids.next());
    near.announce(&[early]).await.unwrap();
    near.announce(&[]).await.unwrap();
    let mut signals = far.subscribe().await.unwrap();
    near.announce(&[late]).await.unwrap();
    assert_eq!(next(&mut signals).await, RevocationSignal::Ended(late));
}

/// Many sessions at once all arrive, or `Missed` in their place.
pub async fn many_sessions_at_once_lose_nothing_silently(
    near: &dyn RevocationFeed,
    far: &dyn RevocationFeed,
) {
    let ids = ids();
    let mut signals = far.subscribe().await.unwrap();
    let sessions: Vec<SessionId> = (0..1_200).map(|_| ids.next()).collect();
    near.announce(&sessions).await.unwrap();
    let last = sessions[sessions.len() - 1];
    let mut heard = 0;
    let mut missed = false;
    loop {
        match next(&mut signals).await {
            RevocationSignal::Missed => missed = true,
            RevocationSignal::Ended(session) => {
                heard += 1;
                if session == last {
                    break;
                }
            }
        }
    }
    assert!(missed || heard == sessions.len(), "{heard}");
}
