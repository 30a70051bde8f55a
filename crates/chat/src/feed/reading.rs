//! What a feed reads: its place, what it missed, the text of growing replies.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, stream};
use kernel::{MessageId, PortError, UserId};

use super::Growing;
use super::registry::Feed;
use super::state::Source;
use crate::conversation::ConversationId;
use crate::event::{Event, EventBody};
use crate::message::{Author, Message, MessageStatus};
use crate::ports::Head;
use crate::service::Inner;

/// Events of one read.
const PAGE: u32 = 300;
/// Conversations whose heads are asked for at once.
const HEADS_MAX: usize = 1_000;
/// Feeds that catch up at the same time.
const CATCHING_UP_MAX: usize = 8;

/// Events after a seq, with their authors.
pub(super) async fn events(
    inner: &Inner,
    conversation: &ConversationId,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, PortError> {
    let mut events = inner.ports.log.events(conversation, after, limit).await?;
    add_authors(inner, &mut events).await;
    Ok(events)
}

/// Gives people's messages their authors' cards where they have none; without them the messages are still good.
pub(super) async fn add_authors(inner: &Inner, events: &mut [Event]) {
    let nameless: BTreeSet<UserId> = events.iter().filter_map(nameless_author).collect();
    if nameless.is_empty() {
        return;
    }
    let users: Vec<UserId> = nameless.into_iter().collect();
    match inner.ports.people.cards(&users).await {
        Ok(cards) => {
            let cards: HashMap<UserId, _> = cards.into_iter().map(|card| (card.user_id, card)).collect();
            for event in events {
                if let Some(author) = nameless_author(event) {
                    event.author = cards.get(&author).cloned();
                }
            }
        }
        Err(error) => tracing::warn!(%error, "authors of events are not known now"),
    }
}

fn nameless_author(event: &Event) -> Option<UserId> {
    if event.author.is_some() || !matches!(event.body, EventBody::Message { .. }) {
        return None;
    }
    match &event.message.as_ref()?.author {
        Author::User(user) => Some(*user),
        Author::Character(_) | Author::System => None,
    }
}

/// Puts a feed at the log's end; `None` where there is no such conversation.
pub(super) async fn place(inner: &Inner, feed: &Feed) -> Result<Option<()>, PortError> {
    let Some(head) = head(inner, &feed.conversation).await? else { return Ok(None) };
    let growing = growing(inner, &head).await?;
    feed.state().place_at(head.epoch, head.seq, growing);
    Ok(Some(()))
}

/// Where the log of one conversation ends.
pub(super) async fn head(inner: &Inner, conversation: &ConversationId) -> Result<Option<Head>, PortError> {
    let heads = inner.ports.log.heads(std::slice::from_ref(conversation)).await?;
    Ok(heads.into_iter().find(|head| head.conversation_id == *conversation))
}

/// Replies that grow at this head; those that began later come with their `ai_start`.
async fn growing(inner: &Inner, head: &Head) -> Result<Vec<Growing>, PortError> {
    let mut growing = Vec::new();
    for message in inner.ports.log.streaming(&head.conversation_id).await? {
        if message.seq <= head.seq && message.status == MessageStatus::Streaming {
            let text = text_of(inner, &message).await;
            growing.push(Growing { message_id: message.id, generation: message.generation, text });
        }
    }
    Ok(growing)
}

/// The longer of buffer and checkpoint.
async fn text_of(inner: &Inner, message: &Message) -> String {
    match inner.ports.buffer.snapshot(message.id).await {
        Ok(Some(held))
            if held.generation == message.generation && held.text.len() >= message.content.len() =>
        {
            held.text
        }
        Ok(_) => message.content.clone(),
        Err(error) => {
            tracing::warn!(%error, "no snapshot of a growing reply; its checkpoint is shown");
            message.content.clone()
        }
    }
}

/// Reads everything after the feed's head from the log. What fails is tried again by the next look at the heads.
pub(super) async fn catch_up(inner: &Inner, feed: &Feed) -> Result<(), PortError> {
    let _turn = feed.reading.lock().await;
    let wanted = feed.state().wanted();
    let read = read_on(inner, feed).await;
    let is_missing = feed.state().settle_hole(wanted, inner.now());
    if read.is_err() || is_missing {
        feed.mark_dirty();
    }
    read
}

/// The same, and the text of replies that have grown meanwhile.
pub(super) async fn catch_up_with_texts(inner: &Inner, feed: &Feed) -> Result<(), PortError> {
    let read = catch_up(inner, feed).await;
    let behind = feed.state().take_behind();
    read_texts(inner, feed, behind).await;
    read
}

async fn read_on(inner: &Inner, feed: &Feed) -> Result<(), PortError> {
    loop {
        let from = feed.state().head();
        let page = events(inner, &feed.conversation, from, PAGE).await?;
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let head = {
            let mut state = feed.state();
            state.apply(page, Source::Log, inner.now());
            state.head()
        };
        if is_last || head == from {
            return Ok(());
        }
    }
}

/// Reads the texts of these replies and delivers what nobody has heard of them.
pub(super) async fn read_texts(inner: &Inner, feed: &Feed, replies: impl IntoIterator<Item = MessageId>) {
    for message_id in replies {
        match inner.ports.buffer.snapshot(message_id).await {
            Ok(Some(held)) => feed.state().text_read(message_id, held.generation, &held.text),
            Ok(None) => read_checkpoint(inner, feed, message_id).await,
            Err(error) => {
                tracing::debug!(%error, "no snapshot of a growing reply; its checkpoint is shown");
                read_checkpoint(inner, feed, message_id).await;
            }
        }
    }
}

async fn read_checkpoint(inner: &Inner, feed: &Feed, message_id: MessageId) {
    match inner.ports.log.message(message_id).await {
        Ok(Some(message)) if message.status == MessageStatus::Streaming => {
            feed.state().text_read(message_id, message.generation, &message.content);
        }
        // It has ended or is gone: the log's next event says so.
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "a growing reply was not read");
            feed.mark_dirty();
        }
    }
}

