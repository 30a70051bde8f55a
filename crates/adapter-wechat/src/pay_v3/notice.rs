//! Notices of WeChat Pay: believed, opened, and put into words of the domain.

use billing::Channel;
use billing::RefundStatus;
use billing::payment::{NoticeEvent, NoticeRefusal, Notified, PaymentNotice, RawNotice};
use kernel::{Fen, PortError};
use serde::Deserialize;

use super::WechatPayGateway;
use super::bodies::{RefundNews, Transaction, refund_status};
use super::client::{Disbelief, SignedHeaders};
use crate::signature::Sealed;

const ALGORITHM: &str = "AEAD_AES_256_GCM";
const ID_BYTES_MAX: usize = 64;

#[derive(Deserialize)]
struct Envelope {
    id: String,
    event_type: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    algorithm: String,
    nonce: String,
    #[serde(default)]
    associated_data: Option<String>,
    ciphertext: String,
}

impl WechatPayGateway {
    pub(crate) async fn read_notice(&self, notice: &RawNotice<'_>) -> Result<Notified, PortError> {
        let header = |name: &str| notice.header(name);
        let (Some(timestamp), Some(nonce), Some(signature), Some(serial)) = (
            header("wechatpay-timestamp"),
            header("wechatpay-nonce"),
            header("wechatpay-signature"),
            header("wechatpay-serial"),
        ) else {
            return Ok(Notified::Refused(NoticeRefusal::Signature));
        };
        let headers = SignedHeaders { timestamp, nonce, signature, serial };
        match self.client.disbelieves(&headers, notice.body, notice.at).await? {
            None => Ok(self.understand(notice.body)),
            Some(Disbelief::Stale) => Ok(Notified::Refused(NoticeRefusal::Stale)),
            Some(Disbelief::UnknownKey) => Ok(Notified::Refused(NoticeRefusal::UnknownKey)),
            Some(Disbelief::Signature) => Ok(Notified::Refused(NoticeRefusal::Signature)),
        }
    }

    fn understand(&self, body: &[u8]) -> Notified {
        let malformed = Notified::Refused(NoticeRefusal::Malformed);
        let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else { return malformed };
        if envelope.id.is_empty() || envelope.id.len() > ID_BYTES_MAX {
            return malformed;
        }
        let Some(plain) = self.open(&envelope.resource) else { return malformed };
        let event = match envelope.event_type.as_str() {
            "TRANSACTION.SUCCESS" => self.paid(&plain),
            "REFUND.SUCCESS" | "REFUND.CLOSED" | "REFUND.ABNORMAL" => self.refunded(&plain),
            _ => return Notified::Ignored,
        };
        match event {
            Ok(Some(event)) => {
                Notified::Notice(PaymentNotice { id: envelope.id, channel: Channel::WechatPay, event })
            }
            Ok(None) => Notified::Ignored,
            Err(refusal) => Notified::Refused(refusal),
        }
    }

    fn open(&self, resource: &Resource) -> Option<Vec<u8>> {
        if resource.algorithm != ALGORITHM {
            return None;
        }
        self.client.api_v3_key.open(&Sealed {
            nonce: &resource.nonce,
            associated_data: resource.associated_data.as_deref().unwrap_or_default(),
            ciphertext: &resource.ciphertext,
        })
    }

    fn paid(&self, plain: &[u8]) -> Result<Option<NoticeEvent>, NoticeRefusal> {
        let Ok(transaction) = serde_json::from_slice::<Transaction>(plain) else {
            return Err(NoticeRefusal::Malformed);
        };
        if transaction.mchid != self.client.mch_id || transaction.appid != self.app_id {
            return Err(NoticeRefusal::WrongRecipient);
        }
        if transaction.trade_state != "SUCCESS" {
            return Ok(None);
        }
        transaction.payment().map(NoticeEvent::Paid).map(Some).ok_or(NoticeRefusal::Malformed)
    }

    fn refunded(&self, plain: &[u8]) -> Result<Option<NoticeEvent>, NoticeRefusal> {
        let Ok(news) = serde_json::from_slice::<RefundNews>(plain) else {
            return Err(NoticeRefusal::Malformed);
        };
        if news.mchid != self.client.mch_id {
            return Err(NoticeRefusal::WrongRecipient);
        }
        let (Some(status), true) = (refund_status(&news.refund_status), news.amount.refund > 0) else {
            return Err(NoticeRefusal::Malformed);
        };
        let amount = Fen::new(news.amount.refund);
        if let Some(refund) = news.refund() {
            return Ok(Some(NoticeEvent::RefundEnded { refund, status, amount }));
        }
        // Somebody refunded in the merchant's console: the money is gone, whoever asked.
        match (status, news.trade_no()) {
            (RefundStatus::Succeeded, Some(trade_no)) => {
                Ok(Some(NoticeEvent::ClawedBack { trade_no, provider_refund_id: news.refund_id, amount }))
            }
            (
                RefundStatus::Succeeded
                | RefundStatus::Unknown
                | RefundStatus::Pending
                | RefundStatus::Closed
                | RefundStatus::Abnormal,
                _,
            ) => Ok(None),
        }
    }
}
