//! What operators do to accounts: correct, freeze, and read who did so. Each is noted before it is done.

use std::sync::Arc;

use actix_web::{get, post, web};
use auth::ports::AuditLog;
use auth::{AuditEntry, AuthService};
use billing::{BillingService, CreditOutcome, Spending, StandingChange};
use kernel::{Clock, Credits, Ids, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply};
use crate::extract::{Body, FromCaller, FromOperator, Idempotency, Query};
use crate::problem::{Problem, Rule, Slug};
use crate::routes::orders::bounded;
use crate::routes::spending::{ConsumedData, debited, one_key};
use crate::settings::ApiSettings;

const REASON_CHARS_MAX: u32 = 128;
/// No correction is larger: a thousand million yuan.
const ADJUST_MAX: u64 = 1_000_000_000_000_000;

/// 调账。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Adjust {
    /// 用户编号。
    user_id: String,
    /// 多少点：正数为加，负数为减。
    #[schema(example = 1_000_000)]
    amount: i64,
    /// 为什么，最多 128 字。
    #[schema(example = "补偿")]
    reason: String,
    /// 幂等键；也可放在 `Idempotency-Key` 头里。
    idempotency_key: Option<String>,
}

/// 冻结或解冻。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Freeze {
    /// 用户编号。
    user_id: String,
    /// 为什么，最多 128 字。
    #[schema(example = "退款争议")]
    reason: String,
}

/// What writes the operators' log.
#[derive(Clone)]
pub struct Auditor {
    /// The log.
    pub log: Arc<dyn AuditLog>,
    /// Ids of its lines.
    pub ids: Arc<Ids>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Auditor {
    /// Notes what somebody is about to do.
    pub(crate) async fn note(
        &self,
        actor: UserId,
        action: &str,
        subject: String,
        detail: serde_json::Value,
    ) -> Result<(), Problem> {
        let entry = AuditEntry {
            id: self.ids.next(),
            actor: Some(actor),
            action: action.to_owned(),
            subject,
            detail: detail.to_string(),
            at: self.clock.now(),
        };
        Ok(self.log.append(&entry).await?)
    }
}

/// The person that a body names.
async fn person(auth: &AuthService, field: &str) -> Result<UserId, Problem> {
    let user: UserId = field.parse().map_err(|_not_an_id| Problem::not_found())?;
    auth.profile(user).await?;
    Ok(user)
}

#[utoipa::path(tag = "运营", summary = "调账", description = "给用户加或减点数，记入流水和操作日志。",
    request_body = Adjust,
    responses((status = 200, description = "已调", body = Envelope<ConsumedData>)))]
#[post("/api/admin/ledger/adjust")]
pub(crate) async fn adjust_ledger(
    FromOperator(FromCaller(caller, (Body(body), key))): FromOperator<(Body<Adjust>, Idempotency)>,
    auth: web::Data<AuthService>,
    billing: Writes<BillingService>,
    auditor: web::Data<Auditor>,
) -> Result<Reply<ConsumedData>, Problem> {
    let has_key = key.0.is_some() || body.idempotency_key.is_some();
    let key = if has_key {
        one_key(key, body.idempotency_key.as_deref())?
    } else {
        auditor.ids.next::<auth::Audit>().to_string()
    };
    let size = body.amount.unsigned_abs();
    if size == 0 || size > ADJUST_MAX {
        return Err(Problem::field("amount", Rule::Value));
    }
    let reason = bounded("reason", &body.reason, REASON_CHARS_MAX)?;
    let user = person(&auth, &body.user_id).await?;
    let detail = json!({ "amount": body.amount, "reason": reason, "key": key });
    auditor.note(caller.user_id, "ledger.adjust", format!("user:{user}"), detail).await?;
    let amount = Credits::new(i64::try_from(size).map_err(Problem::internal)?);
    // The key is the operator's own, so that the transfer itself says who it was.
    let spending = Spending { user, amount, reason, key: format!("{}:{key}", caller.user_id) };
    if body.amount < 0 {
        let work = |billing: Arc<BillingService>| async move { billing.adjust_down(&spending).await };
        return debited(billing.run(work).await?, amount);
    }
    let work = |billing: Arc<BillingService>| async move { billing.adjust_up(&spending).await };
    match billing.run(work).await? {
        CreditOutcome::Applied(posted) => Ok(Reply::new(posted.into())),
        CreditOutcome::Replayed(posted) => Ok(Reply::new(posted.into()).replayed(true)),
        CreditOutcome::Conflict => Err(Problem::new(Slug::IdempotencyConflict)),
    }
}

