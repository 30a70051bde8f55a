//! What a client that comes (back) has missed. Never a part that looks whole.

use super::reading::{self, catch_up, head};
use super::{ClientPlace, FeedHandle, Position, Recovery};
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::event::Event;
use crate::service::Inner;

/// Texts of a recovery, in bytes; the first event comes whatever its length.
const TEXT_BYTES_MAX: usize = 262_144;
/// A read that has a hole is tried so often.
const TRIES: usize = 2;

pub(super) async fn recover(
    inner: &Inner,
    feed: &FeedHandle,
    place: &ClientPlace,
) -> Result<Recovery, ChatError> {
    let mut at = feed.position();
    let Some(since) = place.since else { return Ok(from(at, place)) };
    if since > at.head && knows(&at, place) {
        catch_up_to(inner, feed, since).await?;
        at = feed.position();
    }
    if since > at.head || !knows(&at, place) {
        return Ok(Recovery { reset: true, ..from(at, place) });
    }
    if since == at.head {
        return Ok(from(at, place));
    }
    for _ in 0..TRIES {
        if let Some((events, more)) = read(inner, feed.conversation(), since, at.head).await? {
            return Ok(Recovery { events, more, ..from(at, place) });
        }
    }
    tracing::error!("a conversation's log has a hole");
    Ok(Recovery { reset: true, ..from(at, place) })
}

fn knows(at: &Position, place: &ClientPlace) -> bool {
    place.epoch.as_ref().is_none_or(|epoch| *epoch == at.epoch)
}

/// A recovery without events.
fn from(at: Position, place: &ClientPlace) -> Recovery {
    Recovery {
        reset: !knows(&at, place),
        epoch: at.epoch,
        head: at.head,
        events: Vec::new(),
        more: false,
        streams: at.streams,
        position: at.position,
    }
}

/// The client was told of a seq that has not come here yet, or of one that there is not.
async fn catch_up_to(inner: &Inner, feed: &FeedHandle, since: u64) -> Result<(), ChatError> {
    let found = head(inner, feed.conversation()).await?;
    if found.is_some_and(|head| since <= head.seq) {
        catch_up(inner, feed.feed()).await?;
    }
    Ok(())
}

/// Events after `since` up to `head`, or the first ones and `true`; nothing where some are missing.
async fn read(
    inner: &Inner,
    conversation: &ConversationId,
    since: u64,
    head: u64,
) -> Result<Option<(Vec<Event>, bool)>, ChatError> {
    let missed = head - since;
    let limit = u32::try_from(missed).unwrap_or(u32::MAX).min(inner.settings.events_size);
    let mut events = reading::events(inner, conversation, since, limit).await?;
    let is_whole = (since + 1..).zip(&events).all(|(seq, event)| seq == event.seq);
    if !is_whole || events.len() != usize::try_from(limit).unwrap_or(usize::MAX) {
        return Ok(None);
    }
    events.truncate(fitting(&events));
    let more = u64::try_from(events.len()).unwrap_or(u64::MAX) < missed;
    Ok(Some((events, more)))
}

/// How many of these events fit into one answer, by their texts; one at least where there is any.
pub fn fitting(events: &[Event]) -> usize {
    let mut bytes = 0;
    let beyond = events.iter().position(|event| {
        bytes += event.message.as_ref().map_or(0, |message| message.content.len());
        bytes > TEXT_BYTES_MAX
    });
    beyond.map_or(events.len(), |place| place.max(1))
}

#[cfg(test)]
mod tests {
    use kernel::{MessageId, Timestamp};

    use super::*;
    use crate::event::EventBody;
    use crate::message::{Author, Message};

    fn event(seq: u64, bytes: usize) -> Event {
        let id: MessageId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let at = Timestamp::from_millis(0);
        let author = Author::User("00000000-0000-7000-8000-000000000002".parse().unwrap());
        let blank = Message::blank(id, "r".parse().unwrap(), seq, author, at);
        let message = Some(Message { content: "x".repeat(bytes), ..blank });
        Event { seq, body: EventBody::Message { message_id: id }, created_at: at, message, author: None }
    }

    #[test]
    fn an_answer_has_as_many_texts_as_fit_and_one_at_least() {
        let half = TEXT_BYTES_MAX / 2;
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&[event(1, half), event(2, half), event(3, 1)]), 2);
        assert_eq!(fitting(&[event(1, TEXT_BYTES_MAX + 1), event(2, 1)]), 1);
    }
}
