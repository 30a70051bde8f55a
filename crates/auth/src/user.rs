//! A person's account and the identities that prove it.

use std::fmt;

use kernel::{Timestamp, UserId};
use secrecy::SecretString;

use crate::email::Email;
use crate::password::PasswordHash;

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The address it signs in with.
    pub email: Option<Email>,
    /// Its oldest identity at WeChat. Personal data: shown to the owner alone, never logged.
    pub openid: Option<String>,
    /// The name others see.
    pub nick_name: String,
    /// URL of its picture; empty for none.
    pub avatar_url: String,
    /// As the person says.
    pub gender: Gender,
    /// As the person says; empty for unknown.
    pub country: String,
    /// As the person says; empty for unknown.
    pub province: String,
    /// As the person says; empty for unknown.
    pub city: String,
    /// What it has paid for.
    pub level: Level,
    /// What it may do.
    pub role: Role,
    /// Whether it is shut out.
    pub disabled: bool,
    /// One of the sixteen types, in capitals.
    pub mbti_type: Option<String>,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it signed in last.
    pub last_login_time: Option<Timestamp>,
}

/// Gender, with WeChat's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gender {
    /// 0.
    #[default]
    Unknown,
    /// 1.
    Male,
    /// 2.
    Female,
}

impl Gender {
    /// From WeChat's number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Unknown),
            1 => Some(Self::Male),
            2 => Some(Self::Female),
            _ => None,
        }
    }

    /// WeChat's number.
    pub const fn code(self) -> i16 {
        match self {
            Self::Unknown => 0,
            Self::Male => 1,
            Self::Female => 2,
        }
    }
}

/// What a user has paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing.
    #[default]
    Normal,
    /// Membership.
    Vip,
    /// The higher membership.
    Premium,
}

impl Level {
    /// The word on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Vip => "vip",
            Self::Premium => "premium",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Normal, Self::Vip, Self::Premium].into_iter().find(|level| level.as_str() == word)
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Use the service.
    #[default]
    User,
    /// Run it, too.
    Admin,
}

impl Role {
    /// The word in tokens and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == word)
    }
}

/// What an operator decides about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it may do.
    pub role: Role,
    /// Whether it is shut out.
    pub disabled: bool,
}

/// A user with what only auth may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// `None` for a user without a password.
    pub password_hash: Option<PasswordHash>,
}

/// The name of an account at an identity provider: unique over all users.
///
/// Its `Debug` leaves the subject out, since an openid is personal data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdentityKey {
    /// The provider (`wechat`, `dev`).
    pub provider: String,
    /// The application there, since an openid differs between applications.
    pub app_id: String,
    /// The account there.
    pub subject: String,
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({} {} …)", self.provider, self.app_id)
    }
}

/// What an identity provider proved.
#[derive(Debug, Clone)]
pub struct VerifiedIdentity {
    /// Which account there.
    pub key: IdentityKey,
    /// The person across the operator's applications, where the provider knows.
    pub union_id: Option<SecretString>,
    /// The provider's key for this sign-in.
    pub session_key: Option<SecretString>,
}

/// An identity as it is stored.
#[derive(Debug, Clone)]
pub struct NewIdentity {
    /// Which account at the provider.
    pub key: IdentityKey,
    /// The person across the operator's applications.
    pub union_id: Option<SecretString>,
    /// The provider's newest session key, sealed.
    pub session_key: Option<SealedSecret>,
}

/// A secret under authenticated encryption, as text: key id, nonce and ciphertext in the sealer's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(String);

impl SealedSecret {
    /// What a sealer made or storage kept.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_come_back_as_what_they_were() {
        for level in [Level::Normal, Level::Vip, Level::Premium] {
            assert_eq!(Level::parse(level.as_str()), Some(level));
        }
        for role in [Role::User, Role::Admin] {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for gender in [Gender::Unknown, Gender::Male, Gender::Female] {
            assert_eq!(Gender::from_code(i64::from(gender.code())), Some(gender));
        }
        assert_eq!((Level::parse("VIP"), Role::parse("root"), Gender::from_code(3)), (None, None, None));
    }

    #[test]
    fn the_debug_form_of_an_identity_hides_its_subject() {
        let key = IdentityKey { provider: "wechat".into(), app_id: "wx1".into(), subject: "o-secret".into() };
        assert!(!format!("{key:?}").contains("o-secret"));
    }
}
