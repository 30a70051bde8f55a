//! Squads: a room of one's own, whose characters answer in turn.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use chat::ports::{HistoryQuery, RoomQuery, RoomScope, RoomSort};
use chat::{Author, CharacterId, ChatService, Draft, Message, NewSquad, Room};
use futures::StreamExt;
use kernel::MessageId;
use mbti_roles::{CharacterService, SquadCharacter, SquadTopic};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, PageQuery, Pagination, Reply};
use crate::event_stream::{Beats, HEARTBEAT, beating, respond};
use crate::extract::{Body, CurrentUser, FromCaller, Idempotency, PathText, Query, SignIn};
use crate::message_view::Viewer;
use crate::problem::Problem;
use crate::room_message_view::{AiInfoView, Cast};
use crate::settings::ApiSettings;
use crate::squad_line::{problem_line, squad_line};

/// 一个小队角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SquadCharacterView<'a> {
    /// 角色编号。
    #[schema(value_type = String, example = "char_e_1")]
    character_id: &'a str,
    /// 名字。
    #[schema(example = "阿燃")]
    name: &'a str,
    /// 代表的字母：E、I、S、N、T、F、J 或 P。
    #[schema(example = "E")]
    dimension: &'static str,
    /// 是怎样的人。
    persona: &'a str,
    /// 头像地址。
    #[schema(example = "/avatars/char_e_1.svg")]
    avatar: &'a str,
    /// 说话的方式。
    voice_style: &'a str,
    /// 口头禅。
    #[schema(example = "先动起来，边走边想！")]
    signature: &'a str,
    /// 如何获得：`free`、`paid`、`vip` 或 `limited`。
    #[schema(example = "free")]
    unlock_type: &'static str,
}

impl<'a> From<&'a SquadCharacter> for SquadCharacterView<'a> {
    fn from(character: &'a SquadCharacter) -> Self {
        Self {
            character_id: character.id.as_str(),
            name: &character.name,
            dimension: character.dimension.as_str(),
            persona: &character.persona,
            avatar: &character.avatar,
            voice_style: &character.voice_style,
            signature: &character.signature,
            unlock_type: character.unlock_type.as_str(),
        }
    }
}

/// 小队角色列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SquadCharactersData<'a> {
    /// 角色，按字母的次序，每个字母两个。
    characters: Vec<SquadCharacterView<'a>>,
}

#[utoipa::path(tag = "小队", summary = "小队角色列表", description = "十六个：八个字母各两个。",
    responses((status = 200, description = "角色列表", body = Envelope<SquadCharactersData>)))]
#[get("/api/squad/characters")]
pub(crate) async fn list_squad_characters(
    request: HttpRequest,
    CurrentUser(_caller): CurrentUser,
    characters: web::Data<CharacterService>,
) -> HttpResponse {
    let characters = characters.squad().characters().iter().map(Into::into).collect();
    Reply::new(SquadCharactersData { characters }).respond_to(&request)
}

/// 一个话题。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SquadTopicView<'a> {
    /// 话题编号。
    #[schema(value_type = String, example = "career_choice")]
    topic_id: &'a str,
    /// 标题。
    #[schema(example = "要不要换一份工作")]
    title: &'a str,
    /// 为什么值得聊。
    description: &'a str,
    /// 推荐的角色，至少三个。
    recommended_character_ids: Vec<&'a str>,
}

impl<'a> From<&'a SquadTopic> for SquadTopicView<'a> {
    fn from(topic: &'a SquadTopic) -> Self {
        Self {
            topic_id: &topic.id,
            title: &topic.title,
            description: &topic.description,
            recommended_character_ids: topic
                .recommended
                .iter()
                .map(mbti_roles::CharacterId::as_str)
                .collect(),
        }
    }
}

/// 话题列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SquadTopicsData<'a> {
    /// 话题。
    topics: Vec<SquadTopicView<'a>>,
}

#[utoipa::path(tag = "小队", summary = "小队话题列表",
    responses((status = 200, description = "话题列表", body = Envelope<SquadTopicsData>)))]
