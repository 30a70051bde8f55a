//! An event of a conversation's log as clients see it, over HTTP and in the gateway's frames.
//!
//! An event says the same to everybody, so it is written once, into whatever buffer its frame is made in.

use chat::event::{Event, EventBody};
use chat::{Author, CharacterId, ConversationId, EndReason, MemberAction, Message};
use kernel::{MessageId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::message_view::{Aigc, CitationView, StatusView, UsageView};
use crate::room_message_view::{AiInfoView, Cast, RoomMessageView};

/// How an event reaches its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it happens. A reply that ended well is not said again: its deltas were.
    Live,
    /// Read later: every end carries the whole text.
    Recovered,
}

/// 一个事件；`event` 说明是哪一种。
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventView<'a> {
    /// 用户说了话，或运营者发了公告。
    Message(Box<MessageEvent<'a>>),
    /// 撤回。
    Recall(RecallEvent<'a>),
    /// 成员变化。
    Member(MemberEvent<'a>),
    /// 点赞或取消。
    Like(LikeEvent<'a>),
    /// 角色开始回答。
    AiStart(Box<AiStartEvent<'a>>),
    /// 回答结束。
    AiEnd(Box<AiEndEvent<'a>>),
}

impl EventView<'_> {
    /// The same without what somebody said whom the viewer has blocked. The event stays.
    pub fn hidden_if_by(mut self, blocked: &[UserId]) -> Self {
        if let Self::Message(event) = &mut self {
            event.message = event.message.take().map(|message| message.hidden_if_by(blocked));
        }
        self
    }
}

/// 用户说了话。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageEvent<'a> {
    /// 固定为 `room.event`；只在推送里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    /// 固定为 `message`。
    #[schema(example = "message")]
    event: &'static str,
    /// 聊天室编号。
    #[schema(example = "guoxue_room")]
    room_id: &'a str,
    /// 序号。
    #[schema(example = 1)]
    seq: u64,
    /// 消息现在的样子。
    message: Option<RoomMessageView<'a>>,
}

/// 撤回。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecallEvent<'a> {
    /// 固定为 `room.event`；只在推送里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    /// 固定为 `recall`。
    #[schema(example = "recall")]
    event: &'static str,
    /// 聊天室编号。
    #[schema(example = "guoxue_room")]
    room_id: &'a str,
    /// 序号。
    #[schema(example = 2)]
    seq: u64,
    /// 哪条消息。
    #[schema(value_type = String)]
    message_id: MessageId,
}

/// 成员变化。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberEvent<'a> {
    /// 固定为 `room.event`；只在推送里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    /// 固定为 `member`。
    #[schema(example = "member")]
    event: &'static str,
    /// 聊天室编号。
    #[schema(example = "guoxue_room")]
    room_id: &'a str,
    /// 序号。
    #[schema(example = 3)]
    seq: u64,
    /// 谁。
    #[schema(value_type = String)]
    user_id: UserId,
    /// `joined`、`left`、`removed` 或 `banned`。
    #[schema(value_type = String, example = "joined")]
    action: MemberAction,
}

/// 点赞或取消。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LikeEvent<'a> {
    /// 固定为 `room.event`；只在推送里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    /// 固定为 `like`。
    #[schema(example = "like")]
    event: &'static str,
    /// 聊天室编号。
    #[schema(example = "guoxue_room")]
    room_id: &'a str,
    /// 序号。
    #[schema(example = 4)]
    seq: u64,
    /// 哪条消息。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 谁。
    #[schema(value_type = String)]
    user_id: UserId,
    /// 现在是否点了赞。
    liked: bool,
    /// 现在的点赞总数。
    #[schema(example = 1)]
    total_likes: u32,
}

/// 角色开始回答。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiStartEvent<'a> {
    /// 固定为 `room.event`；只在推送里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    /// 固定为 `ai_start`。
    #[schema(example = "ai_start")]
    event: &'static str,
    /// 聊天室编号。
    #[schema(example = "guoxue_room")]
    room_id: &'a str,
    /// 序号。
    #[schema(example = 5)]
    seq: u64,
    /// 回答的编号。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 谁在回答。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "classics_kongzi")]
    character_id: Option<&'a CharacterId>,
    /// 谁在回答。
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_info: Option<AiInfoView<'a>>,
    /// 回答的是哪条消息。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reply_to: Option<MessageId>,
    /// 第几代；增量的代数不同就不属于这段正文。
    #[serde(rename = "gen")]
    #[schema(example = 1)]
    generation: u32,
    /// AI 消息的标识。
    #[serde(skip_serializing_if = "Option::is_none")]
    aigc: Option<Aigc>,
    /// 时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    timestamp: i64,
}

/// 回答结束。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiEndEvent<'a> {
    /// 固定为 `room.event`；只在推送里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    /// 固定为 `ai_end`。
    #[schema(example = "ai_end")]
    event: &'static str,
    /// 聊天室编号。
    #[schema(example = "guoxue_room")]
    room_id: &'a str,
    /// 序号。
    #[schema(example = 6)]
    seq: u64,
    /// 回答的编号。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 最后一代。
    #[serde(rename = "gen")]
    #[schema(example = 1)]
    generation: u32,
    /// 正文的长度，UTF-16 单位。
    #[schema(example = 120)]
    length: u32,
    /// 正文 UTF-8 的 CRC-32（IEEE），无符号十进制。
    #[schema(example = 3_421_780_262_u32)]
    crc32: u32,
    /// 为何结束：`done`、`stopped`、`length`、`error`、`blocked` 或 `lost`。
    #[schema(value_type = String, example = "done")]
    why: EndReason,
    /// 消息现在的状态。
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusView>,
    /// 用量和费用；没有收费的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    /// 引用的原文。
    citations: Vec<CitationView>,
    /// 整段正文：补取时总有，推送时只在 `why` 不是 `done` 时有；以它为准。
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// AI 消息的标识。
    #[serde(skip_serializing_if = "Option::is_none")]
    aigc: Option<Aigc>,
    /// 时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    timestamp: i64,
}

