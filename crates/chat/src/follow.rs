//! The watcher's side of a reply: from any offset, on any instance, while it grows or long after.
//!
//! Subscribe first, then read what is there, then apply frames by their offset; after any doubt (a gap, a lost
//! frame, silence) read again. So nothing on the bus has to be reliable.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use kernel::{MessageId, Timestamp, UserId};

use crate::conversation::ConversationId;
use crate::error::ChatError;
use crate::event::{Event, EventBody, Frame, utf16_length, utf16_tail};
use crate::generation::GenerationState;
use crate::message::{Citation, EndReason, Message, MessageStatus};
use crate::ports::BusSignal;
use crate::service::{Asked, ChatService, Inner};

/// One step of a reply as a watcher sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyFrame {
    /// Which reply this is, and what it answers.
    Start {
        /// The reply, as it stood.
        reply: Box<Message>,
        /// The question's id and seq.
        question: Option<(MessageId, u64)>,
        /// Where this watcher goes on, in UTF-16 units: its offset, brought back to a place that exists.
        offset: u32,
    },
    /// New text at an offset in UTF-16 units.
    Delta {
        /// The reply.
        message_id: MessageId,
        /// Its generation.
        generation: u32,
        /// Where the text goes.
        offset: u32,
        /// The text.
        text: String,
    },
    /// The passages that the whole text points at; once.
    Citations(Vec<Citation>),
    /// The reply ended without being whole.
    Failed(Box<Message>),
    /// The message in its last state, after its charge was settled.
    Final(Box<Message>),
}

/// A reply, frame by frame; ends after [`ReplyFrame::Final`].
pub type ReplyStream = BoxStream<'static, ReplyFrame>;

/// Silence after which the log is asked, should a frame have been lost.
const SILENCE_MS: i64 = 2_000;
/// How long `final` waits for the charge before it shows the message as it is.
const SETTLE_WAIT_MS: i64 = 10_000;

impl ChatService {
    /// Watches a reply from an offset in UTF-16 units (`None`: from the start). An offset that belongs to another
    /// generation counts as none. The id may be the question's.
    pub async fn follow(
        &self,
        user: UserId,
        id: MessageId,
        offset: Option<u32>,
        generation: Option<u32>,
    ) -> Result<ReplyStream, ChatError> {
        let named = self.reply_named(user, id).await?;
        let asked = match named.reply_to {
            Some(question) => {
                let question = self.inner.ports.log.message(question).await?;
                question.map(|question| (question.id, question.seq))
            }
            None => None,
        };
        self.watch(&named, asked, offset, generation).await
    }

    /// Watches the reply to a question that was asked just now, from its start.
    pub async fn follow_asked(&self, asked: &Asked) -> Result<ReplyStream, ChatError> {
        let question = (asked.question.id, asked.question.seq);
        self.watch(&asked.reply, Some(question), None, None).await
    }

    async fn watch(
        &self,
        named: &Message,
        question: Option<(MessageId, u64)>,
        offset: Option<u32>,
        generation: Option<u32>,
    ) -> Result<ReplyStream, ChatError> {
        let inner = Arc::clone(&self.inner);
        let bus = listen(&inner, &named.conversation_id).await;
        // Read again: what happened before the subscription is in the log now.
        let reply = inner.ports.log.message(named.id).await?.ok_or(ChatError::NotFound)?;
        let trusted = generation.is_none_or(|generation| generation == reply.generation);
        let offset = if trusted { offset.unwrap_or(0) } else { 0 };
        let mut follower = Follower::new(inner, &reply, offset, bus);
        let start = Box::new(reply.clone());
        follower.look_at(reply).await;
        let offset = follower.began_at;
        follower.queue.push_front(ReplyFrame::Start { reply: start, question, offset });
        Ok(stream::unfold(follower, |mut follower| async move {
            follower.next().await.map(|frame| (frame, follower))
        })
        .boxed())
    }

    /// Waits for the end of a reply and returns it whole.
    pub async fn finished(&self, user: UserId, id: MessageId) -> Result<Message, ChatError> {
        let mut frames = self.follow(user, id, Some(u32::MAX), None).await?;
        while let Some(frame) = frames.next().await {
            if let ReplyFrame::Final(message) = frame {
                return Ok(*message);
            }
        }
        Err(ChatError::NotFound)
    }
}

