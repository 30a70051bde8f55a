//! Register, sign in, profile, password, login log.

use auth::{
    AuthError, AuthLimits, FieldError, LoginMethod, LoginOutcome, ProfileChange, Registration, Role, Standing,
};
use kernel::PageRequest;
use sea_orm::{ConnectionTrait, FromQueryResult, JsonValue, Statement};
use tests::backends;

use super::fixture::{Front, PASSWORD, Plan, home};

const EMAIL: &str = "zeng@example.com";

fn everything() -> PageRequest {
    PageRequest::new(1, 100, 100)
}

#[tokio::test]
async fn a_new_account_calls_at_once_and_signs_in_again_in_any_case() {
    for backend in [backends::sqlite().await, backends::postgres().await] {
        let front = Front::on(&backend);
        let new = front.registered(" Zeng@EXAMPLE.com ").await;
        assert!(new.is_new_user);
        assert_eq!(new.user.email.as_ref().unwrap().as_str(), "Zeng@example.com");
        assert!(new.user.nick_name.starts_with("书友"));
        let caller = front.caller(&new.tokens).await.unwrap();
        assert_eq!((caller.user_id, caller.role), (new.user.id, Role::User));
        let again = front.login("zeng@example.COM", PASSWORD).await.unwrap();
        assert!(!again.is_new_user);
        assert_eq!(again.user.id, new.user.id);
        let profile = front.service.profile(new.user.id).await.unwrap();
        assert_eq!(profile, again.user);
    }
}

#[tokio::test]
async fn an_address_is_taken_once_whatever_its_case() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    assert!(matches!(front.register("ZENG@example.com").await, Err(AuthError::EmailTaken)));
}

#[tokio::test]
async fn everything_wrong_with_a_registration_is_told_at_once() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let registration = Registration {
        email: "nobody".to_owned(),
        password: "short".into(),
        nick_name: Some("名".repeat(65)),
    };
    let Err(AuthError::Invalid(fields)) = front.service.register(registration, &home()).await else {
        panic!("refused");
    };
    let wanted = [("email", "format"), ("password", "too_short"), ("nickName", "too_long")];
    assert_eq!(fields, wanted.map(|(field, rule)| FieldError { field, rule }));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    front.registered(EMAIL).await;
    let wrong = front.login(EMAIL, "not the password").await.unwrap_err();
    let unknown = front.login("nobody@example.com", "not the password").await.unwrap_err();
    assert!(matches!(wrong, AuthError::InvalidCredentials));
    assert!(matches!(unknown, AuthError::InvalidCredentials));
}

#[tokio::test]
async fn the_login_log_tells_its_owner_everything_and_holds_no_secret() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let user = front.registered(EMAIL).await.user;
    front.login(EMAIL, "not the password").await.unwrap_err();
    front.login("secret.person@example.com", "a secret guess").await.unwrap_err();
    let signed_in = front.login(EMAIL, PASSWORD).await.unwrap();
    let caller = front.caller(&signed_in.tokens).await.unwrap();
    front.service.logout(&caller, &home()).await.unwrap();
    let page = front.service.login_logs(user.id, everything()).await.unwrap();
    let told: Vec<_> = page.items.iter().rev().map(|record| (record.method, record.outcome)).collect();
    let wanted = [
        (LoginMethod::Register, LoginOutcome::Success),
        (LoginMethod::Email, LoginOutcome::WrongPassword),
        (LoginMethod::Email, LoginOutcome::Success),
        (LoginMethod::Logout, LoginOutcome::Success),
    ];
    assert_eq!(told, wanted);
    let statement = Statement::from_string(
        backend.store.reader().get_database_backend(),
        "SELECT identity_hash, method, outcome, ip, user_agent, request_id FROM login_log",
    );
    let rows = JsonValue::find_by_statement(statement).all(backend.store.reader()).await.unwrap();
    assert_eq!(rows.len(), 5);
    let text = format!("{rows:?}");
    for secret in ["secret.person", "a secret guess", PASSWORD, "zeng", "not the password"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let hashes = rows.iter().filter(|row| row["identity_hash"].is_string());
    assert_eq!(hashes.count(), 1, "of the account that does not exist, and no other");
}

#[tokio::test]
async fn a_profile_change_is_seen_by_the_next_read() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let user = front.registered(EMAIL).await.user;
    front.service.profile(user.id).await.unwrap();
    let change = ProfileChange { nick_name: Some(" 曾子 ".to_owned()), ..ProfileChange::default() };
    assert_eq!(front.service.update_profile(user.id, change).await.unwrap().nick_name, "曾子");
    assert_eq!(front.service.profile(user.id).await.unwrap().nick_name, "曾子");
    let wrong = ProfileChange { gender: Some(9), ..ProfileChange::default() };
    assert!(matches!(front.service.update_profile(user.id, wrong).await, Err(AuthError::Invalid(_))));
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let first = front.registered(EMAIL).await;
    let other = front.login(EMAIL, PASSWORD).await.unwrap();
    let caller = front.caller(&first.tokens).await.unwrap();
    front.caller(&other.tokens).await.unwrap();
    let new = "a much better password";
    front.service.change_password(&caller, PASSWORD.into(), new.into(), &home()).await.unwrap();
    assert!(front.caller(&first.tokens).await.is_ok());
    assert!(matches!(front.caller(&other.tokens).await, Err(AuthError::Unauthorized)));
    assert!(matches!(front.refresh(&other.tokens.refresh_token).await, Err(AuthError::Unauthorized)));
    assert!(front.refresh(&first.tokens.refresh_token).await.is_ok());
    assert!(matches!(front.login(EMAIL, PASSWORD).await, Err(AuthError::InvalidCredentials)));
    assert!(front.login(EMAIL, new).await.is_ok());
}

