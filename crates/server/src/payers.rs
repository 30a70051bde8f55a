//! Who pays, by auth: the WeChat identity and the newest session key of a person.

use std::sync::Arc;

use async_trait::async_trait;
use auth::{AuthError, AuthService, IdentityKey};
use billing::Payers;
use billing::payment::WechatPayer;
use kernel::{PortError, Timestamp, UserId};

use crate::config::Config;

/// As the WeChat login names its identities.
const PROVIDER: &str = "wechat";

/// [`Payers`] by auth.
pub struct AuthPayers {
    auth: Arc<AuthService>,
    app_id: String,
}

impl AuthPayers {
    /// People of the configured mini-program.
    pub fn new(auth: Arc<AuthService>, config: &Config) -> Self {
        Self { auth, app_id: config.wechat.app_id.clone() }
    }
}

#[async_trait]
impl Payers for AuthPayers {
    async fn wechat(&self, user: UserId, _now: Timestamp) -> Result<Option<WechatPayer>, PortError> {
        if self.app_id.is_empty() {
            return Ok(None);
        }
        let Some(openid) = self.openid(user).await? else { return Ok(None) };
        let (provider, app_id) = (PROVIDER.to_owned(), self.app_id.clone());
        let key = IdentityKey { provider, app_id, subject: openid.clone() };
        let session_key = self.auth.provider_session_key(&key).await.map_err(failure)?;
        Ok(Some(WechatPayer { openid: openid.into(), session_key }))
    }
}

impl AuthPayers {
    async fn openid(&self, user: UserId) -> Result<Option<String>, PortError> {
        match self.auth.profile(user).await {
            Ok(profile) => Ok(profile.openid),
            // An account that was deleted has no identity, and its orders go on.
            Err(AuthError::NotFound) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }
}

fn failure(error: AuthError) -> PortError {
    match error {
        AuthError::Port(error) => error,
        error @ (AuthError::Invalid(_)
        | AuthError::InvalidCredentials
        | AuthError::EmailTaken
        | AuthError::Unauthorized
        | AuthError::TokenExpired
        | AuthError::Forbidden
        | AuthError::RateLimited { .. }
        | AuthError::IdentityUnavailable
        | AuthError::NotFound) => PortError::rejected("auth", error),
    }
}
