//! A room and a person's place in it, as clients see them.

use std::collections::BTreeMap;

use chat::{
    CharacterId, Member, ModerationLevel, PayerRule, Role, Room, RoomSettings, TurnStrategy, UserCard,
};
use kernel::UserId;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::problem::{Problem, Rule};
use crate::room_message_view::{AiInfoView, Cast, RoomMessageView};

/// Percent shown as a factor: 120 is 1.2.
#[derive(Debug)]
pub(crate) struct Factor(u32);

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

/// 聊天室里的一个角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActiveCharacterView<'a> {
    /// 角色。
    #[serde(flatten)]
    info: AiInfoView<'a>,
    /// 等级。
    #[schema(example = 1)]
    level: u32,
}

/// 聊天室的设置。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomSettingsView<'a> {
    /// 最多多少成员。
    #[schema(example = 500)]
    max_members: u32,
    /// 连上 WebSocket 进入时是否自动成为成员。
    allow_guest_join: bool,
    /// 审核的严格程度：`low`、`medium` 或 `high`。
    #[schema(value_type = String, example = "medium")]
    moderation_level: ModerationLevel,
    /// 第一个角色回答之前等多少毫秒。
    #[schema(example = 0)]
    ai_response_delay: u32,
    /// 没有提到角色时谁来回答：`natural`、`list`、`pooled` 或 `manual`。
    #[schema(value_type = String, example = "natural")]
    turn_strategy: TurnStrategy,
    /// 谁付费：`speaker` 发言者，`owner` 房主，`pool` 公共账户。
    #[schema(value_type = String, example = "speaker")]
    payer: PayerRule,
    /// 暂时不说话的角色。
    #[schema(value_type = Vec<String>)]
    muted_characters: &'a [CharacterId],
}

impl<'a> From<&'a RoomSettings> for RoomSettingsView<'a> {
    fn from(settings: &'a RoomSettings) -> Self {
        Self {
            max_members: settings.max_members,
            allow_guest_join: settings.allow_guest_join,
            moderation_level: settings.moderation_level,
            ai_response_delay: settings.ai_response_delay,
            turn_strategy: settings.turn_strategy,
            payer: settings.payer,
            muted_characters: &settings.muted_characters,
        }
    }
}

/// 聊天室的统计。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomStatisticsView {
    /// 成员数。
    #[schema(example = 12)]
    total_members: u32,
    /// 消息总数，含角色的。
    #[schema(example = 340)]
    total_messages: u64,
}

/// 一个聊天室。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomView<'a> {
    /// 聊天室编号。
    #[schema(value_type = String, example = "guoxue_room")]
    room_id: &'a str,
    /// 名称。
    #[schema(example = "国学书院")]
    name: &'a str,
    /// 介绍。
    description: &'a str,
    /// 图标地址。
    icon: &'a str,
    /// 背景地址。
    background: &'a str,
    /// 分类。
    #[schema(example = "guoxue")]
    category: &'a str,
    /// 是否公共聊天室。
    is_public: bool,
    /// 房主；公共聊天室没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    owner_id: Option<UserId>,
    /// 在这里长得更快的技能。
    related_skills: Vec<&'a str>,
    /// 各技能的经验倍数。
    #[schema(value_type = BTreeMap<String, f64>, example = json!({"classics_reading": 1.5}))]
    skill_bonus_multiplier: BTreeMap<&'a str, Factor>,
    /// 加入需要的等级；0 和 1 是人人可以。
    #[schema(example = 0)]
    require_level: u32,
    /// 在这里的角色，按发言的次序。
    active_characters: Vec<ActiveCharacterView<'a>>,
    /// 设置。
    settings: RoomSettingsView<'a>,
    /// 统计。
    statistics: RoomStatisticsView,
    /// 创建时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
    /// 最近一次活动的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    last_activity: i64,
    /// 关闭的时间，毫秒；开着的没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    close_time: Option<i64>,
    /// 自己是否成员。
    is_joined: bool,
    /// 未读的消息数，最多 999。
    #[schema(example = 0)]
    unread_count: u32,
    /// 最新的一条消息，只在列表里有。
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<RoomMessageView<'a>>,
}

impl<'a> RoomView<'a> {
    /// A room as somebody sees it.
    pub(crate) fn of(room: &'a Room, member: Option<&Member>, unread: u32, cast: &'a Cast) -> Self {
        let bonuses = &room.profile.skill_bonuses;
        let active =
            room.characters.iter().map(|id| ActiveCharacterView { info: cast.ai_info(id), level: 1 });
        Self {
            room_id: room.id.as_str(),
            name: &room.profile.name,
            description: &room.profile.description,
            icon: &room.profile.icon,
            background: &room.profile.background,
            category: &room.profile.category,
            is_public: room.is_public,
            owner_id: room.owner,
            related_skills: bonuses.iter().map(|bonus| bonus.skill_id.as_str()).collect(),
            skill_bonus_multiplier: bonuses
                .iter()
                .map(|bonus| (bonus.skill_id.as_str(), Factor(bonus.percent)))
                .collect(),
            require_level: room.profile.require_level,
            active_characters: active.collect(),
            settings: (&room.settings).into(),
            statistics: RoomStatisticsView {
                total_members: room.statistics.members,
                total_messages: room.statistics.messages,
            },
            create_time: room.created_at.as_millis(),
            last_activity: room.last_active_at.as_millis(),
            close_time: room.closed_at.map(kernel::Timestamp::as_millis),
            is_joined: member.is_some_and(Member::is_joined),
            unread_count: unread,
            last_message: None,
        }
    }

