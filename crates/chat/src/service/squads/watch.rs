//! A squad's turn as its watcher sees it: put together from what the feed delivers, and from the log after any doubt.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use kernel::{MessageId, Timestamp};

use super::audience::Batches;
use super::{SquadFailure, SquadFrame};
use crate::conversation::CharacterId;
use crate::event::{Event, Notice, utf16_length, utf16_tail};
use crate::feed::{FeedHandle, FeedItem};
use crate::message::{Author, Failure, Message, MessageStatus};
use crate::service::ChatService;
use crate::turn::{StepState, Turn, TurnState};

/// Silence after which the log is asked, should something have been lost.
const SILENCE_MS: i64 = 2_000;
/// A turn of which nothing is heard for so long is watched no longer.
const PATIENCE_MS: i64 = 120_000;

/// One character's reply, as far as it was passed on.
struct Voice {
    reply: MessageId,
    character_id: CharacterId,
    generation: u32,
    /// In UTF-16 units.
    passed_on: u32,
    has_ended: bool,
}

pub(super) struct Watch {
    service: ChatService,
    feed: FeedHandle,
    batches: Batches,
    question: MessageId,
    voices: Vec<Voice>,
    queue: VecDeque<SquadFrame>,
    quiet_since: Timestamp,
    was_refused: bool,
    has_looked: bool,
    is_over: bool,
}

