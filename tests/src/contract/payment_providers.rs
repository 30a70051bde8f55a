//! The three providers of payment as the suite of [`super::payment_gateway`] needs them: our gateways on fakes of the
//! other side.

use std::sync::Arc;
use std::time::Duration;

use adapter_memory::SandboxGateway;
use adapter_wechat::{
    AccessTokens, Endpoint, Environment, KeyTexts, MerchantKeys, MerchantSettings, PushReceiver,
    PushSettings, TokenSettings, VirtualSettings, WechatPayGateway, WechatVirtualGateway,
};
use async_trait::async_trait;
use billing::payment::{RefundRequest, SandboxChoice, SignedNotice, WechatPayer};
use billing::ports::SandboxDesk;
use billing::{Channel, Order, PaymentGateway, PaymentParameters};
use kernel::{ManualClock, SeededEntropy, Timestamp};
use secrecy::{SecretBox, SecretString};

use super::payment_gateway::Provider;
use super::people::START;
use crate::fakes::sent::Sent;
use crate::fakes::wechat::{self, FakeWechat};
use crate::fakes::wechat_pay::{self, FakePay, Seal, Signer};

/// The person who pays.
pub const NAME: &str = "kong";
const TIMEOUT: Duration = Duration::from_millis(500);

fn endpoint(base_url: &str) -> Endpoint {
    Endpoint { base_url: base_url.to_owned(), timeout: TIMEOUT, no_proxy: true }
}

/// Who that is at WeChat.
pub fn payer() -> WechatPayer {
    WechatPayer {
        openid: SecretString::from(format!("openid-{NAME}")),
        session_key: Some(SecretString::from(wechat::session_key_of(NAME))),
    }
}

/// Play money.
pub struct Sandbox {
    /// The gateway, and the till.
    pub gateway: SandboxGateway,
}

impl Sandbox {
    /// A fresh one.
    pub fn start() -> Self {
        Self { gateway: SandboxGateway::new(SecretBox::new(Box::new([7; 32]))) }
    }

    /// Order number and token of the page.
    pub fn token(parameters: &PaymentParameters) -> String {
        let PaymentParameters::Sandbox { page } = parameters else { panic!("{parameters:?}") };
        page.split_once("?token=").expect("a token").1.to_owned()
    }

    fn notice(&self, order: &Order, parameters: &PaymentParameters, at: Timestamp) -> Option<SignedNotice> {
        self.gateway.decide(order.trade_no(), &Self::token(parameters), SandboxChoice::Pay, at)
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn gateway(&self) -> &dyn PaymentGateway {
        &self.gateway
    }

    fn channel(&self) -> Channel {
        Channel::Sandbox
    }

    fn payer(&self) -> Option<WechatPayer> {
        None
    }

    fn pays(&self, order: &Order, parameters: &PaymentParameters) {
        self.notice(order, parameters, START).expect("the page is in force");
    }

    fn message(&self, order: &Order, at: Timestamp) -> Sent {
        // Pressing again sends the same message again; only its page has the token.
        let other = Self::start();
        let prepay = billing::payment::Prepay { order: order.clone(), payer: None, at: START };
        let shown = futures::executor::block_on(other.gateway.prepay(&prepay)).expect("a page");
        let billing::payment::PrepayOutcome::Ready(parameters) = shown else { panic!("{shown:?}") };
        self.notice(order, &parameters, at).expect("the page is in force").into()
    }

    fn oldest_ms(&self) -> i64 {
        300_000
    }

    fn ends_refund(&self, _request: &RefundRequest) {}

    fn paid_back(&self, order: &Order) -> i64 {
        self.gateway.refunded(order.trade_no()).get()
    }
}

/// Virtual payment.
pub struct Virtual {
    /// The gateway.
    pub gateway: WechatVirtualGateway,
    /// The platform.
    pub platform: FakeWechat,
    /// The gateway's time.
    pub clock: Arc<ManualClock>,
}

impl Virtual {
    /// On a fresh platform, in production.
    pub fn start() -> Self {
        Self::in_environment(Environment::Production)
    }

    /// On a fresh platform.
    pub fn in_environment(environment: Environment) -> Self {
        let (platform, clock) = (FakeWechat::start(), Arc::new(ManualClock::at(START)));
        let gateway = Self::gateway_of(platform.url(), environment, clock.clone());
        Self { gateway, platform, clock }
    }

    /// A gateway on that address.
    pub fn gateway_of(url: &str, environment: Environment, clock: Arc<ManualClock>) -> WechatVirtualGateway {
        let entropy = Arc::new(SeededEntropy::new(3));
        let tokens = TokenSettings {
            app_id: wechat::APP_ID.to_owned(),
            app_secret: SecretString::from(wechat::APP_SECRET),
            endpoint: endpoint(url),
        };
        let push = PushSettings {
            app_id: wechat::APP_ID.to_owned(),
            token: SecretString::from(wechat::PUSH_TOKEN),
            aes_key: SecretString::from(wechat::PUSH_AES_KEY),
        };
        let settings = VirtualSettings {
            offer_id: wechat::OFFER_ID.to_owned(),
            app_key: SecretString::from(wechat::APP_KEY),
            environment,
            endpoint: endpoint(url),
        };
        let tokens = Arc::new(AccessTokens::new(tokens, clock, entropy).expect("a client"));
        WechatVirtualGateway::new(settings, tokens, PushReceiver::new(push).expect("keys")).expect("a client")
    }
}

#[async_trait]
impl Provider for Virtual {
    fn gateway(&self) -> &dyn PaymentGateway {
        &self.gateway
    }

