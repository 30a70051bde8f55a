//! Makers of users, sessions and login records for auth's suites.

use std::net::IpAddr;
use std::sync::Arc;

use auth::ports::NewUser;
use auth::{
    Email, Gender, IdentityKey, Level, LoginMethod, LoginOutcome, LoginRecord, NewIdentity, PasswordHash,
    Role, SealedSecret, Session, User,
};
use kernel::{Id, Ids, ManualClock, SeededEntropy, Timestamp, UserId};
use secrecy::SecretString;

/// When every story begins.
pub const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// Ids that rise.
pub fn ids() -> Ids {
    Ids::new(Arc::new(ManualClock::at(START)), Arc::new(SeededEntropy::new(11)))
}

/// An address.
pub fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

/// A hash that a store keeps and nobody verifies.
pub fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

/// An openid at WeChat.
pub fn wechat(openid: &str) -> IdentityKey {
    IdentityKey { provider: "wechat".to_owned(), app_id: "wx1".to_owned(), subject: openid.to_owned() }
}

/// An identity with a session key.
pub fn identity(openid: &str, session_key: &str) -> NewIdentity {
    NewIdentity {
        key: wechat(openid),
        union_id: Some(SecretString::from("union")),
        session_key: Some(SealedSecret::new(session_key.to_owned())),
    }
}

/// A user with every field filled.
pub fn user(id: UserId, email: Option<Email>) -> User {
    User {
        id,
        email,
        openid: None,
        nick_name: "曾子 𠀀 ' \" %".to_owned(),
        avatar_url: "https://example.com/a.png".to_owned(),
        gender: Gender::Male,
        country: "中国".to_owned(),
        province: "山东".to_owned(),
        city: String::new(),
        level: Level::Normal,
        role: Role::User,
        disabled: false,
        mbti_type: Some("ISTJ".to_owned()),
        create_time: START,
        last_login_time: None,
    }
}

/// A user with an email and a password.
pub fn with_email(id: UserId, address: &str) -> NewUser {
    NewUser { user: user(id, Some(email(address))), password_hash: Some(hash("h1")), identity: None }
}

/// A user of WeChat.
pub fn with_wechat(id: UserId, openid: &str) -> NewUser {
    NewUser { user: user(id, None), password_hash: None, identity: Some(identity(openid, "sealed-1")) }
}

/// A session that begins at the start of the story.
pub fn session(ids: &Ids, user_id: UserId) -> Session {
    Session {
        id: ids.next(),
        user_id,
        method: LoginMethod::Email,
        counter: 0,
        ip: IpAddr::from([192, 0, 2, 7]),
        user_agent: Some("浏览器/1.0".to_owned()),
        created_at: START,
        rotated_at: START,
        idle_until: START.plus_seconds(3_000),
        expires_at: START.plus_seconds(6_000),
        ended: None,
    }
}

/// An attempt of a user.
pub fn record(ids: &Ids, user_id: Option<UserId>, at: Timestamp) -> LoginRecord {
    LoginRecord {
        id: ids.next(),
        user_id,
        session_id: user_id.map(|id| Id::from_uuid(id.as_uuid())),
        identity_hash: user_id.is_none().then(|| "0123456789abcdef".to_owned()),
        method: LoginMethod::Wechat,
        outcome: LoginOutcome::Success,
        ip: "2001:db8::1".parse().expect("an address"),
        user_agent: Some("界".repeat(200)),
        request_id: "req-1".to_owned(),
        at,
    }
}
