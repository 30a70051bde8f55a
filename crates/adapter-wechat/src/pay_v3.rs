//! WeChat Pay, API v3 (JSAPI): for web pages and official accounts. A mini-program sells virtual goods through
//! `virtual_pay` instead.

mod bodies;
mod client;
mod keys;
mod notice;

use std::sync::Arc;

use async_trait::async_trait;
use billing::payment::{
    CloseOutcome, NoticeReply, Notified, Prepay, PrepayOutcome, RawNotice, RefundOutcome, RefundRequest,
    Verdict, WechatPayer,
};
use billing::{Order, PaymentGateway, PaymentParameters, PaymentStatus, RefundStatus};
use kernel::{Clock, Entropy, PortError};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::moment;
use crate::signature::{ApiV3Key, MerchantKey, nonce};
use crate::wire::{Endpoint, Wire};
use bodies::{
    CloseBody, PayerBody, Prepaid, PrepayBody, RefundAmount, RefundBody, RefundState, Total, Transaction,
    refund_status, seconds,
};
use client::{Answer, MerchantClient};
use keys::ProviderKeys;

pub(crate) use bodies::refund_id;

const SYSTEM: &str = "wechat pay";
/// WeChat Pay counts bytes.
const DESCRIPTION_BYTES_MAX: usize = 127;
const REASON_BYTES_MAX: usize = 80;

/// Which merchant, and how WeChat Pay is reached.
pub struct MerchantSettings {
    /// The AppID in which people have their openids.
    pub app_id: String,
    /// The merchant's number.
    pub mch_id: String,
    /// The serial of the merchant's API certificate.
    pub serial_no: String,
    /// Where notices go: https, without a query.
    pub notify_url: String,
    /// Keys.
    pub keys: MerchantKeys,
    /// `https://api.mch.weixin.qq.com`.
    pub endpoint: Endpoint,
}

/// A merchant's own key, and those by which WeChat Pay is known.
pub struct MerchantKeys {
    private_key: MerchantKey,
    api_v3_key: ApiV3Key,
    provider: ProviderKeys,
    public_key_id: Option<String>,
}

/// What is wrong with a key, without quoting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKeys {
    /// Which: `private_key`, `api_v3_key`, `public_key_id`, `public_key` or `platform_certificates`.
    pub field: &'static str,
    /// What is wrong.
    pub problem: &'static str,
}

/// The texts of a merchant's keys, as an operator has them.
pub struct KeyTexts<'a> {
    /// PEM.
    pub private_key: &'a SecretString,
    /// 32 characters.
    pub api_v3_key: &'a SecretString,
    /// `PUB_KEY_ID_…`; empty where there is none.
    pub public_key_id: &'a str,
    /// PEM; empty where there is none.
    pub public_key: &'a str,
    /// PEM, any number; those that are missing are asked for.
    pub platform_certificates: &'a str,
}

impl MerchantKeys {
    /// Reads them.
    pub fn read(texts: &KeyTexts<'_>) -> Result<Self, InvalidKeys> {
        let of = |field: &'static str| move |problem: &'static str| InvalidKeys { field, problem };
        Ok(Self {
            private_key: MerchantKey::from_pem(texts.private_key).map_err(of("private_key"))?,
            api_v3_key: ApiV3Key::new(texts.api_v3_key).map_err(of("api_v3_key"))?,
            provider: ProviderKeys::new(texts.public_key_id, texts.public_key, texts.platform_certificates)?,
            public_key_id: (!texts.public_key_id.is_empty()).then(|| texts.public_key_id.to_owned()),
        })
    }
}

/// WeChat Pay as a gateway.
pub struct WechatPayGateway {
    client: MerchantClient,
    app_id: String,
    notify_url: String,
}

