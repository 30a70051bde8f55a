//! Virtual payment (`xpay`, mode `short_series_goods`): what a mini-program must use for virtual goods.
//!
//! The platform sells a pack and tells us to deliver it; the person's client makes the order there, with parameters
//! that are signed twice: by the app's key, and by the person's newest session key. Nothing is told to the platform
//! before, so that there is nothing to close either.

mod bodies;
mod client;
mod notice;

use std::sync::Arc;

use async_trait::async_trait;
use billing::payment::{
    CloseOutcome, NoticeReply, Notified, Prepay, PrepayOutcome, RawNotice, RefundBy, RefundOutcome,
    RefundRequest, Verdict, WechatPayer,
};
use billing::ports::PushHandshake;
use billing::{Order, PaymentGateway, PaymentParameters, PaymentStatus, RefundStatus, TradeNo};
use kernel::PortError;
use secrecy::{ExposeSecret, SecretString};

use crate::access_token::AccessTokens;
use crate::push::PushReceiver;
use crate::signature::hmac_hex;
use crate::wire::Endpoint;
use bodies::{OrderAnswer, OrderBody, ProvideGoods, QueryOrder, RefundAsk, SignData};
use client::{Answer, XpayClient};

const SYSTEM: &str = "wechat virtual payment";
const MODE: &str = "short_series_goods";
/// What clients' parameters are signed as.
const CLIENT_URI: &str = "requestVirtualPayment";
/// The platform wants a text here; what it means stands in our order.
const ATTACH: &str = "jixia";
const DUPLICATE: i64 = 268_490_004;
const IN_PROGRESS: i64 = 268_490_014;

/// Where money is real and where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Money is real.
    Production,
    /// The platform's own test environment.
    Sandbox,
}

impl Environment {
    /// As the platform numbers it.
    pub const fn number(self) -> u8 {
        match self {
            Self::Production => 0,
            Self::Sandbox => 1,
        }
    }
}

/// What the console's page on virtual payment shows.
pub struct VirtualSettings {
    /// The offer.
    pub offer_id: String,
    /// The key of this environment.
    pub app_key: SecretString,
    /// Which one.
    pub environment: Environment,
    /// `https://api.weixin.qq.com`.
    pub endpoint: Endpoint,
}

/// Virtual payment as a gateway.
pub struct WechatVirtualGateway {
    client: XpayClient,
    offer_id: String,
    environment: Environment,
    push: PushReceiver,
}

impl WechatVirtualGateway {
    /// A gateway of one mini-program.
    pub fn new(
        settings: VirtualSettings,
        tokens: Arc<AccessTokens>,
        push: PushReceiver,
    ) -> Result<Self, PortError> {
        let VirtualSettings { offer_id, app_key, environment, endpoint } = settings;
        let client = XpayClient::new(&endpoint, tokens, app_key)?;
        Ok(Self { client, offer_id, environment, push })
    }

    /// An order of the platform by our number of it.
    async fn order(&self, number: String, openid: &str) -> Result<Option<OrderBody>, PortError> {
        let body = QueryOrder { openid, env: self.environment.number(), order_id: number };
        match self.client.call("/xpay/query_order", &body).await? {
            Answer::Done(answer) => {
                let unreadable = || PortError::unavailable(SYSTEM, "an order that cannot be read");
                let answer: OrderAnswer = serde_json::from_slice(&answer).map_err(|_quoted| unreadable())?;
                if answer.order.order_id != body.order_id {
                    return Err(PortError::corrupt(SYSTEM, "an answer about another order"));
                }
                Ok(Some(answer.order))
            }
            Answer::Missing => Ok(None),
            Answer::Failed(code) => Err(PortError::rejected(SYSTEM, format!("query_order: error {code}"))),
        }
    }

    fn parameters(&self, order: &Order, session_key: &SecretString) -> Result<PaymentParameters, PortError> {
        let data = SignData {
            offer_id: &self.offer_id,
            buy_quantity: order.quantity,
            env: self.environment.number(),
            currency_type: "CNY",
            product_id: &order.virtual_id,
            goods_price: order.unit_price.get(),
            out_trade_no: order.trade_no().to_string(),
            attach: ATTACH,
        };
        let sign_data = serde_json::to_string(&data).map_err(|error| PortError::rejected(SYSTEM, error))?;
        let pay_sig = self.client.pay_sig(CLIENT_URI, &sign_data);
        let signature = hmac_hex(session_key, &sign_data);
        Ok(PaymentParameters::WechatVirtual { mode: MODE.to_owned(), sign_data, pay_sig, signature })
    }
}

/// The platform answers only about a person's orders.
fn payer_of(payer: Option<&WechatPayer>) -> Result<&str, PortError> {
    let payer = payer.ok_or_else(|| PortError::rejected(SYSTEM, "an order of a person without an openid"))?;
    Ok(payer.openid.expose_secret())
}

/// Whether the price that the platform knows is the order's.
fn is_list_price(order: &Order) -> bool {
    order.unit_price.get().checked_mul(i64::from(order.quantity)) == Some(order.total.get())
}