    /// The same with its newest message.
    pub(crate) fn with_last(mut self, message: Option<RoomMessageView<'a>>) -> Self {
        self.last_message = message;
        self
    }
}

/// 自己在聊天室里。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserStatusView {
    /// 是否成员。
    is_joined: bool,
    /// 何时加入，毫秒；从未加入则为空。
    join_time: Option<i64>,
    /// 自己在这里说过多少条。
    #[schema(example = 0)]
    message_count: u64,
    /// 自己在这里点过多少赞。
    #[schema(example = 0)]
    likes_given: u64,
    /// 自己是什么：`member`、`admin` 或 `owner`；不是成员则为空。
    #[schema(value_type = Option<String>, example = "member")]
    role: Option<Role>,
    /// 禁言到何时，毫秒；没有禁言则为空。
    muted_until: Option<i64>,
}

impl UserStatusView {
    /// Of a membership, where there ever was one.
    pub(crate) fn of(member: Option<&Member>) -> Self {
        let joined = member.filter(|member| member.is_joined());
        Self {
            is_joined: joined.is_some(),
            join_time: member.map(|member| member.joined_at.as_millis()),
            message_count: member.map_or(0, |member| member.message_count),
            likes_given: member.map_or(0, |member| member.likes_given),
            role: joined.map(|member| member.role),
            muted_until: joined.and_then(|member| member.muted_until).map(kernel::Timestamp::as_millis),
        }
    }
}

/// 一个成员。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberView {
    /// 用户编号。
    #[schema(value_type = String)]
    user_id: UserId,
    /// 昵称。
    #[schema(example = "仲尼")]
    nick_name: String,
    /// 头像地址，可能为空。
    avatar_url: String,
    /// `member`、`admin` 或 `owner`。
    #[schema(value_type = String, example = "member")]
    role: Role,
    /// 何时加入，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    join_time: i64,
    /// 禁言到何时，毫秒；没有禁言则为空。
    muted_until: Option<i64>,
}

impl MemberView {
    /// A member and what others see of them.
    pub(crate) fn of(member: &Member, card: Option<&UserCard>) -> Self {
        Self {
            user_id: member.user_id,
            nick_name: card.map(|card| card.nick_name.clone()).unwrap_or_default(),
            avatar_url: card.map(|card| card.avatar_url.clone()).unwrap_or_default(),
            role: member.role,
            join_time: member.joined_at.as_millis(),
            muted_until: member.muted_until.map(kernel::Timestamp::as_millis),
        }
    }
}

/// 聊天室的设置；不写的不变。
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingsChange {
    /// 最多多少成员。
    #[schema(example = 100)]
    max_members: Option<u32>,
    /// 连上 WebSocket 进入时是否自动成为成员。
    allow_guest_join: Option<bool>,
    /// 审核的严格程度：`low`、`medium` 或 `high`。
    #[schema(value_type = Option<String>, example = "medium")]
    moderation_level: Option<ModerationLevel>,
    /// 第一个角色回答之前等多少毫秒。
    #[schema(example = 0)]
    ai_response_delay: Option<u32>,
    /// 没有提到角色时谁来回答：`natural`、`list`、`pooled` 或 `manual`。
    #[schema(value_type = Option<String>, example = "natural")]
    turn_strategy: Option<TurnStrategy>,
    /// 谁付费：`speaker` 发言者，`owner` 房主，`pool` 公共账户。
    #[schema(value_type = Option<String>, example = "speaker")]
    payer: Option<PayerRule>,
    /// 暂时不说话的角色。
    muted_characters: Option<Vec<String>>,
}

impl SettingsChange {
    /// The settings with this change.
    pub(crate) fn apply(self, settings: RoomSettings) -> Result<RoomSettings, Problem> {
        let muted = self.muted_characters.map(|ids| {
            let parse =
                |id: &String| id.parse().map_err(|_invalid| Problem::field("mutedCharacters", Rule::Format));
            ids.iter().map(parse).collect::<Result<Vec<CharacterId>, Problem>>()
        });
        Ok(RoomSettings {
            max_members: self.max_members.unwrap_or(settings.max_members),
            allow_guest_join: self.allow_guest_join.unwrap_or(settings.allow_guest_join),
            moderation_level: self.moderation_level.unwrap_or(settings.moderation_level),
            ai_response_delay: self.ai_response_delay.unwrap_or(settings.ai_response_delay),
            turn_strategy: self.turn_strategy.unwrap_or(settings.turn_strategy),
            payer: self.payer.unwrap_or(settings.payer),
            muted_characters: muted.transpose()?.unwrap_or(settings.muted_characters),
        })
    }
}
