//! Signing in and out, tokens, and the password.

use std::sync::Arc;

use actix_web::{HttpRequest, get, post, put, web};
use auth::{AuthError, AuthService, RefreshGrant, Registration, SignedIn, TokenPair, WechatProfile};
use billing::BillingService;
use mbti_roles::{Character, CharacterService};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::context::Origin;
use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, Reply};
use crate::extract::{Body, CurrentUser, FromCaller, has_authorization};
use crate::problem::{Problem, Rule};
use crate::routes::user::UserView;

/// 登录成功：令牌和用户。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedInData {
    /// 令牌。
    #[serde(flatten)]
    tokens: TokensData,
    /// 用户。
    user: UserView,
}

impl From<SignedIn> for SignedInData {
    fn from(signed_in: SignedIn) -> Self {
        Self { tokens: signed_in.tokens.into(), user: UserView::of(signed_in.user, signed_in.is_new_user) }
    }
}

/// 一对令牌。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokensData {
    /// 访问令牌，放在 `Authorization: Bearer` 里。
    #[schema(example = "eyJhbGciOiJFZERTQSJ9.e30.c2ln")]
    token: String,
    /// 刷新令牌，只用一次。
    #[schema(example = "jxr1.AZPVyF8eerxN7wEjRWeJqw.0.c2lnbmF0dXJl")]
    refresh_token: String,
    /// 访问令牌的有效期，秒。
    #[schema(example = 900)]
    expires_in: i64,
}

impl From<TokenPair> for TokensData {
    fn from(tokens: TokenPair) -> Self {
        Self {
            token: tokens.token.expose_secret().to_owned(),
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
            expires_in: tokens.expires_in_seconds,
        }
    }
}

/// 注册。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Register {
    /// 邮箱。
    #[schema(example = "zhongni@example.com")]
    email: String,
    /// 密码，8 到 64 个字符。
    #[schema(value_type = String, example = "有朋自远方来不亦乐乎")]
    password: SecretString,
    /// 昵称，最多 64 个字符。
    #[schema(example = "仲尼")]
    nick_name: Option<String>,
}

#[utoipa::path(tag = "登录", summary = "邮箱注册", security(()),
    request_body = Register,
    responses((status = 200, description = "已注册并登录", body = Envelope<SignedInData>)))]
#[post("/api/auth/register")]
pub(crate) async fn register(
    Origin(origin): Origin,
    Body(body): Body<Register>,
    auth: Writes<AuthService>,
    billing: Writes<BillingService>,
) -> Result<Reply<SignedInData>, Problem> {
    let registration = Registration { email: body.email, password: body.password, nick_name: body.nick_name };
    let billing = billing.shared();
    let work = |auth: Arc<AuthService>| async move {
        let signed_in = auth.register(registration, &origin).await?;
        welcome(&billing, &signed_in).await;
        Ok::<_, AuthError>(signed_in)
    };
    let signed_in = auth.run(work).await?;
    Ok(Reply::new(signed_in.into()))
}

/// 邮箱登录。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmailLogin {
    /// 邮箱。
    #[schema(example = "zhongni@example.com")]
    email: String,
    /// 密码。
    #[schema(value_type = String, example = "有朋自远方来不亦乐乎")]
    password: SecretString,
}

#[utoipa::path(tag = "登录", summary = "邮箱登录", security(()),
    request_body = EmailLogin,
    responses((status = 200, description = "已登录", body = Envelope<SignedInData>)))]
#[post("/api/auth/email-login")]
pub(crate) async fn email_login(
    Origin(origin): Origin,
    Body(body): Body<EmailLogin>,
    auth: Writes<AuthService>,
) -> Result<Reply<SignedInData>, Problem> {
    let work =
        |auth: Arc<AuthService>| async move { auth.email_login(&body.email, body.password, &origin).await };
    Ok(Reply::new(auth.run(work).await?.into()))
}

/// 微信登录。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WechatLogin {
    /// `wx.login` 得到的 code。
    #[schema(example = "0a3bXYZ")]
    code: String,
    /// 昵称。
    nick_name: Option<String>,
    /// 头像地址。
    avatar_url: Option<String>,
    /// 性别：0 未知，1 男，2 女。
    gender: Option<i64>,
    /// 国家。
    country: Option<String>,
    /// 省份。
    province: Option<String>,
    /// 城市。
    city: Option<String>,
}