#[async_trait]
impl PaymentGateway for WechatVirtualGateway {
    async fn prepay(&self, prepay: &Prepay) -> Result<PrepayOutcome, PortError> {
        let order = &prepay.order;
        let session_key = prepay.payer.as_ref().and_then(|payer| payer.session_key.as_ref());
        let Some(session_key) = session_key else { return Ok(PrepayOutcome::LoginNeeded) };
        if order.expires_at <= prepay.at {
            return Ok(PrepayOutcome::Closed);
        }
        if !is_list_price(order) {
            return Ok(PrepayOutcome::Refused { code: "PRICE".to_owned() });
        }
        self.parameters(order, session_key).map(PrepayOutcome::Ready)
    }

    async fn read(&self, notice: &RawNotice<'_>) -> Result<Notified, PortError> {
        Ok(match self.push.open(notice) {
            Ok(message) => notice::understand(&message, self.environment, notice.at),
            Err(refusal) => Notified::Refused(refusal),
        })
    }

    /// Sources differ in how the keys are written, so that all four are there.
    fn reply(&self, verdict: Verdict) -> NoticeReply {
        let answer = |status: u16, body: &str| NoticeReply {
            status,
            content_type: Some("application/json"),
            body: body.as_bytes().to_vec(),
        };
        match verdict {
            Verdict::Accepted => {
                answer(200, r#"{"ErrCode":0,"ErrMsg":"success","errcode":0,"errmsg":"success"}"#)
            }
            Verdict::Refused => {
                answer(403, r#"{"ErrCode":-1,"ErrMsg":"refused","errcode":-1,"errmsg":"refused"}"#)
            }
            Verdict::TryAgain => {
                answer(503, r#"{"ErrCode":-1,"ErrMsg":"try again","errcode":-1,"errmsg":"try again"}"#)
            }
            Verdict::Advice { agree: true } => answer(
                200,
                r#"{"result_code":0,"result_info":"建议退款","evidence":"所购额度大部分未使用，建议退款"}"#,
            ),
            Verdict::Advice { agree: false } => answer(
                200,
                r#"{"result_code":1,"result_info":"建议拒绝退款","evidence":"已发货，所购额度大部分已使用"}"#,
            ),
        }
    }

    async fn query(&self, order: &Order, payer: Option<&WechatPayer>) -> Result<PaymentStatus, PortError> {
        let openid = payer_of(payer)?;
        let trade_no: TradeNo = order.trade_no();
        match self.order(trade_no.to_string(), openid).await? {
            Some(found) => found.order_status(trade_no, openid),
            None => Ok(PaymentStatus::Unknown),
        }
    }

    async fn confirm(&self, order: &Order) -> Result<(), PortError> {
        let body = ProvideGoods { env: self.environment.number(), order_id: order.trade_no().to_string() };
        match self.client.call("/xpay/notify_provide_goods", &body).await? {
            Answer::Done(_) | Answer::Failed(DUPLICATE) => Ok(()),
            Answer::Missing => Err(PortError::rejected(SYSTEM, "notify_provide_goods: no such order")),
            Answer::Failed(code) => {
                Err(PortError::rejected(SYSTEM, format!("notify_provide_goods: error {code}")))
            }
        }
    }

    async fn close(&self, _order: &Order) -> Result<CloseOutcome, PortError> {
        Ok(CloseOutcome::BySelf)
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundOutcome, PortError> {
        let openid = payer_of(request.payer.as_ref())?;
        // A repeat must not pay twice, and finds another rest than the first attempt did: so it is looked for first.
        if let Some(known) = self.order(request.refund.number(), openid).await? {
            return Ok(RefundOutcome::Taken(known.refund_status()));
        }
        let Some(paid) = self.order(request.order.trade_no().to_string(), openid).await? else {
            return Ok(RefundOutcome::Refused { code: "NO_ORDER".to_owned() });
        };
        let rest = request.order.total.minus(request.order.refunded);
        let rest = rest.map_err(|error| PortError::rejected(SYSTEM, error))?.get();
        let (reason, from) = match request.refund.by {
            RefundBy::Buyer => ("3", "2"),
            RefundBy::Admin(_) => ("5", "1"),
            RefundBy::Provider => ("5", "3"),
        };
        let body = RefundAsk {
            openid,
            env: self.environment.number(),
            order_id: request.order.trade_no().to_string(),
            refund_order_id: request.refund.number(),
            left_fee: paid.left_fee.unwrap_or(rest),
            refund_fee: request.refund.amount.get(),
            biz_meta: ATTACH,
            refund_reason: reason,
            req_from: from,
        };
        Ok(match self.client.call("/xpay/refund_order", &body).await? {
            Answer::Done(_) | Answer::Failed(DUPLICATE | IN_PROGRESS) => {
                RefundOutcome::Taken(RefundStatus::Pending)
            }
            Answer::Missing => RefundOutcome::Refused { code: "NO_ORDER".to_owned() },
            Answer::Failed(code) => RefundOutcome::Refused { code: code.to_string() },
        })
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundStatus, PortError> {
        let openid = payer_of(request.payer.as_ref())?;
        let found = self.order(request.refund.number(), openid).await?;
        Ok(found.map_or(RefundStatus::Unknown, |refund| refund.refund_status()))
    }
}

impl PushHandshake for WechatVirtualGateway {
    fn echo(&self, challenge: &RawNotice<'_>) -> Option<String> {
        self.push.echo(challenge)
    }
}
