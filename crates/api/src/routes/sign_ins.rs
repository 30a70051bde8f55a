//! The person's own sign-ins: the log of attempts, and where they are signed in now.

use actix_web::{delete, get, web};
use auth::{AuthService, LoginRecord, Session};
use serde::Serialize;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply};
use crate::extract::{CurrentUser, FromCaller, PathText, Query};
use crate::problem::Problem;
use crate::settings::ApiSettings;

/// 一次登录尝试。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginLogView {
    /// 记录编号。
    log_id: String,
    /// 方式：`register`、`email`、`wechat`、`refresh`、`password_change`、`logout`。
    #[schema(example = "email")]
    method: &'static str,
    /// 是否成功。
    success: bool,
    /// 失败的原因。
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// 来源地址。
    #[schema(example = "203.0.113.9")]
    ip: String,
    /// 客户端自称。
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// 时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
}

impl From<LoginRecord> for LoginLogView {
    fn from(record: LoginRecord) -> Self {
        Self {
            log_id: record.id.to_string(),
            method: record.method.as_str(),
            success: record.outcome.is_success(),
            reason: record.outcome.reason(),
            ip: record.ip.to_string(),
            user_agent: record.user_agent,
            create_time: record.at.as_millis(),
        }
    }
}

/// 登录记录。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoginLogsData {
    /// 记录，最新的在前。
    logs: Vec<LoginLogView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "登录", summary = "自己的登录记录", params(PageQuery),
    responses((status = 200, description = "登录记录", body = Envelope<LoginLogsData>)))]
#[get("/api/auth/login-logs")]
pub(crate) async fn list_login_logs(
    FromCaller(caller, Query(query)): FromCaller<Query<PageQuery>>,
    auth: web::Data<AuthService>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<LoginLogsData>, Problem> {
    let request = query.request(&settings);
    let page = auth.login_logs(caller.user_id, request).await?;
    let pagination = Pagination::of(&page, request);
    Ok(Reply::new(LoginLogsData { logs: page.items.into_iter().map(Into::into).collect(), pagination }))
}

/// 一处登录。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInView {
    /// 登录编号。
    sign_in_id: String,
    /// 方式。
    #[schema(example = "email")]
    method: &'static str,
    /// 来源地址。
    #[schema(example = "203.0.113.9")]
    ip: String,
    /// 客户端自称。
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// 开始时间，毫秒。
    create_time: i64,
    /// 最近一次换新令牌的时间，毫秒。
    last_active_time: i64,
    /// 是否就是当前这一处。
    is_current: bool,
}

impl SignInView {
    fn of(session: Session, current: auth::SessionId) -> Self {
        Self {
            sign_in_id: session.id.to_string(),
            method: session.method.as_str(),
            ip: session.ip.to_string(),
            user_agent: session.user_agent,
            create_time: session.created_at.as_millis(),
            last_active_time: session.rotated_at.as_millis(),
            is_current: session.id == current,
        }
    }
}

/// 各处登录。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInsData {
    /// 仍然有效的登录。
    sign_ins: Vec<SignInView>,
}

#[utoipa::path(tag = "登录", summary = "自己在各处的登录",
    responses((status = 200, description = "各处登录", body = Envelope<SignInsData>)))]
#[get("/api/auth/sessions")]
pub(crate) async fn list_sign_ins(
    CurrentUser(caller): CurrentUser,
    auth: web::Data<AuthService>,
) -> Result<Reply<SignInsData>, Problem> {
    let sessions = auth.own_sessions(caller.user_id).await?;
    let view = |session| SignInView::of(session, caller.session_id);
    Ok(Reply::new(SignInsData { sign_ins: sessions.into_iter().map(view).collect() }))
}

#[utoipa::path(tag = "登录", summary = "结束一处登录", params(("id" = String, Path, description = "登录编号")),
    responses((status = 200, description = "已结束", body = Envelope<Nothing>)))]
#[delete("/api/auth/sessions/{id}")]
pub(crate) async fn revoke_sign_in(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    auth: Writes<AuthService>,
) -> Result<Reply<Nothing>, Problem> {
    let session: auth::SessionId = id.parse().map_err(|_not_an_id| Problem::not_found())?;
    auth.run(|auth| async move { auth.revoke_session(&caller, session).await }).await?;
    Ok(Reply::done())
}
