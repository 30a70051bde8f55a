//! Saying something: in a room, a squad or a session.
//!
//! The order is the contract: what the message is, rates, who answers, **one append** that judges membership and
//! repetition, and only then the word to the others. Before the append nothing is read but the room as it stood a
//! moment ago, so that a room can take messages by the thousand.

mod order;
mod parse;

use std::pin::pin;
use std::sync::Arc;

use futures::join;
use kernel::{MessageId, Timestamp, UserId};

use super::{ChatService, Question};
use crate::conversation::{ConversationId, ConversationKind};
use crate::error::{ChatError, Forbidden};
use crate::event::{Event, EventBody};
use crate::message::{Author, Message};
use crate::ports::{Admission, AppendOutcome, NewMessage};
use crate::room::{Room, UserCard};
use crate::turn::TurnState;

pub use order::{PostOrder, PostPlace};
pub(super) use parse::Said;

/// What a person says.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The text.
    pub content: String,
    /// Ids of characters that are named.
    pub mentions: Vec<String>,
    /// The message that it answers, of the same conversation.
    pub reply_to: Option<MessageId>,
    /// The sender's own id for it.
    pub client_msg_id: Option<String>,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub message_id: MessageId,
    /// Its seq.
    pub seq: u64,
    /// When it was said.
    pub at: Timestamp,
    /// Whether it is an earlier one, repeated.
    pub duplicate: bool,
}

impl ChatService {
    /// Says something in a conversation of any kind; answered after the commit. In a session it is a question like
    /// any other ([`ChatService::ask`]). Call it in a task that outlives the connection.
    pub async fn post(&self, user: UserId, id: &str, draft: Draft) -> Result<Posted, ChatError> {
        self.post_at(user, id, draft, PostOrder::default().place()).await
    }

    /// The same in its place behind what the sender has said before and is not answered yet.
    pub async fn post_at(
        &self,
        user: UserId,
        id: &str,
        draft: Draft,
        place: PostPlace,
    ) -> Result<Posted, ChatError> {
        let id: ConversationId = id.parse().map_err(|_invalid| ChatError::NotFound)?;
        let said = Said::parse(&draft, self.inner.settings.message_chars)?;
        let Some(room) = self.recent_room(&id).await? else {
            // A session takes one question at a time anyway.
            drop(place);
            return self.ask_in_session(user, &id, draft).await;
        };
        let answered = self.answered(&room, &said).await?;
        if let Some(earlier) = self.limited(user, &room, &said).await? {
            return Ok(earlier);
        }
        let message = self.new_message(user, &room, said);
        let turn = self.decide(&room, &message, answered.as_ref()).await?;
        let appending = pin!(self.append(&room, NewMessage { turn, ..message }));
        place.append(appending).await
    }

    /// The message that the person sent to a conversation under an id of their own.
    pub async fn sent(
        &self,
        user: UserId,
        id: &ConversationId,
        client_msg_id: &str,
    ) -> Result<MessageId, ChatError> {
        let found = self.inner.ports.log.by_client_msg_id(id, user, client_msg_id).await?;
        found.map(|message| message.id).ok_or(ChatError::NotFound)
    }

    /// A session's question. Mentions and answers mean nothing where two talk.
    async fn ask_in_session(
        &self,
        user: UserId,
        id: &ConversationId,
        draft: Draft,
    ) -> Result<Posted, ChatError> {
        let Draft { content, client_msg_id, mentions: _, reply_to: _ } = draft;
        let question = Question { content, client_msg_id, ..Question::default() };
        let asked = self.ask(user, id.as_str(), question).await?;
        Ok(Posted { duplicate: asked.replayed, ..posted(&asked.question) })
    }

    /// The message that is answered, which must be of the same room; and characters that are named must be in it.
    pub(super) async fn answered(&self, room: &Room, said: &Said) -> Result<Option<Message>, ChatError> {
        if said.mentions.iter().any(|id| !room.characters.contains(id)) {
            return Err(ChatError::UnknownCharacter);
        }
        let Some(id) = said.reply_to else { return Ok(None) };
        let message = self.inner.ports.log.message(id).await?;
        match message.filter(|message| message.conversation_id == room.id) {
            Some(message) => Ok(Some(message)),
            None => Err(ChatError::NotFound),
        }
    }

    /// Counts the message against the rates. What was taken before is answered and not counted again, and who may
    /// not speak there uses nothing up. Nothing is read for it where there are no rates.
    pub(super) async fn limited(
        &self,
        user: UserId,
        room: &Room,
        said: &Said,
    ) -> Result<Option<Posted>, ChatError> {
        let throttle = &self.inner.ports.throttle;
        if !throttle.counts_messages() {
            return Ok(None);
        }
        if let Some(message) = self.earlier(user, &room.id, said).await? {
            return Ok(Some(Posted { duplicate: true, ..posted(&message) }));
        }
        self.readable(user, &room.id).await?;
        let admission = match throttle.message(user).await? {
            Admission::Admitted => throttle.room(&room.id).await?,
            limited @ Admission::Limited { .. } => limited,
        };
        match admission {
            Admission::Admitted => Ok(None),
            Admission::Limited { retry_after_ms, limit } => {
                Err(ChatError::RateLimited { retry_after_ms, limit })
            }
        }
    }

