//! What a room says to its connections: a feed's batch, encoded once for all of them.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use chat::event::{Event, EventBody, Notice, departed};
use chat::feed::{Batch, FeedItem, Growing};
use chat::{ConversationId, EndReason};
use kernel::{MessageId, UserId};
use serde::Serialize;

use super::frame::TextFrame;
use crate::event_view::{EventWriter, write};
use crate::language::Language;
use crate::problem::{Problem, Slug};

/// Where the text of growing replies is to be had.
pub(crate) trait Texts: Send + Sync {
    /// The room.
    fn room(&self) -> &str;

    /// A reply's text so far, while it grows.
    fn growing(&self, message_id: MessageId) -> Option<Growing>;
}

/// Where a delta belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeltaPlace {
    pub(crate) message_id: MessageId,
    pub(crate) generation: u32,
    pub(crate) offset: u32,
}

impl DeltaPlace {
    pub(crate) fn is_same_text(self, other: Self) -> bool {
        self.message_id == other.message_id && self.generation == other.generation
    }
}

/// What may be done with a push that a slow client does not fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: it is sent.
    Durable,
    /// It may be told later, together with what follows.
    Delta(DeltaPlace),
    /// It may be left out.
    Ephemeral,
}

/// A push as one thread's connections share it.
pub(crate) struct Packet {
    /// Its place in the feed.
    pub(crate) position: u64,
    pub(crate) kind: Kind,
    /// A whole WebSocket frame.
    pub(crate) frame: Bytes,
    /// The batch, where it ends replies.
    ends: Option<Arc<Batch>>,
}

impl Packet {
    pub(crate) fn ephemeral(frame: Bytes) -> Rc<Self> {
        Rc::new(Self { position: u64::MAX, kind: Kind::Ephemeral, frame, ends: None })
    }

    /// Whether this packet ends replies.
    pub(crate) fn is_end(&self) -> bool {
        self.ends.is_some()
    }

    /// The whole text of a reply that this packet ends.
    pub(crate) fn final_text(&self, message_id: MessageId, generation: u32) -> Option<&str> {
        self.end(|ended, of| ended == message_id && of == generation).map(|(_, content)| content)
    }

    /// Whether this packet ends the reply that a piece belongs to.
    pub(crate) fn ends_text(&self, place: DeltaPlace) -> bool {
        self.end_of(place).is_some()
    }

    /// The same, and tells its clients the whole text, so that they need no piece before it.
    pub(crate) fn tells_text_of(&self, place: DeltaPlace) -> bool {
        self.end_of(place).is_some_and(|(why, _)| why != EndReason::Done)
    }

    /// A reply that was lost ends one generation higher.
    fn end_of(&self, place: DeltaPlace) -> Option<(EndReason, &str)> {
        self.end(|ended, of| ended == place.message_id && of >= place.generation)
    }

    /// The end in this packet that is the one, with the reply's text.
    fn end(&self, is_it: impl Fn(MessageId, u32) -> bool) -> Option<(EndReason, &str)> {
        let FeedItem::Events(events) = &self.ends.as_ref()?.item else { return None };
        events.iter().find_map(|event| match event.body {
            EventBody::AiEnd { message_id, generation, why, .. } if is_it(message_id, generation) => {
                Some((why, event.message.as_ref()?.content.as_str()))
            }
            EventBody::AiEnd { .. }
            | EventBody::Message { .. }
            | EventBody::Recall { .. }
            | EventBody::Member { .. }
            | EventBody::Like { .. }
            | EventBody::AiStart { .. } => None,
        })
    }
}

/// A push as it travels between threads.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) position: u64,
    pub(crate) frame: Bytes,
    pub(crate) to: Addressee,
    /// Who leaves the room with it, and what they are told: the frame that shows them out may be lost.
    pub(crate) departed: Vec<(UserId, Bytes)>,
    ends: Option<Arc<Batch>>,
}

/// Whom a push is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Addressee {
    /// Everybody in the room; it is a part of the log.
    All,
    /// Everybody; a piece of a growing reply.
    Watchers(DeltaPlace),
    /// Everybody, if they have the time, but the connection of this name.
    Others(Option<Box<str>>),
    /// This person; in English the other frame.
    Person { user: UserId, english: Bytes },
    /// This person, who then leaves the room.
    Expelled(UserId),
    /// Everybody, who then have to begin anew.
    Reset,
}

impl Outgoing {
    /// For everybody who has the time, outside of the feed's order.
    pub(crate) fn aside(frame: Bytes) -> Self {
        Self { position: u64::MAX, frame, to: Addressee::Others(None), departed: Vec::new(), ends: None }
    }

    #[cfg(test)]
    pub(crate) fn of(position: u64, frame: Bytes, to: Addressee) -> Self {
        Self { position, frame, to, departed: Vec::new(), ends: None }
    }

    #[cfg(test)]
    pub(crate) fn ending(frame: Bytes, batch: Arc<Batch>) -> Self {
        Self { position: batch.position, frame, to: Addressee::All, departed: Vec::new(), ends: Some(batch) }
    }

