//! `code2session` over HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::ports::{IdentityOutcome, IdentityProvider};
use kernel::{Clock, PortError};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};

use crate::code2session::{Meaning, SYSTEM, read};

/// A busy WeChat is asked again so often at most.
const RETRIES_MAX: u32 = 2;
const BACKOFF_MS: i64 = 300;
/// A reply has about 200 bytes.
const REPLY_BYTES_MAX: usize = 16 * 1_024;

/// How WeChat is reached.
pub struct WechatSettings {
    /// The mini-program's AppID.
    pub app_id: String,
    /// Its secret.
    pub app_secret: SecretString,
    /// `https://api.weixin.qq.com`, without a slash at the end.
    pub base_url: String,
    /// Of one call, connecting included.
    pub timeout: Duration,
    /// Whether the environment's proxies are passed over.
    pub no_proxy: bool,
}

impl WechatSettings {
    /// Tencent's host with a timeout of five seconds.
    pub fn new(app_id: String, app_secret: SecretString) -> Self {
        Self {
            app_id,
            app_secret,
            base_url: "https://api.weixin.qq.com".to_owned(),
            timeout: Duration::from_secs(5),
            no_proxy: false,
        }
    }
}

/// Sign-in of mini-programs.
pub struct WechatLogin {
    client: Client,
    settings: WechatSettings,
    clock: Arc<dyn Clock>,
}

impl WechatLogin {
    /// A client of one mini-program; the clock times the pauses between retries.
    pub fn new(settings: WechatSettings, clock: Arc<dyn Clock>) -> Result<Self, PortError> {
        let mut client = Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if settings.no_proxy {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| PortError::rejected(SYSTEM, error.without_url()))?;
        Ok(Self { client, settings, clock })
    }

    async fn ask(&self, code: &str) -> Result<Meaning, PortError> {
        let url = format!("{}/sns/jscode2session", self.settings.base_url.trim_end_matches('/'));
        let query = [
            ("appid", self.settings.app_id.as_str()),
            ("secret", self.settings.app_secret.expose_secret()),
            ("js_code", code),
            ("grant_type", "authorization_code"),
        ];
        // The URL carries the secret, so that no error may carry the URL.
        let failed = |error: reqwest::Error| PortError::unavailable(SYSTEM, error.without_url());
        let mut response = self.client.get(url).query(&query).send().await.map_err(failed)?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(PortError::unavailable(SYSTEM, format!("code2session answered HTTP {status}")));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(PortError::unavailable(SYSTEM, "a reply of code2session beyond 16 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        read(&self.settings.app_id, &body)
    }
}

#[async_trait]
impl IdentityProvider for WechatLogin {
    async fn redeem(&self, code: &str) -> Result<IdentityOutcome, PortError> {
        let mut pause_ms = BACKOFF_MS;
        for _retry in 0..RETRIES_MAX {
            match self.ask(code).await? {
                Meaning::Outcome(outcome) => return Ok(outcome),
                Meaning::Busy => {
                    self.clock.sleep_until(self.clock.now().plus_millis(pause_ms)).await;
                    pause_ms *= 2;
                }
            }
        }
        match self.ask(code).await? {
            Meaning::Outcome(outcome) => Ok(outcome),
            Meaning::Busy => {
                Err(PortError::unavailable(SYSTEM, "WeChat is busy (-1), also after two retries"))
            }
        }
    }
}
