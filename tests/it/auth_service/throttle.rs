//! Guessing: refused after ten failures, slowed down before, and never a way to lock others out.

use auth::{AuthError, AuthLimits, LoginOutcome, RateRule, Role, Standing};
use futures::future::join_all;
use kernel::PageRequest;
use sea_orm::{ConnectionTrait, Statement};
use tests::backends::{self, Backend};

use super::fixture::{Front, PASSWORD, Plan, from, home};

const EMAIL: &str = "zeng@example.com";

async fn fail(front: &Front, times: u32) {
    for _ in 0..times {
        let outcome = front.login(EMAIL, "a wrong guess").await;
        assert!(matches!(outcome, Err(AuthError::InvalidCredentials)), "{outcome:?}");
    }
}

fn retry_after(outcome: Result<auth::SignedIn, AuthError>) -> i64 {
    match outcome {
        Err(AuthError::RateLimited { retry_after_ms, .. }) => retry_after_ms,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn after_ten_failures_even_the_right_password_waits_out_the_window() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let user = front.registered(EMAIL).await.user;
    fail(&front, 10).await;
    let wait = retry_after(front.login(EMAIL, PASSWORD).await);
    assert!(wait > 0 && wait <= 300_000, "{wait}");
    let log = front.service.login_logs(user.id, PageRequest::new(1, 1, 1)).await.unwrap();
    assert_eq!(log.items[0].outcome, LoginOutcome::RateLimited);
    front.clock.advance_millis(wait - 1);
    retry_after(front.login(EMAIL, PASSWORD).await);
    front.clock.advance_millis(1);
    assert!(front.login(EMAIL, PASSWORD).await.is_ok());
}

/// Rows of the login log of one outcome.
async fn recorded(backend: &Backend, outcome: LoginOutcome) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM login_log WHERE outcome = '{}'", outcome.as_str());
    let db = backend.store.reader();
    let row =
        db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn knocking_at_a_shut_door_is_written_down_once_in_a_window() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    for round in 1..=2 {
        fail(&front, 10).await;
        for _ in 0..100 {
            retry_after(front.login(EMAIL, PASSWORD).await);
        }
        assert_eq!(recorded(&backend, LoginOutcome::RateLimited).await, round);
        assert_eq!(recorded(&backend, LoginOutcome::WrongPassword).await, round * 10);
        front.clock.advance_millis(300_000);
    }
    let elsewhere = from([198, 51, 100, 9]);
    for account in 0..60 {
        let guess = format!("a{account}@example.com");
        front.login_from(elsewhere.clone(), &guess, "a wrong guess").await.unwrap_err();
    }
    assert_eq!(recorded(&backend, LoginOutcome::RateLimited).await, 3, "once for the whole address");
    assert_eq!(recorded(&backend, LoginOutcome::UnknownAccount).await, 50);
}

#[tokio::test]
async fn registrations_that_are_refused_are_written_down_once_in_a_window() {
    let backend = backends::sqlite().await;
    let limits = AuthLimits { registrations_per_hour: 1, ..AuthLimits::default() };
    let front = Front::with(&backend.store, Plan { limits, ..Plan::default() });
    front.registered(EMAIL).await;
    for account in 0..30 {
        retry_after(front.register(&format!("a{account}@example.com")).await);
    }
    assert_eq!(recorded(&backend, LoginOutcome::RateLimited).await, 1);
}

#[tokio::test]
async fn a_disabled_user_who_keeps_trying_is_written_down_once_in_a_window() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let user = front.registered(EMAIL).await.user;
    front.service.set_standing(user.id, Standing { role: Role::User, disabled: true }).await.unwrap();
    for _ in 0..10 {
        assert!(matches!(front.login(EMAIL, PASSWORD).await, Err(AuthError::Forbidden)));
    }
    assert_eq!(recorded(&backend, LoginOutcome::Disabled).await, 1);
}

#[tokio::test]
async fn a_guesser_does_not_lock_the_owner_out_elsewhere() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    fail(&front, 10).await;
    retry_after(front.login(EMAIL, PASSWORD).await);
    assert!(front.login_from(from([198, 51, 100, 9]), EMAIL, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn an_unknown_address_is_throttled_like_a_known_one() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    fail(&front, 10).await;
    retry_after(front.login(EMAIL, "a wrong guess").await);
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    for _ in 0..3 {
        fail(&front, 9).await;
        assert!(front.login(EMAIL, PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn failures_make_the_next_attempt_wait_longer_up_to_two_seconds() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        let before = front.elapsed_ms();
        fail(&front, 1).await;
        waits.push(front.elapsed_ms() - before);
    }
    assert_eq!(waits, [0, 0, 0, 0, 100, 200, 400, 800, 1_600, 2_000]);
}

#[tokio::test]
async fn one_address_fails_fifty_times_whatever_the_accounts() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    for account in 0..50 {
        let outcome = front.login(&format!("a{account}@example.com"), "a wrong guess").await;
        assert!(matches!(outcome, Err(AuthError::InvalidCredentials)));
    }
    retry_after(front.login(EMAIL, PASSWORD).await);
    assert!(front.login_from(from([198, 51, 100, 9]), EMAIL, PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_made_at_once_learn_no_more_than_guesses_made_in_turn() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    fail(&front, 3).await;
    let guesses = (0..40).map(|_| front.login(EMAIL, "a wrong guess"));
    let outcomes = join_all(guesses).await;
    let told =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(AuthError::InvalidCredentials))).count();
    assert_eq!(told, 7);
    assert_eq!(recorded(&backend, LoginOutcome::WrongPassword).await, 10);
    assert_eq!(recorded(&backend, LoginOutcome::RateLimited).await, 1);
    retry_after(front.login(EMAIL, PASSWORD).await);
}

#[tokio::test]
async fn an_address_makes_twenty_accounts_an_hour() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    for account in 0..20 {
        front.registered(&format!("a{account}@example.com")).await;
    }
    let wait = retry_after(front.register("one-more@example.com").await);
    assert_eq!(wait, 3_600_000);
    front.clock.advance_millis(wait);
    assert!(front.register("one-more@example.com").await.is_ok());
}

#[tokio::test]
async fn a_limit_of_zero_is_none() {
    let backend = backends::sqlite().await;
    let limits = AuthLimits {
        login_failures_per_five_minutes: 0,
        login_failures_per_ip: 0,
        registrations_per_hour: 0,
    };
    let front = Front::with(&backend.store, Plan { limits, ..Plan::default() });
    for account in 0..25 {
        front.registered(&format!("a{account}@example.com")).await;
    }
    front.registered(EMAIL).await;
    fail(&front, 60).await;
    assert!(front.login(EMAIL, PASSWORD).await.is_ok());
    assert_eq!(front.elapsed_ms(), 0, "and nobody waited");
    let off = RateRule::new("off", 0, 1_000);
    assert!(front.service.admit(&off, "a").await.unwrap().allowed);
}

#[tokio::test]
async fn a_wrong_old_password_is_a_failure_like_any_other() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let caller = front.caller(&front.registered(EMAIL).await.tokens).await.unwrap();
    for attempt in 0..11 {
        let (new, elsewhere) = ("a much better password", from([10, 0, 0, 1]));
        let change = front.service.change_password(&caller, "wrong guess".into(), new.into(), &elsewhere);
        let outcome = front.awaited(change).await;
        assert_eq!(matches!(outcome, Err(AuthError::RateLimited { .. })), attempt == 10, "{outcome:?}");
    }
    assert!(front.login_from(home(), EMAIL, PASSWORD).await.is_ok());
}
