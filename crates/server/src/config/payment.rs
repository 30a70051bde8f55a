//! `[payment]`: who takes the money, and what must be set before anybody may.

use secrecy::SecretString;
use serde::Deserialize;

use super::{Config, Profile, optional};

/// `[payment]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// `sandbox:`, `wechat:` or empty.
    pub url: String,
    /// Minutes.
    pub order_minutes: u32,
    /// Scheme and host.
    pub public_url: String,
    /// Virtual payment.
    #[serde(rename = "virtual")]
    pub virtual_goods: VirtualGoods,
    /// WeChat Pay.
    pub pay: Merchant,
}

/// `[payment.virtual]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualGoods {
    /// Empty where it is not set up.
    pub offer_id: String,
    /// Of the environment.
    #[serde(deserialize_with = "optional")]
    pub app_key: Option<SecretString>,
    /// Where money is real or not.
    pub env: VirtualEnv,
    /// Of the message push.
    #[serde(deserialize_with = "optional")]
    pub push_token: Option<SecretString>,
    /// 43 characters.
    #[serde(deserialize_with = "optional")]
    pub push_aes_key: Option<SecretString>,
}

/// The platform's environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VirtualEnv {
    /// Money is real.
    Production,
    /// It is not.
    Sandbox,
}

/// `[payment.pay]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// Empty where it is not set up.
    pub mch_id: String,
    /// Of the API certificate.
    pub serial_no: String,
    /// PEM.
    #[serde(deserialize_with = "optional")]
    pub private_key: Option<SecretString>,
    /// 32 characters.
    #[serde(deserialize_with = "optional")]
    pub api_v3_key: Option<SecretString>,
    /// `PUB_KEY_ID_…`.
    pub public_key_id: String,
    /// PEM.
    pub public_key: String,
    /// PEM.
    pub platform_certificates: String,
    /// Without a path.
    pub base_url: String,
}

const SANDBOX: &str = "sandbox:";
const WECHAT: &str = "wechat:";
const ORDER_MINUTES: std::ops::RangeInclusive<u32> = 2..=1_440;
/// WeChat Pay takes addresses of 255 bytes; the path takes some of them.
const PUBLIC_URL_BYTES_MAX: usize = 200;

impl Config {
    /// Whether payment is play money.
    pub fn is_payment_sandbox(&self) -> bool {
        self.payment.url == SANDBOX
    }

    /// Whether WeChat takes the money.
    pub fn is_payment_wechat(&self) -> bool {
        self.payment.url == WECHAT
    }

    pub(super) fn check_payment(&self, problems: &mut Vec<String>) {
        let payment = &self.payment;
        if !["", SANDBOX, WECHAT].contains(&payment.url.as_str()) {
            problems.push("payment.url must be sandbox: or wechat:, or empty to sell nothing".to_owned());
        }
        if !ORDER_MINUTES.contains(&payment.order_minutes) {
            problems.push("payment.order_minutes must be from 2 to 1440".to_owned());
        }
        if self.is_payment_sandbox() {
            self.check_sandbox(problems);
        }
        if self.is_payment_wechat() {
            self.check_wechat(problems);
        }
    }

    fn check_sandbox(&self, problems: &mut Vec<String>) {
        if self.server.profile == Profile::Production {
            problems.push(
                "payment.url = \"sandbox:\" is play money, and server.profile = \"production\" takes none: set \
                 payment.url = \"wechat:\" with its keys, or \"\" to sell nothing"
                    .to_owned(),
            );
        } else if !self.is_offline_model() && !self.http.listen.ip().is_loopback() {
            problems.push(
                "payment.url = \"sandbox:\" gives credits to everybody who presses a button, on an http.listen that \
                 others reach and at the cost of your model.url: set payment.url = \"wechat:\" or \"\", or listen on \
                 127.0.0.1"
                    .to_owned(),
            );
        }
    }

    fn check_wechat(&self, problems: &mut Vec<String>) {
        let (goods, pay) = (&self.payment.virtual_goods, &self.payment.pay);
        if self.wechat.app_id.is_empty() {
            problems.push("payment.url = \"wechat:\" needs wechat.app_id and wechat.app_secret".to_owned());
        }
        if goods.offer_id.is_empty() && pay.mch_id.is_empty() {
            problems.push(
                "payment.url = \"wechat:\" needs payment.virtual.offer_id (mini-programs) or payment.pay.mch_id \
                 (official accounts and web pages), or both"
                    .to_owned(),
            );
        }
        let mut need = |is_set: bool, key: &str, because: &str| {
            if !is_set {
                problems.push(format!("{key} is not set, but {because} is"));
            }
        };
        if !goods.offer_id.is_empty() {
            let because = "payment.virtual.offer_id";
            need(goods.app_key.is_some(), "payment.virtual.app_key", because);
            need(goods.push_token.is_some(), "payment.virtual.push_token", because);
            need(goods.push_aes_key.is_some(), "payment.virtual.push_aes_key", because);
        }
        if !pay.mch_id.is_empty() {
            let because = "payment.pay.mch_id";
            need(!pay.serial_no.is_empty(), "payment.pay.serial_no", because);
            need(pay.private_key.is_some(), "payment.pay.private_key", because);
            need(pay.api_v3_key.is_some(), "payment.pay.api_v3_key", because);
            need(
                pay.public_key_id.is_empty() || !pay.public_key.is_empty(),
                "payment.pay.public_key",
                "payment.pay.public_key_id",
            );
            self.check_merchant(problems);
        }
    }