impl WechatPayGateway {
    /// A gateway of one merchant.
    pub fn new(
        settings: MerchantSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, PortError> {
        let MerchantSettings { app_id, mch_id, serial_no, notify_url, keys, endpoint } = settings;
        let MerchantKeys { private_key, api_v3_key, provider, public_key_id } = keys;
        let wire = Wire::new(SYSTEM, &endpoint)?;
        let client = MerchantClient {
            wire,
            mch_id,
            serial_no,
            private_key,
            api_v3_key,
            keys: provider,
            public_key_id,
            clock,
            entropy,
        };
        Ok(Self { client, app_id, notify_url })
    }

    /// What `wx.requestPayment` takes. Its `signType` is not part of what is signed.
    fn parameters(&self, prepay_id: String) -> Result<PaymentParameters, PortError> {
        let time_stamp = seconds(self.client.clock.now());
        let nonce_str = nonce(self.client.entropy.as_ref());
        let package = format!("prepay_id={prepay_id}");
        let text = format!("{}\n{time_stamp}\n{nonce_str}\n{package}\n", self.app_id);
        let pay_sign = self.client.private_key.sign(&text)?;
        let sign_type = "RSA".to_owned();
        Ok(PaymentParameters::WechatPay { prepay_id, time_stamp, nonce_str, package, sign_type, pay_sign })
    }

    /// A refund's status, if the answer is about that refund.
    fn status_of(request: &RefundRequest, body: &[u8]) -> Result<RefundStatus, PortError> {
        let state: RefundState = parse(body)?;
        let status = refund_status(&state.status).filter(|_| state.out_refund_no == request.refund.number());
        status.ok_or_else(|| {
            PortError::corrupt(SYSTEM, "an answer about another refund, or without its status")
        })
    }
}

#[async_trait]
impl PaymentGateway for WechatPayGateway {
    async fn prepay(&self, prepay: &Prepay) -> Result<PrepayOutcome, PortError> {
        let Some(payer) = &prepay.payer else { return Ok(PrepayOutcome::LoginNeeded) };
        let order = &prepay.order;
        if order.expires_at <= prepay.at {
            return Ok(PrepayOutcome::Closed);
        }
        let body = PrepayBody {
            appid: &self.app_id,
            mchid: &self.client.mch_id,
            description: cut(&order.product_name, DESCRIPTION_BYTES_MAX),
            out_trade_no: order.trade_no().to_string(),
            time_expire: moment::rfc3339(order.expires_at),
            notify_url: &self.notify_url,
            amount: Total::yuan(order.total),
            payer: PayerBody { openid: payer.openid.expose_secret() },
        };
        match self.client.post("/v3/pay/transactions/jsapi", json(&body)?).await? {
            Answer::Done(body) => {
                let prepaid: Prepaid = parse(&body)?;
                self.parameters(prepaid.prepay_id).map(PrepayOutcome::Ready)
            }
            Answer::Failed(code) => Ok(match code.as_str() {
                "ORDERPAID" => PrepayOutcome::AlreadyPaid,
                "ORDER_CLOSED" | "ORDERCLOSED" => PrepayOutcome::Closed,
                _ => PrepayOutcome::Refused { code },
            }),
        }
    }

    async fn read(&self, notice: &RawNotice<'_>) -> Result<Notified, PortError> {
        self.read_notice(notice).await
    }

