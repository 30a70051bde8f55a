//! The reply of `code2session`, and what it means.

use auth::ports::IdentityOutcome;
use auth::{IdentityKey, VerifiedIdentity};
use kernel::PortError;
use secrecy::SecretString;
use serde::Deserialize;

pub(crate) const SYSTEM: &str = "wechat";
pub(crate) const PROVIDER: &str = "wechat";

const SYSTEM_BUSY: i64 = -1;
const INVALID_CODE: i64 = 40029;
const CODE_USED: i64 = 40163;
const MINUTE_QUOTA: i64 = 45011;
const HIGH_RISK: i64 = 40226;
/// The quota that [`MINUTE_QUOTA`] names is one of a minute.
const QUOTA_RETRY_MS: i64 = 60_000;

/// The reply. `errcode` is absent or 0 on success; the HTTP status is 200 either way.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    errcode: i64,
    openid: Option<String>,
    unionid: Option<String>,
    session_key: Option<SecretString>,
}

/// What a reply asks for.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// An answer for auth.
    Outcome(IdentityOutcome),
    /// WeChat is busy: ask again soon.
    Busy,
}

/// Reads a reply's body.
pub(crate) fn read(app_id: &str, body: &[u8]) -> Result<Meaning, PortError> {
    // The parser's own message may quote the body, and with it a session key.
    let Ok(reply) = serde_json::from_slice::<Reply>(body) else {
        return Err(PortError::unavailable(SYSTEM, "a reply of code2session that is not its JSON"));
    };
    match reply.errcode {
        0 => proved(app_id, reply).map(Meaning::Outcome),
        SYSTEM_BUSY => Ok(Meaning::Busy),
        INVALID_CODE | CODE_USED => Ok(Meaning::Outcome(IdentityOutcome::InvalidCode)),
        MINUTE_QUOTA => Ok(Meaning::Outcome(IdentityOutcome::RateLimited { retry_after_ms: QUOTA_RETRY_MS })),
        HIGH_RISK => Ok(Meaning::Outcome(IdentityOutcome::Blocked)),
        code => Err(PortError::rejected(SYSTEM, format!("code2session error {code}: {}", explain(code)))),
    }
}

/// What an operator can do about an error that users cannot cause.
fn explain(code: i64) -> &'static str {
    match code {
        40013 => "wechat.app_id is not an AppID",
        40125 => "wechat.app_secret is not the secret of this AppID",
        40164 => "this server's address is not on the AppID's list of allowed addresses",
        41002 => "the AppID is missing",
        41004 => "the secret is missing",
        41008 => "the code is missing",
        _ => "not a documented error",
    }
}

fn proved(app_id: &str, reply: Reply) -> Result<IdentityOutcome, PortError> {
    let Some(subject) = reply.openid.filter(|openid| !openid.is_empty()) else {
        return Err(PortError::corrupt(SYSTEM, "a reply of code2session without openid"));
    };
    let key = IdentityKey { provider: PROVIDER.to_owned(), app_id: app_id.to_owned(), subject };
    let union_id = reply.unionid.filter(|id| !id.is_empty()).map(SecretString::from);
    Ok(IdentityOutcome::Proved(VerifiedIdentity { key, union_id, session_key: reply.session_key }))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read_text(body: &str) -> Result<Meaning, PortError> {
        read("wx1", body.as_bytes())
    }

    #[test]
    fn a_success_has_no_errcode_or_zero() {
        for head in ["", r#""errcode":0,"errmsg":"ok","#] {
            let body = format!(r#"{{{head}"openid":"o1","session_key":"k==","unionid":"u1"}}"#);
            let Ok(Meaning::Outcome(IdentityOutcome::Proved(identity))) = read_text(&body) else {
                panic!("{body}");
            };
            assert_eq!((identity.key.app_id.as_str(), identity.key.subject.as_str()), ("wx1", "o1"));
            assert_eq!(identity.session_key.unwrap().expose_secret(), "k==");
            assert_eq!(identity.union_id.unwrap().expose_secret(), "u1");
        }
    }

    #[test]
    fn every_error_of_users_is_an_outcome() {
        let outcome = |code: i64| match read_text(&format!(r#"{{"errcode":{code},"errmsg":"x"}}"#)) {
            Ok(Meaning::Outcome(outcome)) => outcome,
            other => panic!("{code}: {other:?}"),
        };
        assert!(matches!(outcome(40029), IdentityOutcome::InvalidCode));
        assert!(matches!(outcome(40163), IdentityOutcome::InvalidCode));
        assert!(matches!(outcome(45011), IdentityOutcome::RateLimited { retry_after_ms: 60_000 }));
        assert!(matches!(outcome(40226), IdentityOutcome::Blocked));
        assert!(matches!(read_text(r#"{"errcode":-1}"#), Ok(Meaning::Busy)));
    }

    #[test]
    fn every_error_of_the_operator_is_a_rejection() {
        for code in [40013, 40125, 40164, 41002, 41004, 41008, 99_999] {
            let error = read_text(&format!(r#"{{"errcode":{code},"errmsg":"x"}}"#)).unwrap_err();
            assert!(matches!(error, PortError::Rejected { .. }), "{code}");
        }
    }

    #[test]
    fn garbage_is_a_failure_that_quotes_nothing() {
        for body in ["", "<html>", "[]", r#"{"errcode":"x","session_key":"secret"}"#, "{", "null"] {
            let error = read_text(body).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(!cause.contains("secret"), "{cause}");
        }
        assert!(matches!(read_text("{}"), Err(PortError::Corrupt { .. })));
    }
}