impl WechatLogin {
    fn into_parts(self) -> (String, WechatProfile) {
        let profile = WechatProfile {
            nick_name: self.nick_name,
            avatar_url: self.avatar_url,
            gender: self.gender,
            country: self.country,
            province: self.province,
            city: self.city,
        };
        (self.code, profile)
    }
}

/// 微信登录成功：令牌、用户和人人都有的角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WechatSignedInData {
    /// 令牌和用户。
    #[serde(flatten)]
    signed_in: SignedInData,
    /// 16 个免费角色。
    default_characters: Vec<DefaultCharacter>,
}

impl WechatSignedInData {
    fn reply(signed_in: SignedIn, characters: &CharacterService) -> Reply<Self> {
        let default_characters = characters.free().into_iter().map(Into::into).collect();
        Reply::new(Self { signed_in: signed_in.into(), default_characters })
    }
}

/// 一个免费角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefaultCharacter {
    /// 角色编号。
    #[schema(example = "intj_scientist_001")]
    character_id: String,
    /// 十六型之一。
    #[schema(example = "INTJ")]
    dimension: &'static str,
    /// 名字。
    name: String,
    /// 固定为 `true`。
    is_default: bool,
}

impl From<&Character> for DefaultCharacter {
    fn from(character: &Character) -> Self {
        Self {
            character_id: character.id.to_string(),
            dimension: character.dimension.as_str(),
            name: character.name.clone(),
            is_default: true,
        }
    }
}

#[utoipa::path(tag = "登录", summary = "微信小程序登录", security(()), description = "首次登录即注册。",
    request_body = WechatLogin,
    responses((status = 200, description = "已登录", body = Envelope<WechatSignedInData>)))]
#[post("/api/auth/wechat-login")]
pub(crate) async fn wechat_login(
    Origin(origin): Origin,
    Body(body): Body<WechatLogin>,
    auth: Writes<AuthService>,
    billing: Writes<BillingService>,
    characters: web::Data<CharacterService>,
) -> Result<Reply<WechatSignedInData>, Problem> {
    let signed_in = sign_in_by_wechat(origin, body, &auth, billing.shared()).await?;
    Ok(WechatSignedInData::reply(signed_in, &characters))
}

#[utoipa::path(tag = "登录", summary = "微信小程序登录（同 wechat-login）", security(()),
    request_body = WechatLogin,
    responses((status = 200, description = "已登录", body = Envelope<WechatSignedInData>)))]
#[post("/api/auth/wxlogin")]
pub(crate) async fn wxlogin(
    Origin(origin): Origin,
    Body(body): Body<WechatLogin>,
    auth: Writes<AuthService>,
    billing: Writes<BillingService>,
    characters: web::Data<CharacterService>,
) -> Result<Reply<WechatSignedInData>, Problem> {
    let signed_in = sign_in_by_wechat(origin, body, &auth, billing.shared()).await?;
    Ok(WechatSignedInData::reply(signed_in, &characters))
}

async fn sign_in_by_wechat(
    origin: auth::RequestOrigin,
    body: WechatLogin,
    auth: &Writes<AuthService>,
    billing: Arc<BillingService>,
) -> Result<SignedIn, Problem> {
    let (code, profile) = body.into_parts();
    let work = |auth: Arc<AuthService>| async move {
        let signed_in = auth.wechat_login(&code, profile, &origin).await?;
        welcome(&billing, &signed_in).await;
        Ok::<_, AuthError>(signed_in)
    };
    auth.run(work).await
}

/// Gives a new person their account and its welcome grant. Whoever misses it here gets it at the first look at the
/// balance, so a failure is worth a line and no more.
async fn welcome(billing: &BillingService, signed_in: &SignedIn) {
    if !signed_in.is_new_user {
        return;
    }
    let user = signed_in.user.id;
    if let Err(error) = billing.ensure_account(user).await {
        tracing::warn!(%error, user.id = %user, "a new person's account was not opened; it will be when it is needed");
    }
}