    fn reply(&self, verdict: Verdict) -> NoticeReply {
        let failed = |status: u16, message: &str| NoticeReply {
            status,
            content_type: Some("application/json"),
            body: format!(r#"{{"code":"FAIL","message":"{message}"}}"#).into_bytes(),
        };
        match verdict {
            // WeChat Pay asks for no advice; to it this is a notice like any other.
            Verdict::Accepted | Verdict::Advice { .. } => {
                NoticeReply { status: 204, content_type: None, body: Vec::new() }
            }
            Verdict::Refused => failed(401, "refused"),
            Verdict::TryAgain => failed(503, "try again"),
        }
    }

    async fn query(&self, order: &Order, _payer: Option<&WechatPayer>) -> Result<PaymentStatus, PortError> {
        let (number, mch_id) = (order.trade_no().to_string(), &self.client.mch_id);
        let path = format!("/v3/pay/transactions/out-trade-no/{number}?mchid={mch_id}");
        match self.client.get(&path).await? {
            Answer::Done(body) => {
                let transaction: Transaction = parse(&body)?;
                let is_ours = transaction.out_trade_no == number
                    && transaction.mchid == *mch_id
                    && transaction.appid == self.app_id;
                if !is_ours {
                    return Err(PortError::corrupt(SYSTEM, "an answer about another order"));
                }
                transaction.status()
            }
            Answer::Failed(code) if is_missing(&code) => Ok(PaymentStatus::Unknown),
            Answer::Failed(code) => Err(PortError::rejected(SYSTEM, format!("query: {code}"))),
        }
    }

    async fn confirm(&self, _order: &Order) -> Result<(), PortError> {
        Ok(())
    }

    async fn close(&self, order: &Order) -> Result<CloseOutcome, PortError> {
        let path = format!("/v3/pay/transactions/out-trade-no/{}/close", order.trade_no());
        match self.client.post(&path, json(&CloseBody { mchid: &self.client.mch_id })?).await? {
            Answer::Done(_) => Ok(CloseOutcome::Closed),
            Answer::Failed(code) if is_missing(&code) => Ok(CloseOutcome::Closed),
            Answer::Failed(code) => match code.as_str() {
                "ORDERPAID" => Ok(CloseOutcome::AlreadyPaid),
                "ORDER_CLOSED" | "ORDERCLOSED" => Ok(CloseOutcome::Closed),
                _ => Err(PortError::rejected(SYSTEM, format!("close: {code}"))),
            },
        }
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundOutcome, PortError> {
        let body = RefundBody {
            out_trade_no: request.order.trade_no().to_string(),
            out_refund_no: request.refund.number(),
            reason: cut(&request.refund.reason, REASON_BYTES_MAX),
            notify_url: &self.notify_url,
            amount: RefundAmount::yuan(request.refund.amount, request.order.total),
        };
        match self.client.post("/v3/refund/domestic/refunds", json(&body)?).await? {
            Answer::Done(body) => Self::status_of(request, &body).map(RefundOutcome::Taken),
            Answer::Failed(code) => match code.as_str() {
                // The merchant's account is empty: the same refund succeeds when it is not any more.
                "NOT_ENOUGH" => Err(PortError::unavailable(SYSTEM, "refund: NOT_ENOUGH")),
                _ => Ok(RefundOutcome::Refused { code }),
            },
        }
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundStatus, PortError> {
        let path = format!("/v3/refund/domestic/refunds/{}", request.refund.number());
        match self.client.get(&path).await? {
            Answer::Done(body) => Self::status_of(request, &body),
            Answer::Failed(code) if is_missing(&code) => Ok(RefundStatus::Unknown),
            Answer::Failed(code) => Err(PortError::rejected(SYSTEM, format!("query refund: {code}"))),
        }
    }
}

fn is_missing(code: &str) -> bool {
    matches!(code, "ORDER_NOT_EXIST" | "ORDERNOTEXIST" | "RESOURCE_NOT_EXISTS")
}

fn json(body: &impl serde::Serialize) -> Result<String, PortError> {
    serde_json::to_string(body).map_err(|error| PortError::rejected(SYSTEM, error))
}

/// The parser's own message may quote the body, and with it an openid.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, PortError> {
    let unreadable = || PortError::unavailable(SYSTEM, "an answer that is not its JSON");
    serde_json::from_slice(body).map_err(|_quoted| unreadable())
}

/// At most so many bytes, cut between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("学而", 127), "学而");
        assert_eq!(cut("学而", 5), "学");
        assert_eq!(cut("学而", 2), "");
    }
}