/// Compares these feeds with the log and lets those that are behind catch up; says how many were.
pub(super) async fn check_heads(inner: &Inner, feeds: Vec<(Arc<Feed>, bool)>) -> Result<u64, PortError> {
    let mut behind = 0;
    for part in feeds.chunks(HEADS_MAX) {
        let conversations: Vec<ConversationId> =
            part.iter().map(|(feed, _)| feed.conversation.clone()).collect();
        let heads = match inner.ports.log.heads(&conversations).await {
            Ok(heads) => heads,
            Err(error) => {
                for (feed, _) in &feeds {
                    feed.mark_dirty();
                }
                return Err(error);
            }
        };
        let heads: HashMap<ConversationId, Head> =
            heads.into_iter().map(|head| (head.conversation_id.clone(), head)).collect();
        let checks =
            part.iter().map(|(feed, has_lost)| check(inner, feed, heads.get(&feed.conversation), *has_lost));
        let found: Vec<bool> = stream::iter(checks).buffer_unordered(CATCHING_UP_MAX).collect().await;
        behind += found.into_iter().map(u64::from).sum::<u64>();
    }
    Ok(behind)
}

/// Whether the feed was behind.
async fn check(inner: &Inner, feed: &Feed, head: Option<&Head>, has_lost: bool) -> bool {
    let (epoch, at) = {
        let state = feed.state();
        (state.epoch().to_owned(), state.head())
    };
    if epoch.is_empty() {
        // It is about to begin.
        return false;
    }
    let Some(head) = head else {
        feed.state().reset(true);
        return false;
    };
    if head.epoch != epoch {
        start_anew(inner, feed).await;
        return true;
    }
    let is_behind = head.seq > at;
    if is_behind && let Err(error) = catch_up(inner, feed).await {
        tracing::warn!(%error, "a feed could not catch up; it tries again");
    }
    if has_lost {
        let replies = feed.state().growing_ids();
        read_texts(inner, feed, replies).await;
    }
    is_behind
}

/// The log is another one: nothing that was known holds.
pub(super) async fn start_anew(inner: &Inner, feed: &Feed) {
    let _turn = feed.reading.lock().await;
    match place(inner, feed).await {
        Ok(Some(())) => feed.state().reset(false),
        Ok(None) => feed.state().reset(true),
        Err(error) => {
            tracing::warn!(%error, "a feed whose log was restored could not begin anew; it tries again");
            feed.mark_dirty();
        }
    }
}
