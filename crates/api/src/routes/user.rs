//! The person themselves: profile and balance.

use std::sync::Arc;

use actix_web::{get, put, web};
use auth::{AuthService, ProfileChange, User};
use billing::{Balance, BillingService};
use chat::ChatService;
use kernel::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Reply};
use crate::extract::{Body, CurrentUser, FromCaller};
use crate::joined_rooms::JoinedRooms;
use crate::problem::Problem;

/// 用户。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserView {
    /// 用户编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    user_id: String,
    /// 微信 openid；只有本人能看到。
    #[serde(skip_serializing_if = "Option::is_none")]
    openid: Option<String>,
    /// 邮箱。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "zhongni@example.com")]
    email: Option<String>,
    /// 昵称。
    #[schema(example = "仲尼")]
    nick_name: String,
    /// 头像地址，可能为空。
    avatar_url: String,
    /// 性别：0 未知，1 男，2 女。
    #[schema(example = 0)]
    gender: i16,
    /// 国家。
    country: String,
    /// 省份。
    province: String,
    /// 城市。
    city: String,
    /// 等级：`normal`、`vip` 或 `premium`。
    #[schema(example = "normal")]
    user_level: &'static str,
    /// 十六型之一。
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ENFJ")]
    mbti_type: Option<String>,
    /// 注册时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
    /// 最近登录时间，毫秒。
    last_login_time: Option<i64>,
    /// 是否这次才注册。
    is_new_user: bool,
}

impl UserView {
    pub(crate) fn of(user: User, is_new_user: bool) -> Self {
        Self {
            user_id: user.id.to_string(),
            openid: user.openid,
            email: user.email.map(|email| email.as_str().to_owned()),
            nick_name: user.nick_name,
            avatar_url: user.avatar_url,
            gender: user.gender.code(),
            country: user.country,
            province: user.province,
            city: user.city,
            user_level: user.level.as_str(),
            mbti_type: user.mbti_type,
            create_time: user.create_time.as_millis(),
            last_login_time: user.last_login_time.map(kernel::Timestamp::as_millis),
            is_new_user,
        }
    }
}

/// 个人资料：用户的各字段和总数，都在同一层。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileData {
    /// 用户的各字段。
    #[serde(flatten)]
    user: UserView,
    /// 自己发出的消息总数。
    #[schema(example = 0)]
    total_messages: u64,
    /// 获赞总数。
    #[schema(example = 0)]
    total_likes: u64,
    /// 拥有的角色数。
    #[schema(example = 16)]
    owned_characters: usize,
    /// 技能等级总和。
    #[schema(example = 0)]
    total_skill_level: u64,
    /// 加入的聊天室。
    joined_rooms: Vec<String>,
    /// 收藏的角色。
    favorite_characters: Vec<String>,
}

impl ProfileData {
    /// Likes and skills have no count before they exist.
    fn of(user: User, totals: &Totals, free_characters: &FreeCharacters) -> Self {
        Self {
            user: UserView::of(user, false),
            total_messages: totals.messages,
            total_likes: 0,
            owned_characters: free_characters.0,
            total_skill_level: 0,
            joined_rooms: totals.rooms.to_vec(),
            favorite_characters: Vec::new(),
        }
    }
}

/// What other contexts know of a person.
struct Totals {
    messages: u64,
    rooms: Arc<[String]>,
}

impl Totals {
    async fn of(user: UserId, chat: &ChatService, rooms: &JoinedRooms) -> Result<Self, Problem> {
        Ok(Self { messages: chat.message_count(user).await?, rooms: rooms.of(chat, user).await? })
    }
}

/// How many characters everybody has from the start, counted once.
pub(crate) struct FreeCharacters(pub(crate) usize);

#[utoipa::path(tag = "用户", summary = "个人资料", description = "可能是 5 秒以内的旧值。",
    responses((status = 200, description = "个人资料", body = Envelope<ProfileData>)))]
