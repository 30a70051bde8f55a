//! Who is in a room: coming, going, and being shown out.

use actix_web::{delete, get, post, web};
use auth::AuthService;
use chat::ChatService;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply};
use crate::extract::{Body, FromCaller, PathText, Query, UserPath};
use crate::joined_rooms::JoinedRooms;
use crate::people::Cards;
use crate::problem::Problem;
use crate::room_view::{MemberView, UserStatusView};
use crate::settings::ApiSettings;

/// 加入聊天室。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinRoom {
    /// 邀请码；公共聊天室不需要。
    #[schema(example = "k3Jd9fQ2")]
    invite_code: Option<String>,
}

/// 加入的结果。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinedData {
    /// 自己在聊天室里。
    user_status: UserStatusView,
    /// 加入这件事的序号；本来就是成员则为空。
    #[schema(example = 7)]
    seq: Option<u64>,
}

#[utoipa::path(tag = "聊天室", summary = "加入聊天室", description = "公共聊天室人人可以，其他的凭邀请码。重复加入没有影响。",
    params(("id" = String, Path, description = "聊天室编号")),
    request_body = JoinRoom,
    responses((status = 200, description = "已是成员", body = Envelope<JoinedData>)))]
#[post("/api/rooms/{id}/join")]
pub(crate) async fn join_room(
    FromCaller(caller, (PathText(id), Body(body))): FromCaller<(PathText, Body<JoinRoom>)>,
    chat: Writes<ChatService>,
    joined_rooms: web::Data<JoinedRooms>,
) -> Result<Reply<JoinedData>, Problem> {
    let (user, code) = (caller.user_id, body.invite_code);
    let joined = chat.run(|chat| async move { chat.join_room(user, &id, code).await }).await?;
    joined_rooms.forget(user);
    Ok(Reply::new(JoinedData { user_status: UserStatusView::of(Some(&joined.member)), seq: joined.seq }))
}

#[utoipa::path(tag = "聊天室", summary = "离开聊天室", description = "不是成员时没有影响。房主不能离开，只能关闭。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "已离开", body = Envelope<Nothing>)))]
#[post("/api/rooms/{id}/leave")]
pub(crate) async fn leave_room(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: Writes<ChatService>,
    joined_rooms: web::Data<JoinedRooms>,
) -> Result<Reply<Nothing>, Problem> {
    let user = caller.user_id;
    chat.run(|chat| async move { chat.leave_room(user, &id).await }).await?;
    joined_rooms.forget(user);
    Ok(Reply::done())
}

/// 邀请码。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteData {
    /// 加入时用的邀请码。
    #[schema(example = "k3Jd9fQ2")]
    invite_code: String,
}

#[utoipa::path(tag = "聊天室", summary = "生成邀请码", description = "房主和管理员可以。原来的邀请码随即失效。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "新的邀请码", body = Envelope<InviteData>)))]
#[post("/api/rooms/{id}/invite")]
pub(crate) async fn invite_to_room(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: Writes<ChatService>,
) -> Result<Reply<InviteData>, Problem> {
    let invite_code = chat.run(|chat| async move { chat.invite(caller.user_id, &id).await }).await?;
    Ok(Reply::new(InviteData { invite_code }))
}

/// 成员列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembersData {
    /// 成员，房主和管理员在前。
    members: Vec<MemberView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "聊天室", summary = "成员列表", description = "只有成员可以看。",
    params(("id" = String, Path, description = "聊天室编号"), PageQuery),
    responses((status = 200, description = "成员列表", body = Envelope<MembersData>)))]
#[get("/api/rooms/{id}/members")]
pub(crate) async fn list_members(
    FromCaller(caller, (PathText(id), Query(query))): FromCaller<(PathText, Query<PageQuery>)>,
    (chat, auth): (web::Data<ChatService>, web::Data<AuthService>),
    settings: web::Data<ApiSettings>,
) -> Result<Reply<MembersData>, Problem> {
    let request = query.request(&settings);
    let page = chat.members(caller.user_id, &id, request).await?;
    let cards = Cards::of(&auth, page.items.iter().map(|member| member.user_id)).await?;
    let members = page.items.iter().map(|member| MemberView::of(member, cards.get(member.user_id)));
    Ok(Reply::new(MembersData { members: members.collect(), pagination: Pagination::of(&page, request) }))
}

/// 是否不许再来。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemovalQuery {
    /// `true` 则以后也不能再加入。
    #[param(example = false)]
    ban: Option<bool>,
}

#[utoipa::path(tag = "聊天室", summary = "请成员离开", description = "房主和管理员可以；管理员只能由房主请离。",
    params(("id" = String, Path, description = "聊天室编号"), ("userId" = String, Path, description = "成员的用户编号"),
        RemovalQuery),
    responses((status = 200, description = "已离开", body = Envelope<Nothing>)))]
#[delete("/api/rooms/{id}/members/{userId}")]
pub(crate) async fn remove_member(
    FromCaller(caller, (PathText(id), UserPath(member), Query(query))): FromCaller<(
        PathText,
        UserPath,
        Query<RemovalQuery>,
    )>,
    chat: Writes<ChatService>,
    joined_rooms: web::Data<JoinedRooms>,
) -> Result<Reply<Nothing>, Problem> {
    let (user, ban) = (caller.user_id, query.ban.unwrap_or(false));
    chat.run(|chat| async move { chat.remove_member(user, &id, member, ban).await }).await?;
    joined_rooms.forget(member);
    Ok(Reply::done())
}

/// 禁言多久。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MuteMember {
    /// 多少秒；0 是解除禁言。
    #[schema(example = 600)]
    seconds: u32,
}

#[utoipa::path(tag = "聊天室", summary = "禁言成员", description = "房主和管理员可以。`seconds` 为 0 时解除。",
    params(("id" = String, Path, description = "聊天室编号"), ("userId" = String, Path, description = "成员的用户编号")),
    request_body = MuteMember,
    responses((status = 200, description = "已生效", body = Envelope<Nothing>)))]
#[post("/api/rooms/{id}/members/{userId}/mute")]
pub(crate) async fn mute_member(
    FromCaller(caller, (PathText(id), UserPath(member), Body(body))): FromCaller<(
        PathText,
        UserPath,
        Body<MuteMember>,
    )>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    let user = caller.user_id;
    chat.run(|chat| async move { chat.mute_member(user, &id, member, body.seconds).await }).await?;
    Ok(Reply::done())
}
