//! The beginning of a session: what happened to the account meanwhile, how many sessions there may be, and accounts
//! that begin without one.

use auth::session::OPEN_MAX;
use auth::{AuthError, LoginMethod, LoginOutcome, Registration, Role, SignedIn, Standing};
use futures::FutureExt;
use futures::future::BoxFuture;
use kernel::{PageRequest, UserId};
use tests::backends::{self, Backend};

use super::fixture::{Front, Gate, PASSWORD, Plan, home};

const EMAIL: &str = "zeng@example.com";
const NEW_PASSWORD: &str = "a much better password";

async fn outcomes(front: &Front, user: UserId) -> Vec<LoginOutcome> {
    let log = front.service.login_logs(user, PageRequest::new(1, 9, 9)).await.unwrap();
    log.items.iter().map(|record| record.outcome).collect()
}

/// Signs in at a server that stops once the password is proved, does something else, and lets it go on.
async fn sign_in_around(
    backend: &Backend,
    bcrypt_cost: u32,
    something: BoxFuture<'_, ()>,
) -> Result<SignedIn, AuthError> {
    let gate = Gate::shut();
    let gated =
        Front::with(&backend.store, Plan { gate: Some(gate.clone()), bcrypt_cost, ..Plan::default() });
    let meanwhile = async {
        gate.arrival().await;
        something.await;
        gate.open();
    };
    let (outcome, ()) = futures::join!(gated.login(EMAIL, PASSWORD).boxed(), meanwhile);
    outcome
}

#[tokio::test]
async fn an_old_password_proved_just_before_it_changed_leaves_no_session() {
    for backend in [backends::sqlite().await, backends::postgres().await] {
        let front = Front::on(&backend);
        let first = front.registered(EMAIL).await;
        let caller = front.caller(&first.tokens).await.unwrap();
        let change = async {
            let (old, new, origin) = (PASSWORD.into(), NEW_PASSWORD.into(), home());
            front.service.change_password(&caller, old, new, &origin).await.unwrap();
        };
        let outcome = sign_in_around(&backend, 4, change.boxed()).await;
        assert!(matches!(outcome, Err(AuthError::InvalidCredentials)), "{outcome:?}");
        let open = front.service.own_sessions(first.user.id).await.unwrap();
        assert_eq!(open.iter().map(|session| session.id).collect::<Vec<_>>(), [caller.session_id]);
        assert!(outcomes(&front, first.user.id).await.contains(&LoginOutcome::WrongPassword));
        assert!(front.login(EMAIL, NEW_PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn a_ban_that_comes_after_the_proof_leaves_no_session() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let user = front.registered(EMAIL).await.user;
    let standing = |disabled| Standing { role: Role::User, disabled };
    let ban = async { front.service.set_standing(user.id, standing(true)).await.unwrap() };
    let outcome = sign_in_around(&backend, 4, ban.boxed()).await;
    assert!(matches!(outcome, Err(AuthError::Forbidden)), "{outcome:?}");
    assert!(outcomes(&front, user.id).await.contains(&LoginOutcome::Disabled));
    front.service.set_standing(user.id, standing(false)).await.unwrap();
    assert_eq!(front.service.own_sessions(user.id).await.unwrap(), [], "also when the ban is over");
}

#[tokio::test]
async fn a_hash_made_anew_by_another_sign_in_is_still_the_same_password() {
    let backend = backends::sqlite().await;
    Front::on(&backend).registered(EMAIL).await;
    let dearer = Front::with(&backend.store, Plan { bcrypt_cost: 5, ..Plan::default() });
    let renew = async { drop(dearer.login(EMAIL, PASSWORD).await.unwrap()) };
    let outcome = sign_in_around(&backend, 5, renew.boxed()).await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn one_sign_in_too_many_ends_the_oldest_session() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let oldest = front.registered(EMAIL).await;
    let mut later = Vec::new();
    for _ in 1..OPEN_MAX {
        front.clock.advance_millis(1);
        later.push(front.login(EMAIL, PASSWORD).await.unwrap());
    }
    assert!(front.caller(&oldest.tokens).await.is_ok());
    front.clock.advance_millis(1);
    let newest = front.login(EMAIL, PASSWORD).await.unwrap();
    assert!(matches!(front.caller(&oldest.tokens).await, Err(AuthError::Unauthorized)));
    assert!(front.caller(&later[0].tokens).await.is_ok());
    assert!(front.caller(&newest.tokens).await.is_ok());
    assert_eq!(front.service.own_sessions(oldest.user.id).await.unwrap().len(), OPEN_MAX);
}

#[tokio::test]
async fn an_account_made_for_somebody_else_begins_without_a_session() {
    let backend = backends::sqlite().await;
    let front = Front::on(&backend);
    let registration =
        || Registration { email: EMAIL.to_owned(), password: PASSWORD.into(), nick_name: None };
    let user = front.service.create_account(registration(), &home()).await.unwrap();
    assert_eq!(user.last_login_time, None);
    assert_eq!(front.service.profile(user.id).await.unwrap(), user);
    assert_eq!(front.service.own_sessions(user.id).await.unwrap(), []);
    let log = front.service.login_logs(user.id, PageRequest::new(1, 9, 9)).await.unwrap();
    let told: Vec<_> = log.items.iter().map(|record| (record.method, record.outcome)).collect();
    assert_eq!(told, [(LoginMethod::Register, LoginOutcome::Success)]);
    let again = front.service.create_account(registration(), &home()).await;
    assert!(matches!(again, Err(AuthError::EmailTaken)));
    assert_eq!(front.login(EMAIL, PASSWORD).await.unwrap().user.id, user.id);
}
