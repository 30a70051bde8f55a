//! Who is in a room: coming, going, and being shown out.

use actix_web::{delete, get, patch, post, web};
use auth::{AuthService, Caller, Role};
use chat::{Actor, ChatService};
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

#[utoipa::path(tag = "聊天室", summary = "加入聊天室", description = "公共聊天室人人可以，其他的凭邀请码。有的聊天室要求等级。重复加入没有影响。",
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

/// Who acts: operators keep order in public rooms.
pub(crate) fn actor(caller: &Caller) -> Actor {
    Actor { user_id: caller.user_id, is_operator: caller.role == Role::Admin }
}

/// 邀请码。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteData {
    /// 加入时用的邀请码；还没有生成过则为空。
    #[schema(example = "5f3a91c02d7b6e845f3a91c02d7b6e84")]
    invite_code: Option<String>,
    /// 本站网页上的邀请链接，相对于本站地址；还没有生成过则为空。
    #[schema(example = "/#/r/0193d5c8-5f1e-7abc-8def-0123456789ab?code=5f3a91c02d7b6e845f3a91c02d7b6e84")]
    link: Option<String>,
}

impl InviteData {
    /// Ids and codes have no character that an address would not take as it is.
    fn of(room: &str, invite_code: Option<String>) -> Self {
        let link = invite_code.as_deref().map(|code| format!("/#/r/{room}?code={code}"));
        Self { invite_code, link }
    }
}

#[utoipa::path(tag = "聊天室", summary = "现在的邀请码", description = "房主和管理员可以看。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "现在的邀请码", body = Envelope<InviteData>)))]
#[get("/api/rooms/{id}/invite")]
pub(crate) async fn get_invitation(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: web::Data<ChatService>,
) -> Result<Reply<InviteData>, Problem> {
    let invite_code = chat.invitation(caller.user_id, &id).await?;
    Ok(Reply::new(InviteData::of(&id, invite_code)))
}

#[utoipa::path(tag = "聊天室", summary = "生成邀请码", description = "房主和管理员可以。原来的邀请码随即失效。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "新的邀请码", body = Envelope<InviteData>)))]
#[post("/api/rooms/{id}/invite")]
pub(crate) async fn invite_to_room(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: Writes<ChatService>,
) -> Result<Reply<InviteData>, Problem> {
    let room = id.clone();
    let invite_code = chat.run(|chat| async move { chat.invite(caller.user_id, &id).await }).await?;
    Ok(Reply::new(InviteData::of(&room, Some(invite_code))))
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

#[utoipa::path(tag = "聊天室", summary = "请成员离开", description = "房主和管理员可以；管理员只能由房主请离。公共聊天室由运营者管理。",
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
    let (actor, ban) = (actor(&caller), query.ban.unwrap_or(false));
    chat.run(|chat| async move { chat.remove_member(actor, &id, member, ban).await }).await?;
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

#[utoipa::path(tag = "聊天室", summary = "禁言成员", description = "房主和管理员可以，公共聊天室由运营者管理。`seconds` 为 0 时解除。",
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
    let actor = actor(&caller);
    chat.run(|chat| async move { chat.mute_member(actor, &id, member, body.seconds).await }).await?;
    Ok(Reply::done())
}

/// 成员的身份。
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GivenRole {
    /// 普通成员。
    Member,
    /// 管理员。
    Admin,
}

impl From<GivenRole> for chat::Role {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Member => Self::Member,
            GivenRole::Admin => Self::Admin,
        }
    }
}

/// 要改的身份。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChangeMember {
    /// `admin` 管理员，`member` 普通成员。
    role: GivenRole,
}

/// 改过的成员。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberData {
    /// 成员。
    member: MemberView,
}

#[utoipa::path(tag = "聊天室", summary = "设为管理员或取消", description = "只有房主可以；公共聊天室由运营者设。",
    params(("id" = String, Path, description = "聊天室编号"), ("userId" = String, Path, description = "成员的用户编号")),
    request_body = ChangeMember,
    responses((status = 200, description = "改后的成员", body = Envelope<MemberData>)))]
#[patch("/api/rooms/{id}/members/{userId}")]
pub(crate) async fn change_member(
    FromCaller(caller, (PathText(id), UserPath(member), Body(body))): FromCaller<(
        PathText,
        UserPath,
        Body<ChangeMember>,
    )>,
    chat: Writes<ChatService>,
    auth: web::Data<AuthService>,
) -> Result<Reply<MemberData>, Problem> {
    let (actor, role) = (actor(&caller), body.role.into());
    let changed = chat.run(|chat| async move { chat.set_role(actor, &id, member, role).await }).await?;
    let cards = Cards::of(&auth, [member]).await?;
    Ok(Reply::new(MemberData { member: MemberView::of(&changed, cards.get(member)) }))
}