type Signals = BoxStream<'static, BusSignal>;

enum Phase {
    /// The reply grows.
    Live,
    /// It has ended; the charge is not settled yet, as far as it is known.
    Settling { since: Timestamp },
    /// Everything is queued.
    Over,
}

struct Follower {
    inner: Arc<Inner>,
    message_id: MessageId,
    generation: u32,
    offset: u32,
    /// Whether the offset is still what the client claims: the first text read settles it.
    claimed: bool,
    began_at: u32,
    conversation_id: ConversationId,
    /// `None` while the bus cannot be watched.
    bus: Option<Signals>,
    /// When something was last heard of this reply, or read.
    heard_at: Timestamp,
    queue: VecDeque<ReplyFrame>,
    phase: Phase,
}

impl Follower {
    fn new(inner: Arc<Inner>, reply: &Message, offset: u32, bus: Option<Signals>) -> Self {
        Self {
            heard_at: inner.now(),
            inner,
            conversation_id: reply.conversation_id.clone(),
            message_id: reply.id,
            generation: reply.generation,
            offset,
            claimed: true,
            began_at: 0,
            bus,
            queue: VecDeque::new(),
            phase: Phase::Live,
        }
    }

    async fn next(&mut self) -> Option<ReplyFrame> {
        loop {
            if let Some(frame) = self.queue.pop_front() {
                return Some(frame);
            }
            if matches!(self.phase, Phase::Over) {
                return None;
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let clock = Arc::clone(&self.inner.runtime.clock);
        let silence = clock.sleep_until(self.heard_at.plus_millis(SILENCE_MS));
        let Some(bus) = &mut self.bus else {
            silence.await;
            self.bus = listen(&self.inner, &self.conversation_id).await;
            return self.reread().await;
        };
        match select(bus.next(), silence).await {
            Either::Left((Some(BusSignal::Frame(frame)), _)) => self.apply(&frame).await,
            Either::Left((Some(BusSignal::Missed), _)) | Either::Right(((), _)) => self.reread().await,
            Either::Left((None, _)) => {
                self.bus = None;
                self.reread().await;
            }
        }
    }

    async fn apply(&mut self, frame: &Frame) {
        match frame {
            Frame::Delta { message_id, generation, offset, text } => {
                // What has ended or was taken back grows no more.
                let is_live = matches!(self.phase, Phase::Live);
                if is_live && *message_id == self.message_id && *generation == self.generation {
                    self.grow(*offset, text).await;
                }
            }
            Frame::Committed { events } => {
                // None at all: some may have been lost.
                if events.is_empty() || events.iter().any(|event| recalls(event, self.message_id)) {
                    self.reread().await;
                } else if let Some(end) = events.iter().find(|event| event.ends(self.message_id)) {
                    self.ended(end).await;
                }
            }
            Frame::Settled { message_id } => {
                if *message_id == self.message_id {
                    self.settled().await;
                }
            }
            Frame::Typing { .. }
            | Frame::Read { .. }
            | Frame::Presence { .. }
            | Frame::TurnOver { .. }
            | Frame::Notice { .. }
            | Frame::Expelled { .. } => {}
        }
    }

    async fn grow(&mut self, offset: u32, text: &str) {
        self.heard_at = self.inner.now();
        if offset > self.offset {
            self.reread().await;
            return;
        }
        let (skipped, tail) = utf16_tail(text, self.offset - offset);
        self.push_text(offset.saturating_add(skipped), tail.to_owned());
    }

    /// Queues text that begins at `at`, if it goes on where this watcher is.
    fn push_text(&mut self, at: u32, text: String) {
        if text.is_empty() || at != self.offset {
            return;
        }
        self.offset = self.offset.saturating_add(utf16_length(&text));
        let (message_id, generation) = (self.message_id, self.generation);
        self.queue.push_back(ReplyFrame::Delta { message_id, generation, offset: at, text });
    }

    /// Takes the end as it was announced; where it was announced without the message, as it is in the log.
    async fn ended(&mut self, end: &Event) {
        match (&self.phase, &end.message) {
            (Phase::Live, Some(message)) => {
                self.heard_at = self.inner.now();
                self.tail_of(&message.content);
                self.phase = Phase::Settling { since: self.heard_at };
            }
            (Phase::Live, None) => self.reread().await,
            (Phase::Settling { .. } | Phase::Over, Some(_) | None) => {}
        }
    }

    /// The charge is taken. The message is read once more, since it may have been recalled meanwhile.
    async fn settled(&mut self) {
        match self.phase {
            Phase::Live | Phase::Settling { .. } => self.reread_with(true).await,
            Phase::Over => {}
        }
    }

    async fn reread(&mut self) {
        self.reread_with(false).await;
    }

    async fn reread_with(&mut self, is_settled: bool) {
        self.heard_at = self.inner.now();
        match self.inner.ports.log.message(self.message_id).await {
            Ok(Some(message)) => self.look_at_with(message, is_settled).await,
            // Deleted while it was watched.
            Ok(None) => self.phase = Phase::Over,
            Err(error) => tracing::warn!(%error, "a watcher could not read the log; it asks again"),
        }
    }

    async fn look_at(&mut self, message: Message) {
        self.look_at_with(message, false).await;
    }

    async fn look_at_with(&mut self, message: Message, known_settled: bool) {
        if message.status == MessageStatus::Streaming {
            self.catch_up(&message).await;
            return;
        }
        self.tail_of(&message.content);
        let since = match self.phase {
            Phase::Live => self.inner.now(),
            Phase::Settling { since } => since,
            Phase::Over => return,
        };
        let waited = self.inner.now().millis_since(since) >= SETTLE_WAIT_MS;
        if known_settled || waited || is_settled(Arc::clone(&self.inner), self.message_id).await {
            self.conclude(message);
        } else {
            self.phase = Phase::Settling { since };
        }
    }

    async fn catch_up(&mut self, message: &Message) {
        match self.inner.ports.buffer.snapshot(self.message_id).await {
            Ok(Some(snapshot)) if snapshot.generation == self.generation => self.tail_of(&snapshot.text),
            Ok(_) => self.tail_of(&message.content),
            Err(error) => {
                tracing::warn!(%error, "no snapshot of a growing reply; its checkpoint is shown");
                self.tail_of(&message.content);
            }
        }
    }

    /// Queues the part of the text that this watcher has not seen. A client that claims to be beyond the end, or
    /// inside a surrogate pair, is brought back to a place that exists; later a shorter text (an old checkpoint)
    /// brings nobody back.
    fn tail_of(&mut self, text: &str) {
        let (at, tail) = utf16_tail(text, self.offset);
        if std::mem::take(&mut self.claimed) {
            self.offset = at;
            self.began_at = at;
        }
        self.push_text(at, tail.to_owned());
    }

    fn conclude(&mut self, message: Message) {
        self.queue.push_back(ReplyFrame::Citations(message.citations.clone()));
        match message.why {
            Some(EndReason::Error | EndReason::Lost | EndReason::Blocked) => {
                self.queue.push_back(ReplyFrame::Failed(Box::new(message.clone())));
            }
            Some(EndReason::Done | EndReason::Stopped | EndReason::Length) | None => {}
        }
        self.queue.push_back(ReplyFrame::Final(Box::new(message)));
        self.phase = Phase::Over;
    }
}

fn recalls(event: &Event, reply: MessageId) -> bool {
    matches!(event.body, EventBody::Recall { message_id } if message_id == reply)
}

/// Watches the bus, if it can be watched.
async fn listen(inner: &Inner, conversation: &ConversationId) -> Option<Signals> {
    match inner.ports.broadcaster.subscribe(conversation).await {
        Ok(signals) => Some(signals),
        Err(error) => {
            tracing::warn!(%error, "the bus cannot be watched; the log is asked instead");
            None
        }
    }
}

async fn is_settled(inner: Arc<Inner>, message_id: MessageId) -> bool {
    match inner.ports.generations.get(message_id).await {
        Ok(Some(saga)) => saga.state == GenerationState::Settled,
        Ok(None) => true,
        Err(error) => {
            tracing::warn!(%error, "a saga could not be read; it is asked again");
            false
        }
    }
}
