//! How the platform wraps a message of its push: filled up, encrypted, signed in the address.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use kernel::Timestamp;
use serde_json::json;

use crate::fakes::sent::{Sent, pairs};

/// The token of the push.
pub const PUSH_TOKEN: &str = "push-token-of-the-tests";
/// Its `EncodingAESKey`.
pub const PUSH_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

const BLOCK: usize = 32;

/// A message in safe mode, for that AppID.
pub fn encrypted_push(message: &str, app_id: &str, at: Timestamp) -> Sent {
    let encrypt = encrypt(message, app_id);
    let (timestamp, nonce) = ((at.as_millis() / 1_000).to_string(), "1320562132".to_owned());
    let mut signed = [PUSH_TOKEN, &timestamp, &nonce, &encrypt];
    signed.sort_unstable();
    let signature = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, signed.concat().as_bytes()));
    let body = json!({ "ToUserName": "gh_0123456789ab", "Encrypt": encrypt }).to_string().into_bytes();
    let query = pairs([
        ("timestamp", timestamp),
        ("nonce", nonce),
        ("encrypt_type", "aes".to_owned()),
        ("msg_signature", signature),
    ]);
    Sent { headers: pairs([("content-type", "application/json".to_owned())]), query, body }
}

fn encrypt(message: &str, app_id: &str) -> String {
    let key = key();
    let mut plain = b"0123456789abcdef".to_vec();
    plain.extend_from_slice(&u32::try_from(message.len()).expect("a short message").to_be_bytes());
    plain.extend_from_slice(message.as_bytes());
    plain.extend_from_slice(app_id.as_bytes());
    let padding = BLOCK - plain.len() % BLOCK;
    plain.resize(plain.len() + padding, u8::try_from(padding).expect("at most 32"));
    let iv: [u8; 16] = key[..16].try_into().expect("16 bytes");
    let cipher = EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, &key).expect("32 bytes")).expect("CBC");
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    cipher.less_safe_encrypt(&mut plain, context).expect("whole blocks");
    STANDARD.encode(plain)
}

/// The 32 bytes of the key, whose 43 characters carry two bits more.
fn key() -> Vec<u8> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config);
    engine.decode(format!("{PUSH_AES_KEY}=")).expect("43 characters of base64")
}
