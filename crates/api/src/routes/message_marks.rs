//! What is done to a message afterwards: taking it back, liking it.

use actix_web::{delete, post};
use auth::Role;
use chat::ChatService;
use kernel::{MessageId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Reply};
use crate::extract::{FromCaller, MessagePath};
use crate::problem::Problem;

/// 撤回的结果。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecallData {
    /// 撤回这件事的序号；再次撤回得到同样的结果。
    #[schema(example = 9)]
    seq: u64,
}

#[utoipa::path(tag = "消息", summary = "撤回消息",
    description = "作者在两分钟之内可以，房主、管理员和运营者任何时候都可以。正文随即抹去；正在生成的回复会停止。",
    params(("id" = String, Path, description = "消息编号")),
    responses((status = 200, description = "已撤回", body = Envelope<RecallData>)))]
#[post("/api/messages/{id}/recall")]
pub(crate) async fn recall_message(
    FromCaller(caller, MessagePath(id)): FromCaller<MessagePath>,
    chat: Writes<ChatService>,
) -> Result<Reply<RecallData>, Problem> {
    let is_operator = caller.role == Role::Admin;
    let seq = chat.run(|chat| async move { chat.recall(caller.user_id, is_operator, id).await }).await?;
    Ok(Reply::new(RecallData { seq }))
}

/// 点赞的结果。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LikeData {
    /// 现在自己是否点了赞。
    liked: bool,
    /// 现在的点赞总数。
    #[schema(example = 1)]
    total_likes: u32,
}

#[utoipa::path(tag = "消息", summary = "点赞", description = "重复点赞没有影响。",
    params(("id" = String, Path, description = "消息编号")),
    responses((status = 200, description = "点赞之后", body = Envelope<LikeData>)))]
#[post("/api/messages/{id}/like")]
pub(crate) async fn like_message(
    FromCaller(caller, MessagePath(id)): FromCaller<MessagePath>,
    chat: Writes<ChatService>,
) -> Result<Reply<LikeData>, Problem> {
    set_like(&chat, caller.user_id, id, true).await
}

#[utoipa::path(tag = "消息", summary = "取消点赞", description = "没有点过赞时没有影响。",
    params(("id" = String, Path, description = "消息编号")),
    responses((status = 200, description = "取消之后", body = Envelope<LikeData>)))]
#[delete("/api/messages/{id}/like")]
pub(crate) async fn unlike_message(
    FromCaller(caller, MessagePath(id)): FromCaller<MessagePath>,
    chat: Writes<ChatService>,
) -> Result<Reply<LikeData>, Problem> {
    set_like(&chat, caller.user_id, id, false).await
}

async fn set_like(
    chat: &Writes<ChatService>,
    user: UserId,
    id: MessageId,
    liked: bool,
) -> Result<Reply<LikeData>, Problem> {
    let answer = chat.run(|chat| async move { chat.like(user, id, liked).await }).await?;
    Ok(Reply::new(LikeData { liked, total_likes: answer.total }))
}
