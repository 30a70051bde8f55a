//! The access token of a mini-program (`stable_token`): asked for by one caller for all, kept until it is about to end.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kernel::{Clock, Entropy, PortError, Timestamp};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::wire::{Endpoint, Wire};

const SYSTEM: &str = "wechat token";
/// Old and new token both work in the last five minutes, so that this is when the new one is fetched.
const OVERLAP_SECONDS: i64 = 300;
/// Instances do not fetch at the same moment.
const JITTER_SECONDS: i64 = 60;

/// Which mini-program, and how its token is asked for.
pub struct TokenSettings {
    /// The AppID.
    pub app_id: String,
    /// Its secret.
    pub app_secret: SecretString,
    /// `https://api.weixin.qq.com`.
    pub endpoint: Endpoint,
}

/// The token of one mini-program.
pub struct AccessTokens {
    source: Arc<Source>,
    state: Mutex<State>,
}

/// A token, and when it is replaced.
pub(crate) struct Token {
    pub(crate) text: SecretString,
    refresh_at: Timestamp,
}

type Fetch = Shared<BoxFuture<'static, Result<Arc<Token>, Arc<PortError>>>>;

#[derive(Default)]
struct State {
    current: Option<Arc<Token>>,
    fetching: Option<Fetch>,
}

struct Source {
    wire: Wire,
    app_id: String,
    app_secret: SecretString,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    errcode: i64,
    access_token: Option<SecretString>,
    #[serde(default)]
    expires_in: i64,
}

impl AccessTokens {
    /// Fetches nothing yet.
    pub fn new(
        settings: TokenSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, PortError> {
        let TokenSettings { app_id, app_secret, endpoint } = settings;
        let wire = Wire::new(SYSTEM, &endpoint)?;
        let source = Arc::new(Source { wire, app_id, app_secret, clock, entropy });
        Ok(Self { source, state: Mutex::default() })
    }

    /// The token in force. Callers that come while one is being fetched wait for that one.
    pub(crate) async fn current(&self) -> Result<Arc<Token>, PortError> {
        let now = self.source.clock.now();
        let fetch = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = state.current.as_ref().filter(|token| now < token.refresh_at) {
                return Ok(Arc::clone(token));
            }
            let source = Arc::clone(&self.source);
            let begin =
                || async move { source.fetch().await.map(Arc::new).map_err(Arc::new) }.boxed().shared();
            state.fetching.get_or_insert_with(begin).clone()
        };
        let fetched = fetch.clone().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.fetching.as_ref().is_some_and(|running| running.ptr_eq(&fetch)) {
            state.fetching = None;
            if let Ok(token) = &fetched {
                state.current = Some(Arc::clone(token));
            }
        }
        fetched.map_err(|error| again(&error))
    }

    /// Another one than a token that WeChat refused, asked for once and in the normal mode.
    pub(crate) async fn instead_of(&self, refused: &Arc<Token>) -> Result<Arc<Token>, PortError> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, refused)) {
                state.current = None;
            }
        }
        self.current().await
    }
}

/// The same failure for each of the callers that waited for it.
fn again(error: &Arc<PortError>) -> PortError {
    let cause = std::error::Error::source(error.as_ref()).map_or_else(String::new, ToString::to_string);
    match error.as_ref() {
        PortError::Unavailable { system, .. } => PortError::unavailable(system, cause),
        PortError::Full { system, .. } => PortError::full(system, cause),
        PortError::Corrupt { system, .. } => PortError::corrupt(system, cause),
        PortError::Rejected { system, .. } => PortError::rejected(system, cause),
    }
}

impl Source {
    async fn fetch(&self) -> Result<Token, PortError> {
        let body = serde_json::json!({
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.app_secret.expose_secret(),
            "force_refresh": false,
        });
        let request = self.wire.request(Method::POST, "/cgi-bin/stable_token").json(&body);
        let reply = self.wire.send(request).await?;
        if reply.status != 200 {
            return Err(PortError::unavailable(
                SYSTEM,
                format!("stable_token answered HTTP {}", reply.status),
            ));
        }
        // The parser's own message may quote the body, and with it the token.
        let Ok(answer) = serde_json::from_slice::<Answer>(&reply.body) else {
            return Err(PortError::unavailable(SYSTEM, "an answer of stable_token that is not its JSON"));
        };
        match answer {
            Answer { errcode: 0, access_token: Some(text), expires_in } => {
                let seconds =
                    expires_in.saturating_sub(OVERLAP_SECONDS).saturating_sub(self.jitter_seconds());
                Ok(Token { text, refresh_at: self.clock.now().plus_seconds(seconds.max(1)) })
            }
            Answer { errcode: 0, access_token: None, .. } => {
                Err(PortError::corrupt(SYSTEM, "an answer of stable_token without a token"))
            }
            Answer { errcode: -1 | 45_009 | 45_011, .. } => {
                Err(PortError::unavailable(SYSTEM, format!("stable_token error {}", answer.errcode)))
            }
            Answer { errcode, .. } => Err(PortError::rejected(
                SYSTEM,
                format!(
                    "stable_token error {errcode}: look at wechat.app_id, wechat.app_secret and the list of addresses"
                ),
            )),
        }
    }

    fn jitter_seconds(&self) -> i64 {
        let mut byte = [0_u8; 1];
        self.entropy.fill(&mut byte);
        let [byte] = byte;
        i64::from(byte) * JITTER_SECONDS / 256
    }
}
