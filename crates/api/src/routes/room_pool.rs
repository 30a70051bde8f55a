//! A room's pool: credits that members pay in, and that pay for the room's replies where its owner has set it so.

use std::sync::Arc;

use actix_web::{get, post, web};
use billing::{BillingService, DebitOutcome, PoolId, Spending};
use chat::ChatService;
use kernel::{Credits, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Reply};
use crate::extract::{Body, FromCaller, Idempotency, PathText};
use crate::problem::{Problem, Rule, Slug};

/// 存入多少。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundPool {
    /// 多少点，大于 0。
    #[schema(example = 100_000, minimum = 1)]
    amount: i64,
    /// 幂等键；也可以写在 `Idempotency-Key` 头里。
    idempotency_key: Option<String>,
}

/// 存入之后。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundedData {
    /// 自己的流水编号。
    transaction_id: String,
    /// 存入了多少点。
    #[schema(example = 100_000)]
    amount: i64,
    /// 自己之后的余额（点）。
    #[schema(example = 900_000)]
    balance_after: i64,
    /// 聊天室公共账户里有多少点。
    #[schema(example = 350_000)]
    pool_balance: i64,
}

/// 公共账户。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolData {
    /// 有多少点。
    #[schema(example = 350_000)]
    pool_balance: i64,
}

#[utoipa::path(tag = "聊天室", summary = "公共账户的余额", description = "成员可以看。",
    params(("id" = String, Path, description = "聊天室编号")),
    responses((status = 200, description = "余额", body = Envelope<PoolData>)))]
#[get("/api/rooms/{id}/pool")]
pub(crate) async fn show_pool(
    FromCaller(caller, PathText(id)): FromCaller<PathText>,
    chat: web::Data<ChatService>,
    billing: web::Data<BillingService>,
) -> Result<Reply<PoolData>, Problem> {
    let pool = pool_of(&chat, caller.user_id, &id).await?;
    Ok(Reply::new(PoolData { pool_balance: billing.pool_balance(pool).await?.get() }))
}

#[utoipa::path(tag = "聊天室", summary = "存入公共账户",
    description = "成员可以。存入的点不能取回；聊天室的 `payer` 设为 `pool` 时，回复由公共账户支付。",
    params(("id" = String, Path, description = "聊天室编号"),
        ("Idempotency-Key" = Option<String>, Header, description = "幂等键，或写在请求体里；两者都没有是 422")),
    request_body = FundPool,
    responses((status = 200, description = "已存入", body = Envelope<FundedData>)))]
#[post("/api/rooms/{id}/pool")]
pub(crate) async fn fund_pool(
    FromCaller(caller, (PathText(id), Idempotency(header), Body(body))): FromCaller<(
        PathText,
        Idempotency,
        Body<FundPool>,
    )>,
    chat: web::Data<ChatService>,
    billing: Writes<BillingService>,
) -> Result<Reply<FundedData>, Problem> {
    let key = match (header, body.idempotency_key) {
        (Some(key), _) => key,
        (None, Some(text)) => chat::IdempotencyKey::parse(&text)?,
        (None, None) => return Err(Problem::field("idempotencyKey", Rule::Required)),
    };
    if body.amount < 1 {
        return Err(Problem::field("amount", Rule::Value));
    }
    let pool = pool_of(&chat, caller.user_id, &id).await?;
    let spending = Spending {
        user: caller.user_id,
        amount: Credits::new(body.amount),
        reason: pool.to_string(),
        key: key.as_str().to_owned(),
    };
    let work = |billing: Arc<BillingService>| async move {
        let outcome = billing.fund_pool(pool.clone(), &spending).await?;
        Ok::<_, billing::BillingError>((outcome, billing.pool_balance(pool).await?))
    };
    let (outcome, pool_balance) = billing.run(work).await?;
    let (posted, is_replayed) = match outcome {
        DebitOutcome::Applied(posted) => (posted, false),
        DebitOutcome::Replayed(posted) => (posted, true),
        DebitOutcome::Conflict => return Err(Problem::new(Slug::IdempotencyConflict)),
        DebitOutcome::Insufficient { available } | DebitOutcome::CapReached { left: available } => {
            let problem = Problem::new(Slug::InsufficientBalance);
            return Err(problem.with_amounts(available.get(), body.amount));
        }
        DebitOutcome::Frozen => return Err(Problem::new(Slug::Forbidden)),
    };
    let data = FundedData {
        transaction_id: posted.transfer_id.to_string(),
        amount: posted.amount.get(),
        balance_after: posted.balance_after.get(),
        pool_balance: pool_balance.get(),
    };
    Ok(Reply::new(data).replayed(is_replayed))
}

/// The pool of a room that the person is a member of.
async fn pool_of(chat: &ChatService, user: UserId, id: &str) -> Result<PoolId, Problem> {
    let view = chat.room(user, id).await?;
    if !view.standing.may_read(user) {
        return Err(Problem::new(Slug::MembershipRequired));
    }
    id.parse().map_err(|_no_room_is_named_so| Problem::not_found())
}
