//! What is said in a room, and up to where somebody has read.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use auth::AuthService;
use chat::{ChatService, ConversationId, Draft};
use kernel::MessageId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, Reply};
use crate::extract::{Body, FromCaller, Idempotency, PathText, Query};
use crate::people::Cards;
use crate::problem::{Problem, Rule};
use crate::room_message_view::{Cast, RoomMessageView};
use crate::routes::messages::HistoryParams;
use crate::settings::ApiSettings;

/// 在聊天室里说的话。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SayInRoom {
    /// 正文，1 到 1000 个字符。
    #[schema(example = "@孔子 学而时习之是什么意思？")]
    content: String,
    /// 提到的角色，写编号；正文里写名字也可以。
    #[schema(example = json!(["classics_kongzi"]))]
    mentions: Option<Vec<String>>,
    /// 回答的是这里的哪条消息。
    reply_to_message_id: Option<String>,
    /// 发送方自己的编号，最多 64 个字符；重发同一编号得到原来的结果。
    #[schema(example = "c-1")]
    client_msg_id: Option<String>,
}

impl SayInRoom {
    fn draft(self) -> Result<Draft, Problem> {
        let parse = |id: String| -> Result<MessageId, Problem> {
            id.parse().map_err(|_not_an_id| Problem::field("replyToMessageId", Rule::Format))
        };
        Ok(Draft {
            content: self.content,
            mentions: self.mentions.unwrap_or_default(),
            reply_to: self.reply_to_message_id.map(parse).transpose()?,
            client_msg_id: self.client_msg_id,
        })
    }
}

/// 已经收下的消息。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaidData {
    /// 消息编号。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 发送方自己的编号。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "c-1")]
    client_msg_id: Option<String>,
    /// 序号。
    #[schema(example = 2)]
    seq: u64,
    /// 收下的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    timestamp: i64,
    /// 是否早已收下、这次只是重发。
    duplicate: bool,
}

#[utoipa::path(tag = "聊天室", summary = "在聊天室里说话",
    description = "写入之后就回答；角色的回复从 WebSocket、事件接口或历史里得到。",
    params(
        ("id" = String, Path, description = "聊天室编号"),
        ("Idempotency-Key" = Option<String>, Header, description = "与 `clientMsgId` 作用相同，后者优先；1 到 128 个可见的 ASCII 字符"),
    ),
    request_body = SayInRoom,
    responses((status = 200, description = "已收下", body = Envelope<SaidData>)))]
#[post("/api/rooms/{id}/messages")]
pub(crate) async fn say_in_room(
    FromCaller(caller, (PathText(id), Idempotency(key), Body(body))): FromCaller<(
        PathText,
        Idempotency,
        Body<SayInRoom>,
    )>,
    chat: Writes<ChatService>,
) -> Result<Reply<SaidData>, Problem> {
    let draft = body.draft()?;
    let client_msg_id = draft.client_msg_id.clone().or_else(|| key.map(|key| key.client_msg_id()));
    let draft = Draft { client_msg_id: client_msg_id.clone(), ..draft };
    let posted = chat.run(|chat| async move { chat.post(caller.user_id, &id, draft).await }).await?;
    let data = SaidData {
        message_id: posted.message_id,
        client_msg_id,
        seq: posted.seq,
        timestamp: posted.at.as_millis(),
        duplicate: posted.duplicate,
    };
    Ok(Reply::new(data).replayed(posted.duplicate))
}

/// 一段历史，按时间从早到晚。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomHistoryData<'a> {
    /// 消息。
    messages: Vec<RoomMessageView<'a>>,
    /// 这个方向上是否还有。
    has_more: bool,
    /// 本页最早一条的编号，用作下一次的 `before`；没有消息时为空。
    #[schema(value_type = Option<String>)]
    next_cursor: Option<MessageId>,
    /// 最新事件的序号，用作以后的 `since`。
    #[schema(example = 3)]
    head: u64,
}

#[utoipa::path(tag = "聊天室", summary = "聊天室的消息历史",
    description = "不带参数取最新一页；`before` 向前翻页；`since` 补取变化。页内按时间从早到晚。只有成员可以看。\
自己屏蔽了的人说的话没有正文，标为 `hidden`。",
    params(("id" = String, Path, description = "聊天室编号"), HistoryParams),
    responses((status = 200, description = "一段历史", body = Envelope<RoomHistoryData>)))]
#[get("/api/rooms/{id}/messages")]
pub(crate) async fn list_room_messages(
    request: HttpRequest,
    FromCaller(caller, (PathText(id), Query(params))): FromCaller<(PathText, Query<HistoryParams>)>,
    (chat, auth): (web::Data<ChatService>, web::Data<AuthService>),
    settings: web::Data<ApiSettings>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let page = chat.history(caller.user_id, &id, params.query(&settings)?).await?;
    let liked = chat.liked_by(caller.user_id, &page.messages).await?;
    let blocked = chat.hidden_from(caller.user_id).await?;
    let cards = Cards::of_authors(&auth, &page.messages).await?;
    let messages = page.messages.iter().map(|message| {
        let view = RoomMessageView::of(message, cards.author(message), &cast);
        view.liked_by_me(liked.contains(&message.id)).hidden_if_by(&blocked)
    });
    let oldest = page.messages.iter().min_by_key(|message| message.seq);
    let data = RoomHistoryData {
        messages: messages.collect(),
        has_more: page.has_more,
        next_cursor: oldest.map(|message| message.id),
        head: page.head,
    };
    Ok(Reply::new(data).respond_to(&request))
}

/// 读到了哪里。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MarkRead {
    /// 读到的序号；只会升高。
    #[schema(example = 12)]
    seq: u64,
}

#[utoipa::path(tag = "聊天室", summary = "记下读到了哪里", description = "会话、小队和聊天室都可以；未读数由此计算。",
    params(("id" = String, Path, description = "聊天室、小队或会话的编号")),
    request_body = MarkRead,
    responses((status = 200, description = "已记下", body = Envelope<Nothing>)))]
#[post("/api/rooms/{id}/read")]
pub(crate) async fn mark_read(
    FromCaller(caller, (PathText(id), Body(body))): FromCaller<(PathText, Body<MarkRead>)>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    let id: ConversationId = id.parse().map_err(|_invalid| Problem::not_found())?;
    chat.run(|chat| async move { chat.read(caller.user_id, &id, body.seq).await }).await?;
    Ok(Reply::done())
}
