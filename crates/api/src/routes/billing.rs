//! Transactions, and what the models cost.

use std::sync::Arc;

use actix_web::{get, web};
use billing::{BillingService, Transaction, TransactionKind};
use chat::{ChatService, DEFAULT_ALIAS};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Pagination, Reply, page_request};
use crate::extract::{CurrentUser, FromCaller, Query};
use crate::problem::{Problem, Rule};
use crate::settings::ApiSettings;

/// 哪些流水。
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionsQuery {
    /// 只要这一类：`recharge`、`consume`、`refund`、`grant`、`adjust`，或 `hold`（未结束的冻结）。
    #[serde(rename = "type")]
    #[param(rename = "type", example = "consume")]
    kind: Option<String>,
    /// 第几页，从 1 开始。
    #[param(minimum = 1, example = 1)]
    page: Option<u32>,
    /// 每页多少条，最多 100。
    #[param(minimum = 1, example = 20)]
    page_size: Option<u32>,
}

impl TransactionsQuery {
    fn filter(&self) -> Result<Option<TransactionKind>, Problem> {
        match &self.kind {
            None => Ok(None),
            Some(word) => word.parse().map(Some).map_err(|_unknown| Problem::field("type", Rule::Value)),
        }
    }
}

/// 一条流水。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionView {
    /// 流水编号。
    transaction_id: String,
    /// 类型。
    #[serde(rename = "type")]
    #[schema(example = "consume")]
    kind: &'static str,
    /// 金额（点），支出为负。
    #[schema(example = -1860)]
    amount: i64,
    /// 之后的余额（点），可用和冻结合计。
    #[schema(example = 998_140)]
    balance_after: i64,
    /// 为什么：消息或订单的编号。
    #[serde(skip_serializing_if = "Option::is_none")]
    ref_id: Option<String>,
    /// 时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    create_time: i64,
}

impl From<Transaction> for TransactionView {
    fn from(transaction: Transaction) -> Self {
        Self {
            transaction_id: transaction.id.to_string(),
            kind: transaction.kind.as_str(),
            amount: transaction.amount.get(),
            balance_after: transaction.balance_after.get(),
            ref_id: transaction.ref_id,
            create_time: transaction.created_at.as_millis(),
        }
    }
}

/// 流水。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionsData {
    /// 流水，最新的在前。
    transactions: Vec<TransactionView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "账单", summary = "流水",
    description = "已入账的，最新的在前；各笔之和等于可用与冻结之和，也等于最新一笔的 `balanceAfter`。",
    params(TransactionsQuery),
    responses((status = 200, description = "流水", body = Envelope<TransactionsData>)))]
#[get("/api/billing/transactions")]
pub(crate) async fn list_transactions(
    FromCaller(caller, Query(query)): FromCaller<Query<TransactionsQuery>>,
    billing: Writes<BillingService>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<TransactionsData>, Problem> {
    let request = page_request(query.page, query.page_size, &settings);
    let (user, filter) = (caller.user_id, query.filter()?);
    // The list begins with the welcome, which a first look may have to post.
    let work = |billing: Arc<BillingService>| async move {
        billing.ensure_account(user).await?;
        billing.transactions(user, filter, request).await
    };
    let page = billing.run(work).await?;
    let pagination = Pagination::of(&page, request);
    let transactions = page.items.into_iter().map(Into::into).collect();
    Ok(Reply::new(TransactionsData { transactions, pagination }))
}

/// 价格，每百万令牌多少点（1 点 = 百万分之一元）。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceView {
    /// 提示词，未命中缓存。
    #[schema(example = 1_000_000)]
    miss: i64,
    /// 提示词，命中缓存。
    #[schema(example = 20_000)]
    hit: i64,
    /// 回答，含推理。
    #[schema(example = 2_000_000)]
    output: i64,
}

/// 一个模型。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelView {
    /// 别名，用在 `model` 里。
    #[schema(example = "default")]
    alias: String,
    /// 是否不写 `model` 时所用。
    is_default: bool,
    /// 一条回答最多多少令牌。
    #[schema(example = 4096)]
    output_tokens_max: u32,
    /// 提示词和回答合计最多多少令牌。
    #[schema(example = 65536)]
    context_tokens_max: u32,
    /// 价格。
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<PriceView>,
}

/// 模型。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelsData {
    /// 可用的模型。
    models: Vec<ModelView>,
}

#[utoipa::path(tag = "账单", summary = "模型与价格",
    responses((status = 200, description = "模型", body = Envelope<ModelsData>)))]
#[get("/api/models")]
pub(crate) async fn list_models(
    _caller: CurrentUser,
    chat: web::Data<ChatService>,
    billing: web::Data<BillingService>,
) -> Result<Reply<ModelsData>, Problem> {
    let price = |alias: &str| {
        let tariff = billing.price(alias)?.tariff;
        Some(PriceView { miss: tariff.miss, hit: tariff.hit, output: tariff.output })
    };
    let models = chat.models().iter().map(|(alias, limits)| ModelView {
        alias: alias.to_owned(),
        is_default: alias == DEFAULT_ALIAS,
        output_tokens_max: limits.output_tokens_max,
        context_tokens_max: limits.context_tokens_max,
        price: price(alias),
    });
    Ok(Reply::new(ModelsData { models: models.collect() }))
}
