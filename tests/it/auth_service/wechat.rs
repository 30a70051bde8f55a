//! Sign-in of mini-programs, against a fake of WeChat's server.

use std::sync::Arc;
use std::time::Duration;

use adapter_memory::DevIdentity;
use adapter_wechat::{WechatLogin, WechatSettings};
use auth::ports::IdentityProvider;
use auth::{
    AuthError, AuthLimits, FieldError, IdentityKey, LoginMethod, LoginOutcome, Role, SignedIn, Standing,
    WechatProfile,
};
use futures::future::join_all;
use kernel::{PageRequest, PortError};
use sea_orm::{FromQueryResult, JsonValue, Statement};
use secrecy::{ExposeSecret, SecretString};
use tests::backends::{self, Backend};
use tests::fakes::wechat::{APP_ID, APP_SECRET, FakeWechat};

use super::fixture::{Front, Plan, home};

struct Stage {
    front: Front,
    backend: Backend,
    fake: FakeWechat,
}

fn stage(backend: Backend) -> Stage {
    let fake = FakeWechat::start();
    let settings = WechatSettings {
        base_url: fake.url().to_owned(),
        timeout: Duration::from_secs(2),
        no_proxy: true,
        ..WechatSettings::new(APP_ID.to_owned(), SecretString::from(APP_SECRET))
    };
    let plan = Plan::default();
    let provider = WechatLogin::new(settings, plan.clock.clone()).unwrap();
    let front = Front::with(&backend.store, Plan { provider: Some(Arc::new(provider)), ..plan });
    Stage { front, backend, fake }
}

async fn login(front: &Front, code: &str) -> Result<SignedIn, AuthError> {
    front.service.wechat_login(code, WechatProfile::default(), &home()).await
}

fn kong() -> IdentityKey {
    IdentityKey { provider: "wechat".into(), app_id: APP_ID.into(), subject: "openid-kong".into() }
}

#[tokio::test]
async fn the_first_sign_in_makes_the_user_and_the_second_finds_it() {
    let Stage { front, fake: _fake, backend: _backend } = stage(backends::sqlite().await);
    let profile = WechatProfile {
        nick_name: Some("仲尼".to_owned()),
        gender: Some(1),
        city: Some("曲阜".to_owned()),
        ..WechatProfile::default()
    };
    let first = front.service.wechat_login("ok-kong-1", profile, &home()).await.unwrap();
    assert!(first.is_new_user);
    assert_eq!((first.user.nick_name.as_str(), first.user.openid.as_deref()), ("仲尼", Some("openid-kong")));
    assert_eq!(first.tokens.expires_in_seconds, 7_200);
    assert_eq!(front.service.profile(first.user.id).await.unwrap(), first.user);
    front.clock.advance_millis(1_000);
    let change = WechatProfile { city: Some("陬邑".to_owned()), ..WechatProfile::default() };
    let second = front.service.wechat_login("ok-kong-2", change, &home()).await.unwrap();
    assert!(!second.is_new_user);
    assert_eq!(second.user.id, first.user.id);
    assert_eq!((second.user.nick_name.as_str(), second.user.city.as_str()), ("仲尼", "陬邑"));
    assert_eq!(front.service.profile(first.user.id).await.unwrap(), second.user);
    let refreshed = front.refresh(&second.tokens.refresh_token).await.unwrap();
    assert_eq!(refreshed.expires_in_seconds, 7_200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_who_comes_twelve_times_at_once_is_one_user() {
    for backend in [backends::sqlite().await, backends::postgres().await] {
        let Stage { front, fake: _fake, backend: _backend } = stage(backend);
        let codes: Vec<_> = (0..12).map(|n| format!("ok-kong-{n}")).collect();
        let answers = join_all(codes.iter().map(|code| login(&front, code))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_new_user).count(), 1);
        assert!(answers.iter().all(|answer| answer.user.id == answers[0].user.id));
    }
}

#[tokio::test]
async fn the_session_key_is_kept_sealed_and_the_newest_opens() {
    let Stage { front, backend, fake: _fake } = stage(backends::sqlite().await);
    login(&front, "ok-kong-1").await.unwrap();
    login(&front, "ok-kong-2").await.unwrap();
    let key = front.service.provider_session_key(&kong()).await.unwrap().unwrap();
    assert_eq!(key.expose_secret(), "session-key-of-kong==");
    let db = backend.store.reader();
    let statement = Statement::from_string(db.get_database_backend(), "SELECT session_key FROM identities");
    let rows = JsonValue::find_by_statement(statement).all(db).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["session_key"].is_string());
    assert!(!rows[0]["session_key"].to_string().contains("session-key-of-kong"));
}

