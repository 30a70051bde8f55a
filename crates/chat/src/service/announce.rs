//! Announcements: what an operator says to a whole room, as the house and not as a person.
//!
//! One is an event like any message, so nobody misses it. It is nobody's: no rate counts it, no character answers it,
//! and it cuts off nobody who speaks.

use kernel::UserId;
use sha2::{Digest, Sha256};

use super::post::{Said, posted, same};
use super::{ChatService, Draft, Posted};
use crate::conversation::ConversationId;
use crate::error::{ChatError, Forbidden};
use crate::event::{Event, EventBody};
use crate::idempotency::IdempotencyKey;
use crate::message::{Author, Message};
use crate::ports::{AnnounceOutcome, Announcement};

impl ChatService {
    /// Announces something in a room; for operators, whatever room it is. The same key again is the first one.
    pub async fn announce_in_room(
        &self,
        operator: UserId,
        id: &str,
        content: &str,
        key: Option<IdempotencyKey>,
    ) -> Result<Posted, ChatError> {
        let conversation_id: ConversationId = id.parse().map_err(|_invalid| ChatError::NotFound)?;
        let draft = Draft { content: content.to_owned(), ..Draft::default() };
        let said = Said::parse(&draft, self.inner.settings.message_chars)?;
        let announcement = Announcement {
            conversation_id,
            id: self.inner.runtime.ids.next(),
            content: said.content,
            client_msg_id: key.map(|key| name_of(operator, &key)),
            body_hash: said.body_hash,
            at: self.inner.now(),
        };
        let outcome = match self.inner.ports.log.append_announcement(&announcement).await {
            Ok(outcome) => outcome,
            // Whether it was written is unknown: watchers look.
            Err(error) => {
                self.inner.bid_look(&announcement.conversation_id).await;
                return Err(error.into());
            }
        };
        match outcome {
            AnnounceOutcome::Appended { seq } => {
                let Announcement { id: message_id, at, .. } = announcement;
                self.inner.announce(&announcement.conversation_id, vec![announced(&announcement, seq)]);
                tracing::info!(room.id = id, message.id = %message_id, user.id = %operator, "announced in a room");
                Ok(Posted { message_id, seq, at, duplicate: false })
            }
            AnnounceOutcome::Repeated { message } => {
                let earlier = same(*message, &announcement.body_hash)?;
                self.inner.bid_look(&announcement.conversation_id).await;
                Ok(Posted { duplicate: true, ..posted(&earlier) })
            }
            AnnounceOutcome::NoRoom => Err(self.no_room(&announcement.conversation_id).await?),
        }
    }

    async fn no_room(&self, id: &ConversationId) -> Result<ChatError, ChatError> {
        let room = self.inner.ports.rooms.room(id).await?;
        let is_closed = room.is_some_and(|room| room.closed_at.is_some());
        Ok(if is_closed { ChatError::Forbidden(Forbidden::Closed) } else { ChatError::NotFound })
    }
}

/// A key is one operator's own. Everybody in the room sees the name that comes of it, and can tell nothing from it.
fn name_of(operator: UserId, key: &IdempotencyKey) -> String {
    let digest = Sha256::new().chain_update(operator.as_uuid()).chain_update(key.as_str()).finalize();
    format!("a-{}", hex::encode(digest).chars().take(NAME_CHARS).collect::<String>())
}

/// Hex digits of a digest: enough that no two keys meet.
const NAME_CHARS: usize = 40;

fn announced(announcement: &Announcement, seq: u64) -> Event {
    let Announcement { conversation_id, id, at, .. } = announcement;
    let message = Message {
        content: announcement.content.clone(),
        client_msg_id: announcement.client_msg_id.clone(),
        body_hash: Some(announcement.body_hash.clone()),
        ..Message::blank(*id, conversation_id.clone(), seq, Author::System, *at)
    };
    let body = EventBody::Message { message_id: *id };
    Event { seq, body, created_at: *at, message: Some(message), author: None }
}
