//! Buying: what is for sale, orders, and how they are paid.

use std::sync::Arc;

use actix_web::{get, post, web};
use billing::ports::OrderFilter;
use billing::{Channel, CouponCode, OrderRequest, OrderService, ProductId, ProductKind, Wanted};
use kernel::{Clock, Fen};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::detached::Writes;
use crate::envelope::{Envelope, Nothing, Pagination, Reply, page_request};
use crate::extract::{Body, FromCaller, Idempotency, OrderPath, Query};
use crate::order_view::{OrderView, PlacedData, RefundView, state_of};
use crate::problem::{InvalidField, Problem, Rule};
use crate::product_view::ProductView;
use crate::settings::ApiSettings;

const SOURCE_CHARS_MAX: u32 = 64;
const REASON_CHARS_MAX: u32 = 200;

/// 充值：`productId` 和 `amountFen` 二选一。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recharge {
    /// 商品编号。
    #[schema(example = "credits_30")]
    product_id: Option<String>,
    /// 任意金额（分），1 分 = 10,000 点；虚拟支付不支持。
    #[schema(example = 1000)]
    amount_fen: Option<i64>,
    /// 支付方式：`wechat_virtual`、`wechat_pay`、`sandbox`；只配置了一种时可省略。
    #[schema(example = "wechat_virtual")]
    channel: Option<String>,
    /// 数量，默认 1。
    quantity: Option<u32>,
    /// 优惠券。
    coupon_id: Option<String>,
    /// 从哪里来的，最多 64 字。
    source: Option<String>,
}

/// 下单。
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateOrder {
    /// 类型：`character`、`skill`、`vip`、`bundle`、`credits`。
    #[schema(example = "vip")]
    product_type: String,
    /// 商品编号；角色也可用角色编号。
    #[schema(example = "vip_month")]
    product_id: String,
    /// 数量，默认 1。
    quantity: Option<u32>,
    /// 支付方式。
    #[schema(example = "wechat_pay")]
    payment_method: Option<String>,
    /// 优惠券。
    coupon_id: Option<String>,
    /// 从哪里来的，最多 64 字。
    source: Option<String>,
}

/// What both ways to buy have in common.
struct Wish {
    /// A key is one's own in each of them.
    scope: &'static str,
    wanted: Wanted,
    quantity: Option<u32>,
    coupon: Option<String>,
    channel: (&'static str, Option<String>),
    source: Option<String>,
}

impl Wish {
    fn request(
        self,
        user: kernel::UserId,
        key: &Idempotency,
        orders: &OrderService,
    ) -> Result<OrderRequest, Problem> {
        let coupon = self.coupon.as_deref().map(str::parse::<CouponCode>).transpose();
        let source = self.source.map(|source| bounded("source", &source, SOURCE_CHARS_MAX)).transpose()?;
        Ok(OrderRequest {
            user,
            wanted: self.wanted,
            quantity: self.quantity.unwrap_or(1),
            coupon: coupon.map_err(|_invalid| Problem::field("couponId", Rule::Value))?,
            channel: channel(self.channel, orders)?,
            source,
            key: key.0.as_ref().map(|key| format!("{}:{}", self.scope, key.as_str())),
        })
    }
}

/// The channel that is named, or the only one that there is.
fn channel(
    (field, named): (&'static str, Option<String>),
    orders: &OrderService,
) -> Result<Channel, Problem> {
    if let Some(word) = named {
        return word.parse().map_err(|_unknown| Problem::field(field, Rule::Value));
    }
    let mut all = orders.channels();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (Some(_) | None, _) => Err(Problem::field(field, Rule::Required)),
    }
}

fn product_id(text: &str) -> Result<ProductId, Problem> {
    // A text that can be no product's id names none.
    text.parse().map_err(|_invalid| Problem::not_found())
}

#[utoipa::path(tag = "账单", summary = "充值",
    description = "返回订单和调起支付所需的参数。可带 `Idempotency-Key`：同一个键返回同一张订单。到账以支付方的通知为准。",
    request_body = Recharge,
    responses((status = 200, description = "订单", body = Envelope<PlacedData>)))]
