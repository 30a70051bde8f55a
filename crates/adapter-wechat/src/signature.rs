//! Signatures and seals of WeChat, each a few lines over aws-lc-rs: RSA for WeChat Pay, HMAC for virtual payment,
//! AES-GCM for what notices carry.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Entropy, PortError};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::der::pem_blocks;

/// Bytes of the APIv3 key, which is a text of so many letters and digits.
const API_V3_KEY_BYTES: usize = 32;
/// Bytes of a nonce, before it becomes hexadecimal digits: the longest that WeChat takes is 32 of them.
const NONCE_BYTES: usize = 16;

/// A merchant's private key.
pub(crate) struct MerchantKey(KeyPair);

impl MerchantKey {
    /// From PEM, in PKCS #8 or PKCS #1.
    pub(crate) fn from_pem(pem: &SecretString) -> Result<Self, &'static str> {
        const WRONG: &str = "is no RSA private key in PEM (2048 bits or more)";
        let read = |label: &str| pem_blocks(pem.expose_secret(), label).and_then(|mut blocks| blocks.pop());
        let pair = match (read("PRIVATE KEY"), read("RSA PRIVATE KEY")) {
            (Some(der), _) => KeyPair::from_pkcs8(&Zeroizing::new(der)),
            (None, Some(der)) => KeyPair::from_der(&Zeroizing::new(der)),
            (None, None) => return Err(WRONG),
        };
        pair.map(Self).map_err(|_rejected| WRONG)
    }

    /// SHA256withRSA of a text, in base64.
    pub(crate) fn sign(&self, text: &str) -> Result<String, PortError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.map_err(|error| PortError::rejected("wechat pay", error))?;
        Ok(STANDARD.encode(signature))
    }
}

/// A key of WeChat Pay, by which its messages are known.
pub(crate) struct ProviderKey(ParsedPublicKey);

impl ProviderKey {
    /// From `SubjectPublicKeyInfo` in DER.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok().map(Self)
    }

    /// From PEM.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is no RSA public key in PEM";
        let der = pem_blocks(pem, "PUBLIC KEY").and_then(|mut blocks| blocks.pop()).ok_or(WRONG)?;
        Self::from_der(&der).ok_or(WRONG)
    }

    /// Whether this key made the signature, given in base64. WeChat's deliberately wrong ones (`WECHATPAY/SIGNTEST/…`)
    /// need no word of their own: they are wrong.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|bytes| self.0.verify_sig(message, &bytes).is_ok())
    }
}

/// What WeChat Pay signs of an answer or a notice: time, nonce and the raw body, a line each.
pub(crate) fn signed_message(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body, b"\n"].concat()
}

/// The key that opens what WeChat Pay encrypts for a merchant.
pub(crate) struct ApiV3Key(LessSafeKey);

impl ApiV3Key {
    /// From the text that the merchant chose in the console.
    pub(crate) fn new(text: &SecretString) -> Result<Self, &'static str> {
        const WRONG: &str = "must be the 32 characters of the APIv3 key";
        let bytes = text.expose_secret().as_bytes();
        if bytes.len() != API_V3_KEY_BYTES {
            return Err(WRONG);
        }
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_wrong_length| WRONG)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Opens AEAD_AES_256_GCM; `None` where a bit of text, nonce or associated data is not as it was sealed.
    pub(crate) fn open(&self, sealed: &Sealed<'_>) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = sealed.nonce.as_bytes().try_into().ok()?;
        let mut text = STANDARD.decode(sealed.ciphertext).ok()?;
        let aad = Aad::from(sealed.associated_data.as_bytes());
        let length = self.0.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// What an [`ApiV3Key`] opens.
pub(crate) struct Sealed<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) associated_data: &'a str,
    /// In base64, the tag at its end.
    pub(crate) ciphertext: &'a str,
}

/// HMAC-SHA-256 in small hexadecimal digits.
pub(crate) fn hmac_hex(key: &SecretString, message: &str) -> String {
    let key = hmac::Key::new(HMAC_SHA256, key.expose_secret().as_bytes());
    hex::encode(hmac::sign(&key, message.as_bytes()).as_ref())
}

/// A random text of 32 hexadecimal digits.
pub(crate) fn nonce(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; NONCE_BYTES];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answer of the reference for virtual payment.
    #[test]
    fn the_official_vector_of_virtual_payment() {
        let body = r#"{"openid": "xxx", "user_ip": "127.0.0.1", "env": 0}"#;
        let signed = hmac_hex(&SecretString::from("12345"), &format!("/xpay/query_user_balance&{body}"));
        assert_eq!(signed, "c37809f27c6d7fd1837ad2500a04512b66b34fd793a39a385fade56dca89a4b5");
    }

    const PRIVATE: &str = include_str!("../../../tests/src/fakes/wechat_keys/merchant_private.pem");
    const PUBLIC: &str = include_str!("../../../tests/src/fakes/wechat_keys/merchant_public.pem");

    #[test]
    fn what_the_merchant_key_signs_its_public_key_verifies() {
        let signature = MerchantKey::from_pem(&SecretString::from(PRIVATE)).unwrap().sign("学而\n").unwrap();
        let key = ProviderKey::from_pem(PUBLIC).unwrap();
        assert!(key.verifies("学而\n".as_bytes(), &signature));
        assert!(!key.verifies(b"other", &signature));
        for forged in ["", "?", "AAAA", &format!("WECHATPAY/SIGNTEST/{signature}")] {
            assert!(!key.verifies("学而\n".as_bytes(), forged), "{forged}");
        }
    }

    #[test]
    fn keys_that_are_none_are_named_without_being_quoted() {
        assert!(MerchantKey::from_pem(&SecretString::from("secret")).is_err());
        assert!(MerchantKey::from_pem(&SecretString::from(PUBLIC)).is_err());
        assert!(ProviderKey::from_pem(PRIVATE).is_err());
        assert!(ApiV3Key::new(&SecretString::from("short")).is_err());
    }
}