#[get("/api/squad/topics")]
pub(crate) async fn list_squad_topics(
    request: HttpRequest,
    CurrentUser(_caller): CurrentUser,
    characters: web::Data<CharacterService>,
) -> HttpResponse {
    let topics = characters.squad().topics().iter().map(Into::into).collect();
    Reply::new(SquadTopicsData { topics }).respond_to(&request)
}

/// 一个小队。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SquadRoomView {
    /// 小队编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    room_id: String,
    /// 标题。
    #[schema(example = "换工作这件事")]
    title: String,
    /// 话题。
    #[schema(example = "要不要换一份工作")]
    topic: String,
    /// 角色，按发言的次序。
    #[schema(value_type = Vec<String>)]
    character_ids: Vec<CharacterId>,
    /// 创建时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
    /// 最近一次活动的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    last_active_time: i64,
}

impl From<Room> for SquadRoomView {
    fn from(room: Room) -> Self {
        Self {
            room_id: room.id.to_string(),
            title: room.profile.name,
            topic: room.profile.description,
            character_ids: room.characters,
            create_time: room.created_at.as_millis(),
            last_active_time: room.last_active_at.as_millis(),
        }
    }
}

/// 小队。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SquadRoomData {
    /// 小队。
    room: SquadRoomView,
}

/// 新的小队。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateSquad {
    /// 标题。
    #[schema(example = "换工作这件事")]
    title: String,
    /// 话题。
    #[schema(example = "要不要换一份工作")]
    topic: String,
    /// 角色，1 到 8 个，按发言的次序；多了少了都是 400。
    #[schema(example = json!(["char_t_2", "char_n_1", "char_f_1"]))]
    character_ids: Vec<String>,
}

#[utoipa::path(tag = "小队", summary = "新建小队", description = "选一到八个角色，围绕一个话题轮流回答。",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 到 128 个可见的 ASCII 字符；24 小时内重发同一个键得到原来的小队")),
    request_body = CreateSquad,
    responses((status = 200, description = "新的小队", body = Envelope<SquadRoomData>)))]
#[post("/api/squad/rooms")]
pub(crate) async fn create_squad(
    FromCaller(caller, (Idempotency(key), Body(body))): FromCaller<(Idempotency, Body<CreateSquad>)>,
    chat: Writes<ChatService>,
) -> Result<Reply<SquadRoomData>, Problem> {
    let squad = NewSquad { title: body.title, topic: body.topic, characters: body.character_ids };
    let created = chat.run(|chat| async move { chat.create_squad(caller.user_id, squad, key).await }).await?;
    Ok(Reply::new(SquadRoomData { room: created.room.into() }).replayed(created.replayed))
}

/// 小队列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SquadRoomsData {
    /// 小队，最近活动的在前。
    rooms: Vec<SquadRoomView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "小队", summary = "小队列表", params(PageQuery),
    responses((status = 200, description = "自己的小队", body = Envelope<SquadRoomsData>)))]
#[get("/api/squad/rooms")]
pub(crate) async fn list_squads(
    FromCaller(caller, Query(query)): FromCaller<Query<PageQuery>>,
    chat: web::Data<ChatService>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<SquadRoomsData>, Problem> {
    let request = query.request(&settings);
    let viewer = caller.user_id;
    let wanted = RoomQuery { viewer, scope: RoomScope::Squads, category: None, sort: RoomSort::Active };
    let page = chat.rooms(&wanted, request).await?;
    let pagination = Pagination::of(&page, request);
    let rooms = page.items.into_iter().map(|summary| summary.room.into()).collect();
    Ok(Reply::new(SquadRoomsData { rooms, pagination }))
}

/// 小队里的一条消息。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SquadMessageView {
    /// 消息编号。
    #[schema(value_type = String)]
    message_id: MessageId,
    /// 说话的一方：`user` 或 `character`。
    #[schema(example = "character")]
    sender_type: &'static str,
    /// 用户或角色的编号。
    #[schema(example = "char_e_1")]
    sender_id: String,
    /// 正文。
    content: String,
    /// 提到的角色。
    #[schema(value_type = Vec<String>)]
    mentioned_character_ids: Vec<CharacterId>,
    /// 时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
}

