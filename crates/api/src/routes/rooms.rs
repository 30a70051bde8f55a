//! Rooms: finding them, making one, and deciding how it goes there.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, patch, post, web};
use auth::{AuthService, Role};
use chat::ports::{RoomQuery, RoomScope, RoomSort};
use chat::{ChatService, NewRoom, Room, RoomEdit, RoomProfile, RoomSettings};
use kernel::{PageRequest, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, Pagination, Reply, page_request};
use crate::extract::{Body, FromCaller, Idempotency, PathText, Query};
use crate::people::Cards;
use crate::problem::{Problem, Rule};
use crate::room_message_view::{Cast, RoomMessageView};
use crate::room_view::{RoomView, SettingsChange, UserStatusView};
use crate::settings::ApiSettings;

/// 哪些聊天室。
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RoomsQuery {
    /// 只要这个分类；不写或 `all` 是全部。
    #[param(example = "all")]
    category: Option<String>,
    /// `joined` 只要自己加入的；不写是看得到的全部。
    #[param(example = "joined")]
    scope: Option<String>,
    /// 次序：`popularity` 人多的在前（默认），`active` 最近活动的在前，`newest` 新的在前。
    #[param(example = "popularity")]
    sort: Option<String>,
    /// 第几页，从 1 开始。
    #[param(minimum = 1, example = 1)]
    page: Option<u32>,
    /// 每页多少个，最多 100。
    #[param(minimum = 1, example = 20)]
    page_size: Option<u32>,
}

impl RoomsQuery {
    fn query(&self, viewer: UserId) -> Result<RoomQuery, Problem> {
        let scope = match self.scope.as_deref() {
            None | Some("all") => RoomScope::Visible,
            Some("joined") => RoomScope::Joined,
            Some(_) => return Err(Problem::field("scope", Rule::Value)),
        };
        let sort = match self.sort.as_deref() {
            None | Some("popularity") => RoomSort::Popularity,
            Some("active") => RoomSort::Active,
            Some("newest") => RoomSort::Newest,
            Some(_) => return Err(Problem::field("sort", Rule::Value)),
        };
        let category = self.category.clone().filter(|category| !category.is_empty() && category != "all");
        Ok(RoomQuery { viewer, scope, category, sort })
    }
}

/// 聊天室列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomsData<'a> {
    /// 聊天室。
    rooms: Vec<RoomView<'a>>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "聊天室", summary = "聊天室列表",
    description = "公共聊天室和自己加入的，各带未读数和最新的一条消息。小队不在其中。", params(RoomsQuery),
    responses((status = 200, description = "聊天室列表", body = Envelope<RoomsData>)))]
#[get("/api/rooms")]
pub(crate) async fn list_rooms(
    request: HttpRequest,
    FromCaller(caller, Query(query)): FromCaller<Query<RoomsQuery>>,
    (chat, auth): (web::Data<ChatService>, web::Data<AuthService>),
    settings: web::Data<ApiSettings>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let wanted = page_request(query.page, query.page_size, &settings);
    let page = chat.rooms(&query.query(caller.user_id)?, wanted).await?;
    let last = page.items.iter().filter_map(|summary| summary.last_message.as_ref());
    let cards = Cards::of_authors(&auth, last).await?;
    let blocked = chat.hidden_from(caller.user_id).await?;
    let rooms = page.items.iter().map(|summary| {
        let last = summary.last_message.as_ref();
        let last = last.map(|message| RoomMessageView::of(message, cards.author(message), &cast));
        let last = last.map(|view| view.hidden_if_by(&blocked));
        RoomView::of(&summary.room, summary.member.as_ref(), summary.unread, &cast).with_last(last)
    });
    let pagination = Pagination::of(&page, wanted);
    Ok(Reply::new(RoomsData { rooms: rooms.collect(), pagination }).respond_to(&request))
}

/// 一个聊天室，和自己在其中。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomData<'a> {
    /// 聊天室。
    room: RoomView<'a>,
    /// 自己在其中。
    user_status: UserStatusView,
    /// 未读的消息数，最多 999。
    #[schema(example = 0)]
    unread_count: u32,
    /// 现在有多少人在。
    #[schema(example = 3)]
    online: u32,
}

#[utoipa::path(tag = "聊天室", summary = "一个聊天室", description = "公共聊天室人人可看；其他的只有成员看得到。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "聊天室", body = Envelope<RoomData>)))]
#[get("/api/rooms/{id}")]
pub(crate) async fn get_room(
    request: HttpRequest,
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: web::Data<ChatService>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let seen = chat.room(caller.user_id, &id).await?;
    let member = seen.standing.member.as_ref();
    let room = seen.standing.room.as_deref().ok_or_else(Problem::not_found)?;
    let data = RoomData {
        room: RoomView::of(room, member, seen.unread, &cast),
        user_status: UserStatusView::of(member),
        unread_count: seen.unread,
        online: seen.online,
    };
    Ok(Reply::new(data).respond_to(&request))
}

/// 新的聊天室。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateRoom {
    /// 名称，1 到 50 个字符。
    #[schema(example = "周末读书会")]
    name: String,
    /// 介绍，最多 500 个字符。
    description: Option<String>,
    /// 在这里的角色，最多 8 个。
    #[schema(example = json!(["classics_kongzi", "intj_scientist_001"]))]
    character_ids: Option<Vec<String>>,
    /// 设置；不写的用默认值。
    settings: Option<SettingsChange>,
}

impl CreateRoom {
    fn wanted(self) -> Result<NewRoom, Problem> {
        let description = self.description.unwrap_or_default();
        Ok(NewRoom {
            profile: RoomProfile { name: self.name, description, ..RoomProfile::default() },
            characters: self.character_ids.unwrap_or_default(),
            settings: self.settings.unwrap_or_default().apply(RoomSettings::default())?,
        })
    }
}

