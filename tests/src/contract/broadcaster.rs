//! What every `chat::ports::Broadcaster` must do. `near` and `far` are two instances' handles on one bus.

use std::sync::Arc;
use std::time::Duration;

use chat::ConversationId;
use chat::event::Frame;
use chat::ports::{Broadcaster, BusSignal};
use futures::StreamExt;
use futures::stream::BoxStream;
use kernel::Id;
use tokio::time::timeout;
use uuid::Uuid;

/// What the bus under test holds at most for a slow watcher.
pub const FRAMES_MAX: usize = 16;
/// No bus is slower than this on one machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a watcher reads.
pub type Signals = BoxStream<'static, BusSignal>;

/// A conversation to watch.
pub fn conversation(name: &str) -> ConversationId {
    name.parse().expect("a valid name")
}

/// The next signal, or a panic when there is none for a long time.
pub async fn next(signals: &mut Signals) -> BusSignal {
    let signal = timeout(PATIENCE, signals.next()).await.expect("a signal in time");
    signal.expect("the watch goes on")
}

/// A frame that says this.
pub fn frame(text: &str) -> Arc<Frame> {
    Arc::new(Frame::Typing { user_id: Id::from_uuid(Uuid::nil()), connection: text.to_owned() })
}

async fn watch(bus: &dyn Broadcaster, name: &str) -> Signals {
    bus.subscribe(&conversation(name)).await.expect("a watch")
}

async fn publish(bus: &dyn Broadcaster, name: &str, text: &str) {
    bus.publish(&conversation(name), frame(text)).await.expect("a publish");
}

/// MUST reach subscribers of every instance on the same bus.
pub async fn a_frame_reaches_the_watchers_of_every_instance(near: &dyn Broadcaster, far: &dyn Broadcaster) {
    let mut watchers = [watch(near, "a").await, watch(near, "a").await, watch(far, "a").await];
    publish(near, "a", "one").await;
    publish(far, "a", "two").await;
    for signals in &mut watchers {
        let mut got = [next(signals).await, next(signals).await];
        got.sort_by_key(|signal| format!("{signal:?}"));
        assert_eq!(got, [BusSignal::Frame(frame("one")), BusSignal::Frame(frame("two"))]);
    }
}

/// MUST keep the order of one publisher's frames in one conversation.
pub async fn one_publishers_frames_keep_their_order(near: &dyn Broadcaster, far: &dyn Broadcaster) {
    let mut signals = watch(far, "a").await;
    for n in 0..FRAMES_MAX {
        publish(near, "a", &n.to_string()).await;
    }
    for n in 0..FRAMES_MAX {
        assert_eq!(next(&mut signals).await, BusSignal::Frame(frame(&n.to_string())));
    }
}

/// MUST deliver every frame published after the watch began, however soon.
pub async fn a_frame_published_right_after_the_watch_began_arrives(
    near: &dyn Broadcaster,
    far: &dyn Broadcaster,
) {
    for n in 0..100 {
        let name = format!("c{}", n % 3);
        let mut signals = watch(far, &name).await;
        publish(near, &name, &n.to_string()).await;
        assert_eq!(next(&mut signals).await, BusSignal::Frame(frame(&n.to_string())));
    }
}

/// A watcher of one conversation hears nothing of another.
pub async fn conversations_stay_apart(near: &dyn Broadcaster, far: &dyn Broadcaster) {
    let mut signals = watch(far, "a").await;
    publish(near, "b", "not for a").await;
    publish(near, "a", "for a").await;
    assert_eq!(next(&mut signals).await, BusSignal::Frame(frame("for a")));
}

/// MUST hold a bounded number of frames for a slow watcher, and tell it of the others by `Missed`.
pub async fn a_slow_watcher_is_told_that_it_missed_frames(near: &dyn Broadcaster, far: &dyn Broadcaster) {
    let mut slow = watch(far, "a").await;
    let mut quick = watch(far, "a").await;
    let last = 5 * FRAMES_MAX;
    for n in 0..=last {
        publish(near, "a", &n.to_string()).await;
    }
    // When the quick one has the last frame, the slow one has been left behind.
    while next(&mut quick).await != BusSignal::Frame(frame(&last.to_string())) {}
    assert_eq!(next(&mut slow).await, BusSignal::Missed);
    let mut held = 0;
    loop {
        held += 1;
        if next(&mut slow).await == BusSignal::Frame(frame(&last.to_string())) {
            break;
        }
    }
    assert!(held <= FRAMES_MAX, "{held} frames were held");
}

/// Watchers that come and go at the same time leave a later one whole.
pub async fn watchers_that_come_and_go_do_not_disturb_a_later_one(
    near: &dyn Broadcaster,
    far: &dyn Broadcaster,
) {
    for round in 0..50 {
        let (first, second) = tokio::join!(watch(far, "a"), watch(far, "a"));
        drop(first);
        let mut third = watch(far, "a").await;
        drop(second);
        publish(near, "a", &round.to_string()).await;
        assert_eq!(next(&mut third).await, BusSignal::Frame(frame(&round.to_string())));
    }
}

/// Nobody has to watch.
pub async fn a_frame_that_nobody_watches_is_no_error(near: &dyn Broadcaster) {
    publish(near, "a", "into the void").await;
}
