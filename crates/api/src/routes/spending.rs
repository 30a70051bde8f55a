//! Spending without a model: `consume`, a person's own daily limit, an estimate, and statements.

use std::fmt::Write;
use std::sync::Arc;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, get, post, put, web};
use billing::{BillingService, DebitOutcome, Posted, Spending, StandingChange, Transaction};
use chat::{DEFAULT_ALIAS, IdempotencyKey};
use kernel::{Credits, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, Reply};
use crate::extract::{Body, FromCaller, Idempotency, Query};
use crate::problem::{Problem, Rule, Slug};
use crate::routes::orders::bounded;

const REASON_CHARS_MAX: u32 = 128;

/// 消费。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Consume {
    /// 多少点，正整数。
    #[schema(example = 1500)]
    amount: i64,
    /// 为什么，最多 128 字。
    #[schema(example = "tarot_reading")]
    reason: String,
    /// 幂等键；也可放在 `Idempotency-Key` 头里。两处都没有则 422。
    #[schema(example = "reading-42")]
    idempotency_key: Option<String>,
}

/// 消费的结果。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsumedData {
    /// 流水编号。
    transaction_id: String,
    /// 多少点。
    #[schema(example = 1500)]
    amount: i64,
    /// 之后的余额（点），可用和冻结合计。
    #[schema(example = 998_500)]
    balance_after: i64,
}

impl From<Posted> for ConsumedData {
    fn from(posted: Posted) -> Self {
        Self {
            transaction_id: posted.transfer_id.to_string(),
            amount: posted.amount.get(),
            balance_after: posted.balance_after.get(),
        }
    }
}

/// The one key of a request, from its header or its body; both are allowed where they agree.
pub(crate) fn one_key(header: Idempotency, body: Option<&str>) -> Result<String, Problem> {
    let body = body.map(IdempotencyKey::parse).transpose()?;
    match (header.0, body) {
        (Some(one), Some(other)) if one != other => Err(Problem::field("idempotencyKey", Rule::Value)),
        (Some(key), Some(_) | None) | (None, Some(key)) => Ok(key.as_str().to_owned()),
        (None, None) => Err(Problem::field("idempotencyKey", Rule::Required)),
    }
}

#[utoipa::path(tag = "账单", summary = "消费", description = "立即从余额里扣。必须带幂等键：同一个键只扣一次。",
    request_body = Consume,
    responses((status = 200, description = "已扣", body = Envelope<ConsumedData>)))]
#[post("/api/billing/consume")]
pub(crate) async fn consume(
    FromCaller(caller, (Body(body), key)): FromCaller<(Body<Consume>, Idempotency)>,
    billing: Writes<BillingService>,
) -> Result<Reply<ConsumedData>, Problem> {
    let key = one_key(key, body.idempotency_key.as_deref())?;
    let amount = Credits::new(body.amount);
    if !amount.is_positive() {
        return Err(Problem::field("amount", Rule::Value));
    }
    let reason = bounded("reason", &body.reason, REASON_CHARS_MAX)?;
    let spending = Spending { user: caller.user_id, amount, reason, key };
    let work = |billing: Arc<BillingService>| async move { billing.consume(&spending).await };
    debited(billing.run(work).await?, amount)
}

/// What a debit's end means over HTTP.
pub(crate) fn debited(outcome: DebitOutcome, wanted: Credits) -> Result<Reply<ConsumedData>, Problem> {
    match outcome {
        DebitOutcome::Applied(posted) => Ok(Reply::new(posted.into())),
        DebitOutcome::Replayed(posted) => Ok(Reply::new(posted.into()).replayed(true)),
        DebitOutcome::Conflict => Err(Problem::new(Slug::IdempotencyConflict)),
        DebitOutcome::Frozen => Err(Problem::new(Slug::AccountFrozen)),
        DebitOutcome::Insufficient { available: left } | DebitOutcome::CapReached { left } => {
            Err(Problem::new(Slug::InsufficientBalance).with_amounts(left.get(), wanted.get()))
        }
    }
}

/// 每天最多花多少。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DayLimit {
    /// 点，按北京时间的一天；空表示不限。
    #[schema(example = 500_000)]
    amount: Option<i64>,
}

#[utoipa::path(tag = "账单", summary = "每日消费上限", description = "自己给自己设的；运营者的上限仍然有效。",
    request_body = DayLimit,
    responses((status = 200, description = "已设置", body = Envelope<Nothing>)))]