#[get("/api/user/profile")]
pub(crate) async fn get_profile(
    CurrentUser(caller): CurrentUser,
    auth: web::Data<AuthService>,
    chat: web::Data<ChatService>,
    free_characters: web::Data<FreeCharacters>,
    joined_rooms: web::Data<JoinedRooms>,
) -> Result<Reply<ProfileData>, Problem> {
    let user = auth.profile(caller.user_id).await?;
    let totals = Totals::of(caller.user_id, &chat, &joined_rooms).await?;
    Ok(Reply::new(ProfileData::of(user, &totals, &free_characters)))
}

/// 要改的资料；不写的不变。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateProfile {
    /// 昵称，1 到 64 个字符。
    #[schema(example = "仲尼")]
    nick_name: Option<String>,
    /// 头像地址；空字符串表示去掉。
    avatar_url: Option<String>,
    /// 性别：0 未知，1 男，2 女。
    #[schema(example = 1)]
    gender: Option<i64>,
    /// 国家，最多 64 个字符。
    country: Option<String>,
    /// 省份，最多 64 个字符。
    province: Option<String>,
    /// 城市，最多 64 个字符。
    city: Option<String>,
    /// 十六型之一，大小写均可。
    #[schema(example = "ENFJ")]
    mbti_type: Option<String>,
}

impl From<UpdateProfile> for ProfileChange {
    fn from(body: UpdateProfile) -> Self {
        Self {
            nick_name: body.nick_name,
            avatar_url: body.avatar_url,
            gender: body.gender,
            country: body.country,
            province: body.province,
            city: body.city,
            mbti_type: body.mbti_type,
        }
    }
}

#[utoipa::path(tag = "用户", summary = "修改资料", description = "不写的字段不变。",
    request_body = UpdateProfile,
    responses((status = 200, description = "改后的资料", body = Envelope<ProfileData>)))]
#[put("/api/user/profile")]
pub(crate) async fn update_profile(
    FromCaller(caller, Body(body)): FromCaller<Body<UpdateProfile>>,
    auth: Writes<AuthService>,
    chat: web::Data<ChatService>,
    free_characters: web::Data<FreeCharacters>,
    joined_rooms: web::Data<JoinedRooms>,
) -> Result<Reply<ProfileData>, Problem> {
    let user = auth.run(|auth| async move { auth.update_profile(caller.user_id, body.into()).await }).await?;
    let totals = Totals::of(caller.user_id, &chat, &joined_rooms).await?;
    Ok(Reply::new(ProfileData::of(user, &totals, &free_characters)))
}

/// 余额，单位是点（百万分之一元）。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceData {
    /// 可用的，不含冻结的。
    #[schema(example = 1_000_000)]
    available: i64,
    /// 为进行中的回复冻结的。
    #[schema(example = 0)]
    held: i64,
    /// 固定为 `credits`。
    #[schema(example = "credits")]
    currency: &'static str,
    /// 今天的免费额度里还没用的，已含在可用里。
    #[schema(example = 0)]
    free_allowance: i64,
    /// 最近一次变化的时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    updated_at: i64,
}

impl From<Balance> for BalanceData {
    fn from(balance: Balance) -> Self {
        Self {
            available: balance.available.get(),
            held: balance.held.get(),
            currency: "credits",
            free_allowance: balance.free_allowance.get(),
            updated_at: balance.updated_at.as_millis(),
        }
    }
}

#[utoipa::path(tag = "用户", summary = "余额", description = "总是最新的值。新用户首次读取时得到欢迎额度。",
    responses((status = 200, description = "余额", body = Envelope<BalanceData>)))]
#[get("/api/user/balance")]
pub(crate) async fn get_balance(
    CurrentUser(caller): CurrentUser,
    billing: Writes<BillingService>,
) -> Result<Reply<BalanceData>, Problem> {
    // A first look opens the account, which is a write.
    let balance = billing.run(|billing| async move { billing.balance(caller.user_id).await }).await?;
    Ok(Reply::new(balance.into()))
}