#[tokio::test]
async fn a_password_changes_only_against_the_old_one_and_the_rules() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let caller = front.caller(&front.registered(EMAIL).await.tokens).await.unwrap();
    let change = async |old: &str, new: &str| {
        front.service.change_password(&caller, old.into(), new.into(), &home()).await
    };
    assert!(matches!(change("wrong", "a much better password").await, Err(AuthError::InvalidCredentials)));
    for (new, rule) in [("short", "too_short"), (PASSWORD, "unchanged"), ("password123", "too_common")] {
        let Err(AuthError::Invalid(fields)) = change(PASSWORD, new).await else { panic!("{new}") };
        assert_eq!(fields, [FieldError { field: "newPassword", rule }]);
    }
    assert!(front.login(EMAIL, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_password_of_64_chinese_characters_counts_to_the_last() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let password = "学而时习之不亦说乎有朋自远方来不亦乐乎".chars().cycle().take(64).collect::<String>();
    let registration =
        Registration { email: EMAIL.to_owned(), password: password.clone().into(), nick_name: None };
    front.service.register(registration, &home()).await.unwrap();
    assert!(front.login(EMAIL, &password).await.is_ok());
    let one_other = password.chars().take(63).chain(['君']).collect::<String>();
    assert!(matches!(front.login(EMAIL, &one_other).await, Err(AuthError::InvalidCredentials)));
}

#[tokio::test]
async fn a_password_s_hash_follows_the_configured_cost() {
    let backend = backends::sqlite().await;
    Front::on(&backend).registered(EMAIL).await;
    let hash = async || {
        let statement = Statement::from_string(
            backend.store.reader().get_database_backend(),
            "SELECT password_hash FROM users",
        );
        let row = backend.store.reader().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<String>(0).unwrap()
    };
    let before = hash().await;
    let dearer = Front::with(&backend.store, Plan { bcrypt_cost: 5, ..Plan::default() });
    dearer.login(EMAIL, PASSWORD).await.unwrap();
    let after = hash().await;
    assert!(before.contains("$04$") && after.contains("$05$"), "{before} {after}");
    dearer.login(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(hash().await, after);
}

#[tokio::test]
async fn a_disabled_user_is_shut_out_everywhere() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let new = front.registered(EMAIL).await;
    front.caller(&new.tokens).await.unwrap();
    let standing = Standing { role: Role::User, disabled: true };
    front.service.set_standing(new.user.id, standing).await.unwrap();
    assert!(matches!(front.caller(&new.tokens).await, Err(AuthError::Unauthorized)));
    assert!(matches!(front.refresh(&new.tokens.refresh_token).await, Err(AuthError::Unauthorized)));
    assert!(matches!(front.login(EMAIL, PASSWORD).await, Err(AuthError::Forbidden)));
    assert!(matches!(front.login(EMAIL, "wrong").await, Err(AuthError::InvalidCredentials)));
    let standing = Standing { role: Role::Admin, disabled: false };
    front.service.set_standing(new.user.id, standing).await.unwrap();
    let back = front.login(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(front.caller(&back.tokens).await.unwrap().role, Role::Admin);
    let nobody = kernel::Id::from_uuid(uuid::Uuid::from_u128(7));
    assert!(matches!(front.service.set_standing(nobody, standing).await, Err(AuthError::NotFound)));
}

#[tokio::test]
async fn a_user_disabled_by_another_process_is_refused_within_a_minute() {
    use adapter_sql::SqlUsers;
    use auth::ports::UserStore;
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let new = front.registered(EMAIL).await;
    front.caller(&new.tokens).await.unwrap();
    let users = SqlUsers::new(backend.store.clone());
    users.set_standing(new.user.id, Standing { role: Role::User, disabled: true }).await.unwrap();
    front.clock.advance_millis(60_000);
    assert!(matches!(front.caller(&new.tokens).await, Err(AuthError::Forbidden)));
    assert!(matches!(front.refresh(&new.tokens.refresh_token).await, Err(AuthError::Forbidden)));
}

#[tokio::test]
async fn what_is_over_is_swept() {
    let backend = backends::sqlite().await;
    let front = Front::with(&backend.store, Plan { limits: AuthLimits::default(), ..Plan::default() });
    let new = front.registered(EMAIL).await;
    let now = || kernel::Clock::now(front.clock.as_ref());
    assert_eq!(front.service.sweep(now(), 100).await.unwrap(), 0);
    front.clock.advance_millis(30 * 86_400_000);
    assert_eq!(front.service.sweep(now(), 100).await.unwrap(), 1);
    assert!(matches!(front.refresh(&new.tokens.refresh_token).await, Err(AuthError::Unauthorized)));
    front.clock.advance_millis(151 * 86_400_000);
    assert_eq!(front.service.sweep(now(), 100).await.unwrap(), 1);
    assert_eq!(front.service.login_logs(new.user.id, everything()).await.unwrap().total, 0);
}
