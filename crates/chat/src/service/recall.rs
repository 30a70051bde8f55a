//! Taking messages back.
//!
//! A text that is erased must not be seen again, also not as the rest of a stream: a reply that grows is stopped
//! before it is erased, and what a question set in motion is stopped after it is.

use kernel::{MessageId, UserId};

use super::ChatService;
use super::ask::TITLE_CHARS;
use crate::content::title_of;
use crate::conversation::ConversationKind;
use crate::error::{ChatError, Forbidden};
use crate::event::{Event, EventBody};
use crate::generation::GenerationState;
use crate::message::{Author, Message, MessageStatus};
use crate::ports::{Recall, RecallOutcome};
use crate::room::Standing;

/// Replies that answer replies: so far back it is looked who asked.
const ANSWERS_MAX: usize = 16;

impl ChatService {
    /// Takes a message back: its author within the window, an operator or who keeps order at any time. A reply is its
    /// asker's; one that grows is stopped, a turn that a message began is cut. Again is the same answer: the seq of
    /// the recall.
    pub async fn recall(&self, user: UserId, is_operator: bool, id: MessageId) -> Result<u64, ChatError> {
        let message = self.inner.ports.log.message(id).await?.ok_or(ChatError::NotFound)?;
        let standing = self.inner.standing(user, &message.conversation_id).await?;
        self.check_recall(user, is_operator, &message, &standing).await?;
        let is_growing = message.status == MessageStatus::Streaming;
        // Before its first text nothing can be seen of it any more, and nothing is charged: it is erased at once.
        if is_growing && self.has_text(&message).await {
            self.stop_reply(&message).await?;
        }
        let seq = self.erase(&message).await?;
        if is_growing {
            self.silence(&message).await?;
        }
        if matches!(message.author, Author::User(_)) {
            self.cut_what_followed(&message, &standing).await?;
        }
        Ok(seq)
    }

    async fn check_recall(
        &self,
        user: UserId,
        is_operator: bool,
        message: &Message,
        standing: &Standing,
    ) -> Result<(), ChatError> {
        // What the house announced is its operators' alone to take back.
        let is_of_room = standing.kind == ConversationKind::Room && message.author != Author::System;
        let keeps_order = is_of_room && standing.may_manage(user);
        if is_operator || keeps_order {
            return Ok(());
        }
        if self.asker(message).await? != Some(user) {
            let is_seen = standing.may_read(user);
            return Err(if is_seen {
                ChatError::Forbidden(Forbidden::NotAuthor)
            } else {
                ChatError::NotFound
            });
        }
        let window_ms = i64::from(self.inner.settings.recall_seconds) * 1_000;
        let age_ms = self.inner.now().millis_since(message.created_at);
        // What is recalled already stays so: asking again is no new recall.
        if message.status != MessageStatus::Recalled && (window_ms == 0 || age_ms > window_ms) {
            return Err(ChatError::RecallWindowClosed);
        }
        Ok(())
    }

    /// Whose words a message goes back to: its author, or who asked what it answers.
    pub(super) async fn asker(&self, message: &Message) -> Result<Option<UserId>, ChatError> {
        let mut author = message.author.clone();
        let mut answers = message.reply_to;
        for _ in 0..ANSWERS_MAX {
            match (author, answers) {
                (Author::User(user), _) => return Ok(Some(user)),
                (Author::Character(_), None) | (Author::System, _) => return Ok(None),
                (Author::Character(_), Some(id)) => match self.inner.ports.log.message(id).await? {
                    Some(before) => (author, answers) = (before.author, before.reply_to),
                    None => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// Whether somebody may have seen text of a reply that grows.
    async fn has_text(&self, reply: &Message) -> bool {
        match self.inner.ports.buffer.snapshot(reply.id).await {
            Ok(Some(snapshot)) => !snapshot.text.is_empty(),
            Ok(None) => !reply.content.is_empty(),
            Err(error) => {
                tracing::warn!(%error, "no snapshot of a growing reply; it is stopped before it is erased");
                true
            }
        }
    }

    async fn erase(&self, message: &Message) -> Result<u64, ChatError> {
        let at = self.inner.now();
        let recall = Recall { message_id: message.id, title: title_from(message), at };
        match self.inner.ports.log.append_recall(&recall).await? {
            RecallOutcome::Recalled { seq } => {
                let body = EventBody::Recall { message_id: message.id };
                let event = Event { seq, body, created_at: at, message: None, author: None };
                self.inner.announce(&message.conversation_id, vec![event]);
                Ok(seq)
            }
            RecallOutcome::Already { seq } => Ok(seq),
            RecallOutcome::NoMessage => Err(ChatError::NotFound),
        }
    }

    /// Sees to it that nothing more comes of an erased reply. An owner that did not hear of the stop is fenced off by
    /// the closed buffer, and a sweep ends what it leaves.
    async fn silence(&self, reply: &Message) -> Result<(), ChatError> {
        if !self.is_growing(reply.id).await? {
            return Ok(());
        }
        self.stop_reply(reply).await?;
        if self.is_growing(reply.id).await? {
            self.inner.ports.buffer.close(reply.id).await?;
        }
        Ok(())
    }

    /// Asked of the saga: an erased message no longer says whether its reply has ended.
    async fn is_growing(&self, reply: MessageId) -> Result<bool, ChatError> {
        let saga = self.inner.ports.generations.get(reply).await?;
        Ok(saga.is_some_and(|saga| saga.state == GenerationState::Streaming))
    }

    /// Cuts the turns that a message began, and stops its replies. Repeated with the recall, since an earlier try may
    /// have ended half-way.
    async fn cut_what_followed(&self, question: &Message, standing: &Standing) -> Result<(), ChatError> {
        let ports = &self.inner.ports;
        let mut steps = Vec::new();
        if standing.kind != ConversationKind::Session {
            self.cut_turns_of(question).await;
            steps.extend(ports.turns.of_question(question.id).await?.into_iter().flat_map(|turn| turn.steps));
        }
        let is_of_it = |reply: &Message| {
            reply.reply_to == Some(question.id) || steps.iter().any(|step| step.reply == reply.id)
        };
        let growing = ports.log.streaming(&question.conversation_id).await?;
        for reply in growing.iter().filter(|reply| is_of_it(reply)) {
            self.stop_reply(reply).await?;
        }
        Ok(())
    }
}

/// What a session is called that began with this message.
fn title_from(message: &Message) -> Option<String> {
    match message.author {
        Author::User(_) => Some(title_of(&message.content, TITLE_CHARS)).filter(|title| !title.is_empty()),
        Author::Character(_) | Author::System => None,
    }
}
