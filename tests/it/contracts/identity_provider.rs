//! Sign-in by a platform's code: WeChat's own protocol against a fake of its server, and the stand-in for
//! development.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_memory::DevIdentity;
use adapter_wechat::{WechatLogin, WechatSettings};
use auth::ports::{IdentityOutcome, IdentityProvider};
use kernel::{Clock, ManualClock, PortError};
use secrecy::{ExposeSecret, SecretString};
use tests::contract::identity_provider as suite;
use tests::contract::people::START;
use tests::fakes::wechat::{APP_ID, APP_SECRET, FakeWechat};

fn settings(base_url: &str) -> WechatSettings {
    WechatSettings {
        base_url: base_url.to_owned(),
        timeout: Duration::from_millis(500),
        no_proxy: true,
        ..WechatSettings::new(APP_ID.to_owned(), SecretString::from(APP_SECRET))
    }
}

fn login(settings: WechatSettings) -> WechatLogin {
    WechatLogin::new(settings, Arc::new(ManualClock::at(START))).unwrap()
}

fn cause(error: &PortError) -> String {
    format!("{error}: {}", std::error::Error::source(error).expect("a cause"))
}

#[tokio::test]
async fn wechat_codes_prove_people() {
    let fake = FakeWechat::start();
    let provider = login(settings(fake.url()));
    suite::a_code_proves_one_person(&provider, ["ok-kong-1", "ok-kong-2", "ok-meng-1"]).await;
    suite::a_code_of_nobody_proves_nothing(&provider, "never-issued").await;
}

#[tokio::test]
async fn development_codes_prove_people() {
    suite::a_code_proves_one_person(&DevIdentity, ["kong", "kong", "meng"]).await;
    suite::a_code_of_nobody_proves_nothing(&DevIdentity, "invalid").await;
}

#[tokio::test]
async fn a_proof_carries_all_that_wechat_says() {
    let fake = FakeWechat::start();
    let outcome = login(settings(fake.url())).redeem("ok-kong-1").await.unwrap();
    let IdentityOutcome::Proved(identity) = outcome else { panic!("{outcome:?}") };
    assert_eq!(identity.key.provider, "wechat");
    assert_eq!(identity.key.app_id, APP_ID);
    assert_eq!(identity.key.subject, "openid-kong");
    assert_eq!(identity.union_id.unwrap().expose_secret(), "union-kong");
    assert_eq!(identity.session_key.unwrap().expose_secret(), "session-key-of-kong==");
}

#[tokio::test]
async fn a_replayed_code_is_refused() {
    let fake = FakeWechat::start();
    let provider = login(settings(fake.url()));
    assert!(matches!(provider.redeem("ok-kong-1").await, Ok(IdentityOutcome::Proved(_))));
    assert!(matches!(provider.redeem("ok-kong-1").await, Ok(IdentityOutcome::InvalidCode)));
}

#[tokio::test]
async fn every_documented_error_is_a_word_of_ours() {
    let fake = FakeWechat::start();
    let provider = login(settings(fake.url()));
    assert!(matches!(provider.redeem("error-40029").await, Ok(IdentityOutcome::InvalidCode)));
    assert!(matches!(provider.redeem("error-40163").await, Ok(IdentityOutcome::InvalidCode)));
    assert!(matches!(provider.redeem("error-40226").await, Ok(IdentityOutcome::Blocked)));
    let limited = provider.redeem("error-45011").await;
    assert!(matches!(limited, Ok(IdentityOutcome::RateLimited { retry_after_ms: 60_000 })));
    for code in ["error-40013", "error-40125", "error-41002", "error-41004", "error-41008", "error-1"] {
        let outcome = provider.redeem(code).await;
        assert!(matches!(outcome, Err(PortError::Rejected { .. })), "{code}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_wrong_appid_or_secret_is_a_misconfiguration_and_says_which() {
    let fake = FakeWechat::start();
    let wrong_id = WechatSettings { app_id: "wx-other".to_owned(), ..settings(fake.url()) };
    let error = login(wrong_id).redeem("ok-kong-1").await.unwrap_err();
    assert!(cause(&error).contains("wechat.app_id"), "{}", cause(&error));
    let wrong_secret =
        WechatSettings { app_secret: SecretString::from("wrong-secret"), ..settings(fake.url()) };
    let error = login(wrong_secret).redeem("ok-kong-1").await.unwrap_err();
    assert!(cause(&error).contains("wechat.app_secret"), "{}", cause(&error));
    assert!(!cause(&error).contains("wrong-secret"));
}

/// Moves the clock whenever somebody sleeps, until the future is done.
async fn with_time_passing<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(Duration::from_millis(5), &mut work).await {
            Ok(done) => return done,
            Err(_) if clock.sleeper_count() > 0 => clock.advance_millis(10_000),
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn a_busy_wechat_is_asked_again_twice_at_most() {
    let fake = FakeWechat::start();
    let clock = Arc::new(ManualClock::at(START));
    let provider = WechatLogin::new(settings(fake.url()), clock.clone()).unwrap();
    let outcome = with_time_passing(&clock, provider.redeem("busy-2-kong-1")).await;
    assert!(matches!(outcome, Ok(IdentityOutcome::Proved(_))));
    assert!(clock.now() > START);
    let outcome = with_time_passing(&clock, provider.redeem("minus")).await;
    assert!(matches!(outcome, Err(PortError::Unavailable { .. })));
    assert_eq!(fake.asked("minus"), 3);
}

#[tokio::test]
async fn a_wechat_that_is_slow_garbled_or_away_is_unavailable_and_quotes_nothing() {
    let fake = FakeWechat::start();
    let provider = login(settings(fake.url()));
    for code in ["slow", "garbage", "empty", "huge", "http-500"] {
        let began = Instant::now();
        let error = provider.redeem(code).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{code}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{code}");
        let said = format!("{error:?} {}", cause(&error));
        assert!(!said.contains(APP_SECRET) && !said.contains("js_code"), "{said}");
    }
    // Port 1 of loopback: nothing listens there.
    let error = login(settings("http://127.0.0.1:1")).redeem("ok-kong-1").await.unwrap_err();
    let said = format!("{error:?} {}", cause(&error));
    assert!(matches!(error, PortError::Unavailable { .. }));
    assert!(!said.contains(APP_SECRET) && !said.contains("ok-kong"), "{said}");
}

#[tokio::test]
async fn a_code_with_signs_of_urls_in_it_stays_a_code() {
    let fake = FakeWechat::start();
    let provider = login(settings(fake.url()));
    for code in ["x&appid=other", "a b", "学", "x#y", "../../x", "x\r\ny"] {
        assert!(matches!(provider.redeem(code).await, Ok(IdentityOutcome::InvalidCode)), "{code}");
        assert_eq!(fake.asked(code), 1, "{code}");
    }
}
