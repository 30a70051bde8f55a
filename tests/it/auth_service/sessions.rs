//! The end of sessions: here at once, elsewhere by the news or within a minute.

use std::sync::Arc;

use adapter_memory::MemoryRevocationFeed;
use auth::AuthError;
use tests::backends;

use super::fixture::{Front, PASSWORD, Plan, home};

const EMAIL: &str = "zeng@example.com";

#[tokio::test]
async fn after_logout_the_session_s_tokens_are_worth_nothing_at_once() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let first = front.registered(EMAIL).await.tokens;
    let second = front.login(EMAIL, PASSWORD).await.unwrap().tokens;
    let caller = front.caller(&first).await.unwrap();
    front.service.logout(&caller, &home()).await.unwrap();
    assert!(matches!(front.caller(&first).await, Err(AuthError::Unauthorized)));
    assert!(matches!(front.refresh(&first.refresh_token).await, Err(AuthError::Unauthorized)));
    assert!(front.caller(&second).await.is_ok());
    front.service.logout(&caller, &home()).await.unwrap();
}

/// Two processes on one database and clock; whether they hear of each other depends on the feeds.
fn two(backend: &backends::Backend, same_feed: bool) -> (Front, Front) {
    let near = Plan::default();
    let far = if same_feed {
        near.clone()
    } else {
        Plan { feed: Arc::new(MemoryRevocationFeed::new(1)), ..near.clone() }
    };
    (Front::with(&backend.store, near), Front::with(&backend.store, far))
}

#[tokio::test]
async fn another_instance_hears_of_a_logout() {
    let backend = backends::sqlite().await;
    let (near, far) = two(&backend, true);
    far.service.start();
    tokio::task::yield_now().await;
    let tokens = near.registered(EMAIL).await.tokens;
    let caller = far.caller(&tokens).await.unwrap();
    near.service.logout(&caller, &home()).await.unwrap();
    let mut looks = 0;
    while far.caller(&tokens).await.is_ok() {
        looks += 1;
        assert!(looks < 10_000, "the news never came");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_news_another_instance_asks_the_store_within_a_minute() {
    let backend = backends::sqlite().await;
    let (near, far) = two(&backend, false);
    let tokens = near.registered(EMAIL).await.tokens;
    let caller = far.caller(&tokens).await.unwrap();
    near.service.logout(&caller, &home()).await.unwrap();
    near.clock.advance_millis(39_999);
    assert!(far.caller(&tokens).await.is_ok(), "a token's session is not asked for at each use");
    near.clock.advance_millis(1);
    assert!(matches!(far.caller(&tokens).await, Err(AuthError::Unauthorized)));
    assert!(matches!(far.refresh(&tokens.refresh_token).await, Err(AuthError::Unauthorized)));
}

#[tokio::test]
async fn a_stopped_service_listens_no_more() {
    let backend = backends::sqlite().await;
    let (near, far) = two(&backend, true);
    far.service.start();
    far.service.stop();
    tokio::task::yield_now().await;
    let tokens = near.registered(EMAIL).await.tokens;
    let caller = far.caller(&tokens).await.unwrap();
    near.service.logout(&caller, &home()).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(far.caller(&tokens).await.is_ok(), "only the minute helps now");
}

#[tokio::test]
async fn one_s_own_sessions_are_listed_and_ended_one_by_one() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let first = front.registered(EMAIL).await;
    front.clock.advance_millis(1_000);
    let second = front.login(EMAIL, PASSWORD).await.unwrap();
    let caller = front.caller(&first.tokens).await.unwrap();
    let other = front.caller(&second.tokens).await.unwrap();
    let listed = front.service.own_sessions(first.user.id).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|session| session.id).collect();
    assert_eq!(ids, [other.session_id, caller.session_id]);
    assert_eq!(listed[0].ip, home().ip);
    front.service.revoke_session(&caller, other.session_id).await.unwrap();
    assert!(matches!(front.caller(&second.tokens).await, Err(AuthError::Unauthorized)));
    let again = front.service.revoke_session(&caller, other.session_id).await;
    assert!(matches!(again, Err(AuthError::NotFound)));
    assert_eq!(front.service.own_sessions(first.user.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_person_s_session_is_not_found_and_goes_on() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let mine = front.registered(EMAIL).await.tokens;
    let theirs = front.registered("meng@example.com").await.tokens;
    let (me, them) = (front.caller(&mine).await.unwrap(), front.caller(&theirs).await.unwrap());
    let refused = front.service.revoke_session(&me, them.session_id).await;
    assert!(matches!(refused, Err(AuthError::NotFound)));
    assert!(front.caller(&theirs).await.is_ok());
}

#[tokio::test]
async fn a_token_of_a_session_that_never_was_is_refused() {
    let backend = backends::sqlite().await;
    let elsewhere = backends::sqlite().await;
    let tokens = Front::on(&elsewhere).registered(EMAIL).await.tokens;
    assert!(matches!(Front::on(&backend).caller(&tokens).await, Err(AuthError::Unauthorized)));
}

#[tokio::test]
async fn a_text_too_long_for_a_token_is_refused() {
    let backend = backends::sqlite().await;
    let outcome = Front::on(&backend).service.authenticate(&"a".repeat(1 << 20)).await;
    assert!(matches!(outcome, Err(AuthError::Unauthorized)));
}