#[post("/api/billing/recharge")]
pub(crate) async fn recharge(
    FromCaller(caller, (Body(body), key)): FromCaller<(Body<Recharge>, Idempotency)>,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<Reply<PlacedData>, Problem> {
    let wanted = match (&body.product_id, body.amount_fen) {
        (Some(id), None) => Wanted::Product { id: product_id(id)?, kind: None },
        (None, Some(fen)) => Wanted::Amount(Fen::new(fen)),
        (None, None) => return Err(Problem::field("productId", Rule::Required)),
        (Some(_), Some(_)) => return Err(Problem::field("amountFen", Rule::Value)),
    };
    let (quantity, channel) = (body.quantity, ("channel", body.channel));
    let scope = "recharge";
    let wish = Wish { scope, wanted, quantity, coupon: body.coupon_id, channel, source: body.source };
    place(wish.request(caller.user_id, &key, orders.service())?, &orders, &clock).await
}

#[utoipa::path(tag = "账单", summary = "下单",
    description = "买角色、技能、会员、礼包或点数。可带 `Idempotency-Key`。",
    request_body = CreateOrder,
    responses((status = 200, description = "订单", body = Envelope<PlacedData>)))]
#[post("/api/payment/create-order")]
pub(crate) async fn create_order(
    FromCaller(caller, (Body(body), key)): FromCaller<(Body<CreateOrder>, Idempotency)>,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<Reply<PlacedData>, Problem> {
    let kind: ProductKind =
        body.product_type.parse().map_err(|_unknown| Problem::field("productType", Rule::Value))?;
    let wanted = Wanted::Product { id: product_id(&body.product_id)?, kind: Some(kind) };
    let (quantity, channel) = (body.quantity, ("paymentMethod", body.payment_method));
    let scope = "order";
    let wish = Wish { scope, wanted, quantity, coupon: body.coupon_id, channel, source: body.source };
    place(wish.request(caller.user_id, &key, orders.service())?, &orders, &clock).await
}

async fn place(
    request: OrderRequest,
    orders: &Writes<OrderService>,
    clock: &web::Data<dyn Clock>,
) -> Result<Reply<PlacedData>, Problem> {
    let work = |orders: Arc<OrderService>| async move { orders.place(&request).await };
    let placed = orders.run(work).await?;
    let replayed = placed.replayed;
    Ok(Reply::new(PlacedData::of(placed, clock.now())).replayed(replayed))
}

/// 哪些商品。
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProductsQuery {
    /// 只要这一类：`credits`、`character`、`skill`、`vip`、`bundle`。
    #[serde(rename = "type")]
    #[param(rename = "type", example = "credits")]
    kind: Option<String>,
}

/// 商品。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductsData {
    /// 在售的商品。
    products: Vec<ProductView>,
    /// 可用的支付方式。
    channels: Vec<&'static str>,
}

#[utoipa::path(tag = "账单", summary = "商品",
    description = "现在可以买的；`finalPrice` 是你的价格。只卖给会员的也列出。",
    params(ProductsQuery),
    responses((status = 200, description = "商品", body = Envelope<ProductsData>)))]
#[get("/api/billing/products")]
pub(crate) async fn list_products(
    FromCaller(caller, Query(query)): FromCaller<Query<ProductsQuery>>,
    orders: web::Data<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<Reply<ProductsData>, Problem> {
    let shelf = match &query.kind {
        None => None,
        Some(word) => Some(ProductView::shelf(word).ok_or_else(|| Problem::field("type", Rule::Value))?),
    };
    let (is_member, at) = (orders.is_member(caller.user_id).await?, clock.now());
    let purchase = billing::Purchase { quantity: 1, is_member, at };
    let for_sale = orders
        .catalog()
        .iter()
        .filter(|product| shelf.is_none_or(|shelf| shelf == product.kind) && product.offering.is_open(at));
    let products = for_sale.map(|product| ProductView::of(product, product.quote(purchase, None).ok()));
    let channels = orders.channels().map(Channel::as_str).collect();
    Ok(Reply::new(ProductsData { products: products.collect(), channels }))
}

/// 哪些订单。
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersQuery {
    /// 只要这种状态。
    #[param(example = "paid")]
    pub(crate) status: Option<String>,
    /// 第几页，从 1 开始。
    #[param(minimum = 1, example = 1)]
    pub(crate) page: Option<u32>,
    /// 每页多少条，最多 100。
    #[param(minimum = 1, example = 20)]
    pub(crate) page_size: Option<u32>,
}

impl OrdersQuery {
    pub(crate) fn filter(&self, user: Option<kernel::UserId>) -> Result<OrderFilter, Problem> {
        let state = match &self.status {
            None => None,
            Some(word) => Some(state_of(word).ok_or_else(|| Problem::field("status", Rule::Value))?),
        };
        Ok(OrderFilter { user, state })
    }
}

/// 订单列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrdersData {
    /// 订单，新的在前。
    pub(crate) orders: Vec<OrderView>,
    /// 分页。
    pub(crate) pagination: Pagination,
}