    /// The packet that one thread's connections share.
    pub(crate) fn packet(&self) -> Rc<Packet> {
        let kind = match self.to {
            Addressee::Watchers(place) => Kind::Delta(place),
            Addressee::Others(_) => Kind::Ephemeral,
            Addressee::All | Addressee::Person { .. } | Addressee::Expelled(_) | Addressee::Reset => {
                Kind::Durable
            }
        };
        Rc::new(Packet { position: self.position, kind, frame: self.frame.clone(), ends: self.ends.clone() })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeltaPush<'a> {
    op: &'static str,
    event: &'static str,
    room_id: &'a str,
    message_id: MessageId,
    #[serde(rename = "gen")]
    generation: u32,
    offset: u32,
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PersonPush<'a> {
    op: &'static str,
    event: &'static str,
    room_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<u32>,
}

impl<'a> PersonPush<'a> {
    fn new(op: &'static str, event: &'static str, room: &'a str) -> Self {
        Self { op, event, room_id: room, user_id: None, seq: None, on: None, online: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoticePush<'a> {
    op: &'static str,
    event: &'static str,
    room_id: &'a str,
    message_id: MessageId,
    code: u16,
    error: &'static str,
    detail: String,
}

/// A delta as a whole frame.
pub(crate) fn delta_frame(room: &str, place: DeltaPlace, text: &str) -> Bytes {
    let DeltaPlace { message_id, generation, offset } = place;
    let (op, event) = ("room.delta", "delta");
    json_frame(
        &DeltaPush { op, event, room_id: room, message_id, generation, offset, text },
        text.len() + 192,
    )
}

/// How many people are in a room, as a whole frame.
pub(crate) fn online_frame(room: &str, online: u32) -> Bytes {
    json_frame(&PersonPush { online: Some(online), ..PersonPush::new("room.presence", "update", room) }, 128)
}

/// Something as one text frame.
pub(crate) fn json_frame(view: &impl Serialize, about: usize) -> Bytes {
    let mut frame = TextFrame::with_capacity(about);
    write(frame.text(), view);
    frame.finish()
}

/// More people than this are only counted.
pub(crate) const SHOWN_PEOPLE: u32 = 100;

/// A batch for all connections; `None` where it says nothing to them.
pub(crate) fn encode(room: &ConversationId, batch: &Arc<Batch>, writer: &EventWriter) -> Option<Outgoing> {
    let id = room.as_str();
    let (frame, to) = match &batch.item {
        FeedItem::Events(events) => (events_frame(room, events, writer), Addressee::All),
        FeedItem::Delta { message_id, generation, offset, text } => {
            let place = DeltaPlace { message_id: *message_id, generation: *generation, offset: *offset };
            (delta_frame(id, place, text), Addressee::Watchers(place))
        }
        FeedItem::Typing { user_id, connection } => {
            let push = PersonPush { user_id: Some(*user_id), ..PersonPush::new("room.typing", "update", id) };
            (json_frame(&push, 160), Addressee::Others(Some(connection.as_str().into())))
        }
        FeedItem::Read { user_id, seq } => {
            let push = PersonPush::new("room.read", "update", id);
            let push = PersonPush { user_id: Some(*user_id), seq: Some(*seq), ..push };
            (json_frame(&push, 160), Addressee::Others(None))
        }
        FeedItem::Presence { user_id, on, online } => {
            let push = PersonPush::new("room.presence", "update", id);
            let push = PersonPush { user_id: Some(*user_id), on: Some(*on), online: Some(*online), ..push };
            (json_frame(&push, 192), Addressee::Others(None))
        }
        FeedItem::TurnOver { .. } => return None,
        FeedItem::Notice { user_id, question, notice } => {
            let frame = |language| notice_frame(id, *question, *notice, language);
            let english = frame(Language::English);
            (frame(Language::Chinese), Addressee::Person { user: *user_id, english })
        }
        FeedItem::Expelled { user_id } => (expelled_frame(id, *user_id), Addressee::Expelled(*user_id)),
        FeedItem::Reset => (Bytes::new(), Addressee::Reset),
    };
    let ends = ends_replies(&batch.item).then(|| Arc::clone(batch));
    Some(Outgoing { position: batch.position, frame, to, departed: departures(id, &batch.item), ends })
}

fn departures(room: &str, item: &FeedItem) -> Vec<(UserId, Bytes)> {
    match item {
        FeedItem::Events(events) => {
            departed(events).into_iter().map(|user| (user, expelled_frame(room, user))).collect()
        }
        FeedItem::Delta { .. }
        | FeedItem::Typing { .. }
        | FeedItem::Read { .. }
        | FeedItem::Presence { .. }
        | FeedItem::TurnOver { .. }
        | FeedItem::Notice { .. }
        | FeedItem::Expelled { .. }
        | FeedItem::Reset => Vec::new(),
    }
}

fn expelled_frame(room: &str, user: UserId) -> Bytes {
    json_frame(&PersonPush { user_id: Some(user), ..PersonPush::new("room.leave", "expelled", room) }, 160)
}

fn events_frame(room: &ConversationId, events: &[Event], writer: &EventWriter) -> Bytes {
    let mut frame = TextFrame::with_capacity(events.len().saturating_mul(640));
    for event in events {
        if !frame.is_empty() {
            frame.text().push(b'\n');
        }
        writer.push(frame.text(), room, event);
    }
    frame.finish()
}

fn notice_frame(room: &str, question: MessageId, notice: Notice, language: Language) -> Bytes {
    let problem = Problem::new(match notice {
        Notice::InsufficientBalance => Slug::InsufficientBalance,
        Notice::Unavailable => Slug::ModelUnavailable,
    });
    let (code, error) = (problem.slug().status().as_u16(), problem.slug().as_str());
    let detail = problem.message(language);
    let (op, event) = ("room.turn", "error");
    json_frame(&NoticePush { op, event, room_id: room, message_id: question, code, error, detail }, 256)
}

fn ends_replies(item: &FeedItem) -> bool {
    match item {
        FeedItem::Events(events) => events.iter().any(|event| matches!(event.body, EventBody::AiEnd { .. })),
        FeedItem::Delta { .. }
        | FeedItem::Typing { .. }
        | FeedItem::Read { .. }
        | FeedItem::Presence { .. }
        | FeedItem::TurnOver { .. }
        | FeedItem::Notice { .. }
        | FeedItem::Expelled { .. }
        | FeedItem::Reset => false,
    }
}