/// 令牌是否有效。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifyData {
    /// 固定为 `true`；无效时是 401。
    valid: bool,
    /// 用户编号。
    #[schema(example = "0193d5c8-5f1e-7abc-8def-0123456789ab")]
    user_id: String,
    /// 到期时间，毫秒。
    #[schema(example = 1_767_226_500_000_i64)]
    expires_at: i64,
}

#[utoipa::path(tag = "登录", summary = "检查访问令牌",
    responses((status = 200, description = "有效", body = Envelope<VerifyData>)))]
#[get("/api/auth/verify")]
pub(crate) async fn verify(CurrentUser(caller): CurrentUser) -> Reply<VerifyData> {
    let expires_at = caller.expires_at.as_millis();
    Reply::new(VerifyData { valid: true, user_id: caller.user_id.to_string(), expires_at })
}

/// 换新令牌。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refresh {
    /// 刷新令牌；不写则用仍然有效的访问令牌。
    #[schema(value_type = Option<String>, example = "jxr1.AZPVyF8eerxN7wEjRWeJqw.0.c2lnbmF0dXJl")]
    refresh_token: Option<SecretString>,
}

#[utoipa::path(tag = "登录", summary = "换新令牌", security((), ("bearer" = [])),
    description = "用刷新令牌，或仍然有效的访问令牌。刷新令牌只用一次；再次使用旧的会结束整个登录。",
    request_body = Refresh,
    responses((status = 200, description = "新令牌", body = Envelope<TokensData>)))]
#[post("/api/auth/refresh")]
pub(crate) async fn refresh(
    request: HttpRequest,
    Origin(origin): Origin,
    caller: Result<CurrentUser, Problem>,
    Body(body): Body<Refresh>,
    auth: Writes<AuthService>,
) -> Result<Reply<TokensData>, Problem> {
    let tokens = match (body.refresh_token, caller) {
        (Some(token), _) => {
            auth.run(|auth| async move { auth.refresh(RefreshGrant::Token(token), &origin).await }).await?
        }
        (None, Ok(CurrentUser(caller))) => {
            auth.run(|auth| async move { auth.refresh(RefreshGrant::Session(&caller), &origin).await })
                .await?
        }
        (None, Err(_)) if !has_authorization(&request) => {
            return Err(Problem::field("refreshToken", Rule::Required));
        }
        (None, Err(problem)) => return Err(problem),
    };
    Ok(Reply::new(tokens.into()))
}

#[utoipa::path(tag = "登录", summary = "退出登录", description = "结束这次登录：访问令牌和刷新令牌都失效。",
    responses((status = 200, description = "已退出", body = Envelope<Nothing>)))]
#[post("/api/auth/logout")]
pub(crate) async fn logout(
    Origin(origin): Origin,
    CurrentUser(caller): CurrentUser,
    auth: Writes<AuthService>,
) -> Result<Reply<Nothing>, Problem> {
    auth.run(|auth| async move { auth.logout(&caller, &origin).await }).await?;
    Ok(Reply::done())
}

/// 修改密码。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangePassword {
    /// 原密码。
    #[schema(value_type = String, example = "有朋自远方来不亦乐乎")]
    old_password: SecretString,
    /// 新密码，8 到 64 个字符。
    #[schema(value_type = String, example = "温故而知新可以为师矣")]
    new_password: SecretString,
}

#[utoipa::path(tag = "登录", summary = "修改密码", description = "其它设备上的登录随之结束。",
    request_body = ChangePassword,
    responses((status = 200, description = "已修改", body = Envelope<Nothing>)))]
#[put("/api/auth/password")]
pub(crate) async fn change_password(
    Origin(origin): Origin,
    FromCaller(caller, Body(body)): FromCaller<Body<ChangePassword>>,
    auth: Writes<AuthService>,
) -> Result<Reply<Nothing>, Problem> {
    let work = |auth: Arc<AuthService>| async move {
        auth.change_password(&caller, body.old_password, body.new_password, &origin).await
    };
    auth.run(work).await?;
    Ok(Reply::done())
}
