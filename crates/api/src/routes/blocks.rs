//! Blocking people: what they say is hidden from oneself.

use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, put, web};
use auth::AuthService;
use chat::ChatService;
use serde::Serialize;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply};
use crate::extract::{FromCaller, Query, UserPath};
use crate::people::Cards;
use crate::problem::Problem;
use crate::room_message_view::{FromUserView, from_user};
use crate::settings::ApiSettings;

#[utoipa::path(tag = "用户", summary = "屏蔽一个人",
    description = "他说的话在历史、事件和聊天室列表里不再显示正文，也不计入未读数；对方不会知道。WebSocket 的推送对所有人相同，\
客户端要按 `/api/user/blocks` 自己隐藏。重复屏蔽没有影响；最多 500 人。",
    params(("userId" = String, Path, description = "对方的用户编号")),
    responses((status = 200, description = "已屏蔽", body = Envelope<Nothing>)))]
#[put("/api/users/{userId}/block")]
pub(crate) async fn block_user(
    FromCaller(caller, UserPath(other)): FromCaller<UserPath>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    let user = caller.user_id;
    chat.run(|chat| async move { chat.block(user, other).await }).await?;
    Ok(Reply::done())
}

#[utoipa::path(tag = "用户", summary = "不再屏蔽", description = "没有屏蔽时没有影响。",
    params(("userId" = String, Path, description = "对方的用户编号")),
    responses((status = 200, description = "已解除", body = Envelope<Nothing>)))]
#[delete("/api/users/{userId}/block")]
pub(crate) async fn unblock_user(
    FromCaller(caller, UserPath(other)): FromCaller<UserPath>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    let user = caller.user_id;
    chat.run(|chat| async move { chat.unblock(user, other).await }).await?;
    Ok(Reply::done())
}

/// 屏蔽了的一个人。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockView<'a> {
    /// 对方。
    #[serde(flatten)]
    user: FromUserView<'a>,
    /// 何时屏蔽的，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    block_time: i64,
}

/// 屏蔽名单。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlocksData<'a> {
    /// 屏蔽了的人，新的在前。
    blocks: Vec<BlockView<'a>>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "用户", summary = "屏蔽名单", description = "只有自己看得到。", params(PageQuery),
    responses((status = 200, description = "屏蔽名单", body = Envelope<BlocksData>)))]
#[get("/api/user/blocks")]
pub(crate) async fn list_blocks(
    request: HttpRequest,
    FromCaller(caller, Query(query)): FromCaller<Query<PageQuery>>,
    (chat, auth): (web::Data<ChatService>, web::Data<AuthService>),
    settings: web::Data<ApiSettings>,
) -> Result<HttpResponse, Problem> {
    let wanted = query.request(&settings);
    let page = chat.blocks(caller.user_id, wanted).await?;
    let cards = Cards::of(&auth, page.items.iter().map(|block| block.user_id)).await?;
    let blocks = page.items.iter().map(|block| BlockView {
        user: from_user(block.user_id, cards.get(block.user_id)),
        block_time: block.created_at.as_millis(),
    });
    let data = BlocksData { blocks: blocks.collect(), pagination: Pagination::of(&page, wanted) };
    Ok(Reply::new(data).respond_to(&request))
}