    /// The message that this person has sent here under the same id, if any.
    pub(super) async fn earlier(
        &self,
        user: UserId,
        id: &ConversationId,
        said: &Said,
    ) -> Result<Option<Message>, ChatError> {
        let Some(client_msg_id) = &said.client_msg_id else { return Ok(None) };
        match self.inner.ports.log.by_client_msg_id(id, user, client_msg_id).await? {
            Some(message) => same(message, &said.body_hash).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn new_message(&self, user: UserId, room: &Room, said: Said) -> NewMessage {
        NewMessage {
            conversation_id: room.id.clone(),
            id: self.inner.runtime.ids.next(),
            author: user,
            content: said.content,
            client_msg_id: said.client_msg_id,
            body_hash: said.body_hash,
            mentions: said.mentions,
            reply_to: said.reply_to,
            turn: None,
            at: self.inner.now(),
        }
    }

    /// Appends, tells the others and begins the turn.
    pub(super) async fn append(&self, room: &Room, message: NewMessage) -> Result<Posted, ChatError> {
        // The card is fetched meanwhile, so that neither the answer nor the others wait for it.
        let (outcome, author) = join!(self.inner.ports.log.append(&message), self.card(message.author));
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // Whether it was written is unknown: watchers look.
            Err(error) => {
                self.inner.bid_look(&room.id).await;
                return Err(error.into());
            }
        };
        match outcome {
            AppendOutcome::Appended { seq } => {
                self.inner.counts.forget(message.author);
                let posted = Posted { message_id: message.id, seq, at: message.at, duplicate: false };
                self.inner.announce(&room.id, vec![said_event(&message, seq, author)]);
                self.cut_unasked(room, &message).await;
                if let Some(turn) = message.turn.as_ref().filter(|turn| turn.state == TurnState::Open) {
                    self.begin_turn(turn);
                }
                Ok(posted)
            }
            AppendOutcome::Repeated { message: earlier } => {
                let earlier = same(*earlier, &message.body_hash)?;
                self.inner.bid_look(&room.id).await;
                Ok(Posted { duplicate: true, ..posted(&earlier) })
            }
            AppendOutcome::Muted { until } => {
                Err(ChatError::Forbidden(Forbidden::Muted { until_ms: until.as_millis() }))
            }
            AppendOutcome::NotMember | AppendOutcome::NoConversation => self.not_taken(&message).await,
        }
    }

    /// Why a room did not take a message; a repeated one is answered by the first also where the room was closed since.
    async fn not_taken(&self, message: &NewMessage) -> Result<Posted, ChatError> {
        let (user, id) = (message.author, &message.conversation_id);
        if let Some(client_msg_id) = &message.client_msg_id
            && let Some(earlier) = self.inner.ports.log.by_client_msg_id(id, user, client_msg_id).await?
        {
            let earlier = same(earlier, &message.body_hash)?;
            return Ok(Posted { duplicate: true, ..posted(&earlier) });
        }
        self.inner.recent_rooms.forget(id);
        let standing = self.readable(user, id).await?;
        let is_closed = standing.room.is_some_and(|room| room.closed_at.is_some());
        // A member again since the append was judged: the sender tries once more.
        Err(if is_closed { ChatError::Forbidden(Forbidden::Closed) } else { ChatError::MembershipRequired })
    }

    /// A room or squad as it stood at most a second ago.
    async fn recent_room(&self, id: &ConversationId) -> Result<Option<Arc<Room>>, ChatError> {
        let now = self.inner.now();
        if let Some(room) = self.inner.recent_rooms.get(id, now) {
            return Ok(Some(room));
        }
        let found = self.inner.ports.rooms.room(id).await?;
        let Some(room) = found.filter(|room| room.kind != ConversationKind::Session).map(Arc::new) else {
            return Ok(None);
        };
        self.inner.recent_rooms.remember(&room, now);
        Ok(Some(room))
    }

    /// What others see of a person. Without it their message is shown all the same.
    async fn card(&self, user: UserId) -> Option<UserCard> {
        match self.inner.ports.people.cards(&[user]).await {
            Ok(cards) => cards.into_iter().next(),
            Err(error) => {
                tracing::warn!(%error, "a person's card was not read; the message goes out without it");
                None
            }
        }
    }
}

/// An earlier message under the same id, if it says the same. What was recalled since says nothing any more.
pub(super) fn same(earlier: Message, body_hash: &str) -> Result<Message, ChatError> {
    let is_same = earlier.body_hash.as_deref().is_none_or(|hash| hash == body_hash);
    if is_same { Ok(earlier) } else { Err(ChatError::ClientMsgIdConflict) }
}

pub(super) fn posted(message: &Message) -> Posted {
    Posted { message_id: message.id, seq: message.seq, at: message.created_at, duplicate: false }
}

fn said_event(said: &NewMessage, seq: u64, author: Option<UserCard>) -> Event {
    let by = Author::User(said.author);
    let message = Message {
        content: said.content.clone(),
        reply_to: said.reply_to,
        client_msg_id: said.client_msg_id.clone(),
        body_hash: Some(said.body_hash.clone()),
        mentions: said.mentions.clone(),
        ..Message::blank(said.id, said.conversation_id.clone(), seq, by, said.at)
    };
    let body = EventBody::Message { message_id: said.id };
    Event { seq, body, created_at: said.at, message: Some(message), author }
}

#[cfg(test)]
mod tests {
    use super::super::rooms::fixtures::id;
    use super::*;

    #[test]
    fn a_repeat_says_the_same_unless_it_was_taken_back() {
        let blank =
            Message::blank(id(1), "r".parse().unwrap(), 1, Author::User(id(2)), Timestamp::from_millis(0));
        let with = |hash: Option<&str>| Message { body_hash: hash.map(str::to_owned), ..blank.clone() };
        assert!(same(with(Some("a")), "a").is_ok());
        assert!(same(with(None), "a").is_ok());
        assert!(matches!(same(with(Some("b")), "a"), Err(ChatError::ClientMsgIdConflict)));
    }
}
