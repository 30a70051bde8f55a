//! Orders, refunds and payment parameters as clients see them.

use billing::{Order, OrderState, PaymentParameters, Placed, Refund, RefundStatus};
use kernel::{Fen, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Yuan, as the fields of the shop have always been: a number with at most two decimals.
pub(crate) fn yuan(amount: Fen) -> f64 {
    let (whole, rest) = (amount.get() / 100, (amount.get() % 100).abs());
    let sign = if amount.get() < 0 && whole == 0 { "-" } else { "" };
    // A decimal text is the nearest binary number, which no division would be.
    format!("{sign}{whole}.{rest:02}").parse().unwrap_or_default()
}

/// 一件商品的名称和价格，单位元。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductInfo {
    /// 商品编号。
    #[schema(example = "credits_30")]
    product_id: String,
    /// 类型：`credits`、`character`、`skill`、`vip`、`bundle`。
    #[schema(example = "credits")]
    product_type: &'static str,
    /// 名称。
    #[schema(example = "30 元点数包")]
    name: String,
    /// 数量。
    #[schema(example = 1)]
    quantity: u32,
    /// 原价（元），全部数量。
    #[schema(example = 30.0)]
    original_price: f64,
    /// 优惠（元）。
    #[schema(example = 0.0)]
    discount_price: f64,
    /// 实付（元）。
    #[schema(example = 30.0)]
    final_price: f64,
    /// 实付（分）。
    #[schema(example = 3000)]
    final_price_fen: i64,
}

impl ProductInfo {
    fn of(order: &Order) -> Self {
        let original = order.total.plus(order.discount).unwrap_or(order.total);
        Self {
            product_id: order.product.to_string(),
            product_type: order.kind.as_str(),
            name: order.product_name.clone(),
            quantity: order.quantity,
            original_price: yuan(original),
            discount_price: yuan(order.discount),
            final_price: yuan(order.total),
            final_price_fen: order.total.get(),
        }
    }
}

/// 客户端调起支付所需的参数；字段因支付方式而异。
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PaymentInfo {
    /// 沙盒：打开这个页面。
    #[serde(rename_all = "camelCase")]
    Sandbox {
        /// 页面的路径，带令牌。
        page: String,
    },
    /// `wx.requestVirtualPayment` 的参数。
    #[serde(rename_all = "camelCase")]
    WechatVirtual {
        /// 模式，`short_series_goods`。
        mode: String,
        /// 签过名的文本，原样传递。
        sign_data: String,
        /// 支付签名。
        pay_sig: String,
        /// 用户态签名。
        signature: String,
    },
    /// `wx.requestPayment` 的参数。
    #[serde(rename_all = "camelCase")]
    WechatPay {
        /// 预支付单号。
        prepay_id: String,
        /// 时间戳，秒。
        time_stamp: String,
        /// 随机串。
        nonce_str: String,
        /// `prepay_id=…`。
        package: String,
        /// `RSA`。
        sign_type: String,
        /// 签名。
        pay_sign: String,
    },
}

impl From<PaymentParameters> for PaymentInfo {
    fn from(parameters: PaymentParameters) -> Self {
        match parameters {
            PaymentParameters::Sandbox { page } => Self::Sandbox { page },
            PaymentParameters::WechatVirtual { mode, sign_data, pay_sig, signature } => {
                Self::WechatVirtual { mode, sign_data, pay_sig, signature }
            }
            PaymentParameters::WechatPay {
                prepay_id,
                time_stamp,
                nonce_str,
                package,
                sign_type,
                pay_sign,
            } => Self::WechatPay { prepay_id, time_stamp, nonce_str, package, sign_type, pay_sign },
        }
    }
}

/// 下单的结果。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlacedData {
    /// 订单编号。
    order_id: String,
    /// 订单状态，见订单。
    #[schema(example = "pending")]
    status: &'static str,
    /// 支付方式。
    #[schema(example = "wechat_virtual")]
    channel: &'static str,
    /// 商品。
    product_info: ProductInfo,
    /// 调起支付所需的参数；不需要再支付时没有。
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_info: Option<PaymentInfo>,
    /// 支付截止时间，毫秒。
    #[schema(example = 1_767_225_600_000_i64)]
    expire_time: i64,
}

impl PlacedData {
    pub(crate) fn of(placed: Placed, now: Timestamp) -> Self {
        let order = placed.order;
        Self {
            order_id: order.id.to_string(),
            status: status(&order, now),
            channel: order.channel.as_str(),
            product_info: ProductInfo::of(&order),
            payment_info: placed.payment.map(Into::into),
            expire_time: order.expires_at.as_millis(),
        }
    }
}