#[utoipa::path(tag = "运营", summary = "冻结账户", description = "冻结后不能再消费；进行中的回复照常结算。记入操作日志。",
    request_body = Freeze,
    responses((status = 200, description = "已冻结", body = Envelope<Nothing>)))]
#[post("/api/admin/ledger/freeze")]
pub(crate) async fn freeze_account(
    FromOperator(FromCaller(caller, Body(body))): FromOperator<Body<Freeze>>,
    auth: web::Data<AuthService>,
    billing: Writes<BillingService>,
    auditor: web::Data<Auditor>,
) -> Result<Reply<Nothing>, Problem> {
    let reason = bounded("reason", &body.reason, REASON_CHARS_MAX)?;
    let user = person(&auth, &body.user_id).await?;
    let detail = json!({ "reason": reason });
    auditor.note(caller.user_id, "ledger.freeze", format!("user:{user}"), detail).await?;
    let change = StandingChange::Freeze { reason };
    billing
        .run(|billing: Arc<BillingService>| async move { billing.set_standing(user, &change).await })
        .await?;
    Ok(Reply::done())
}

#[utoipa::path(tag = "运营", summary = "解冻账户", description = "记入操作日志。",
    request_body = Freeze,
    responses((status = 200, description = "已解冻", body = Envelope<Nothing>)))]
#[post("/api/admin/ledger/unfreeze")]
pub(crate) async fn unfreeze_account(
    FromOperator(FromCaller(caller, Body(body))): FromOperator<Body<Freeze>>,
    auth: web::Data<AuthService>,
    billing: Writes<BillingService>,
    auditor: web::Data<Auditor>,
) -> Result<Reply<Nothing>, Problem> {
    let reason = bounded("reason", &body.reason, REASON_CHARS_MAX)?;
    let user = person(&auth, &body.user_id).await?;
    let detail = json!({ "reason": reason });
    auditor.note(caller.user_id, "ledger.unfreeze", format!("user:{user}"), detail).await?;
    let work = |billing: Arc<BillingService>| async move {
        billing.set_standing(user, &StandingChange::Unfreeze).await
    };
    billing.run(work).await?;
    Ok(Reply::done())
}

/// 操作日志的一行。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditView {
    /// 编号。
    entry_id: String,
    /// 谁做的；命令行没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// 做了什么。
    #[schema(example = "ledger.adjust")]
    action: String,
    /// 对什么。
    #[schema(example = "user:0193d5c8-5f1e-7abc-8def-0123456789ab")]
    subject: String,
    /// 详情，JSON 文本。
    detail: String,
    /// 时间，毫秒。
    create_time: i64,
}

/// 操作日志。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditData {
    /// 各行，新的在前。
    entries: Vec<AuditView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "运营", summary = "操作日志", description = "只增不改：每次调账、冻结和退款。",
    params(PageQuery),
    responses((status = 200, description = "操作日志", body = Envelope<AuditData>)))]
#[get("/api/admin/audit")]
pub(crate) async fn list_audit(
    FromOperator(FromCaller(_caller, Query(query))): FromOperator<Query<PageQuery>>,
    auditor: web::Data<Auditor>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<AuditData>, Problem> {
    let request = query.request(&settings);
    let page = auditor.log.list(request).await?;
    let pagination = Pagination::of(&page, request);
    let entries = page.items.into_iter().map(|entry| AuditView {
        entry_id: entry.id.to_string(),
        actor: entry.actor.map(|actor| actor.to_string()),
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
        create_time: entry.at.as_millis(),
    });
    Ok(Reply::new(AuditData { entries: entries.collect(), pagination }))
}
