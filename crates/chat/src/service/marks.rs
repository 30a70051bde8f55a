//! What is done to messages afterwards: likes, read marks; and typing. Taking back is in [`super::recall`].

use std::collections::HashSet;

use kernel::{MessageId, UserId};

use super::ChatService;
use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::event::{Event, EventBody, Frame};
use crate::message::Message;
use crate::ports::{Admission, Like, LikeOutcome};

/// In a fuller room nobody is told how far each of the others has read.
const READ_AUDIENCE_MAX: u32 = 100;

/// A like as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liked {
    /// How many like the message.
    pub total: u32,
    /// Seq of the event, where it changed.
    pub seq: Option<u64>,
}

impl ChatService {
    /// Which of these messages the person likes. Each knows its latest likers; only of one that has more the log is
    /// asked.
    pub async fn liked_by(
        &self,
        user: UserId,
        messages: &[Message],
    ) -> Result<HashSet<MessageId>, ChatError> {
        let (shown, rest): (Vec<_>, Vec<_>) =
            messages.iter().partition(|message| message.likes.users.contains(&user));
        let has_more = |message: &&Message| {
            usize::try_from(message.likes.total).unwrap_or(usize::MAX) > message.likes.users.len()
        };
        let unknown: Vec<_> = rest.into_iter().filter(has_more).map(|message| message.id).collect();
        let mut liked: HashSet<_> = shown.into_iter().map(|message| message.id).collect();
        if !unknown.is_empty() {
            liked.extend(self.inner.ports.log.liked_by(user, &unknown).await?);
        }
        Ok(liked)
    }

    /// Likes a message of a conversation that the person may read, or takes the like back.
    pub async fn like(&self, user: UserId, id: MessageId, liked: bool) -> Result<Liked, ChatError> {
        match self.inner.ports.throttle.like(user).await? {
            Admission::Admitted => {}
            Admission::Limited { retry_after_ms, limit } => {
                return Err(ChatError::RateLimited { retry_after_ms, limit });
            }
        }
        let message = self.inner.ports.log.message(id).await?.ok_or(ChatError::NotFound)?;
        self.readable(user, &message.conversation_id).await?;
        let at = self.inner.now();
        match self.inner.ports.log.append_like(&Like { message_id: id, user_id: user, liked, at }).await? {
            LikeOutcome::Changed { seq, total } => {
                let body = EventBody::Like { message_id: id, user_id: user, liked, total_likes: total };
                let event = Event { seq, body, created_at: at, message: None, author: None };
                self.inner.announce(&message.conversation_id, vec![event]);
                Ok(Liked { total, seq: Some(seq) })
            }
            LikeOutcome::Unchanged { total } => Ok(Liked { total, seq: None }),
            LikeOutcome::NoMessage => Err(ChatError::NotFound),
        }
    }

    /// Notes up to where the person has read, and tells the others where they are few. Written at most once a second
    /// by the caller.
    pub async fn read(&self, user: UserId, id: &ConversationId, seq: u64) -> Result<(), ChatError> {
        let standing = self.readable(user, id).await?;
        let known = standing.member.map_or(0, |member| member.read_seq);
        if seq.min(standing.head) <= known {
            return Ok(());
        }
        let holds = self.inner.ports.rooms.mark_read(id, user, seq).await?.ok_or(ChatError::NotFound)?;
        // Presence may be lost: then nobody is told, and nothing is missing from the log.
        if self.online(id, 0).await.is_ok_and(|online| online.count <= READ_AUDIENCE_MAX) {
            self.inner.publish(id, Frame::Read { user_id: user, seq: holds }).await;
        }
        Ok(())
    }

    /// Tells the others that the person is writing; never stored. Who may not read the conversation tells nobody.
    pub async fn typing(&self, user: UserId, id: &ConversationId, connection: &str) {
        match self.readable(user, id).await {
            Ok(_) => {
                let connection = connection.to_owned();
                self.inner.publish(id, Frame::Typing { user_id: user, connection }).await;
            }
            Err(error) => tracing::debug!(%error, "nobody was told of somebody's writing"),
        }
    }

    /// Messages of others that the person has not read, by conversation. For conversations that the caller knows
    /// to be the person's.
    pub async fn unread(
        &self,
        user: UserId,
        ids: &[ConversationId],
    ) -> Result<Vec<(ConversationId, u32)>, ChatError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.inner.ports.rooms.unread(user, ids).await?)
    }
}