/// 改过的聊天室。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedRoomData<'a> {
    /// 聊天室。
    room: RoomView<'a>,
}

#[utoipa::path(tag = "聊天室", summary = "新建聊天室", description = "自己是房主；别人凭邀请码加入。",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 到 128 个可见的 ASCII 字符；24 小时内重发同一个键得到原来的聊天室")),
    request_body = CreateRoom,
    responses((status = 200, description = "新的聊天室", body = Envelope<RoomData>)))]
#[post("/api/rooms")]
pub(crate) async fn create_room(
    request: HttpRequest,
    FromCaller(caller, (Idempotency(key), Body(body))): FromCaller<(Idempotency, Body<CreateRoom>)>,
    chat: Writes<ChatService>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let (user, wanted) = (caller.user_id, body.wanted()?);
    let created = chat.run(|chat| async move { chat.create_room(user, wanted, key).await }).await?;
    let seen = chat.service().room(user, created.room.id.as_str()).await?;
    let member = seen.standing.member.as_ref();
    let data = RoomData {
        room: RoomView::of(&created.room, member, seen.unread, &cast),
        user_status: UserStatusView::of(member),
        unread_count: seen.unread,
        online: seen.online,
    };
    Ok(Reply::new(data).replayed(created.replayed).respond_to(&request))
}

/// 要改的内容；不写的不变。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EditRoom {
    /// 名称，1 到 50 个字符。
    #[schema(example = "周末读书会")]
    name: Option<String>,
    /// 介绍，最多 500 个字符。
    description: Option<String>,
    /// 在这里的角色，最多 8 个。
    #[schema(example = json!(["classics_kongzi"]))]
    character_ids: Option<Vec<String>>,
    /// 加入需要的等级，0 到 1000；只有公共聊天室可以设。
    #[schema(example = 0)]
    require_level: Option<u32>,
}

#[utoipa::path(tag = "聊天室", summary = "修改聊天室", description = "房主和管理员可以；公共聊天室只有运营者可以。",
    params(("id" = String, Path, description = "聊天室编号")),
    request_body = EditRoom,
    responses((status = 200, description = "改后的聊天室", body = Envelope<ChangedRoomData>)))]
#[patch("/api/rooms/{id}")]
pub(crate) async fn edit_room(
    request: HttpRequest,
    FromCaller(caller, (PathText(id), Body(body))): FromCaller<(PathText, Body<EditRoom>)>,
    chat: Writes<ChatService>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let (user, is_operator) = (caller.user_id, caller.role == Role::Admin);
    let edit = RoomEdit {
        name: body.name,
        description: body.description,
        characters: body.character_ids,
        require_level: body.require_level,
        settings: None,
    };
    let room = chat.run(|chat| async move { chat.edit_room(user, is_operator, &id, edit).await }).await?;
    changed(&request, &chat, user, &room, &cast).await
}

#[utoipa::path(tag = "聊天室", summary = "修改聊天室的设置", description = "房主和管理员可以；公共聊天室只有运营者可以。",
    params(("id" = String, Path, description = "聊天室编号")),
    request_body = SettingsChange,
    responses((status = 200, description = "改后的聊天室", body = Envelope<ChangedRoomData>)))]
#[patch("/api/rooms/{id}/settings")]
pub(crate) async fn edit_room_settings(
    request: HttpRequest,
    FromCaller(caller, (PathText(id), Body(body))): FromCaller<(PathText, Body<SettingsChange>)>,
    chat: Writes<ChatService>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let (user, is_operator) = (caller.user_id, caller.role == Role::Admin);
    let work = |chat: Arc<ChatService>| async move {
        let seen = chat.room(user, &id).await?;
        let room = seen.standing.room.ok_or_else(Problem::not_found)?;
        let settings = Some(body.apply(room.settings)?);
        let edit = RoomEdit { settings, ..RoomEdit::default() };
        chat.edit_room(user, is_operator, &id, edit).await.map_err(Problem::from)
    };
    let room = chat.run(work).await?;
    changed(&request, &chat, user, &room, &cast).await
}

async fn changed(
    request: &HttpRequest,
    chat: &Writes<ChatService>,
    user: UserId,
    room: &Room,
    cast: &Cast,
) -> Result<HttpResponse, Problem> {
    let seen = chat.service().room(user, room.id.as_str()).await?;
    let room = RoomView::of(room, seen.standing.member.as_ref(), seen.unread, cast);
    Ok(Reply::new(ChangedRoomData { room }).respond_to(request))
}

#[utoipa::path(tag = "聊天室", summary = "关闭聊天室", description = "只有房主可以，不能再打开；记录保留，不再接受消息。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "已关闭", body = Envelope<Nothing>)))]
#[delete("/api/rooms/{id}")]
pub(crate) async fn close_room(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: Writes<ChatService>,
) -> Result<Reply<Nothing>, Problem> {
    chat.run(|chat| async move { chat.close_room(caller.user_id, &id).await }).await?;
    Ok(Reply::done())
}

/// How many of a person's rooms their profile names.
const JOINED_MAX: u32 = 100;

/// The open rooms that a person is a member of, the last active first, for their profile.
pub(crate) async fn joined_rooms(chat: &ChatService, viewer: UserId) -> Result<Vec<String>, Problem> {
    let query = RoomQuery { viewer, scope: RoomScope::Joined, category: None, sort: RoomSort::Active };
    let page = chat.rooms(&query, PageRequest::new(1, JOINED_MAX, JOINED_MAX)).await?;
    let open = page.items.into_iter().filter(|summary| summary.room.closed_at.is_none());
    Ok(open.map(|summary| summary.room.id.to_string()).collect())
}