    fn check_merchant(&self, problems: &mut Vec<String>) {
        let (public_url, pay) = (&self.payment.public_url, &self.payment.pay);
        let rest = public_url.strip_prefix("https://").unwrap_or_default();
        let is_plain = !rest.contains(['/', '?', '#', '@']) && rest.is_ascii();
        if rest.is_empty() || !is_plain || public_url.len() > PUBLIC_URL_BYTES_MAX {
            problems.push(
                "payment.public_url must be https://HOST without a path: WeChat Pay sends its notices there"
                    .to_owned(),
            );
        }
        if !pay.mch_id.bytes().all(|byte| byte.is_ascii_digit()) {
            problems.push("payment.pay.mch_id must be digits".to_owned());
        }
        if !pay.serial_no.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            problems.push("payment.pay.serial_no must be hexadecimal digits".to_owned());
        }
        if !pay.base_url.starts_with("https://") && !pay.base_url.starts_with("http://") {
            problems.push("payment.pay.base_url must begin with one of: https:// http://".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::embedded().unwrap();
        change(&mut config);
        let mut problems = Vec::new();
        config.check_payment(&mut problems);
        problems
    }

    fn wechat(config: &mut Config) {
        let secret = || Some(SecretString::from("x"));
        WECHAT.clone_into(&mut config.payment.url);
        config.wechat.app_id = "wx1".to_owned();
        config.payment.public_url = "https://chat.example.com".to_owned();
        let goods = &mut config.payment.virtual_goods;
        goods.offer_id = "1450".to_owned();
        (goods.app_key, goods.push_token, goods.push_aes_key) = (secret(), secret(), secret());
        let pay = &mut config.payment.pay;
        pay.mch_id = "1900000109".to_owned();
        pay.serial_no = "AB12".to_owned();
        (pay.private_key, pay.api_v3_key) = (secret(), secret());
    }

    #[test]
    fn the_embedded_profile_plays_and_production_does_not() {
        assert_eq!(problems(|_| ()), Vec::<String>::new());
        let found = problems(|config| config.server.profile = Profile::Production);
        assert!(found[0].starts_with("payment.url = \"sandbox:\" is play money"), "{found:?}");
        let nothing = problems(|config| {
            config.server.profile = Profile::Production;
            config.payment.url.clear();
        });
        assert_eq!(nothing, Vec::<String>::new());
    }

    #[test]
    fn play_money_does_not_buy_a_real_model_for_everybody() {
        let found = problems(|config| {
            config.http.listen = ([0, 0, 0, 0], 8_000).into();
            config.model.url = "https://api.deepseek.com/v1".to_owned();
        });
        assert!(found[0].contains("everybody who presses a button"), "{found:?}");
    }

    #[test]
    fn whatever_is_missing_of_wechat_is_named() {
        assert_eq!(problems(wechat), Vec::<String>::new());
        let found = problems(|config| WECHAT.clone_into(&mut config.payment.url));
        assert_eq!(found.len(), 2, "{found:?}");
        let found = problems(|config| {
            wechat(config);
            config.payment.virtual_goods.app_key = None;
            config.payment.virtual_goods.push_aes_key = None;
            config.payment.pay.private_key = None;
            config.payment.pay.public_key_id = "PUB_KEY_ID_1".to_owned();
        });
        assert_eq!(
            found,
            [
                "payment.virtual.app_key is not set, but payment.virtual.offer_id is",
                "payment.virtual.push_aes_key is not set, but payment.virtual.offer_id is",
                "payment.pay.private_key is not set, but payment.pay.mch_id is",
                "payment.pay.public_key is not set, but payment.pay.public_key_id is",
            ]
        );
    }

    #[test]
    fn an_address_for_notices_is_https_without_a_path() {
        let is_refused = |url: &str| {
            let found = problems(|config| {
                wechat(config);
                url.clone_into(&mut config.payment.public_url);
            });
            found.iter().any(|problem| problem.starts_with("payment.public_url"))
        };
        for url in ["", "http://a.example", "https://", "https://a.example/x", "https://a.example?x", "学"] {
            assert!(is_refused(url), "{url}");
        }
        assert!(!is_refused("https://a.example:8443"));
    }

    #[test]
    fn an_unknown_provider_is_refused() {
        let found = problems(|config| config.payment.url = "paypal:".to_owned());
        assert_eq!(found, ["payment.url must be sandbox: or wechat:, or empty to sell nothing"]);
    }
}
