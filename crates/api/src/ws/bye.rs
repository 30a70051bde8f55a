//! Why the server ends a connection: the last frame, which says whether to come back, and the close code.

use bytes::Bytes;
use serde::Serialize;

use super::frame;
use super::outgoing::json_frame;

/// Why a connection has to go. Codes from 4000 mean that the client should come back, from 4500 that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bye {
    /// This instance stops, or the room begins anew.
    GoingAway,
    /// The token is over: come back with another.
    TokenExpired,
    /// It did not fetch what it was sent.
    SlowConsumer,
    /// Nothing was heard of it.
    Timeout,
    /// The person has opened another connection, and has as many as one may have.
    Replaced,
    /// It went on sending too much.
    RateLimited,
    /// It did not say who is there.
    AuthTimeout,
    /// The sign-in was ended.
    Revoked,
    /// It sent what the protocol does not have.
    ProtocolError,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByeFrame {
    op: &'static str,
    event: &'static str,
    code: u16,
    error: &'static str,
    retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<u32>,
}

/// Codes from here on mean that coming back is of no use.
const TERMINAL: u16 = 4_500;
/// Clients that are sent away together come back within so many milliseconds, not at once.
const SPREAD_MS: u32 = 3_000;

impl Bye {
    const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 4_000,
            Self::TokenExpired => 4_003,
            Self::SlowConsumer => 4_008,
            Self::Timeout => 4_009,
            Self::Replaced => 4_010,
            Self::RateLimited => 4_029,
            Self::AuthTimeout => 4_501,
            Self::Revoked => 4_503,
            Self::ProtocolError => 4_504,
        }
    }

    /// The stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GoingAway => "going_away",
            Self::TokenExpired => "token_expired",
            Self::SlowConsumer => "slow_consumer",
            Self::Timeout => "timeout",
            Self::Replaced => "replaced",
            Self::RateLimited => "rate_limited",
            Self::AuthTimeout => "auth_timeout",
            Self::Revoked => "revoked",
            Self::ProtocolError => "protocol_error",
        }
    }

    /// The milliseconds to wait before coming back: at least so many, and some more by chance.
    fn after_ms(self, chance: u32) -> Option<u32> {
        let least = match self {
            Self::GoingAway | Self::SlowConsumer => 200,
            Self::Timeout | Self::TokenExpired => 0,
            Self::Replaced => 5_000,
            Self::RateLimited => 10_000,
            Self::AuthTimeout | Self::Revoked | Self::ProtocolError => return None,
        };
        Some(least + chance % SPREAD_MS)
    }

    /// The last frames of a connection.
    pub(crate) fn frames(self, chance: u32) -> [Bytes; 2] {
        let (code, error) = (self.code(), self.as_str());
        let (op, event, after_ms) = ("bye", "bye", self.after_ms(chance));
        let retry = code < TERMINAL;
        let bye = json_frame(&ByeFrame { op, event, code, error, retry, after_ms }, 128);
        [bye, frame::close(Some(code))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bye_says_whether_to_come_back_and_closes_with_its_code() {
        let [bye, close] = Bye::SlowConsumer.frames(1_000);
        let expected =
            r#"{"op":"bye","event":"bye","code":4008,"error":"slow_consumer","retry":true,"afterMs":1200}"#;
        assert_eq!(bye[2..], *expected.as_bytes());
        assert_eq!(close, frame::close(Some(4_008)));
        let [bye, _] = Bye::Revoked.frames(7);
        assert!(String::from_utf8_lossy(&bye).contains(r#""retry":false}"#));
    }
}