/// Writes events out.
#[derive(Clone)]
pub struct EventWriter {
    cast: Cast,
}

impl EventWriter {
    /// A writer that knows these characters.
    pub fn new(cast: Cast) -> Self {
        Self { cast }
    }

    /// The event as a page or a reply lists it.
    pub fn view<'a>(
        &'a self,
        room: &'a ConversationId,
        event: &'a Event,
        delivery: Delivery,
    ) -> EventView<'a> {
        Shown { op: None, room_id: room.as_str(), event, delivery }.view(&self.cast)
    }

    /// Appends the event to `out` as a push: `{"op":"room.event",…}`.
    pub fn push(&self, out: &mut Vec<u8>, room: &ConversationId, event: &Event) {
        let shown = Shown { op: Some("room.event"), room_id: room.as_str(), event, delivery: Delivery::Live };
        write(out, &shown.view(&self.cast));
    }
}

/// Appends something as JSON.
pub fn write(out: &mut Vec<u8>, view: &impl Serialize) {
    let start = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, view) {
        // Our own types always serialise; half an object is worse than none.
        out.truncate(start);
        tracing::error!(%error, "an event could not be serialised");
    }
}

struct Shown<'a> {
    op: Option<&'static str>,
    room_id: &'a str,
    event: &'a Event,
    delivery: Delivery,
}

impl<'a> Shown<'a> {
    fn view(&self, cast: &'a Cast) -> EventView<'a> {
        let Self { op, room_id, event: Event { seq, body, message, author, .. }, .. } = *self;
        let seq = *seq;
        match *body {
            EventBody::Message { .. } => {
                let message =
                    message.as_ref().map(|message| RoomMessageView::of(message, author.as_ref(), cast));
                EventView::Message(Box::new(MessageEvent { op, event: "message", room_id, seq, message }))
            }
            EventBody::Recall { message_id } => {
                EventView::Recall(RecallEvent { op, event: "recall", room_id, seq, message_id })
            }
            EventBody::Member { user_id, action } => {
                EventView::Member(MemberEvent { op, event: "member", room_id, seq, user_id, action })
            }
            EventBody::Like { message_id, user_id, liked, total_likes } => EventView::Like(LikeEvent {
                op,
                event: "like",
                room_id,
                seq,
                message_id,
                user_id,
                liked,
                total_likes,
            }),
            EventBody::AiStart { message_id, generation } => {
                EventView::AiStart(Box::new(self.ai_start(message_id, generation, cast)))
            }
            EventBody::AiEnd { message_id, generation, why, length, crc32 } => {
                let end = End { message_id, generation, why, length, crc32 };
                EventView::AiEnd(Box::new(self.ai_end(&end, cast)))
            }
        }
    }

    fn ai_start(&self, message_id: MessageId, generation: u32, cast: &'a Cast) -> AiStartEvent<'a> {
        let message = self.event.message.as_ref();
        let character_id = message.and_then(speaker);
        AiStartEvent {
            op: self.op,
            event: "ai_start",
            room_id: self.room_id,
            seq: self.event.seq,
            message_id,
            character_id,
            ai_info: character_id.map(|id| cast.ai_info(id)),
            reply_to: message.and_then(|message| message.reply_to),
            generation,
            aigc: message.map(|message| Aigc::of(message, cast.producer())),
            timestamp: self.event.created_at.as_millis(),
        }
    }

    fn ai_end(&self, end: &End, cast: &Cast) -> AiEndEvent<'a> {
        let message = self.event.message.as_ref();
        let tells_text = self.delivery == Delivery::Recovered || end.why != EndReason::Done;
        AiEndEvent {
            op: self.op,
            event: "ai_end",
            room_id: self.room_id,
            seq: self.event.seq,
            message_id: end.message_id,
            generation: end.generation,
            length: end.length,
            crc32: end.crc32,
            why: end.why,
            status: message.map(|message| message.status.into()),
            usage: message.and_then(|message| message.usage).map(Into::into),
            citations: message.map(citations).unwrap_or_default(),
            text: message.filter(|_| tells_text).map(|message| message.content.as_str()),
            aigc: message.map(|message| Aigc::of(message, cast.producer())),
            timestamp: self.event.created_at.as_millis(),
        }
    }
}

struct End {
    message_id: MessageId,
    generation: u32,
    why: EndReason,
    length: u32,
    crc32: u32,
}

fn speaker(message: &Message) -> Option<&CharacterId> {
    match &message.author {
        Author::Character(character) => Some(character),
        Author::User(_) | Author::System => None,
    }
}

fn citations(message: &Message) -> Vec<CitationView> {
    message.citations.iter().cloned().map(Into::into).collect()
}

#[cfg(test)]
mod tests;
