//! What every [`auth::ports::UserStore`] must do.

use auth::ports::{AccountKey, CreateOutcome, LoginTouch, UserStore};
use auth::{CheckedProfile, Gender, NewIdentity, Role, SealedSecret, Standing, User};
use futures::future::join_all;
use kernel::UserId;

use super::people::{START, email, hash, identity, ids, wechat, with_email, with_wechat};

async fn stored(users: &dyn UserStore, id: UserId, address: &str) -> User {
    let new = with_email(id, address);
    assert_eq!(users.create(&new).await.unwrap(), CreateOutcome::Created);
    new.user
}

async fn session_key(users: &dyn UserStore, openid: &str) -> Option<String> {
    users.session_key(&wechat(openid)).await.unwrap().map(|key| key.as_str().to_owned())
}

/// MUST return what it was given, with the openid of its identity.
pub async fn a_created_user_comes_back_whole(users: &dyn UserStore) {
    let ids = ids();
    let by_email = stored(users, ids.next(), "Zeng.Zi@example.com").await;
    assert_eq!(users.get(by_email.id).await.unwrap(), Some(by_email));
    let new = with_wechat(ids.next(), "o1");
    assert_eq!(users.create(&new).await.unwrap(), CreateOutcome::Created);
    let wanted = User { openid: Some("o1".to_owned()), ..new.user };
    assert_eq!(users.get(wanted.id).await.unwrap(), Some(wanted));
}

/// Absence is no error.
pub async fn an_unknown_user_is_absent(users: &dyn UserStore) {
    let id = ids().next();
    assert_eq!(users.get(id).await.unwrap(), None);
    for key in [AccountKey::Id(id), AccountKey::Email(email("a@b.cn")), AccountKey::Identity(wechat("o"))] {
        assert_eq!(users.account(&key).await.unwrap(), None);
    }
    let change = CheckedProfile { city: Some("曲阜".to_owned()), ..CheckedProfile::default() };
    assert_eq!(users.update_profile(id, &change).await.unwrap(), None);
    assert_eq!(users.update_profile(id, &CheckedProfile::default()).await.unwrap(), None);
    assert!(!users.replace_password(id, &hash("a"), &hash("b")).await.unwrap());
    assert!(!users.set_standing(id, Standing { role: Role::Admin, disabled: true }).await.unwrap());
    assert_eq!(session_key(users, "o").await, None);
}

/// Every key leads to the account, an email without regard to case.
pub async fn an_account_is_found_by_each_of_its_keys(users: &dyn UserStore) {
    let ids = ids();
    let user = stored(users, ids.next(), "Zeng.Zi@example.com").await;
    for key in [AccountKey::Id(user.id), AccountKey::Email(email("zeng.ZI@EXAMPLE.com"))] {
        let account = users.account(&key).await.unwrap().unwrap();
        assert_eq!(account.user, user);
        assert_eq!(account.password_hash, Some(hash("h1")));
    }
    let new = with_wechat(ids.next(), "o1");
    users.create(&new).await.unwrap();
    let account = users.account(&AccountKey::Identity(wechat("o1"))).await.unwrap().unwrap();
    assert_eq!((account.user.id, account.password_hash), (new.user.id, None));
}

/// A taken email leaves no trace of the second user, nor of its identity.
pub async fn a_taken_email_is_refused_without_regard_to_case(users: &dyn UserStore) {
    let ids = ids();
    let first = stored(users, ids.next(), "a@example.com").await;
    let mut second = with_email(ids.next(), "A@example.com");
    second.identity = Some(identity("o1", "k"));
    assert_eq!(users.create(&second).await.unwrap(), CreateOutcome::EmailTaken);
    assert_eq!(users.get(second.user.id).await.unwrap(), None);
    assert_eq!(users.account(&AccountKey::Identity(wechat("o1"))).await.unwrap(), None);
    let kept = users.account(&AccountKey::Email(email("a@example.com"))).await.unwrap();
    assert_eq!(kept.map(|account| account.user), Some(first));
}

/// A taken identity leaves no trace of the second user: all or nothing.
pub async fn a_taken_identity_is_refused(users: &dyn UserStore) {
    let ids = ids();
    let first = with_wechat(ids.next(), "o1");
    users.create(&first).await.unwrap();
    let second = with_wechat(ids.next(), "o1");
    assert_eq!(users.create(&second).await.unwrap(), CreateOutcome::IdentityTaken);
    assert_eq!(users.get(second.user.id).await.unwrap(), None);
    let kept = users.account(&AccountKey::Identity(wechat("o1"))).await.unwrap().unwrap();
    assert_eq!(kept.user.id, first.user.id);
}

