//! Everything behind auth: passwords, keys, and WeChat.

use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{AesSealer, BcryptHasher, BcryptSettings, EddsaSigner, KeyRing, TokenNames};
use adapter_memory::DevIdentity;
use adapter_wechat::{WechatLogin, WechatSettings};
use anyhow::Context;
use auth::ports::IdentityProvider;
use auth::{AuthLimits, AuthParts, AuthSecret, AuthService, AuthSettings, CachedUserStore};
use kernel::{Clock, Ids};

use super::{Bus, Foundation, Stores};
use crate::config::Config;
use crate::secrets::Secrets;

/// Profiles remembered for up to five seconds.
const PROFILES_MAX: usize = 20_000;

/// Auth on these stores and this bus.
pub(super) fn service(
    config: &Config,
    on: &Foundation,
    ids: &Arc<Ids>,
    secrets: Secrets,
    stores: &Stores,
    bus: &Bus,
) -> anyhow::Result<AuthService> {
    let seconds = |seconds: u32| i64::from(seconds);
    let users = CachedUserStore::new(stores.users(), Arc::clone(&on.clock), PROFILES_MAX);
    let ring = KeyRing::from_seeds(
        &secrets.signing_key,
        secrets.next_signing_key.as_ref(),
        &secrets.previous_signing_keys,
    )
    .context("the signing keys of [auth]")?;
    let names = TokenNames { issuer: config.auth.issuer.clone(), audience: config.auth.audience.clone() };
    let parts = AuthParts {
        users: Arc::new(users),
        sessions: stores.sessions(),
        login_log: stores.login_log(),
        identity_provider: identity_provider(config, &on.clock)?,
        hasher: Arc::new(BcryptHasher::new(secrets.password_pepper, &hashing(config))),
        signer: Arc::new(EddsaSigner::new(ring, names)),
        sealer: Arc::new(AesSealer::new(&secrets.encryption_key, &secrets.previous_encryption_keys)?),
        limiter: Arc::clone(&bus.limiter),
        feed: Arc::clone(&bus.feed),
        clock: Arc::clone(&on.clock),
        ids: Arc::clone(ids),
        entropy: Arc::clone(&on.entropy),
        tasks: Arc::clone(&on.lasting_tasks),
    };
    let settings = AuthSettings {
        access_seconds: seconds(config.auth.access_seconds),
        wechat_access_seconds: seconds(config.auth.wechat_access_seconds),
        idle_seconds: seconds(config.auth.idle_seconds),
        family_seconds: seconds(config.auth.family_seconds),
        login_log_seconds: seconds(config.auth.login_log_seconds),
        limits: AuthLimits {
            login_failures_per_five_minutes: config.limits.login_failures_per_five_minutes,
            login_failures_per_ip: config.limits.login_failures_per_ip,
            registrations_per_hour: config.limits.registrations_per_hour,
        },
        ..AuthSettings::new(AuthSecret::new(secrets.refresh_secret))
    };
    Ok(AuthService::new(parts, settings))
}

/// WeChat where it is set up; else made-up identities where the profile allows them; else none.
fn identity_provider(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Arc<dyn IdentityProvider>>> {
    if config.is_wechat_dev() {
        return Ok(Some(Arc::new(DevIdentity)));
    }
    let Some(app_secret) = config.wechat.app_secret.clone().filter(|_| !config.wechat.app_id.is_empty())
    else {
        return Ok(None);
    };
    let settings = WechatSettings {
        base_url: config.wechat.base_url.clone(),
        timeout: Duration::from_millis(u64::from(config.wechat.timeout_ms)),
        ..WechatSettings::new(config.wechat.app_id.clone(), app_secret)
    };
    Ok(Some(Arc::new(WechatLogin::new(settings, Arc::clone(clock))?)))
}

fn hashing(config: &Config) -> BcryptSettings {
    let machine = BcryptSettings::for_this_machine(config.auth.bcrypt_cost);
    match config.auth.hash_threads {
        0 => machine,
        workers => BcryptSettings { workers, ..machine },
    }
}