impl From<Message> for SquadMessageView {
    fn from(message: Message) -> Self {
        let (sender_type, sender_id) = match &message.author {
            Author::User(user) => ("user", user.to_string()),
            Author::System => ("system", String::new()),
            Author::Character(character) => ("character", character.to_string()),
        };
        Self {
            message_id: message.id,
            sender_type,
            sender_id,
            content: message.content,
            mentioned_character_ids: message.mentions,
            create_time: message.created_at.as_millis(),
        }
    }
}

/// 一个小队，连同最近的消息和其中的角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SquadData<'a> {
    /// 小队。
    room: SquadRoomView,
    /// 最近的消息，按时间从早到晚；更早的见 `/api/rooms/{id}/messages`。
    messages: Vec<SquadMessageView>,
    /// 更早的消息是否还有。
    has_more: bool,
    /// 其中的角色，按发言的次序。
    characters: Vec<AiInfoView<'a>>,
}

#[utoipa::path(tag = "小队", summary = "一个小队", description = "不是自己的一律 404。",
    params(("id" = String, Path, description = "小队编号")),
    responses((status = 200, description = "小队", body = Envelope<SquadData>)))]
#[get("/api/squad/rooms/{id}")]
pub(crate) async fn get_squad(
    request: HttpRequest,
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: web::Data<ChatService>,
    settings: web::Data<ApiSettings>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let room = chat.squad(caller.user_id, &id).await?;
    let newest = HistoryQuery::Newest { limit: settings.history_page_max.max(1) };
    let page = chat.history(caller.user_id, &id, newest).await?;
    let ids = room.characters.clone();
    let data = SquadData {
        room: room.into(),
        messages: page.messages.into_iter().map(Into::into).collect(),
        has_more: page.has_more,
        characters: ids.iter().map(|id| cast.ai_info(id)).collect(),
    };
    Ok(Reply::new(data).respond_to(&request))
}

/// 对小队说的话。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskSquad {
    /// 正文，1 到 1000 个字符。
    #[schema(example = "我想辞职去学做菜，又怕家里人反对。")]
    content: String,
    /// 只要这些角色回答；不写则都回答。
    mentioned_character_ids: Option<Vec<String>>,
    /// 发送方自己的编号，最多 64 个字符；重发同一编号得到原来的一轮。
    #[schema(example = "c-1")]
    client_msg_id: Option<String>,
}

#[utoipa::path(tag = "小队", summary = "对小队说话",
    description = "总是事件流，只有 `data:` 行：`start`、若干 `chunk`、`end`，每个角色一遍；失败是 `error`；最后是 `done`。\
后说的看得到先说的；提到谁就只有谁回答。断开连接不会停止回复；登录失效时以没有 `characterId` 的 `error` 结束。",
    params(
        ("id" = String, Path, description = "小队编号"),
        ("Idempotency-Key" = Option<String>, Header, description = "与 `clientMsgId` 作用相同，后者优先；1 到 128 个可见的 ASCII 字符"),
    ),
    request_body = AskSquad,
    responses((status = 200, description = "一轮回答", body = String, content_type = "text/event-stream",
        example = "data: {\"type\":\"start\",\"characterId\":\"char_e_1\",\"name\":\"阿燃\",\"dimension\":\"E\"}\n\n")))]
#[post("/api/squad/rooms/{id}/messages")]
pub(crate) async fn ask_squad(
    (viewer, sign_in): (Viewer, SignIn),
    FromCaller(caller, (PathText(id), Idempotency(key), Body(body))): FromCaller<(
        PathText,
        Idempotency,
        Body<AskSquad>,
    )>,
    chat: Writes<ChatService>,
    cast: web::Data<Cast>,
) -> Result<HttpResponse, Problem> {
    let draft = Draft {
        content: body.content,
        mentions: body.mentioned_character_ids.unwrap_or_default(),
        reply_to: None,
        client_msg_id: body.client_msg_id.or_else(|| key.map(|key| key.client_msg_id())),
    };
    let frames = chat.run(|chat| async move { chat.ask_squad(caller.user_id, &id, draft).await }).await?;
    let pieces = frames.map(move |frame| squad_line(&frame, &cast, viewer.language));
    Ok(respond(beating(pieces, HEARTBEAT, Beats::AfterFirst), sign_in, problem_line))
}