    fn channel(&self) -> Channel {
        Channel::WechatVirtual
    }

    fn payer(&self) -> Option<WechatPayer> {
        Some(payer())
    }

    fn pays(&self, _order: &Order, parameters: &PaymentParameters) {
        self.platform.client_pays(NAME, parameters, START).expect("both signatures hold");
    }

    fn message(&self, order: &Order, at: Timestamp) -> Sent {
        self.platform.delivery(&order.trade_no().to_string(), at)
    }

    fn oldest_ms(&self) -> i64 {
        25 * 3_600_000
    }

    fn ends_refund(&self, request: &RefundRequest) {
        self.platform.end_refund(&request.refund.number(), true);
    }

    fn paid_back(&self, order: &Order) -> i64 {
        order.total.get() - self.platform.left(&order.trade_no().to_string())
    }
}

/// WeChat Pay.
pub struct Merchant {
    /// The gateway.
    pub gateway: WechatPayGateway,
    /// WeChat Pay.
    pub provider: FakePay,
    /// The time of both.
    pub clock: Arc<ManualClock>,
}

/// By which keys the merchant knows WeChat Pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBy {
    /// Its public key.
    PublicKey,
    /// A certificate in the configuration.
    Certificate,
    /// Both, as during a change.
    Both,
    /// Neither: certificates are downloaded.
    Download,
    /// A certificate that is over.
    Expired,
}

impl Merchant {
    /// Known by the public key, which signs.
    pub fn start() -> Self {
        Self::known_by(KnownBy::PublicKey)
    }

    /// Known by those keys; the provider signs by one of them.
    pub fn known_by(known_by: KnownBy) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let provider = FakePay::start(clock.clone());
        provider.sign_by(match known_by {
            KnownBy::PublicKey | KnownBy::Both => Signer::PublicKey,
            KnownBy::Certificate | KnownBy::Download => Signer::Certificate,
            KnownBy::Expired => Signer::Expired,
        });
        let gateway = Self::gateway_of(provider.url(), known_by, clock.clone());
        Self { gateway, provider, clock }
    }

    /// A gateway on that address.
    pub fn gateway_of(url: &str, known_by: KnownBy, clock: Arc<ManualClock>) -> WechatPayGateway {
        let has_public_key = matches!(known_by, KnownBy::PublicKey | KnownBy::Both);
        let keys = MerchantKeys::read(&KeyTexts {
            private_key: &SecretString::from(wechat_pay::MERCHANT_PRIVATE),
            api_v3_key: &SecretString::from(wechat_pay::API_V3_KEY),
            public_key_id: if has_public_key { wechat_pay::PUBLIC_KEY_ID } else { "" },
            public_key: if has_public_key { wechat_pay::PUBLIC_KEY } else { "" },
            platform_certificates: match known_by {
                KnownBy::Certificate | KnownBy::Both => wechat_pay::CERTIFICATE,
                KnownBy::Expired => wechat_pay::EXPIRED_CERTIFICATE,
                KnownBy::PublicKey | KnownBy::Download => "",
            },
        });
        let settings = MerchantSettings {
            app_id: wechat_pay::APP_ID.to_owned(),
            mch_id: wechat_pay::MCH_ID.to_owned(),
            serial_no: wechat_pay::SERIAL_NO.to_owned(),
            notify_url: "https://chat.example.com/api/payment/callback".to_owned(),
            keys: keys.expect("keys"),
            endpoint: endpoint(url),
        };
        WechatPayGateway::new(settings, clock, Arc::new(SeededEntropy::new(5))).expect("a client")
    }
}

#[async_trait]
impl Provider for Merchant {
    fn gateway(&self) -> &dyn PaymentGateway {
        &self.gateway
    }

    fn channel(&self) -> Channel {
        Channel::WechatPay
    }

    fn payer(&self) -> Option<WechatPayer> {
        Some(payer())
    }

    fn pays(&self, order: &Order, parameters: &PaymentParameters) {
        assert!(matches!(parameters, PaymentParameters::WechatPay { .. }), "{parameters:?}");
        self.provider.pay(&order.trade_no().to_string());
    }

    fn message(&self, order: &Order, at: Timestamp) -> Sent {
        let seal = Seal { at, ..self.provider.seal() };
        self.provider.payment_notice(&order.trade_no().to_string(), &seal)
    }

    fn oldest_ms(&self) -> i64 {
        300_000
    }

    fn ends_refund(&self, request: &RefundRequest) {
        self.provider.end_refund(&request.refund.number(), "SUCCESS");
    }

    fn paid_back(&self, order: &Order) -> i64 {
        self.provider.refunded(&order.trade_no().to_string())
    }
}
