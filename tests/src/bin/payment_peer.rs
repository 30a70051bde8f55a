//! Our side of the interoperability checks (`tests/interop/payment.py`): the gateways, and the fakes of their other
//! side, driven by JSON, one command and one answer a line.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use adapter_wechat::{
    AccessTokens, Endpoint, Environment, KeyTexts, MerchantKeys, MerchantSettings, PushReceiver,
    PushSettings, TokenSettings, VirtualSettings, WechatPayGateway, WechatVirtualGateway,
};
use anyhow::{Context, anyhow, bail};
use billing::payment::{NoticeEvent, Notified, Prepay, PrepayOutcome, RawNotice, RefundOutcome, WechatPayer};
use billing::{Channel, Order, PaymentGateway, PaymentParameters, PaymentStatus};
use kernel::{Clock, Entropy, Fen};
use secrecy::SecretString;
use serde_json::{Value, json};
use server::system::{OsEntropy, SystemClock};
use tests::contract::payment_gateway::{order, refund};
use tests::contract::payment_providers::{NAME, Virtual};
use tests::fakes::sent::Sent;
use tests::fakes::wechat::{self, FakeWechat};
use tests::fakes::wechat_pay::{self, FakePay, Seal, Signer};

struct Peer {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pay: FakePay,
    platform: FakeWechat,
    gateways: Vec<(Channel, Arc<dyn PaymentGateway>)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let (pay, platform) = (FakePay::start(Arc::clone(&clock)), FakeWechat::start());
    let mut peer = Peer { clock, entropy: Arc::new(OsEntropy), pay, platform, gateways: Vec::new() };
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let answer = match serde_json::from_str(&line) {
            Ok(command) => peer.answer(&command).await,
            Err(error) => Err(error.into()),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        if writeln!(std::io::stdout(), "{answer}").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn text(command: &Value, name: &str) -> anyhow::Result<String> {
    command[name].as_str().map(ToOwned::to_owned).ok_or_else(|| anyhow!("no {name}"))
}

fn secret(command: &Value, name: &str) -> anyhow::Result<SecretString> {
    text(command, name).map(SecretString::from)
}

impl Peer {
    async fn answer(&mut self, command: &Value) -> anyhow::Result<Value> {
        match text(command, "do")?.as_str() {
            "fakes" => Ok(self.fakes()),
            "merchant" => self.merchant(command),
            "virtual" => self.virtual_goods(command),
            "prepay" => self.prepay(command).await,
            "query" => self.query(command).await,
            "refund" => self.refund(command).await,
            "read" => self.read(command).await,
            "pay" => {
                self.pay.pay(&text(command, "number")?);
                Ok(json!({}))
            }
            "notice" => self.notice(command),
            "client_pays" => self.client_pays(command),
            "delivery" => {
                let number = text(command, "number")?;
                let message = self.platform.delivery_message(&number);
                let sent = self.platform.delivery(&number, self.clock.now());
                Ok(json!({ "message": message, "push": shown(&sent)? }))
            }
            other => bail!("no command {other}"),
        }
    }

    fn fakes(&self) -> Value {
        json!({
            "pay": self.pay.url(), "platform": self.platform.url(), "app_id": wechat::APP_ID,
            "app_secret": wechat::APP_SECRET, "app_key": wechat::APP_KEY, "offer_id": wechat::OFFER_ID,
            "push_token": wechat::PUSH_TOKEN, "push_aes_key": wechat::PUSH_AES_KEY,
            "session_key": wechat::session_key_of(NAME), "openid": format!("openid-{NAME}"),
            "mch_id": wechat_pay::MCH_ID, "serial_no": wechat_pay::SERIAL_NO,
            "api_v3_key": wechat_pay::API_V3_KEY, "private_key": wechat_pay::MERCHANT_PRIVATE,
            "public_key_id": wechat_pay::PUBLIC_KEY_ID, "public_key": wechat_pay::PUBLIC_KEY,
            "certificate": wechat_pay::CERTIFICATE,
        })
    }

    fn endpoint(base_url: String) -> Endpoint {
        Endpoint { base_url, timeout: Duration::from_secs(5), no_proxy: true }
    }

    fn merchant(&mut self, command: &Value) -> anyhow::Result<Value> {
        let keys = MerchantKeys::read(&KeyTexts {
            private_key: &secret(command, "private_key")?,
            api_v3_key: &secret(command, "api_v3_key")?,
            public_key_id: &text(command, "public_key_id")?,
            public_key: &text(command, "public_key")?,
            platform_certificates: &text(command, "certificates")?,
        });
        let settings = MerchantSettings {
            app_id: text(command, "app_id")?,
            mch_id: text(command, "mch_id")?,
            serial_no: text(command, "serial_no")?,
            notify_url: "https://chat.example.com/api/payment/callback".to_owned(),
            keys: keys.map_err(|invalid| anyhow!("{invalid:?}"))?,
            endpoint: Self::endpoint(text(command, "url")?),
        };
        let gateway = WechatPayGateway::new(settings, Arc::clone(&self.clock), Arc::clone(&self.entropy))?;
        self.gateways.retain(|(channel, _)| *channel != Channel::WechatPay);
        self.gateways.push((Channel::WechatPay, Arc::new(gateway)));
        Ok(json!({}))
    }

    fn virtual_goods(&mut self, command: &Value) -> anyhow::Result<Value> {
        let push = PushSettings {
            app_id: text(command, "app_id")?,
            token: secret(command, "push_token")?,
            aes_key: secret(command, "push_aes_key")?,
        };
        let tokens = TokenSettings {
            app_id: text(command, "app_id")?,
            app_secret: secret(command, "app_secret")?,
            endpoint: Self::endpoint(text(command, "url")?),
        };
        let settings = VirtualSettings {
            offer_id: text(command, "offer_id")?,
            app_key: secret(command, "app_key")?,
            environment: Environment::Production,
            endpoint: Self::endpoint(text(command, "url")?),
        };
        let tokens = AccessTokens::new(tokens, Arc::clone(&self.clock), Arc::clone(&self.entropy))?;
        let push = PushReceiver::new(push).map_err(|invalid| anyhow!("{invalid:?}"))?;
        let gateway = WechatVirtualGateway::new(settings, Arc::new(tokens), push)?;
        self.gateways.retain(|(channel, _)| *channel != Channel::WechatVirtual);
        self.gateways.push((Channel::WechatVirtual, Arc::new(gateway)));
        Ok(json!({}))
    }

    fn gateway(&self, command: &Value) -> anyhow::Result<(Channel, Arc<dyn PaymentGateway>)> {
        let channel: Channel = text(command, "channel")?.parse()?;
        let found = self.gateways.iter().find(|(of, _)| *of == channel);
        found.map(|(channel, gateway)| (*channel, Arc::clone(gateway))).context("no gateway of that channel")
    }

    fn order(&self, command: &Value, channel: Channel) -> anyhow::Result<Order> {
        let number = command["order"].as_u64().context("no order")?;
        let mut order = order(channel, u128::from(number));
        (order.created_at, order.expires_at) = (self.clock.now(), self.clock.now().plus_seconds(1_800));
        Ok(order)
    }

    fn payer() -> WechatPayer {
        tests::contract::payment_providers::payer()
    }

    async fn prepay(&self, command: &Value) -> anyhow::Result<Value> {
        let (channel, gateway) = self.gateway(command)?;
        let order = self.order(command, channel)?;
        let number = order.trade_no().to_string();
        let prepay = Prepay { order, payer: Some(Self::payer()), at: self.clock.now() };
        Ok(match gateway.prepay(&prepay).await? {
            PrepayOutcome::Ready(PaymentParameters::WechatPay {
                prepay_id,
                time_stamp,
                nonce_str,
                package,
                sign_type,
                pay_sign,
            }) => json!({
                "number": number, "prepay_id": prepay_id, "timeStamp": time_stamp, "nonceStr": nonce_str,
                "package": package, "signType": sign_type, "paySign": pay_sign,
            }),
            PrepayOutcome::Ready(PaymentParameters::WechatVirtual {
                mode,
                sign_data,
                pay_sig,
                signature,
            }) => {
                json!({
                    "number": number, "mode": mode, "signData": sign_data, "paySig": pay_sig,
                    "signature": signature,
                })
            }
            other => bail!("{other:?}"),
        })
    }

    async fn query(&self, command: &Value) -> anyhow::Result<Value> {
        let (channel, gateway) = self.gateway(command)?;
        let status = gateway.query(&self.order(command, channel)?, Some(&Self::payer())).await?;
        Ok(match status {
            PaymentStatus::Paid(payment) => {
                json!({ "paid": payment.total.get(), "txn": payment.provider_txn_id })
            }
            other => json!({ "status": format!("{other:?}") }),
        })
    }

    async fn refund(&self, command: &Value) -> anyhow::Result<Value> {
        let (channel, gateway) = self.gateway(command)?;
        let order = self.order(command, channel)?;
        let mut request = refund(&Virtual::start(), &order, 1, 100);
        (request.payer, request.at) = (Some(Self::payer()), self.clock.now());
        request.refund.amount = Fen::new(100);
        match gateway.refund(&request).await? {
            RefundOutcome::Taken(status) => Ok(json!({ "status": status.as_str() })),
            RefundOutcome::Refused { code } => Ok(json!({ "refused": code })),
        }
    }

    async fn read(&self, command: &Value) -> anyhow::Result<Value> {
        let (_, gateway) = self.gateway(command)?;
        let pairs = |name: &str| -> Vec<(String, String)> {
            let object = command[name].as_object().into_iter().flatten();
            object
                .map(|(key, value)| (key.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
                .collect()
        };
        let (headers, query, body) = (pairs("headers"), pairs("query"), text(command, "body")?);
        let notice =
            RawNotice { headers: &headers, query: &query, body: body.as_bytes(), at: self.clock.now() };
        Ok(match gateway.read(&notice).await? {
            Notified::Ignored => json!({ "ignored": true }),
            Notified::Refused(refusal) => json!({ "refused": refusal.as_str() }),
            Notified::Notice(notice) => match notice.event {
                NoticeEvent::Paid(payment) => json!({
                    "id": notice.id, "number": payment.trade_no.to_string(), "paid": payment.total.get(),
                    "txn": payment.provider_txn_id, "openid": payment.openid,
                    "paid_at": payment.paid_at.as_millis(),
                }),
                other => json!({ "id": notice.id, "event": format!("{other:?}") }),
            },
        })
    }

    fn notice(&self, command: &Value) -> anyhow::Result<Value> {
        let signer = match text(command, "signer")?.as_str() {
            "public_key" => Signer::PublicKey,
            "certificate" => Signer::Certificate,
            "foreign" => Signer::Foreign,
            other => bail!("no signer {other}"),
        };
        let seal = Seal { signer, ..self.pay.seal() };
        shown(&self.pay.payment_notice(&text(command, "number")?, &seal))
    }

    fn client_pays(&self, command: &Value) -> anyhow::Result<Value> {
        let parameters = PaymentParameters::WechatVirtual {
            mode: text(command, "mode")?,
            sign_data: text(command, "signData")?,
            pay_sig: text(command, "paySig")?,
            signature: text(command, "signature")?,
        };
        match self.platform.client_pays(NAME, &parameters, self.clock.now()) {
            Ok(()) => Ok(json!({})),
            Err(problem) => bail!("{problem}"),
        }
    }
}

fn shown(sent: &Sent) -> anyhow::Result<Value> {
    let object = |pairs: &[(String, String)]| -> Value { pairs.iter().cloned().collect() };
    let body = std::str::from_utf8(&sent.body).context("a body that is text")?;
    Ok(json!({ "headers": object(&sent.headers), "query": object(&sent.query), "body": body }))
}
