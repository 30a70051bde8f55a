//! WeChat Pay's hand: its keys, its signatures, and what it encrypts for a merchant. Each part can be made wrong.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Timestamp;
use serde_json::{Value, json};

use super::{API_V3_KEY, CERTIFICATE, CERTIFICATE_SERIAL, EXPIRED_SERIAL, MERCHANT_PUBLIC, PUBLIC_KEY_ID};
use crate::fakes::sent::{Sent, pairs};

/// By which key a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The public key, by its id.
    PublicKey,
    /// The platform certificate, by its serial.
    Certificate,
    /// A certificate of the same key that is over.
    Expired,
    /// A key of nobody's, under the serial of the certificate.
    Foreign,
    /// A key of nobody's, under a serial of nobody's.
    Unknown,
}

impl Signer {
    const fn serial(self) -> &'static str {
        match self {
            Self::PublicKey => PUBLIC_KEY_ID,
            Self::Certificate | Self::Foreign => CERTIFICATE_SERIAL,
            Self::Expired => EXPIRED_SERIAL,
            Self::Unknown => "7777777777777777777777777777777777777777",
        }
    }

    const fn private_key(self) -> &'static str {
        match self {
            Self::PublicKey => include_str!("../wechat_keys/public_key_private.pem"),
            Self::Certificate | Self::Expired => include_str!("../wechat_keys/platform_private.pem"),
            Self::Foreign | Self::Unknown => include_str!("../wechat_keys/foreign_private.pem"),
        }
    }
}

/// How a notice is signed and encrypted.
#[derive(Debug, Clone)]
pub struct Seal {
    /// When it is signed.
    pub at: Timestamp,
    /// By whom.
    pub signer: Signer,
    /// The id of the notice.
    pub id: String,
    /// The key of the encryption.
    pub api_v3_key: String,
    /// The associated data that is encrypted with.
    pub sealed_aad: String,
    /// The associated data that is said.
    pub said_aad: String,
    /// What stands before the signature, as in WeChat's own probes.
    pub signature_prefix: &'static str,
}

const NONCE: &str = "fdasflkja484";

impl Seal {
    /// As documented.
    pub fn at(at: Timestamp, signer: Signer) -> Self {
        Self {
            at,
            signer,
            id: "EV-2018022511223320873".to_owned(),
            api_v3_key: API_V3_KEY.to_owned(),
            sealed_aad: "transaction".to_owned(),
            said_aad: "transaction".to_owned(),
            signature_prefix: "",
        }
    }

    /// The headers of a message with this body.
    pub fn headers(&self, body: &[u8]) -> Vec<(String, String)> {
        let (timestamp, nonce) =
            ((self.at.as_millis() / 1_000).to_string(), "593BEC0C930BF1AFEB40B4A08C8FB242");
        let text = [timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body, b"\n"].concat();
        pairs([
            ("wechatpay-timestamp", timestamp),
            ("wechatpay-nonce", nonce.to_owned()),
            (
                "wechatpay-signature",
                format!("{}{}", self.signature_prefix, sign(self.signer.private_key(), &text)),
            ),
            ("wechatpay-serial", self.signer.serial().to_owned()),
            ("wechatpay-signature-type", "WECHATPAY2-SHA256-RSA2048".to_owned()),
        ])
    }

    /// A notice of that event about that.
    pub fn notice(&self, event: &str, plain: &Value) -> Sent {
        let ciphertext = encrypt(&self.api_v3_key, &self.sealed_aad, &plain.to_string());
        let body = json!({
            "id": self.id, "create_time": "2018-06-08T10:34:56+08:00", "resource_type": "encrypt-resource",
            "event_type": event, "summary": "支付成功",
            "resource": {
                "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "ciphertext": ciphertext,
                "associated_data": self.said_aad, "nonce": NONCE,
            },
        });
        let body = body.to_string().into_bytes();
        Sent { headers: self.headers(&body), query: Vec::new(), body }
    }
}

/// The list of platform certificates, encrypted.
pub(super) fn certificate_list() -> String {
    let sealed = json!({
        "algorithm": "AEAD_AES_256_GCM", "nonce": NONCE, "associated_data": "certificate",
        "ciphertext": encrypt(API_V3_KEY, "certificate", CERTIFICATE),
    });
    let entry = json!({
        "serial_no": CERTIFICATE_SERIAL, "effective_time": "2020-01-01T08:00:00+08:00",
        "expire_time": "2120-01-01T08:00:00+08:00", "encrypt_certificate": sealed,
    });
    json!({ "data": [entry] }).to_string()
}

/// Whether the merchant's key made the signature.
pub(super) fn is_merchants(message: &[u8], signature: &str) -> bool {
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der(MERCHANT_PUBLIC)).expect("a public key");
    STANDARD.decode(signature).is_ok_and(|bytes| key.verify_sig(message, &bytes).is_ok())
}

fn encrypt(key: &str, associated_data: &str, plain: &str) -> String {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).expect("32 bytes"));
    let nonce = Nonce::try_assume_unique_for_key(NONCE.as_bytes()).expect("12 bytes");
    let mut text = plain.as_bytes().to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(associated_data.as_bytes()), &mut text).expect("a seal");
    STANDARD.encode(text)
}

fn sign(private_key: &str, message: &[u8]) -> String {
    let key = KeyPair::from_pkcs8(&der(private_key)).expect("a private key");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
    STANDARD.encode(signature)
}

fn der(pem: &str) -> Vec<u8> {
    let digits: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(digits).expect("base64")
}
