//! Who takes the money: the sandbox, WeChat, or nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adapter_memory::{SandboxGateway, SandboxSecret};
use adapter_wechat::{
    AccessTokens, Endpoint, Environment, KeyTexts, MerchantKeys, MerchantSettings, PushReceiver,
    PushSettings, TokenSettings, VirtualSettings, WechatPayGateway, WechatVirtualGateway,
};
use anyhow::{Context, anyhow};
use billing::ports::{PushHandshake, SandboxDesk};
use billing::{Channel, PaymentGateway};
use kernel::{Clock, Entropy};
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::Foundation;
use crate::config::{Config, VirtualEnv};
use crate::secrets::{SECRET_BYTES, SecretBytes};
use crate::system::{OsEntropy, SystemClock};

/// Where WeChat Pay's notices go, below `payment.public_url`.
const CALLBACK: &str = "/api/payment/callback";

/// The gateways that are set up, and the doors that belong to them.
#[derive(Default)]
pub struct Payments {
    /// One for each channel.
    pub gateways: BTreeMap<Channel, Arc<dyn PaymentGateway>>,
    /// Answers when the platform tries the address of its message push.
    pub handshake: Option<Arc<dyn PushHandshake>>,
    /// The till behind the sandbox's page.
    pub desk: Option<Arc<dyn SandboxDesk>>,
}

/// What gateways take of the outside.
struct Hands {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What `payment.url` names, or what a test puts in its place.
pub(super) fn open(config: &Config, on: &Foundation, secret: &SecretBytes) -> anyhow::Result<Payments> {
    let payments = configured(config, on, secret)?;
    Ok(Payments { gateways: on.gateways.clone().unwrap_or(payments.gateways), ..payments })
}

fn configured(config: &Config, on: &Foundation, secret: &SecretBytes) -> anyhow::Result<Payments> {
    build(config, &Hands { clock: Arc::clone(&on.clock), entropy: Arc::clone(&on.entropy) }, secret)
}

/// Whether it could be opened, without asking anybody; answers the channels.
pub(super) fn look(config: &Config) -> anyhow::Result<Vec<Channel>> {
    let hands = Hands { clock: Arc::new(SystemClock::default()), entropy: Arc::new(OsEntropy) };
    let payments = build(config, &hands, &SecretBytes::new(Box::new([0; SECRET_BYTES])))?;
    Ok(payments.gateways.into_keys().collect())
}

fn build(config: &Config, on: &Hands, secret: &SecretBytes) -> anyhow::Result<Payments> {
    let mut payments = Payments::default();
    if config.is_payment_sandbox() {
        let sandbox = Arc::new(SandboxGateway::new(sandbox_secret(secret)));
        payments.gateways.insert(Channel::Sandbox, sandbox.clone());
        payments.desk = Some(sandbox);
    }
    if !config.is_payment_wechat() {
        return Ok(payments);
    }
    if !config.payment.virtual_goods.offer_id.is_empty() {
        let gateway = Arc::new(virtual_goods(config, on)?);
        payments.gateways.insert(Channel::WechatVirtual, gateway.clone());
        payments.handshake = Some(gateway);
    }
    if !config.payment.pay.mch_id.is_empty() {
        payments.gateways.insert(Channel::WechatPay, Arc::new(merchant(config, on)?));
    }
    Ok(payments)
}

/// All instances make the same one, so that a page of one is a page of all.
fn sandbox_secret(secret: &SecretBytes) -> SandboxSecret {
    SecretBox::new(Box::new(adapter_memory::sandbox_gateway::secret_from(secret.expose_secret())))
}

fn endpoint(config: &Config, base_url: &str) -> Endpoint {
    let timeout = Duration::from_millis(u64::from(config.wechat.timeout_ms));
    Endpoint { base_url: base_url.to_owned(), timeout, no_proxy: false }
}

fn secret(key: &str, value: Option<&SecretString>) -> anyhow::Result<SecretString> {
    value.cloned().ok_or_else(|| anyhow!("{key} is not set"))
}

fn virtual_goods(config: &Config, on: &Hands) -> anyhow::Result<WechatVirtualGateway> {
    let goods = &config.payment.virtual_goods;
    let push = PushReceiver::new(PushSettings {
        app_id: config.wechat.app_id.clone(),
        token: secret("payment.virtual.push_token", goods.push_token.as_ref())?,
        aes_key: secret("payment.virtual.push_aes_key", goods.push_aes_key.as_ref())?,
    });
    let push = push.map_err(|invalid| anyhow!("payment.virtual.push_aes_key {}", invalid.0))?;
    let settings = VirtualSettings {
        offer_id: goods.offer_id.clone(),
        app_key: secret("payment.virtual.app_key", goods.app_key.as_ref())?,
        environment: match goods.env {
            VirtualEnv::Production => Environment::Production,
            VirtualEnv::Sandbox => Environment::Sandbox,
        },
        endpoint: endpoint(config, &config.wechat.base_url),
    };
    let tokens = TokenSettings {
        app_id: config.wechat.app_id.clone(),
        app_secret: secret("wechat.app_secret", config.wechat.app_secret.as_ref())?,
        endpoint: endpoint(config, &config.wechat.base_url),
    };
    let tokens = AccessTokens::new(tokens, Arc::clone(&on.clock), Arc::clone(&on.entropy));
    let gateway = WechatVirtualGateway::new(settings, Arc::new(tokens.context("payment.virtual")?), push);
    gateway.context("payment.virtual")
}

fn merchant(config: &Config, on: &Hands) -> anyhow::Result<WechatPayGateway> {
    let pay = &config.payment.pay;
    let keys = MerchantKeys::read(&KeyTexts {
        private_key: &secret("payment.pay.private_key", pay.private_key.as_ref())?,
        api_v3_key: &secret("payment.pay.api_v3_key", pay.api_v3_key.as_ref())?,
        public_key_id: &pay.public_key_id,
        public_key: &pay.public_key,
        platform_certificates: &pay.platform_certificates,
    });
    let keys = keys.map_err(|invalid| anyhow!("payment.pay.{} {}", invalid.field, invalid.problem))?;
    let settings = MerchantSettings {
        app_id: config.wechat.app_id.clone(),
        mch_id: pay.mch_id.clone(),
        serial_no: pay.serial_no.clone(),
        notify_url: format!("{}{CALLBACK}", config.payment.public_url),
        keys,
        endpoint: endpoint(config, &pay.base_url),
    };
    let gateway = WechatPayGateway::new(settings, Arc::clone(&on.clock), Arc::clone(&on.entropy));
    gateway.context("payment.pay")
}
