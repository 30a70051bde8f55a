//! Sessions: one person and one character.

use std::sync::Arc;

use actix_web::{delete, get, patch, post, web};
use chat::{ChatService, Conversation, ConversationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply};
use crate::extract::{Body, FromCaller, Idempotency, PathText, Query};
use crate::message_view::{MessageView, Producer};
use crate::problem::Problem;
use crate::settings::ApiSettings;

/// 一个会话。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    /// 会话编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    session_id: String,
    /// 对话的角色。
    #[schema(example = "classics_kongzi")]
    character_id: String,
    /// 标题；第一条消息之前可能为空。
    #[schema(example = "学而时习之是什么意思？")]
    title: String,
    /// 创建时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
    /// 最近一次活动的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    last_active_time: i64,
    /// 未读的消息数，最多 999。
    #[schema(example = 0)]
    unread_count: u32,
    /// 最新的一条消息，只在列表里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<MessageView>,
}

impl From<Conversation> for SessionView {
    fn from(conversation: Conversation) -> Self {
        Self {
            session_id: conversation.id.to_string(),
            character_id: conversation.character_id.to_string(),
            title: conversation.title,
            create_time: conversation.created_at.as_millis(),
            last_active_time: conversation.last_active_at.as_millis(),
            unread_count: 0,
            last_message: None,
        }
    }
}

impl SessionView {
    /// The same with what is unread there, as it was counted.
    fn with_unread(mut self, counts: &[(ConversationId, u32)]) -> Self {
        let counted = counts.iter().find(|(id, _)| id.as_str() == self.session_id);
        self.unread_count = counted.map_or(0, |(_, count)| *count);
        self
    }
}

/// 会话。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionData {
    /// 会话。
    session: SessionView,
}

impl SessionData {
    fn reply(conversation: Conversation) -> Reply<Self> {
        Reply::new(Self { session: conversation.into() })
    }
}

/// 新会话。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateSession {
    /// 对话的角色；不写则是孔子。
    #[schema(example = "classics_kongzi")]
    character_id: Option<String>,
    /// 标题，最多 100 个字符；不写则由第一条消息生成。
    #[schema(example = "读论语")]
    title: Option<String>,
}

#[utoipa::path(tag = "会话", summary = "新建会话", description = "与一个角色开始对话；不指定角色时是孔子。",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 到 128 个可见的 ASCII 字符；24 小时内重发同一个键得到原来的会话")),
    request_body = CreateSession,
    responses((status = 200, description = "新会话", body = Envelope<SessionData>)))]
#[post("/api/sessions")]
pub(crate) async fn create_session(
    FromCaller(caller, (Idempotency(key), Body(body))): FromCaller<(Idempotency, Body<CreateSession>)>,
    chat: Writes<ChatService>,
) -> Result<Reply<SessionData>, Problem> {
    let work = |chat: Arc<ChatService>| async move {
        let (character, title) = (body.character_id.as_deref(), body.title.as_deref());
        chat.create_session_once(caller.user_id, character, title, key).await
    };
    let created = chat.run(work).await?;
    Ok(SessionData::reply(created.conversation).replayed(created.replayed))
}

/// 会话列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsData {
    /// 会话，最近活动的在前。
    sessions: Vec<SessionView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "会话", summary = "会话列表", description = "最近活动的在前，各带最新的一条消息。",
    params(PageQuery),
    responses((status = 200, description = "会话列表", body = Envelope<SessionsData>)))]
#[get("/api/sessions")]
pub(crate) async fn list_sessions(
    FromCaller(caller, Query(query)): FromCaller<Query<PageQuery>>,
    chat: web::Data<ChatService>,
    settings: web::Data<ApiSettings>,
    producer: web::Data<Producer>,
) -> Result<Reply<SessionsData>, Problem> {
    let request = query.request(&settings);
    let page = chat.sessions(caller.user_id, request).await?;
    let pagination = Pagination::of(&page, request);
    let ids: Vec<_> = page.items.iter().map(|(conversation, _)| conversation.id.clone()).collect();
    let unread = chat.unread(caller.user_id, &ids).await?;
    let sessions = page.items.into_iter().map(|(conversation, last)| SessionView {
        last_message: last.map(|message| MessageView::of(message, &producer)),
        ..SessionView::from(conversation).with_unread(&unread)
    });
    Ok(Reply::new(SessionsData { sessions: sessions.collect(), pagination }))
}

#[utoipa::path(tag = "会话", summary = "一个会话", params(("id" = String, Path, description = "会话编号")),
    responses((status = 200, description = "会话", body = Envelope<SessionData>)))]
#[get("/api/sessions/{id}")]
pub(crate) async fn get_session(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: web::Data<ChatService>,
) -> Result<Reply<SessionData>, Problem> {
    let conversation = chat.session(caller.user_id, &id).await?;
    let unread = chat.unread(caller.user_id, std::slice::from_ref(&conversation.id)).await?;
    Ok(Reply::new(SessionData { session: SessionView::from(conversation).with_unread(&unread) }))
}

/// 会话的新标题。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RenameSession {
    /// 标题，1 到 100 个字符。
    #[schema(example = "读论语")]
    title: String,
}

#[utoipa::path(tag = "会话", summary = "会话改名", params(("id" = String, Path, description = "会话编号")),
    request_body = RenameSession,
    responses((status = 200, description = "改名后的会话", body = Envelope<SessionData>)))]
#[patch("/api/sessions/{id}")]
pub(crate) async fn rename_session(
    FromCaller(caller, (PathText(id), Body(body))): FromCaller<(PathText, Body<RenameSession>)>,
    chat: Writes<ChatService>,
) -> Result<Reply<SessionData>, Problem> {
    let work = |chat: Arc<ChatService>| async move { chat.rename(caller.user_id, &id, &body.title).await };
    chat.run(work).await.map(SessionData::reply)
}

#[utoipa::path(tag = "会话", summary = "删除会话", description = "连同其中所有消息一起删除；正在生成的回复会停止。",
    params(("id" = String, Path, description = "会话编号")),
    responses((status = 200, description = "已删除", body = Envelope<Nothing>)))]
#[delete("/api/sessions/{id}")]
pub(crate) async fn delete_session(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    chat.run(|chat| async move { chat.delete(caller.user_id, &id).await }).await?;
    Ok(Reply::done())
}