impl Watch {
    pub(super) fn new(service: ChatService, feed: FeedHandle, batches: Batches, question: MessageId) -> Self {
        let quiet_since = service.inner.now();
        Self {
            service,
            feed,
            batches,
            question,
            voices: Vec::new(),
            queue: VecDeque::new(),
            quiet_since,
            was_refused: false,
            has_looked: false,
            is_over: false,
        }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, SquadFrame> {
        stream::unfold(self, |mut watch| async move { watch.next().await.map(|frame| (frame, watch)) })
            .boxed()
    }

    async fn next(&mut self) -> Option<SquadFrame> {
        loop {
            if let Some(frame) = self.queue.pop_front() {
                return Some(frame);
            }
            if self.is_over {
                return None;
            }
            // A turn that was over before it was watched is told from the log.
            if std::mem::replace(&mut self.has_looked, true) {
                self.wait().await;
            } else {
                self.look().await;
            }
        }
    }

    async fn wait(&mut self) {
        let clock = Arc::clone(&self.service.inner.runtime.clock);
        let silence = clock.sleep_until(clock.now().plus_millis(SILENCE_MS));
        let batch = match select(self.batches.batches.next(), silence).await {
            Either::Left((Some(batch), _)) => Some(batch),
            Either::Left((None, _)) => {
                self.look().await;
                self.end();
                return;
            }
            Either::Right(((), _)) => None,
        };
        match batch {
            Some(batch) => self.hear(&batch.item).await,
            None => self.look().await,
        }
        if self.batches.has_missed() {
            self.look().await;
        }
        if clock.now().millis_since(self.quiet_since) >= PATIENCE_MS {
            self.end();
        }
    }

    async fn hear(&mut self, item: &FeedItem) {
        match item {
            FeedItem::Events(events) => self.hear_events(events),
            FeedItem::Delta { message_id, generation, offset, text } => {
                if self.hear_delta(*message_id, *generation, *offset, text).is_none() {
                    self.look().await;
                }
            }
            FeedItem::TurnOver { question } if *question == self.question => self.look().await,
            FeedItem::Notice { question, notice, .. } if *question == self.question => {
                let failure = match notice {
                    Notice::InsufficientBalance => SquadFailure::InsufficientBalance,
                    Notice::Unavailable => SquadFailure::Reply(Failure::ModelUnavailable),
                };
                if let Some(turn) = self.turn().await {
                    self.refuse(&turn, failure);
                }
            }
            FeedItem::Reset => self.end(),
            FeedItem::TurnOver { .. }
            | FeedItem::Notice { .. }
            | FeedItem::Typing { .. }
            | FeedItem::Read { .. }
            | FeedItem::Presence { .. }
            | FeedItem::Expelled { .. } => {}
        }
    }

    fn hear_events(&mut self, events: &[Event]) {
        for event in events {
            if let Some(message) = &event.message
                && self.is_of_this_turn(message)
            {
                self.see(message);
            }
        }
    }

    /// `None` where text before it is missing.
    fn hear_delta(&mut self, reply: MessageId, generation: u32, offset: u32, text: &str) -> Option<()> {
        let Some(at) = self.voices.iter().position(|voice| voice.reply == reply) else { return Some(()) };
        let voice = self.voices.get_mut(at)?;
        if voice.generation != generation || voice.has_ended {
            return Some(());
        }
        let (_, tail) = utf16_tail(text, voice.passed_on.checked_sub(offset)?);
        self.pass_on(at, tail);
        Some(())
    }

    fn is_of_this_turn(&self, message: &Message) -> bool {
        let answers = |id| id == self.question || self.voices.iter().any(|voice| voice.reply == id);
        matches!(message.author, Author::Character(_)) && message.reply_to.is_some_and(answers)
    }

    /// Passes on what is new of a reply in its present state.
    fn see(&mut self, reply: &Message) {
        let Author::Character(character_id) = &reply.author else { return };
        let at = self.voice_of(reply.id, character_id, reply.generation);
        let Some(voice) = self.voices.get(at).filter(|voice| !voice.has_ended) else { return };
        let is_growing = reply.status == MessageStatus::Streaming;
        let growing = if is_growing { self.feed.growing(reply.id) } else { None };
        let text = growing.as_ref().map_or(reply.content.as_str(), |growing| growing.text.as_str());
        let (begins, tail) = utf16_tail(text, voice.passed_on);
        // A shorter text is an old checkpoint, or was taken back.
        if begins == voice.passed_on {
            self.pass_on(at, tail);
        }
        let character_id = character_id.clone();
        let last = match reply.status {
            MessageStatus::Streaming => return,
            MessageStatus::Done | MessageStatus::Stopped | MessageStatus::Recalled => {
                SquadFrame::End { character_id }
            }
            MessageStatus::Blocked => SquadFrame::Error { character_id, failure: SquadFailure::Blocked },
            MessageStatus::Failed => {
                let failure = SquadFailure::Reply(reply.failure.unwrap_or(Failure::ModelUnavailable));
                SquadFrame::Error { character_id, failure }
            }
        };
        self.push(last);
        if let Some(voice) = self.voices.get_mut(at) {
            voice.has_ended = true;
        }
    }

    /// The place of a reply among the voices; a new one begins.
    fn voice_of(&mut self, reply: MessageId, character_id: &CharacterId, generation: u32) -> usize {
        if let Some(at) = self.voices.iter().position(|voice| voice.reply == reply) {
            return at;
        }
        let character_id = character_id.clone();
        self.push(SquadFrame::Start { character_id: character_id.clone(), message_id: reply });
        self.voices.push(Voice { reply, character_id, generation, passed_on: 0, has_ended: false });
        self.voices.len() - 1
    }

    fn pass_on(&mut self, at: usize, text: &str) {
        let Some(voice) = self.voices.get_mut(at).filter(|_| !text.is_empty()) else { return };
        voice.passed_on = voice.passed_on.saturating_add(utf16_length(text));
        let character_id = voice.character_id.clone();
        self.push(SquadFrame::Chunk { character_id, text: text.to_owned() });
    }

    fn push(&mut self, frame: SquadFrame) {
        self.quiet_since = self.service.inner.now();
        self.queue.push_back(frame);
    }

    /// Reads turn and replies, and passes on what was not heard.
    async fn look(&mut self) {
        let log = Arc::clone(&self.service.inner.ports.log);
        let turn = match self.service.inner.ports.turns.of_question(self.question).await {
            Ok(Some(turn)) => turn,
            // Nobody was to answer.
            Ok(None) => return self.end(),
            Err(error) => return tracing::warn!(%error, "a turn could not be read; it is asked again"),
        };
        for step in turn.steps.iter().filter(|step| step.state == StepState::Begun) {
            match log.message(step.reply).await {
                Ok(Some(reply)) => self.see(&reply),
                Ok(None) => {}
                Err(error) => return tracing::warn!(%error, "a reply could not be read; it is asked again"),
            }
        }
        match turn.state {
            TurnState::Open => return,
            TurnState::Done | TurnState::Cut => {}
            TurnState::Refused => self.refuse(&turn, SquadFailure::InsufficientBalance),
            TurnState::Failed => self.refuse(&turn, SquadFailure::Reply(Failure::ModelUnavailable)),
        }
        // The last reply of a turn that was cut may still be ending.
        if self.voices.iter().all(|voice| voice.has_ended) {
            self.end();
        }
    }

    async fn turn(&self) -> Option<Turn> {
        match self.service.inner.ports.turns.of_question(self.question).await {
            Ok(turn) => turn,
            Err(error) => {
                tracing::warn!(%error, "a turn could not be read");
                None
            }
        }
    }

    /// Says once of whoever would have been next why they do not speak.
    fn refuse(&mut self, turn: &Turn, failure: SquadFailure) {
        let is_next = |reply| self.voices.iter().all(|voice| voice.reply != reply);
        let next = turn.steps.iter().find(|step| is_next(step.reply));
        if let Some(step) = next.filter(|_| !self.was_refused) {
            self.was_refused = true;
            self.push(SquadFrame::Error { character_id: step.character_id.clone(), failure });
        }
    }

    fn end(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.queue.push_back(SquadFrame::Done);
        }
    }
}
