//! Rotation, the grace after it, reuse, and the ends of a session by time.

use auth::{AuthError, LoginMethod, LoginOutcome, RefreshGrant};
use futures::future::join_all;
use kernel::PageRequest;
use secrecy::SecretString;
use tests::backends;

use super::fixture::{Front, PASSWORD, home, text};

const EMAIL: &str = "zeng@example.com";
const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn a_refresh_token_is_followed_by_another_each_time() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let mut tokens = front.registered(EMAIL).await.tokens;
    let first = front.caller(&tokens).await.unwrap();
    for _ in 0..5 {
        front.clock.advance_millis(11_000);
        let next = front.refresh(&tokens.refresh_token).await.unwrap();
        assert_ne!(text(&next.refresh_token), text(&tokens.refresh_token));
        assert_ne!(text(&next.token), text(&tokens.token));
        let caller = front.caller(&next).await.unwrap();
        assert_eq!((caller.user_id, caller.session_id), (first.user_id, first.session_id));
        tokens = next;
    }
}

#[tokio::test]
async fn for_ten_seconds_the_token_before_gets_the_same_successor() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let old = front.registered(EMAIL).await.tokens.refresh_token;
    let next = front.refresh(&old).await.unwrap();
    front.clock.advance_millis(10_000);
    let again = front.refresh(&old).await.unwrap();
    assert_eq!(text(&again.refresh_token), text(&next.refresh_token));
    assert!(front.caller(&again).await.is_ok());
}

#[tokio::test]
async fn a_spent_token_ends_the_whole_family_and_is_recorded() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let new = front.registered(EMAIL).await;
    let bystander = front.login(EMAIL, PASSWORD).await.unwrap();
    let next = front.refresh(&new.tokens.refresh_token).await.unwrap();
    front.caller(&next).await.unwrap();
    front.clock.advance_millis(10_001);
    let stolen = front.refresh(&new.tokens.refresh_token).await;
    assert!(matches!(stolen, Err(AuthError::Unauthorized)));
    assert!(matches!(front.caller(&next).await, Err(AuthError::Unauthorized)));
    assert!(matches!(front.caller(&new.tokens).await, Err(AuthError::Unauthorized)));
    assert!(matches!(front.refresh(&next.refresh_token).await, Err(AuthError::Unauthorized)));
    assert!(front.caller(&bystander.tokens).await.is_ok(), "another device goes on");
    let log = front.service.login_logs(new.user.id, PageRequest::new(1, 10, 10)).await.unwrap();
    let record = &log.items[0];
    assert_eq!((record.method, record.outcome), (LoginMethod::Refresh, LoginOutcome::TokenReused));
    assert!(front.refresh(&new.tokens.refresh_token).await.is_err());
    let later = front.service.login_logs(new.user.id, PageRequest::new(1, 10, 10)).await.unwrap();
    assert_eq!(later.total, log.total, "one record for one end");
}

#[tokio::test]
async fn a_token_two_generations_old_is_reuse_even_within_the_grace() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let zero = front.registered(EMAIL).await.tokens.refresh_token;
    let one = front.refresh(&zero).await.unwrap().refresh_token;
    front.refresh(&one).await.unwrap();
    assert!(matches!(front.refresh(&zero).await, Err(AuthError::Unauthorized)));
    assert!(front.refresh(&one).await.is_err(), "the family has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_refreshes_at_once_get_one_successor() {
    for backend in [backends::sqlite().await, backends::postgres().await] {
        let front = Front::on(&backend);
        let second = Front::with(
            &backend.store,
            super::fixture::Plan { clock: front.clock.clone(), ..Default::default() },
        );
        let old = front.registered(EMAIL).await.tokens.refresh_token;
        let answers =
            join_all((0..20).map(|n| if n % 2 == 0 { &front } else { &second }.refresh(&old))).await;
        let successors: Vec<_> = answers.into_iter().map(|pair| text(&pair.unwrap().refresh_token)).collect();
        assert!(successors.iter().all(|token| *token == successors[0]));
        assert_ne!(successors[0], text(&old));
        front.clock.advance_millis(11_000);
        let next = front.refresh(&SecretString::from(successors[0].as_str())).await.unwrap();
        assert_ne!(text(&next.refresh_token), successors[0], "nobody was taken for a thief");
    }
}

