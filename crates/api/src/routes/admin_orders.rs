//! Orders as operators see them: lists, refunds, wishes for refunds, coupons.

use std::sync::Arc;

use actix_web::{get, post, put, web};
use billing::payment::RefundBy;
use billing::{Coupon, Discount, OrderService, ProductKind, RefundAsk};
use kernel::{Clock, Fen, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, PageQuery, Pagination, Reply, page_request};
use crate::extract::{Body, FromCaller, FromOperator, Idempotency, OrderPath, PathText, Query};
use crate::order_view::{OrderView, RefundView};
use crate::problem::{Problem, Rule};
use crate::routes::admin_ledger::Auditor;
use crate::routes::orders::{OrdersData, OrdersQuery, bounded};
use crate::settings::ApiSettings;

/// WeChat's limit.
const REASON_CHARS_MAX: u32 = 80;

/// 退款。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundBody {
    /// 多少（分）；不写则退全部未用掉的。
    #[schema(example = 1200)]
    amount_fen: Option<i64>,
    /// 原因，最多 80 字，会告诉支付方。
    #[schema(example = "用户申请")]
    reason: String,
}

/// 退款的结果。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundData {
    /// 退款。
    refund: RefundView,
    /// 订单。
    order: OrderView,
}

#[utoipa::path(tag = "运营", summary = "退款",
    description = "退未用掉的部分：先收回点数或权益，再向支付方申请。支付方受理失败则原样放回。可带 `Idempotency-Key`。",
    params(("id" = String, Path, description = "订单编号")),
    request_body = RefundBody,
    responses((status = 200, description = "退款", body = Envelope<RefundData>)))]
#[post("/api/payment/orders/{id}/refund")]
pub(crate) async fn refund_order(
    FromOperator(FromCaller(caller, (OrderPath(id), Body(body), key))): FromOperator<(
        OrderPath,
        Body<RefundBody>,
        Idempotency,
    )>,
    orders: Writes<OrderService>,
    auditor: web::Data<Auditor>,
    clock: web::Data<dyn Clock>,
) -> Result<Reply<RefundData>, Problem> {
    if body.amount_fen.is_some_and(|amount| amount <= 0) {
        return Err(Problem::field("amountFen", Rule::Value));
    }
    let reason = bounded("reason", &body.reason, REASON_CHARS_MAX)?;
    let detail = json!({ "amountFen": body.amount_fen, "reason": reason });
    auditor.note(caller.user_id, "order.refund", format!("order:{id}"), detail).await?;
    let ask = RefundAsk {
        order_id: id,
        amount: body.amount_fen.map(Fen::new),
        reason,
        by: RefundBy::Admin(caller.user_id),
        key: key.0.as_ref().map(|key| key.as_str().to_owned()),
    };
    let done = orders.run(|orders: Arc<OrderService>| async move { orders.refund(&ask).await }).await?;
    let order = OrderView::for_operators(&done.order, clock.now());
    Ok(Reply::new(RefundData { refund: done.refund.into(), order }).replayed(done.replayed))
}

#[utoipa::path(tag = "运营", summary = "全部订单",
    params(OrdersQuery),
    responses((status = 200, description = "订单列表", body = Envelope<OrdersData>)))]
#[get("/api/admin/orders")]
pub(crate) async fn list_all_orders(
    FromOperator(FromCaller(_caller, Query(query))): FromOperator<Query<OrdersQuery>>,
    orders: web::Data<OrderService>,
    clock: web::Data<dyn Clock>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<OrdersData>, Problem> {
    let request = page_request(query.page, query.page_size, &settings);
    let (page, now) = (orders.list(query.filter(None)?, request).await?, clock.now());
    let pagination = Pagination::of(&page, request);
    let orders = page.items.iter().map(|order| OrderView::for_operators(order, now)).collect();
    Ok(Reply::new(OrdersData { orders, pagination }))
}

/// 一个退款申请。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundWishView {
    /// 订单编号。
    order_id: String,
    /// 买家。
    user_id: String,
    /// 原因。
    reason: String,
    /// 申请时间，毫秒。
    create_time: i64,
}