#[utoipa::path(tag = "账单", summary = "我的订单",
    params(OrdersQuery),
    responses((status = 200, description = "订单列表", body = Envelope<OrdersData>)))]
#[get("/api/payment/orders")]
pub(crate) async fn list_orders(
    FromCaller(caller, Query(query)): FromCaller<Query<OrdersQuery>>,
    orders: web::Data<OrderService>,
    clock: web::Data<dyn Clock>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<OrdersData>, Problem> {
    let request = page_request(query.page, query.page_size, &settings);
    let (page, now) = (orders.list(query.filter(Some(caller.user_id))?, request).await?, clock.now());
    let pagination = Pagination::of(&page, request);
    let orders = page.items.iter().map(|order| OrderView::of(order, now)).collect();
    Ok(Reply::new(OrdersData { orders, pagination }))
}

/// 一张订单和它的退款。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderData {
    /// 订单。
    order: OrderView,
    /// 退款。
    refunds: Vec<RefundView>,
    /// 现在最多能退多少（分）：未用掉的部分。
    #[schema(example = 1200)]
    refundable_fen: i64,
}

#[utoipa::path(tag = "账单", summary = "一张订单", description = "待支付时会向支付方查询。",
    params(("id" = String, Path, description = "订单编号")),
    responses((status = 200, description = "订单", body = Envelope<OrderData>)))]
#[get("/api/payment/orders/{id}")]
pub(crate) async fn get_order(
    FromCaller(caller, OrderPath(id)): FromCaller<OrderPath>,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<Reply<OrderData>, Problem> {
    // To look may deliver, so it goes on when the client has gone.
    let user = caller.user_id;
    let work = |orders: Arc<OrderService>| async move {
        let order = orders.get_own(user, id).await?;
        let (refunds, refundable) = (orders.refunds(id).await?, orders.refundable(&order).await?);
        Ok::<_, billing::OrderError>((order, refunds, refundable))
    };
    let (order, refunds, refundable) = orders.run(work).await?;
    Ok(Reply::new(OrderData {
        order: OrderView::of(&order, clock.now()),
        refunds: refunds.into_iter().map(Into::into).collect(),
        refundable_fen: refundable.get(),
    }))
}

#[utoipa::path(tag = "账单", summary = "取消订单", description = "只能取消未支付的。支付更快时，订单会是 `paid`。",
    params(("id" = String, Path, description = "订单编号")),
    responses((status = 200, description = "订单", body = Envelope<OrderView>)))]
#[post("/api/payment/orders/{id}/cancel")]
pub(crate) async fn cancel_order(
    FromCaller(caller, OrderPath(id)): FromCaller<OrderPath>,
    orders: Writes<OrderService>,
    clock: web::Data<dyn Clock>,
) -> Result<Reply<OrderView>, Problem> {
    let user = caller.user_id;
    let order = orders.run(|orders: Arc<OrderService>| async move { orders.cancel(user, id).await }).await?;
    Ok(Reply::new(OrderView::of(&order, clock.now())))
}

/// 申请退款。
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RefundWishBody {
    /// 原因，最多 200 字。
    #[schema(example = "买错了")]
    reason: String,
}

#[utoipa::path(tag = "账单", summary = "申请退款", description = "由运营者处理；重复申请没有影响。能退的是未用掉的部分。",
    params(("id" = String, Path, description = "订单编号")),
    request_body = RefundWishBody,
    responses((status = 200, description = "已记下", body = Envelope<Nothing>)))]
#[post("/api/payment/orders/{id}/refund-request")]
pub(crate) async fn request_refund(
    FromCaller(caller, (OrderPath(id), Body(body))): FromCaller<(OrderPath, Body<RefundWishBody>)>,
    orders: Writes<OrderService>,
) -> Result<Reply<Nothing>, Problem> {
    let user = caller.user_id;
    let reason = bounded("reason", &body.reason, REASON_CHARS_MAX)?;
    let work = |orders: Arc<OrderService>| async move { orders.wish_refund(user, id, &reason).await };
    let is_new = orders.run(work).await?;
    Ok(Reply::done().replayed(!is_new))
}

/// A text that is neither blank nor too long.
pub(crate) fn bounded(field: &'static str, text: &str, chars_max: u32) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::field(field, Rule::Blank));
    }
    if text.chars().count() > usize::try_from(chars_max).unwrap_or(usize::MAX) {
        let field = InvalidField { limit: Some(chars_max), ..InvalidField::new(field, Rule::TooLong) };
        return Err(Problem::invalid(vec![field]));
    }
    Ok(text.to_owned())
}
