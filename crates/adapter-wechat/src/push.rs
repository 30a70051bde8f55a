//! The platform's message push: one address for all events, in safe mode.
//!
//! Safe mode is required. Without it the signature covers a token, a time and a nonce but not the message, so that
//! whoever has seen one address could send any payment they like.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use billing::payment::{NoticeRefusal, RawNotice};
use kernel::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The console's key has 43 letters and digits, of which the last carries two bits too many.
const AES_KEY_CHARS: usize = 43;
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);
const KEY_BYTES: usize = 32;
const IV_BYTES: usize = 16;
/// Random bytes before a message.
const SALT_BYTES: usize = 16;
/// Messages are filled up to a multiple of so many bytes, which is twice the cipher's block.
const PADDING_MAX: usize = 32;
const ECHO_BYTES_MAX: usize = 256;
/// Repetitions of a message go on for 24 hours and four minutes; whether they are signed anew is not documented.
const OLDEST_MS: i64 = 25 * 3_600_000;
/// How far the platform's clock may be ahead.
const NEWEST_MS: i64 = 300_000;

/// What the console's page on message push shows.
pub struct PushSettings {
    /// The AppID that messages must be for.
    pub app_id: String,
    /// The token.
    pub token: SecretString,
    /// The 43 characters of `EncodingAESKey`.
    pub aes_key: SecretString,
}

/// What is wrong with the settings, without quoting them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPush(pub &'static str);

/// Receives the push of one mini-program.
pub struct PushReceiver {
    app_id: String,
    token: SecretString,
    key: DecryptingKey,
    iv: [u8; IV_BYTES],
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Encrypt", borrow)]
    encrypt: &'a str,
}

impl PushReceiver {
    /// A receiver with these keys.
    pub fn new(settings: PushSettings) -> Result<Self, InvalidPush> {
        const WRONG: InvalidPush = InvalidPush("must be the 43 letters and digits of EncodingAESKey");
        let PushSettings { app_id, token, aes_key } = settings;
        let text = aes_key.expose_secret();
        if text.len() != AES_KEY_CHARS {
            return Err(WRONG);
        }
        let bytes = LENIENT.decode(format!("{text}=")).map_err(|_not_base64| WRONG)?;
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_other_length| WRONG)?;
        let iv = bytes.first_chunk().copied().ok_or(WRONG)?;
        let key = UnboundCipherKey::new(&AES_256, &bytes).and_then(DecryptingKey::cbc);
        Ok(Self { app_id, token, key: key.map_err(|_wrong_length| WRONG)?, iv })
    }

    /// What the address answers when the console tries it: the given text, if the console is who it says.
    pub(crate) fn echo(&self, challenge: &RawNotice<'_>) -> Option<String> {
        let (timestamp, nonce) = (challenge.parameter("timestamp")?, challenge.parameter("nonce")?);
        let is_signed = self.signed(&[timestamp, nonce], challenge.parameter("signature")?);
        let echo = challenge.parameter("echostr").filter(|echo| echo.len() <= ECHO_BYTES_MAX)?;
        (is_signed && is_in_window(timestamp, challenge.at)).then(|| echo.to_owned())
    }

    /// The message inside, if the platform sent it to this mini-program.
    pub(crate) fn open(&self, notice: &RawNotice<'_>) -> Result<Vec<u8>, NoticeRefusal> {
        let (Some(timestamp), Some(nonce), Some(signature)) =
            (notice.parameter("timestamp"), notice.parameter("nonce"), notice.parameter("msg_signature"))
        else {
            return Err(NoticeRefusal::Signature);
        };
        // Only the envelope is read before the signature, since what is signed stands in it.
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(notice.body) else {
            return Err(NoticeRefusal::Malformed);
        };
        if !self.signed(&[timestamp, nonce, envelope.encrypt], signature) {
            return Err(NoticeRefusal::Signature);
        }
        if !is_in_window(timestamp, notice.at) {
            return Err(NoticeRefusal::Stale);
        }
        let plain = self.decrypt(envelope.encrypt).ok_or(NoticeRefusal::Malformed)?;
        let (message, app_id) = parts(&plain).ok_or(NoticeRefusal::Malformed)?;
        if app_id == self.app_id.as_bytes() {
            Ok(message.to_vec())
        } else {
            Err(NoticeRefusal::WrongRecipient)
        }
    }

    /// Whether the signature is the SHA-1 of token and texts, sorted and joined.
    fn signed(&self, texts: &[&str], signature: &str) -> bool {
        let mut all: Vec<&str> = texts.to_vec();
        all.push(self.token.expose_secret());
        all.sort_unstable();
        let wanted = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, all.concat().as_bytes()));
        verify_slices_are_equal(wanted.as_bytes(), signature.as_bytes()).is_ok()
    }

    fn decrypt(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = STANDARD.decode(text).ok()?;
        let context = DecryptionContext::Iv128(FixedLength::from(self.iv));
        self.key.decrypt(&mut bytes, context).ok()?;
        let padding = usize::from(*bytes.last()?);
        let length = bytes.len().checked_sub(padding)?;
        let is_padded = (1..=PADDING_MAX).contains(&padding)
            && bytes.iter().skip(length).all(|byte| usize::from(*byte) == padding);
        bytes.truncate(length);
        is_padded.then_some(bytes)
    }
}

/// The message and the AppID behind it.
fn parts(plain: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_salt, rest) = plain.split_at_checked(SALT_BYTES)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn is_in_window(timestamp: &str, now: Timestamp) -> bool {
    let at = timestamp.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    let age = at.map(|at| now.millis_since(Timestamp::from_millis(at)));
    age.is_some_and(|age| (-NEWEST_MS..=OLDEST_MS).contains(&age))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(aes_key: &str) -> Result<PushReceiver, InvalidPush> {
        let secret = SecretString::from;
        PushReceiver::new(PushSettings {
            app_id: "wx1".to_owned(),
            token: secret("push-token"),
            aes_key: secret(aes_key),
        })
    }

    #[test]
    fn the_console_s_key_may_end_in_any_letter() {
        for last in ["8", "9", "A", "z"] {
            assert!(receiver(&format!("{}{last}", "a".repeat(42))).is_ok(), "{last}");
        }
        for wrong in ["", "short", &"a".repeat(44), &"?".repeat(43)] {
            assert!(receiver(wrong).is_err());
        }
    }

    fn echo(pairs: &[(&str, &str)], at: i64) -> Option<String> {
        let query: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let at = Timestamp::from_millis(at);
        let challenge = RawNotice { headers: &[], query: &query, body: b"", at };
        receiver(&"a".repeat(43)).ok()?.echo(&challenge)
    }

    #[test]
    fn the_console_is_answered_what_it_sent() {
        // printf '%s' 1700000000 42 push-token | sha1sum
        let signature = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, b"170000000042push-token"));
        let good = [
            ("signature", signature.as_str()),
            ("timestamp", "1700000000"),
            ("nonce", "42"),
            ("echostr", "8412"),
        ];
        assert_eq!(echo(&good, 1_700_000_000_000).as_deref(), Some("8412"));
        assert_eq!(echo(&good, 1_700_100_000_000), None, "a day later");
        assert_eq!(echo(&good[1..], 1_700_000_000_000), None);
        let forged = [("signature", "0"), good[1], good[2], good[3]];
        assert_eq!(echo(&forged, 1_700_000_000_000), None);
        let twice = [good[0], good[1], good[2], good[3], ("echostr", "<script>")];
        assert_eq!(echo(&twice, 1_700_000_000_000), None);
    }
}
