//! A room's message as clients see it: over HTTP, and in every event of the gateway.
//!
//! Nothing here depends on who looks but `isLikedByMe`, which only HTTP fills: so one
//! serialisation serves all who watch a room. Views borrow, since they are written out at once.

use std::sync::Arc;

use chat::{Author, CharacterId, Message, UserCard};
use kernel::{MessageId, UserId};
use mbti_roles::CharacterService;
use serde::Serialize;
use utoipa::ToSchema;

use crate::message_view::{Aigc, CitationView, Producer, StatusView, UsageView};

/// Who speaks, and who is named as the producer: what a view needs besides the message.
#[derive(Clone)]
pub struct Cast {
    characters: Arc<CharacterService>,
    producer: Producer,
}

impl Cast {
    /// Of these characters and this producer.
    pub fn new(characters: Arc<CharacterService>, producer: Producer) -> Self {
        Self { characters, producer }
    }

    /// Who is named as the producer.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// A character as others see it. One that was taken out of the book since goes by its id.
    pub fn ai_info<'a>(&'a self, id: &'a CharacterId) -> AiInfoView<'a> {
        let id = id.as_str();
        match self.characters.face(id) {
            Some(face) => AiInfoView {
                character_id: id,
                name: face.name,
                dimension: face.dimension,
                avatar: face.avatar,
            },
            None => AiInfoView { character_id: id, name: id, dimension: "", avatar: "" },
        }
    }
}

/// 说话的用户。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FromUserView<'a> {
    /// 用户编号。
    #[schema(value_type = String, example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    user_id: UserId,
    /// 昵称；账号已不在时为空。
    #[schema(example = "仲尼")]
    nick_name: &'a str,
    /// 头像地址，可能为空。
    avatar_url: &'a str,
}

/// 说话的角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiInfoView<'a> {
    /// 角色编号。
    #[schema(example = "classics_kongzi")]
    character_id: &'a str,
    /// 名字。
    #[schema(example = "孔子")]
    name: &'a str,
    /// 十六型之一；小队角色是一个字母。
    #[schema(example = "ENFJ")]
    dimension: &'a str,
    /// 头像地址。
    #[schema(example = "/avatars/classics_kongzi.svg")]
    avatar: &'a str,
}

impl<'a> AiInfoView<'a> {
    /// The name it goes by.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its type or letter.
    pub fn dimension(&self) -> &'a str {
        self.dimension
    }
}

/// 聊天室里的一条消息。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomMessageView<'a> {
    /// 消息编号。
    #[schema(value_type = String, example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    message_id: MessageId,
    /// 在聊天室里的序号；角色的消息是它开始时的。
    #[schema(example = 2)]
    seq: u64,
    /// 说话的一方：`user`、`ai` 或 `system`。
    #[schema(example = "user")]
    from_type: &'static str,
    /// 说话的用户。
    #[serde(skip_serializing_if = "Option::is_none")]
    from_user: Option<FromUserView<'a>>,
    /// 说话的角色。
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_info: Option<AiInfoView<'a>>,
    /// 正文；已撤回的和 `hidden` 的为空。
    #[schema(example = "学而时习之，不亦说乎？")]
    content: &'a str,
    /// 为 `true` 时是自己屏蔽了的人说的，没有正文。推送对所有人相同，其中没有这个字段：客户端按
    /// `/api/user/blocks` 自己隐藏。
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    /// 回答的是哪条消息。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reply_to_message_id: Option<MessageId>,
    /// 发送方自己的编号。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "c-1")]
    client_msg_id: Option<&'a str>,
    /// 提到的角色。
    #[schema(value_type = Vec<String>)]
    mentions: &'a [CharacterId],
    /// 最近点赞的用户，最多 20 个。
    #[schema(value_type = Vec<String>)]
    likes: &'a [UserId],
    /// 点赞总数。
    #[schema(example = 0)]
    total_likes: u32,
    /// 自己是否点了赞；推送里没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    is_liked_by_me: Option<bool>,
    /// 引用的原文。
    citations: Vec<CitationView>,
    /// 状态。
    status: StatusView,
    /// 用量和费用；没有收费的消息没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    /// AI 消息的标识。
    #[serde(skip_serializing_if = "Option::is_none")]
    aigc: Option<Aigc>,
    /// 创建时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    timestamp: i64,
}

impl<'a> RoomMessageView<'a> {
    /// A message as everybody in the room sees it. `author` is what others see of a person.
    pub fn of(message: &'a Message, author: Option<&'a UserCard>, cast: &'a Cast) -> Self {
        let (from_type, from_user, ai_info, aigc) = match &message.author {
            Author::User(user) => ("user", Some(from_user(*user, author)), None, None),
            Author::Character(character) => {
                ("ai", None, Some(cast.ai_info(character)), Some(Aigc::of(message, cast.producer())))
            }
            Author::System => ("system", None, None, None),
        };
        Self {
            message_id: message.id,
            seq: message.seq,
            from_type,
            from_user,
            ai_info,
            content: &message.content,
            hidden: false,
            reply_to_message_id: message.reply_to,
            client_msg_id: message.client_msg_id.as_deref(),
            mentions: &message.mentions,
            likes: &message.likes.users,
            total_likes: message.likes.total,
            is_liked_by_me: None,
            citations: message.citations.iter().cloned().map(Into::into).collect(),
            status: message.status.into(),
            usage: message.usage.map(Into::into),
            aigc,
            timestamp: message.created_at.as_millis(),
        }
    }

    /// The same without its words, if somebody said it whom the viewer has blocked. Its place stays, so that no seq
    /// is missing.
    pub fn hidden_if_by(mut self, blocked: &[UserId]) -> Self {
        let is_blocked = self.from_user.as_ref().is_some_and(|user| blocked.contains(&user.user_id));
        if is_blocked {
            self.hidden = true;
            self.content = "";
            self.mentions = &[];
        }
        self
    }

    /// The same as one person sees it over HTTP.
    pub fn liked_by_me(mut self, liked: bool) -> Self {
        self.is_liked_by_me = Some(liked);
        self
    }
}

/// Who has gone since keeps their id and loses their name.
pub(crate) fn from_user(user_id: UserId, card: Option<&UserCard>) -> FromUserView<'_> {
    match card {
        Some(card) => FromUserView { user_id, nick_name: &card.nick_name, avatar_url: &card.avatar_url },
        None => FromUserView { user_id, nick_name: "", avatar_url: "" },
    }
}