#[tokio::test]
async fn each_refusal_of_wechat_is_one_of_ours() {
    let Stage { front, fake: _fake, backend: _backend } = stage(backends::sqlite().await);
    assert!(matches!(login(&front, "error-40029").await, Err(AuthError::InvalidCredentials)));
    login(&front, "ok-kong-1").await.unwrap();
    assert!(
        matches!(login(&front, "ok-kong-1").await, Err(AuthError::InvalidCredentials)),
        "a replayed code"
    );
    assert!(matches!(login(&front, "error-40226").await, Err(AuthError::Forbidden)));
    let limited = login(&front, "error-45011").await;
    assert!(matches!(limited, Err(AuthError::RateLimited { retry_after_ms: 60_000, limit: None })));
    for code in [40013, 40125, 40164, 41002, 41004, 41008] {
        let misconfigured = login(&front, &format!("error-{code}")).await;
        assert!(matches!(misconfigured, Err(AuthError::IdentityUnavailable)), "{code}");
    }
    let garbled = login(&front, "garbage").await;
    assert!(matches!(garbled, Err(AuthError::Port(PortError::Unavailable { .. }))));
}

#[tokio::test]
async fn wrong_fields_are_refused_before_the_code_is_spent() {
    let Stage { front, fake, backend: _backend } = stage(backends::sqlite().await);
    let profile = WechatProfile { avatar_url: Some("javascript:x".to_owned()), ..WechatProfile::default() };
    let refused = front.service.wechat_login("ok-kong-1", profile, &home()).await;
    assert!(matches!(refused, Err(AuthError::Invalid(_))));
    assert_eq!(fake.asked("ok-kong-1"), 0);
    for code in ["", "  ", "a\0b", &"x".repeat(129)] {
        assert!(matches!(login(&front, code).await, Err(AuthError::Invalid(_))), "{code:?}");
    }
}

#[tokio::test]
async fn an_address_that_guesses_codes_is_stopped() {
    let Stage { front, fake, backend: _backend } = stage(backends::sqlite().await);
    for n in 0..50 {
        let outcome = login(&front, &format!("guess-{n}")).await;
        assert!(matches!(outcome, Err(AuthError::InvalidCredentials)));
    }
    assert!(matches!(login(&front, "ok-kong-1").await, Err(AuthError::RateLimited { .. })));
    assert_eq!(fake.asked("ok-kong-1"), 0);
}

#[tokio::test]
async fn first_sign_ins_count_as_registrations_of_their_address() {
    let backend = backends::sqlite().await;
    let limits = AuthLimits { registrations_per_hour: 2, ..AuthLimits::default() };
    let provider: Option<Arc<dyn IdentityProvider>> = Some(Arc::new(DevIdentity));
    let front = Front::with(&backend.store, Plan { limits, provider, ..Plan::default() });
    front.registered("zeng@example.com").await;
    assert!(login(&front, "kong").await.unwrap().is_new_user);
    let refused = login(&front, "meng").await;
    assert!(matches!(refused, Err(AuthError::RateLimited { retry_after_ms: 3_600_000, .. })), "{refused:?}");
    assert!(!login(&front, "kong").await.unwrap().is_new_user, "who is known comes in");
    front.clock.advance_millis(3_600_000);
    assert!(login(&front, "meng").await.unwrap().is_new_user);
}

#[tokio::test]
async fn a_disabled_user_does_not_come_in_through_wechat() {
    let Stage { front, fake: _fake, backend: _backend } = stage(backends::sqlite().await);
    let user = login(&front, "ok-kong-1").await.unwrap().user;
    front.service.set_standing(user.id, Standing { role: Role::User, disabled: true }).await.unwrap();
    assert!(matches!(login(&front, "ok-kong-2").await, Err(AuthError::Forbidden)));
    let log = front.service.login_logs(user.id, PageRequest::new(1, 1, 1)).await.unwrap();
    assert_eq!((log.items[0].method, log.items[0].outcome), (LoginMethod::Wechat, LoginOutcome::Disabled));
}

#[tokio::test]
async fn a_user_without_a_password_cannot_change_it() {
    let Stage { front, fake: _fake, backend: _backend } = stage(backends::sqlite().await);
    let tokens = login(&front, "ok-kong-1").await.unwrap().tokens;
    let caller = front.caller(&tokens).await.unwrap();
    let change = front.service.change_password(&caller, "old".into(), "a new password".into(), &home()).await;
    let Err(AuthError::Invalid(fields)) = change else { panic!("{change:?}") };
    assert_eq!(fields, [FieldError::new("oldPassword", "not_set")]);
}

#[tokio::test]
async fn without_wechat_the_stand_in_knows_people_by_their_codes() {
    let backend = backends::sqlite().await;
    let front =
        Front::with(&backend.store, Plan { provider: Some(Arc::new(DevIdentity)), ..Plan::default() });
    let first = login(&front, "kong").await.unwrap();
    let again = login(&front, "kong").await.unwrap();
    assert_eq!((first.is_new_user, again.is_new_user), (true, false));
    assert_eq!(first.user.id, again.user.id);
    let nothing = Front::on(&backend);
    assert!(matches!(login(&nothing, "kong").await, Err(AuthError::IdentityUnavailable)));
}