#[tokio::test]
async fn an_access_token_alone_rotates_its_own_family() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let tokens = front.registered(EMAIL).await.tokens;
    let caller = front.caller(&tokens).await.unwrap();
    let next = front.service.refresh(RefreshGrant::Session(&caller), &home()).await.unwrap();
    assert_ne!(text(&next.refresh_token), text(&tokens.refresh_token));
    assert_eq!(front.caller(&next).await.unwrap().session_id, caller.session_id);
    let twice = front.service.refresh(RefreshGrant::Session(&caller), &home()).await.unwrap();
    assert_eq!(text(&twice.refresh_token), text(&next.refresh_token), "both answers stay good");
    let by_old = front.refresh(&tokens.refresh_token).await.unwrap();
    assert_eq!(text(&by_old.refresh_token), text(&next.refresh_token));
}

#[tokio::test]
async fn an_access_token_lives_as_long_as_it_says() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let tokens = front.registered(EMAIL).await.tokens;
    assert_eq!(tokens.expires_in_seconds, 900);
    let caller = front.caller(&tokens).await.unwrap();
    assert_eq!(caller.expires_at.millis_since(kernel::Clock::now(front.clock.as_ref())), 900_000);
    front.clock.advance_millis(899_999);
    assert!(front.caller(&tokens).await.is_ok());
    front.clock.advance_millis(1);
    assert!(matches!(front.caller(&tokens).await, Err(AuthError::TokenExpired)), "from the cache");
    let fresh = Front::with(
        &backend.store,
        super::fixture::Plan { clock: front.clock.clone(), ..Default::default() },
    );
    assert!(matches!(fresh.caller(&tokens).await, Err(AuthError::TokenExpired)), "by its signature");
    assert!(front.refresh(&tokens.refresh_token).await.is_ok());
}

#[tokio::test]
async fn a_session_ends_after_thirty_idle_days() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let tokens = front.registered(EMAIL).await.tokens;
    front.clock.advance_millis(30 * DAY_MS - 1);
    let tokens = front.refresh(&tokens.refresh_token).await.unwrap();
    front.clock.advance_millis(30 * DAY_MS);
    assert!(matches!(front.refresh(&tokens.refresh_token).await, Err(AuthError::TokenExpired)));
}

#[tokio::test]
async fn no_session_outlives_sixty_days_and_no_access_token_its_session() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let mut tokens = front.registered(EMAIL).await.tokens;
    for _ in 0..3 {
        front.clock.advance_millis(20 * DAY_MS - 30_000);
        tokens = front.refresh(&tokens.refresh_token).await.unwrap();
    }
    assert_eq!(tokens.expires_in_seconds, 90, "the session's last seconds");
    front.clock.advance_millis(90_000);
    assert!(front.caller(&tokens).await.is_err());
    assert!(matches!(front.refresh(&tokens.refresh_token).await, Err(AuthError::TokenExpired)));
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_ends_nothing() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let tokens = front.registered(EMAIL).await.tokens;
    let access = text(&tokens.token);
    for wrong in ["", "jxr1.", "x", access.as_str(), &"A".repeat(10_000)] {
        assert!(matches!(front.refresh(&SecretString::from(wrong)).await, Err(AuthError::Unauthorized)));
    }
    let as_access = front.service.authenticate(&text(&tokens.refresh_token)).await;
    assert!(matches!(as_access, Err(AuthError::Unauthorized)));
    assert!(front.refresh(&tokens.refresh_token).await.is_ok());
}