#[put("/api/billing/day-limit")]
pub(crate) async fn set_day_limit(
    FromCaller(caller, Body(body)): FromCaller<Body<DayLimit>>,
    billing: Writes<BillingService>,
) -> Result<Reply<Nothing>, Problem> {
    if body.amount.is_some_and(i64::is_negative) {
        return Err(Problem::field("amount", Rule::Value));
    }
    let (user, change) = (caller.user_id, StandingChange::DayMax(body.amount.map(Credits::new)));
    let work = |billing: Arc<BillingService>| async move { billing.set_standing(user, &change).await };
    billing.run(work).await?;
    Ok(Reply::done())
}

/// 估价。
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct EstimateQuery {
    /// 模型的别名，默认 `default`。
    #[param(example = "default")]
    model: Option<String>,
    /// 提示词多少令牌（一个汉字约一个）。
    #[param(example = 1200)]
    prompt_tokens: u32,
    /// 回答多少令牌。
    #[param(example = 500)]
    output_tokens: u32,
}

/// 估价。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EstimateData {
    /// 多少点：提示词全部未命中缓存时。
    #[schema(example = 3200)]
    credits: i64,
    /// 多少点：提示词全部命中缓存时。
    #[schema(example = 2024)]
    credits_cached: i64,
}

#[utoipa::path(tag = "账单", summary = "估价", description = "按现在的价格。实际扣费以用量为准。",
    params(EstimateQuery),
    responses((status = 200, description = "估价", body = Envelope<EstimateData>)))]
#[get("/api/billing/estimate")]
pub(crate) async fn estimate(
    FromCaller(_caller, Query(query)): FromCaller<Query<EstimateQuery>>,
    billing: web::Data<BillingService>,
) -> Result<Reply<EstimateData>, Problem> {
    let alias = query.model.as_deref().unwrap_or(DEFAULT_ALIAS);
    let tariff = billing.price(alias).ok_or_else(Problem::not_found)?.tariff;
    let cost = |cached: u32| {
        let usage = kernel::TokenUsage {
            prompt: query.prompt_tokens,
            cached,
            completion: query.output_tokens,
            reasoning: 0,
        };
        tariff.cost(usage).map(Credits::get).map_err(|_overflow| Problem::field("promptTokens", Rule::Value))
    };
    Ok(Reply::new(EstimateData { credits: cost(0)?, credits_cached: cost(query.prompt_tokens)? }))
}

/// Lines of a statement at most: a person's newest.
const LINES_MAX: u32 = 10_000;
const PAGE: u32 = 500;

#[utoipa::path(tag = "账单", summary = "对账单（CSV）", description = "最新的一万笔流水，新的在前；UTF-8，首行是列名。",
    responses((status = 200, description = "CSV", content_type = "text/csv", body = String)))]
#[get("/api/billing/statement.csv")]
pub(crate) async fn statement(
    FromCaller(caller, ()): FromCaller<()>,
    billing: Writes<BillingService>,
) -> Result<HttpResponse, Problem> {
    let user = caller.user_id;
    let work = |billing: Arc<BillingService>| async move {
        billing.ensure_account(user).await?;
        let mut lines = Vec::new();
        for page in 1..=LINES_MAX.div_ceil(PAGE) {
            let request = PageRequest::new(page, PAGE, PAGE);
            let one = billing.transactions(user, None, request).await?;
            let has_more = one.has_more(request);
            lines.extend(one.items);
            if !has_more {
                break;
            }
        }
        Ok::<_, billing::BillingError>(lines)
    };
    let csv = csv(&billing.run(work).await?);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"statement.csv\""))
        .body(csv))
}

fn csv(lines: &[Transaction]) -> String {
    // A byte order mark, without which spreadsheets take it for another encoding.
    let mut text = String::from("\u{feff}transactionId,type,amount,balanceAfter,refId,createTime\r\n");
    for line in lines {
        // Writing to a text does not fail.
        let _ = write!(
            text,
            "{},{},{},{},{},{}\r\n",
            line.id,
            line.kind,
            line.amount,
            line.balance_after,
            quoted(line.ref_id.as_deref().unwrap_or_default()),
            line.created_at.as_millis(),
        );
    }
    text
}

/// A cell of RFC 4180. What a spreadsheet would run as a formula is made text.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    if is_formula || cell.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_and_never_a_formula() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
    }
}