/// An order's state as the public knows it.
pub(crate) fn status(order: &Order, now: Timestamp) -> &'static str {
    match order.state {
        OrderState::Created | OrderState::Prepaid if order.expires_at <= now => "expired",
        OrderState::Created | OrderState::Prepaid => "pending",
        OrderState::Delivered => "paid",
        OrderState::PartlyRefunded => "partly_refunded",
        OrderState::Refunded => "refunded",
        OrderState::Closed => "closed",
        OrderState::Expired => "expired",
    }
}

/// The state that a public word means in a filter.
pub(crate) fn state_of(word: &str) -> Option<OrderState> {
    match word {
        "pending" => Some(OrderState::Prepaid),
        "paid" => Some(OrderState::Delivered),
        "partly_refunded" => Some(OrderState::PartlyRefunded),
        "refunded" => Some(OrderState::Refunded),
        "closed" => Some(OrderState::Closed),
        "expired" => Some(OrderState::Expired),
        _ => None,
    }
}

/// 一张订单。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderView {
    /// 订单编号。
    order_id: String,
    /// 商户订单号：32 位十六进制。
    out_trade_no: String,
    /// `pending` 待支付、`paid` 已支付并到账、`partly_refunded`、`refunded`、`closed` 已取消、`expired` 已过期。
    #[schema(example = "paid")]
    status: &'static str,
    /// 支付方式。
    #[schema(example = "wechat_virtual")]
    channel: &'static str,
    /// 商品。
    product_info: ProductInfo,
    /// 买到的点数（含赠送）。
    #[schema(example = 31_500_000)]
    credits: i64,
    /// 已退（分）。
    #[schema(example = 0)]
    refunded_fen: i64,
    /// 优惠券。
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon_id: Option<String>,
    /// 下单时的来源。
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// 下单时间，毫秒。
    create_time: i64,
    /// 支付截止时间，毫秒。
    expire_time: i64,
    /// 支付时间，毫秒。
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_time: Option<i64>,
    /// 买家；只有运营者看得到。
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

impl OrderView {
    pub(crate) fn of(order: &Order, now: Timestamp) -> Self {
        let sum = order.credits().and_then(|(bought, bonus)| bought.plus(bonus));
        Self {
            order_id: order.id.to_string(),
            out_trade_no: order.trade_no().to_string(),
            status: status(order, now),
            channel: order.channel.as_str(),
            product_info: ProductInfo::of(order),
            credits: sum.unwrap_or_default().get(),
            refunded_fen: order.refunded.get(),
            coupon_id: order.coupon.as_ref().map(|code| code.as_str().to_owned()),
            source: order.source.clone(),
            create_time: order.created_at.as_millis(),
            expire_time: order.expires_at.as_millis(),
            pay_time: order.paid_at.map(Timestamp::as_millis),
            user_id: None,
        }
    }

    pub(crate) fn for_operators(order: &Order, now: Timestamp) -> Self {
        Self { user_id: Some(order.user.to_string()), ..Self::of(order, now) }
    }
}

/// 一笔退款。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundView {
    /// 退款编号。
    refund_id: String,
    /// 金额（分）。
    #[schema(example = 1200)]
    amount_fen: i64,
    /// `pending` 处理中、`succeeded` 已退、`closed` 支付方未受理、`abnormal` 需人工处理。
    #[schema(example = "succeeded")]
    status: &'static str,
    /// 原因。
    reason: String,
    /// 申请时间，毫秒。
    create_time: i64,
}

impl From<Refund> for RefundView {
    fn from(refund: Refund) -> Self {
        let status = match refund.status {
            RefundStatus::Unknown => RefundStatus::Pending,
            other @ (RefundStatus::Pending
            | RefundStatus::Succeeded
            | RefundStatus::Closed
            | RefundStatus::Abnormal) => other,
        };
        Self {
            refund_id: refund.id.to_string(),
            amount_fen: refund.amount.get(),
            status: status.as_str(),
            reason: refund.reason,
            create_time: refund.created_at.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_are_the_nearest_number_to_the_decimal() {
        let shown = |fen: i64| serde_json::to_string(&yuan(Fen::new(fen))).unwrap();
        let all: Vec<_> = [0, 1, 10, 29, 100, 1_999, 600, -5, -105].map(shown).into_iter().collect();
        assert_eq!(all, ["0.0", "0.01", "0.1", "0.29", "1.0", "19.99", "6.0", "-0.05", "-1.05"]);
    }
}
