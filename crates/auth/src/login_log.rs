//! The login log: every attempt to prove who one is, for its owner to read.

use std::net::IpAddr;

use kernel::{Id, Timestamp, UserId};

use crate::session::SessionId;

/// Kind of a record of the login log.
pub enum LoginRecordKind {}
/// A record's id.
pub type LoginRecordId = Id<LoginRecordKind>;

const USER_AGENT_CHARS_MAX: usize = 200;
const REQUEST_ID_CHARS_MAX: usize = 64;

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The client's address; behind a proxy only a trusted one may say it.
    pub ip: IpAddr,
    /// The client's own words.
    pub user_agent: Option<String>,
    /// The request's id in the log.
    pub request_id: String,
}

impl RequestOrigin {
    /// The client's words, cut to 200 characters and without control characters.
    pub fn user_agent_cut(&self) -> Option<String> {
        self.user_agent.as_deref().map(|text| one_line(text, USER_AGENT_CHARS_MAX))
    }

    /// The request's id, cut to 64 characters and without control characters.
    pub fn request_id_cut(&self) -> String {
        one_line(&self.request_id, REQUEST_ID_CHARS_MAX)
    }
}

fn one_line(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}

/// How somebody proves who they are, or ends the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginMethod {
    /// A new account by email.
    Register,
    /// Email and password.
    Email,
    /// A code of WeChat.
    Wechat,
    /// A refresh token; only refusals are recorded.
    Refresh,
    /// The old password, to set a new one.
    PasswordChange,
    /// The end of a session by its owner.
    Logout,
}

impl LoginMethod {
    const ALL: [Self; 6] =
        [Self::Register, Self::Email, Self::Wechat, Self::Refresh, Self::PasswordChange, Self::Logout];

    /// The word on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Email => "email",
            Self::Wechat => "wechat",
            Self::Refresh => "refresh",
            Self::PasswordChange => "password_change",
            Self::Logout => "logout",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// It succeeded.
    Success,
    /// Nobody has this email.
    UnknownAccount,
    /// The password is another.
    WrongPassword,
    /// The email was registered before.
    EmailTaken,
    /// WeChat does not know the code, or it was used.
    InvalidCode,
    /// WeChat blocks the person.
    Blocked,
    /// The account is disabled.
    Disabled,
    /// Too many attempts came before.
    RateLimited,
    /// A spent refresh token came back: the session was ended.
    TokenReused,
}

impl LoginOutcome {
    const ALL: [Self; 9] = [
        Self::Success,
        Self::UnknownAccount,
        Self::WrongPassword,
        Self::EmailTaken,
        Self::InvalidCode,
        Self::Blocked,
        Self::Disabled,
        Self::RateLimited,
        Self::TokenReused,
    ];

    /// Whether it succeeded.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success)
    }

    /// The word in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::UnknownAccount => "unknown_account",
            Self::WrongPassword => "wrong_password",
            Self::EmailTaken => "email_taken",
            Self::InvalidCode => "invalid_code",
            Self::Blocked => "blocked",
            Self::Disabled => "disabled",
            Self::RateLimited => "rate_limited",
            Self::TokenReused => "token_reused",
        }
    }

    /// Why it failed, as a word for programs; `None` for a success.
    pub const fn reason(self) -> Option<&'static str> {
        if self.is_success() { None } else { Some(self.as_str()) }
    }

    /// From the word in storage.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRecord {
    /// Its id.
    pub id: LoginRecordId,
    /// Whose account, where it is known.
    pub user_id: Option<UserId>,
    /// The session that it began or ended.
    pub session_id: Option<SessionId>,
    /// A keyed hash of what an unknown caller said to be; never the address itself.
    pub identity_hash: Option<String>,
    /// How.
    pub method: LoginMethod,
    /// What became of it.
    pub outcome: LoginOutcome,
    /// From where.
    pub ip: IpAddr,
    /// By which program, at most 200 characters.
    pub user_agent: Option<String>,
    /// The request in the server's log, at most 64 characters.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_what_they_were() {
        for method in LoginMethod::ALL {
            assert_eq!(LoginMethod::parse(method.as_str()), Some(method));
        }
        for outcome in LoginOutcome::ALL {
            assert_eq!(LoginOutcome::parse(outcome.as_str()), Some(outcome));
        }
    }

    #[test]
    fn what_a_client_says_is_cut_and_kept_on_one_line() {
        let origin = RequestOrigin {
            ip: IpAddr::from([127, 0, 0, 1]),
            user_agent: Some(format!("a\r\n\0{}", "界".repeat(300))),
            request_id: "r".repeat(100),
        };
        let agent = origin.user_agent_cut().unwrap();
        assert_eq!((agent.chars().count(), agent.starts_with("a界")), (200, true));
        assert_eq!(origin.request_id_cut().len(), 64);
    }
}
