//! Stopping a reply, or the turn that a message began.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use kernel::{MessageId, UserId};

use super::ChatService;
use crate::conversation::ConversationKind;
use crate::error::{ChatError, Forbidden};
use crate::event::Frame;
use crate::feed;
use crate::message::{Author, Message, MessageStatus};
use crate::ports::BusSignal;
use crate::room::Standing;
use crate::turn::TurnState;

/// How long a stop waits for the owner before it answers that the reply is stopping.
const STOP_WAIT_MS: i64 = 2_000;

/// What became of a wish to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopState {
    /// The owner was told and has not answered yet.
    Stopping,
    /// The reply ended by a stop.
    Stopped,
    /// The reply had ended otherwise.
    Done,
}

impl ChatService {
    /// One message that the person may see.
    pub async fn message(&self, user: UserId, id: MessageId) -> Result<Message, ChatError> {
        self.seen(user, id).await.map(|(message, _standing)| message)
    }

    /// Stops the reply that this id names; or what the message that it names has set in motion, also where no reply
    /// has begun yet. For who asked, and in rooms for who keeps order.
    ///
    /// `Stopped` is answered when the watchers of this instance have been told of the end: what they get after the
    /// answer has no text of the reply any more.
    pub async fn stop(&self, user: UserId, id: MessageId) -> Result<StopState, ChatError> {
        let (message, standing) = self.seen(user, id).await?;
        let conversation = message.conversation_id.clone();
        let state = self.stop_seen(user, message, &standing).await?;
        if state != StopState::Stopped {
            return Ok(state);
        }
        match feed::deliver_log(&self.inner, &conversation).await {
            Ok(()) => Ok(StopState::Stopped),
            Err(error) => {
                tracing::warn!(%error, "watchers could not be told of a stopped reply's end yet");
                Ok(StopState::Stopping)
            }
        }
    }

    async fn stop_seen(
        &self,
        user: UserId,
        message: Message,
        standing: &Standing,
    ) -> Result<StopState, ChatError> {
        if standing.kind == ConversationKind::Session {
            return self.stop_reply(&self.reply_of(message).await?).await;
        }
        if !standing.may_manage(user) && self.asker(&message).await? != Some(user) {
            return Err(ChatError::Forbidden(Forbidden::NotManager));
        }
        match message.author {
            Author::Character(_) => self.stop_reply(&message).await,
            Author::User(_) | Author::System => self.stop_turn(message).await,
        }
    }

    /// Cuts a turn, and stops its reply that grows.
    async fn stop_turn(&self, question: Message) -> Result<StopState, ChatError> {
        let is_cut = self.inner.cut_turn(&question).await?;
        let turn = self.inner.ports.turns.of_question(question.id).await?;
        let is_of_turn = |reply: &Message| {
            turn.as_ref().is_some_and(|turn| turn.steps.iter().any(|step| step.reply == reply.id))
        };
        let growing = self.inner.ports.log.streaming(&question.conversation_id).await?;
        match growing.into_iter().find(is_of_turn) {
            Some(reply) => self.stop_reply(&reply).await,
            None if is_cut || turn.as_ref().is_some_and(|turn| turn.state == TurnState::Cut) => {
                Ok(StopState::Stopped)
            }
            None if turn.is_some() => Ok(StopState::Done),
            None => {
                let reply = self.reply_of(question).await?;
                Ok(stop_state(&reply).unwrap_or(StopState::Stopping))
            }
        }
    }

    /// Stops a reply and waits a little for its end.
    pub(crate) async fn stop_reply(&self, reply: &Message) -> Result<StopState, ChatError> {
        if let Some(state) = stop_state(reply) {
            return Ok(state);
        }
        let mut bus = self.inner.watch(&reply.conversation_id).await;
        self.inner.request_stop(reply.id).await?;
        let clock = Arc::clone(&self.inner.runtime.clock);
        let deadline = clock.now().plus_millis(STOP_WAIT_MS);
        let mut timeout = clock.sleep_until(deadline).fuse();
        loop {
            let signal = futures::select! {
                signal = bus.next().fuse() => signal,
                () = timeout => None,
            };
            match signal {
                Some(BusSignal::Frame(frame)) if !is_end_of(&frame, reply.id) => {}
                Some(BusSignal::Frame(_) | BusSignal::Missed) | None => break,
            }
        }
        let reply = self.inner.ports.log.message(reply.id).await?.ok_or(ChatError::NotFound)?;
        Ok(stop_state(&reply).unwrap_or(StopState::Stopping))
    }

    /// The reply that this id names, or the newest one to the question that it names.
    pub(crate) async fn reply_named(&self, user: UserId, id: MessageId) -> Result<Message, ChatError> {
        let message = self.message(user, id).await?;
        self.reply_of(message).await
    }

    async fn reply_of(&self, message: Message) -> Result<Message, ChatError> {
        match message.author {
            Author::Character(_) => Ok(message),
            Author::User(_) | Author::System => {
                self.inner.ports.log.reply_to(message.id).await?.ok_or(ChatError::NotFound)
            }
        }
    }

    async fn seen(&self, user: UserId, id: MessageId) -> Result<(Message, Standing), ChatError> {
        let message = self.inner.ports.log.message(id).await?.ok_or(ChatError::NotFound)?;
        let standing = self.readable(user, &message.conversation_id).await?;
        Ok((message, standing))
    }
}

fn stop_state(reply: &Message) -> Option<StopState> {
    match reply.status {
        MessageStatus::Streaming => None,
        MessageStatus::Stopped => Some(StopState::Stopped),
        MessageStatus::Done | MessageStatus::Failed | MessageStatus::Blocked | MessageStatus::Recalled => {
            Some(StopState::Done)
        }
    }
}

fn is_end_of(frame: &Frame, reply: MessageId) -> bool {
    match frame {
        Frame::Committed { events } => events.iter().any(|event| event.ends(reply)),
        Frame::Delta { .. }
        | Frame::Settled { .. }
        | Frame::Typing { .. }
        | Frame::Read { .. }
        | Frame::Presence { .. }
        | Frame::TurnOver { .. }
        | Frame::Notice { .. }
        | Frame::Expelled { .. } => false,
    }
}
