//! The task of a feed: takes what the bus brings, waits a moment for what is missing, then reads it.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::BoxStream;

use super::FeedItem;
use super::reading::{add_authors, catch_up_with_texts, read_texts};
use super::registry::Feed;
use super::state::Source;
use crate::event::{Event, Frame};
use crate::ports::BusSignal;
use crate::service::Inner;

/// Frames of other instances may overtake one another by so much; what is missing then is read.
const HOLE_WAIT_MS: i64 = 50;
/// A bus that is gone is asked again after so long, then after twice as long, up to the last.
const RESUBSCRIBE_MS_MIN: i64 = 200;
const RESUBSCRIBE_MS_MAX: i64 = 5_000;

type Signals = BoxStream<'static, BusSignal>;

/// Carries a feed until its last watcher goes, which aborts this.
pub(super) async fn listen(inner: Arc<Inner>, feed: Arc<Feed>, mut bus: Option<Signals>) {
    loop {
        let mut signals = match bus.take() {
            Some(signals) => signals,
            None => subscribed(&inner, &feed).await,
        };
        while follow(&inner, &feed, &mut signals).await {}
        feed.set_deaf(true);
    }
}

/// Takes the next signal; `false` where the bus is gone.
async fn follow(inner: &Arc<Inner>, feed: &Arc<Feed>, signals: &mut Signals) -> bool {
    let hole_since = feed.state().hole_since();
    let signal = match hole_since {
        None => signals.next().await,
        Some(since) => {
            let due = inner.runtime.clock.sleep_until(since.plus_millis(HOLE_WAIT_MS));
            match select(signals.next(), due).await {
                Either::Left((signal, _)) => signal,
                Either::Right(((), _)) => {
                    read_hole(inner, feed).await;
                    return true;
                }
            }
        }
    };
    match signal {
        Some(BusSignal::Frame(frame)) => take(inner, feed, frame).await,
        Some(BusSignal::Missed) => feed.mark_dirty(),
        None => return false,
    }
    let behind = feed.state().take_behind();
    if !behind.is_empty() {
        read_texts(inner, feed, behind).await;
    }
    true
}

async fn read_hole(inner: &Inner, feed: &Feed) {
    if let Err(error) = catch_up_with_texts(inner, feed).await {
        tracing::warn!(%error, "a hole was not read; the next look at the heads tries again");
    }
}

async fn take(inner: &Inner, feed: &Feed, frame: Arc<Frame>) {
    let item = match Arc::unwrap_or_clone(frame) {
        Frame::Committed { events } => return take_events(inner, feed, events).await,
        Frame::Delta { message_id, generation, offset, text } => {
            feed.state().delta(message_id, generation, offset, &text);
            return;
        }
        // Whoever waits for the charge watches the reply, not the feed.
        Frame::Settled { .. } => return,
        Frame::Typing { user_id, connection } => FeedItem::Typing { user_id, connection },
        Frame::Read { user_id, seq } => FeedItem::Read { user_id, seq },
        Frame::Presence { user_id, on, online } => FeedItem::Presence { user_id, on, online },
        Frame::TurnOver { question } => FeedItem::TurnOver { question },
        Frame::Notice { user_id, question, notice } => FeedItem::Notice { user_id, question, notice },
        Frame::Expelled { user_id } => FeedItem::Expelled { user_id },
    };
    feed.state().deliver(item);
}

async fn take_events(inner: &Inner, feed: &Feed, mut events: Vec<Event>) {
    if events.is_empty() {
        feed.mark_dirty();
        read_hole(inner, feed).await;
        return;
    }
    add_authors(inner, &mut events).await;
    feed.state().apply(events, Source::Bus, inner.now());
}

/// Asks for the bus until it answers; then reads what went by.
async fn subscribed(inner: &Inner, feed: &Feed) -> Signals {
    let mut wait = RESUBSCRIBE_MS_MIN;
    loop {
        let clock = &inner.runtime.clock;
        clock.sleep_until(clock.now().plus_millis(wait)).await;
        match inner.ports.broadcaster.subscribe(&feed.conversation).await {
            Ok(signals) => {
                feed.set_deaf(false);
                feed.mark_dirty();
                return signals;
            }
            Err(error) => tracing::debug!(%error, "the bus cannot be watched yet"),
        }
        wait = (wait * 2).min(RESUBSCRIBE_MS_MAX);
    }
}