/// 退款申请。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundWishesData {
    /// 还没有处理的，先来的在前。
    requests: Vec<RefundWishView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "运营", summary = "退款申请", description = "还没有处理的；退款后自动消失。",
    params(PageQuery),
    responses((status = 200, description = "退款申请", body = Envelope<RefundWishesData>)))]
#[get("/api/admin/refund-requests")]
pub(crate) async fn list_refund_requests(
    FromOperator(FromCaller(_caller, Query(query))): FromOperator<Query<PageQuery>>,
    orders: web::Data<OrderService>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<RefundWishesData>, Problem> {
    let request = query.request(&settings);
    let page = orders.refund_wishes(request).await?;
    let pagination = Pagination::of(&page, request);
    let requests = page.items.into_iter().map(|wish| RefundWishView {
        order_id: wish.order_id.to_string(),
        user_id: wish.user.to_string(),
        reason: wish.reason,
        create_time: wish.at.as_millis(),
    });
    Ok(Reply::new(RefundWishesData { requests: requests.collect(), pagination }))
}

/// 优惠券：`percent` 和 `amountFen` 二选一。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CouponBody {
    /// 减百分之几，1–100。
    #[schema(example = 10)]
    percent: Option<u8>,
    /// 减多少（分）。
    amount_fen: Option<i64>,
    /// 满多少（分）才能用。
    #[serde(default)]
    #[schema(example = 1000)]
    min_fen: i64,
    /// 只能买这些类型；空表示都可以。
    #[serde(default)]
    product_types: Vec<String>,
    /// 从何时起，毫秒。
    valid_from: Option<i64>,
    /// 到何时止，毫秒。
    valid_until: Option<i64>,
    /// 一共能用多少次；每人一次。
    uses_max: Option<u32>,
}

#[utoipa::path(tag = "运营", summary = "设置优惠券", description = "新建或替换。记入操作日志。",
    params(("id" = String, Path, description = "优惠券代码：字母、数字、`-`、`_`")),
    request_body = CouponBody,
    responses((status = 200, description = "已设置", body = Envelope<Nothing>)))]
#[put("/api/admin/coupons/{id}")]
pub(crate) async fn put_coupon(
    FromOperator(FromCaller(caller, (PathText(id), Body(body)))): FromOperator<(PathText, Body<CouponBody>)>,
    orders: Writes<OrderService>,
    auditor: web::Data<Auditor>,
) -> Result<Reply<Nothing>, Problem> {
    let discount = match (body.percent, body.amount_fen) {
        (Some(percent @ 1..=100), None) => Discount::Percent(percent),
        (None, Some(amount)) if amount > 0 => Discount::Amount(Fen::new(amount)),
        (None, Some(_)) => return Err(Problem::field("amountFen", Rule::Value)),
        (Some(_), _) => return Err(Problem::field("percent", Rule::Value)),
        (None, None) => return Err(Problem::field("percent", Rule::Required)),
    };
    let kinds: Result<Vec<ProductKind>, _> = body.product_types.iter().map(|word| word.parse()).collect();
    let coupon = Coupon {
        code: id.parse().map_err(|_invalid| Problem::not_found())?,
        discount,
        total_min: Fen::new(body.min_fen.max(0)),
        kinds: kinds.map_err(|_unknown| Problem::field("productTypes", Rule::Value))?,
        from: body.valid_from.map(Timestamp::from_millis),
        until: body.valid_until.map(Timestamp::from_millis),
        uses_max: body.uses_max,
    };
    let detail = json!({ "percent": body.percent, "amountFen": body.amount_fen, "usesMax": body.uses_max });
    let subject = format!("coupon:{}", coupon.code.as_str());
    auditor.note(caller.user_id, "coupon.put", subject, detail).await?;
    orders.run(|orders: Arc<OrderService>| async move { orders.put_coupon(&coupon).await }).await?;
    Ok(Reply::done())
}
