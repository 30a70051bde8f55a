//! The refresh token: its family and its number, under a keyed hash.
//!
//! It is computed and never stored, so that the successor of a token can be given twice: a phone whose answer was
//! lost asks again with the old token and gets the very same new one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use kernel::Id;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::keys::AuthSecret;
use crate::session::SessionId;

const PREFIX: &str = "jxr1.";
const LABEL: &str = "refresh";
const FAMILY_BYTES: usize = 16;
const COUNTER_BYTES: usize = 4;
const MAC_BYTES: usize = 32;
const TOKEN_BYTES: usize = FAMILY_BYTES + COUNTER_BYTES + MAC_BYTES;

/// A refresh token that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session, which is the family.
    pub session_id: SessionId,
    /// Its number in the family, from 0.
    pub counter: u32,
}

impl RefreshToken {
    /// The text for the client.
    pub fn encode(self, secret: &AuthSecret) -> SecretString {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.extend_from_slice(self.session_id.as_uuid().as_bytes());
        bytes.extend_from_slice(&self.counter.to_be_bytes());
        let mac = mac_of(secret, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The token in a text, if it is one of ours. The comparison takes the same time for every wrong text.
    pub fn decode(text: &SecretString, secret: &AuthSecret) -> Option<Self> {
        let encoded = text.expose_secret().strip_prefix(PREFIX)?;
        let mut bytes = [0_u8; TOKEN_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        if length != TOKEN_BYTES {
            return None;
        }
        let (body, mac) = bytes.split_at(FAMILY_BYTES + COUNTER_BYTES);
        mac_of(secret, body).verify_slice(mac).ok()?;
        let (family, counter) = body.split_at(FAMILY_BYTES);
        Some(Self {
            session_id: Id::from_uuid(Uuid::from_slice(family).ok()?),
            counter: u32::from_be_bytes(counter.try_into().ok()?),
        })
    }
}

fn mac_of(secret: &AuthSecret, body: &[u8]) -> hmac::Hmac<sha2::Sha256> {
    let mut mac = secret.mac(LABEL);
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(filling: u8) -> AuthSecret {
        AuthSecret::new(secrecy::SecretBox::new(Box::new([filling; 32])))
    }

    fn token(counter: u32) -> RefreshToken {
        RefreshToken { session_id: Id::from_uuid(Uuid::from_u128(7)), counter }
    }

    #[test]
    fn a_token_comes_back_from_its_text_and_is_the_same_each_time() {
        let text = token(3).encode(&secret(1));
        assert_eq!(RefreshToken::decode(&text, &secret(1)), Some(token(3)));
        assert_eq!(text.expose_secret(), token(3).encode(&secret(1)).expose_secret());
    }

    #[test]
    fn a_token_under_another_secret_is_none_of_ours() {
        assert_eq!(RefreshToken::decode(&token(3).encode(&secret(2)), &secret(1)), None);
    }

    #[test]
    fn every_changed_or_missing_character_spoils_it() {
        let text = token(3).encode(&secret(1));
        let text = text.expose_secret();
        for position in 0..text.len() {
            let mut changed = text.to_owned().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = SecretString::from(String::from_utf8(changed).unwrap());
            assert_eq!(RefreshToken::decode(&changed, &secret(1)), None, "{position}");
            let cut = SecretString::from(text.get(..position).unwrap());
            assert_eq!(RefreshToken::decode(&cut, &secret(1)), None);
        }
        let longer = SecretString::from(format!("{text}AAAA"));
        assert_eq!(RefreshToken::decode(&longer, &secret(1)), None);
    }
}
