//! Who may not come back into a room, and letting them come back.

use actix_web::{delete, get, web};
use auth::AuthService;
use chat::ChatService;
use serde::Serialize;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply};
use crate::extract::{FromCaller, PathText, Query, UserPath};
use crate::people::Cards;
use crate::problem::Problem;
use crate::room_message_view::{FromUserView, from_user};
use crate::routes::room_members::actor;
use crate::settings::ApiSettings;

/// 不能再加入的人。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BannedData<'a> {
    /// 被封禁的人。
    users: Vec<FromUserView<'a>>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "聊天室", summary = "封禁名单", description = "房主和管理员可以看；公共聊天室由运营者管理。",
    params(("id" = String, Path, description = "聊天室编号"), PageQuery),
    responses((status = 200, description = "封禁名单", body = Envelope<BannedData>)))]
#[get("/api/rooms/{id}/bans")]
pub(crate) async fn list_bans(
    request: actix_web::HttpRequest,
    FromCaller(caller, (PathText(id), Query(query))): FromCaller<(PathText, Query<PageQuery>)>,
    (chat, auth): (web::Data<ChatService>, web::Data<AuthService>),
    settings: web::Data<ApiSettings>,
) -> Result<actix_web::HttpResponse, Problem> {
    let wanted = query.request(&settings);
    let page = chat.banned(actor(&caller), &id, wanted).await?;
    let cards = Cards::of(&auth, page.items.iter().map(|member| member.user_id)).await?;
    let users = page.items.iter().map(|member| from_user(member.user_id, cards.get(member.user_id)));
    let data = BannedData { users: users.collect(), pagination: Pagination::of(&page, wanted) };
    Ok(actix_web::Responder::respond_to(Reply::new(data), &request))
}

#[utoipa::path(tag = "聊天室", summary = "解除封禁",
    description = "房主和管理员可以；公共聊天室由运营者管理。解除后不会自动成为成员。没有被封禁时没有影响。",
    params(("id" = String, Path, description = "聊天室编号"), ("userId" = String, Path, description = "被封禁的用户编号")),
    responses((status = 200, description = "已解除", body = Envelope<Nothing>)))]
#[delete("/api/rooms/{id}/bans/{userId}")]
pub(crate) async fn lift_ban(
    FromCaller(caller, (PathText(id), UserPath(member))): FromCaller<(PathText, UserPath)>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    let actor = actor(&caller);
    chat.run(|chat| async move { chat.lift_ban(actor, &id, member).await }).await?;
    Ok(Reply::done())
}
