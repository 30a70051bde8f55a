//! Beginning a session, once for each key that a client gives.

use kernel::UserId;
use sha2::{Digest, Sha256};

use super::{ChatService, TITLE_CHARS_MAX};
use crate::content::parse_text;
use crate::conversation::{CharacterId, Conversation, ConversationId, ConversationKind};
use crate::error::{ChatError, Field};
use crate::idempotency::IdempotencyKey;
use crate::ports::{CreateOutcome, Once};

/// Who answers where a client names no character.
pub const DEFAULT_CHARACTER: &str = "classics_kongzi";

/// A key may be used anew after so long.
pub(super) const KEY_SECONDS: i64 = 24 * 60 * 60;

/// A session that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// The session.
    pub conversation: Conversation,
    /// Whether an earlier request with the same key made it.
    pub replayed: bool,
}

impl ChatService {
    /// Begins a session with a character (孔子 where none is named).
    pub async fn create_session(
        &self,
        user: UserId,
        character: Option<&str>,
        title: Option<&str>,
    ) -> Result<Conversation, ChatError> {
        self.create_session_once(user, character, title, None).await.map(|created| created.conversation)
    }

    /// Begins a session, unless this key began one within the last day: then that one is the answer.
    pub async fn create_session_once(
        &self,
        user: UserId,
        character: Option<&str>,
        title: Option<&str>,
        key: Option<IdempotencyKey>,
    ) -> Result<Created, ChatError> {
        let title = match title {
            Some(title) => parse_text(Field::Title, title, TITLE_CHARS_MAX)?,
            None => String::new(),
        };
        let character_id = self.known_character(character.unwrap_or(DEFAULT_CHARACTER)).await?;
        let now = self.inner.now();
        let once = key.map(|key| Once {
            key: key.as_str().to_owned(),
            body_hash: body_hash(&character_id, &title),
            since: now.plus_seconds(-KEY_SECONDS),
        });
        let conversation = Conversation {
            id: self.fresh_conversation_id()?,
            kind: ConversationKind::Session,
            owner: user,
            character_id,
            title,
            epoch: self.fresh_epoch(),
            head: 0,
            created_at: now,
            last_active_at: now,
        };
        match self.inner.ports.conversations.create(&conversation, once.as_ref()).await? {
            CreateOutcome::Created => Ok(Created { conversation, replayed: false }),
            CreateOutcome::Replayed(conversation) => Ok(Created { conversation, replayed: true }),
            CreateOutcome::Conflict => Err(ChatError::IdempotencyConflict),
        }
    }

    pub(super) async fn known_character(&self, id: &str) -> Result<CharacterId, ChatError> {
        let id: CharacterId = id.parse().map_err(|_invalid| ChatError::UnknownCharacter)?;
        match self.inner.ports.personas.persona(&id).await? {
            Some(_) => Ok(id),
            None => Err(ChatError::UnknownCharacter),
        }
    }

    pub(super) fn fresh_conversation_id(&self) -> Result<ConversationId, ChatError> {
        let id: kernel::Id<ConversationKind> = self.inner.runtime.ids.next();
        // A UUID's text is always a valid name.
        id.to_string().parse().map_err(|_impossible| ChatError::NotFound)
    }

    pub(super) fn fresh_epoch(&self) -> String {
        let mut bytes = [0_u8; 8];
        self.inner.runtime.entropy.fill(&mut bytes);
        hex::encode(bytes)
    }
}

/// Two requests with the same hash ask for the same session.
fn body_hash(character: &CharacterId, title: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(character.as_str());
    hasher.update([0]);
    hasher.update(title);
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_another_session_from_a_retry() {
        let character = |id: &str| id.parse::<CharacterId>().unwrap();
        let hash = body_hash(&character("classics_kongzi"), "夜谈");
        assert_eq!(hash, body_hash(&character("classics_kongzi"), "夜谈"));
        assert_ne!(hash, body_hash(&character("classics_mengzi"), "夜谈"));
        assert_ne!(hash, body_hash(&character("classics_kongzi"), "晨谈"));
    }
}