/// Users without an email do not collide with one another.
pub async fn many_users_may_have_no_email(users: &dyn UserStore) {
    let ids = ids();
    for n in 0..3 {
        let new = with_wechat(ids.next(), &format!("o{n}"));
        assert_eq!(users.create(&new).await.unwrap(), CreateOutcome::Created);
    }
}

/// MUST let one of several concurrent calls win.
pub async fn one_of_many_at_once_gets_the_identity_and_the_email(users: &dyn UserStore) {
    let ids = ids();
    let same_identity: Vec<_> = (0..12).map(|_| with_wechat(ids.next(), "o1")).collect();
    let outcomes = join_all(same_identity.iter().map(|new| users.create(new))).await;
    let won = outcomes.into_iter().filter(|outcome| matches!(outcome, Ok(CreateOutcome::Created))).count();
    assert_eq!(won, 1);
    let same_email: Vec<_> = (0..12).map(|_| with_email(ids.next(), "a@example.com")).collect();
    let outcomes = join_all(same_email.iter().map(|new| users.create(new))).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().map(Result::unwrap).partition(|outcome| *outcome == CreateOutcome::Created);
    assert_eq!((won.len(), lost), (1, vec![CreateOutcome::EmailTaken; 11]));
}

/// Fields that are given change, others stay, and the cache hides nothing.
pub async fn a_profile_changes_where_it_is_told_to(users: &dyn UserStore) {
    let user = stored(users, ids().next(), "a@example.com").await;
    assert_eq!(users.get(user.id).await.unwrap(), Some(user.clone()));
    let change = CheckedProfile {
        nick_name: Some("子思".to_owned()),
        gender: Some(Gender::Female),
        city: Some("曲阜".to_owned()),
        mbti_type: Some("INFJ".to_owned()),
        ..CheckedProfile::default()
    };
    let wanted = User {
        nick_name: "子思".to_owned(),
        gender: Gender::Female,
        city: "曲阜".to_owned(),
        mbti_type: Some("INFJ".to_owned()),
        ..user
    };
    assert_eq!(users.update_profile(wanted.id, &change).await.unwrap(), Some(wanted.clone()));
    assert_eq!(users.get(wanted.id).await.unwrap(), Some(wanted.clone()));
    let nothing = users.update_profile(wanted.id, &CheckedProfile::default()).await.unwrap();
    assert_eq!(nothing, Some(wanted));
}

/// MUST let one of several concurrent calls win.
pub async fn a_password_is_replaced_once_against_the_old_one(users: &dyn UserStore) {
    let user = stored(users, ids().next(), "a@example.com").await;
    let (old, new) = (hash("h1"), hash("h2"));
    let replaced = join_all((0..8).map(|_| users.replace_password(user.id, &old, &new))).await;
    assert_eq!(replaced.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    let account = users.account(&AccountKey::Id(user.id)).await.unwrap().unwrap();
    assert_eq!(account.password_hash, Some(new));
}

/// A sign-in leaves its time, and the provider's newest session key and no older one.
pub async fn a_sign_in_leaves_its_time_and_the_newest_session_key(users: &dyn UserStore) {
    let new = with_wechat(ids().next(), "o1");
    users.create(&new).await.unwrap();
    assert_eq!(session_key(users, "o1").await.as_deref(), Some("sealed-1"));
    let at = START.plus_seconds(5);
    let newer = identity("o1", "sealed-2");
    let touch = LoginTouch { user_id: new.user.id, at, identity: Some(newer) };
    users.record_login(&touch).await.unwrap();
    assert_eq!(session_key(users, "o1").await.as_deref(), Some("sealed-2"));
    let user = users.get(new.user.id).await.unwrap().unwrap();
    assert_eq!(user.last_login_time, Some(at));
    let without_key = NewIdentity { key: wechat("o1"), union_id: None, session_key: None };
    let touch = LoginTouch { user_id: new.user.id, at, identity: Some(without_key) };
    users.record_login(&touch).await.unwrap();
    assert_eq!(
        users.session_key(&wechat("o1")).await.unwrap(),
        Some(SealedSecret::new("sealed-2".to_owned()))
    );
}

/// Accounts MUST NOT be answered by a cache: a ban counts at once.
pub async fn a_ban_is_seen_at_once(users: &dyn UserStore) {
    let user = stored(users, ids().next(), "a@example.com").await;
    assert!(!users.account(&AccountKey::Id(user.id)).await.unwrap().unwrap().user.disabled);
    assert!(users.set_standing(user.id, Standing { role: Role::Admin, disabled: true }).await.unwrap());
    for key in [AccountKey::Id(user.id), AccountKey::Email(email("a@example.com"))] {
        let account = users.account(&key).await.unwrap().unwrap();
        assert_eq!((account.user.role, account.user.disabled), (Role::Admin, true));
    }
    assert!(users.get(user.id).await.unwrap().unwrap().disabled);
}
